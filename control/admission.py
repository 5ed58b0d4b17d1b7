"""Who is let in: only a call on a signed tenant and number, by a wire that is served here."""

import uuid
from collections.abc import Mapping
from typing import Literal

from base.ids import TenantId
from control.returns import Ticket
from tenants.directory import Destination, Directory, NumberUnknownError
from tenants.directory import TenantUnknownError as DirectoryTenantUnknownError
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, KeyRing, verify
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.words import WIRE_VARIABLE, WIRES, DoorName, Wire

Why = Literal[
    "not_signed", "wire", "unknown", "switch", "here_already", "draining", "max_calls", "media_clock", "event_loop",
    "stt", "tts", "assistant_calls", "tenant_calls", "daily_minutes", "daily_cost", "not_loaded", "disk",
]  # fmt: skip
"""Why a call is refused: the values of the metric's label, and no others."""


class RefusedError(Exception):
    """A call that is not answered; the dialplan goes on at `door`."""

    def __init__(self, reason: str, door: DoorName, why: Why) -> None:
        super().__init__(reason)
        self.door = door
        self.why = why


class Admission:
    """Judges calls by what the dialplan says of them; counts nothing."""

    def __init__(
        self,
        keys: KeyRing,
        directory: Directory,
        *,
        wire: Wire,
        switch_wires: Mapping[str, Wire],
        media_sockets: bool,
    ) -> None:
        """`wire` is the server's, `switch_wires` those of switches with one of their own. Without `media_sockets` there
        is none but unicast.
        """
        self._keys = keys
        self._directory = directory
        self._wire: Wire = wire
        self._switch_wires = switch_wires
        self._media_sockets = media_sockets

    def ticket(self, line: DoorCall) -> Ticket:
        """Which call it is. Raises RefusedError when it is not signed."""
        hello = line.hello
        try:
            uuid.UUID(hello.call_id)
        except ValueError as error:
            raise RefusedError("the channel's id is not a UUID", DoorName.FAILED, "not_signed") from error
        tenant_id = TenantId(hello.variables.get(TENANT_VARIABLE, "").lower())
        number = hello.variables.get(NUMBER_VARIABLE, "")
        if not verify(self._keys, tenant_id, number, hello.variables.get(SIGNATURE_VARIABLE, "")):
            raise RefusedError("tenant and number are not signed by a key of ours", DoorName.FAILED, "not_signed")
        return Ticket(hello.call_id, tenant_id, number, line.switch)

    def destination(self, line: DoorCall, ticket: Ticket) -> Destination:
        """Who answers. Raises RefusedError; says nothing to the caller about what there is."""
        wire = self.wire_of(line)
        if wire not in WIRES or (wire != "unicast" and not self._media_sockets):
            raise RefusedError(f"the wire {wire[:20]!r} is not served here", DoorName.FAILED, "wire")
        if wire == "unicast" and not line.can_unicast:
            raise RefusedError("the audio would leave ATENDE_MEDIA_NETWORK", DoorName.FAILED, "wire")
        try:
            destination = self._directory.find(ticket.tenant_id, ticket.number)
        except (DirectoryTenantUnknownError, NumberUnknownError) as error:
            raise RefusedError(str(error), DoorName.FAILED, "unknown") from error
        if destination.tenant.switch not in {None, line.switch}:
            told = f"the tenant's calls come from the switch {destination.tenant.switch}"
            raise RefusedError(told, DoorName.FAILED, "switch")
        return destination

    def wire_of(self, line: DoorCall) -> str:
        """The wire that the dialplan asks for, or the call's switch, or the server."""
        ours = self._switch_wires.get(line.switch, self._wire)
        return line.hello.variables.get(WIRE_VARIABLE) or ours
