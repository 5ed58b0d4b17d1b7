"""A caller's leg as the pipelines ask for it: what they call an extension is one of this company's own."""

from typing import Final

from pipelines.calls import Call
from transports.freeswitch.errors import LegFailedError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.words import Device, Note, Route

TALKING: Final = "talking"
"""The outcome that the PBX reads while there is no other; it stays when the caller hangs up, or when we die."""


class CompanyLine:
    """A `DoorCall` of one company; `domain` is the company's on the switch. Satisfies `pipelines.phone.PhoneLine`."""

    def __init__(self, line: DoorCall, call: Call, domain: str) -> None:
        self._line: Final = line
        self._call: Final = call
        self._domain: Final = domain

    async def hang_up(self) -> None:
        """See PhoneLine."""
        await self._line.hang_up()

    async def give_back(self, door: str) -> None:
        """See PhoneLine."""
        await self._line.give_back(door)

    async def transfer(self, number: str) -> None:
        """See PhoneLine. The number is dialled as the company's own telephones dial it."""
        await self._line.transfer(Route(number, self._domain))

    def note(self, outcome: str) -> None:
        """See PhoneLine."""
        note(self._line, self._call, outcome)

    async def connect(self, extension: str, ring_s: int) -> str:
        """See PhoneLine. Only the extension's own telephones ring: a person takes it, or nobody does."""
        try:
            await self._line.reach(Device(extension, self._domain), ring_s=ring_s)
            self.note("operator")
            await self._line.join()
        except LegFailedError as error:
            self.note(TALKING)
            return error.cause
        return ""


def note(line: DoorCall, call: Call, outcome: str) -> None:
    """Leave on the channel who answered and how it ended; nothing happens when the call is not ours any more."""
    if not line.live:
        return
    line.note(
        {
            Note.ASSISTANT: call.assistant,
            Note.REVISION: str(call.revision),
            Note.CALL: call.id,
            Note.OUTCOME: outcome,
        }
    )
