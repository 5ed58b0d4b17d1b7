"""Who follows a call's events does not leave the caller in silence, whatever goes wrong with that."""

from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from control.attendant import Attendant
from control.returns import LiveCall, Ticket
from pipelines.session import CallSession
from pipelines.timeline import Timeline
from tests.control.test_returns import TICKET
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.renewed import RenewedWire
from transports.freeswitch.transport import FreeSwitchTransport
from transports.freeswitch.words import Disconnected, Dtmf, HungUp, PhoneEvent


class Line:
    """Tells these events."""

    joined = has_audio = False

    def __init__(self, *events: PhoneEvent) -> None:
        self._events = events

    def on_socket_end(self, callback: Callable[[], None]) -> None: ...

    async def events(self) -> AsyncIterator[PhoneEvent]:
        for event in self._events:
            yield event


class Heard:
    """The session and the transport: what they were told, in order."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.told: list[str] = []
        self.timeline = Timeline(lambda: 0.0)
        self._breaks = breaks

    def end(self, reason: str, cause: str = "") -> None:
        self.told.append(f"{reason} {cause}".strip())

    def dtmf(self, digit: str, duration_ms: int) -> None:
        if self._breaks:
            raise ValueError("a mistake of ours")
        self.told.append(digit)

    def wire_lost(self) -> None: ...

    async def caller_gone(self) -> None:
        self.told.append("gone")


async def attended(heard: Heard, *events: PhoneEvent, ticket: Ticket = TICKET) -> list[str]:
    live = LiveCall(ticket, cast(DoorCall, Line(*events)))
    session, transport = cast(CallSession, heard), cast(FreeSwitchTransport, heard)
    await Attendant(live, session, transport, cast(RenewedWire, None), None).attend()
    return heard.told


async def test_what_the_event_socket_tells_reaches_those_whom_it_concerns() -> None:
    events = Dtmf("5", 160), HungUp("NORMAL_CLEARING", True), Disconnected("over")
    told = await attended(Heard(), *events)
    assert told == ["5", "caller_hangup NORMAL_CLEARING", "gone", "lost", "gone"], "the session keeps the first end"


@pytest.mark.parametrize(("by_caller", "reason"), [(True, "caller_hangup"), (None, "caller_hangup"), (False, "hangup")])
async def test_who_hung_up_is_told_apart(by_caller: bool | None, reason: str) -> None:
    told = await attended(Heard(), HungUp("MEDIA_TIMEOUT", by_caller), Disconnected("over"))
    assert told[0] == f"{reason} MEDIA_TIMEOUT"


async def test_a_mistake_of_ours_is_the_dialplan_s_chance() -> None:
    assert await attended(Heard(breaks=True), Dtmf("5", 160), HungUp("NORMAL_CLEARING", True)) == ["lost"]
