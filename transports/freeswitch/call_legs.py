"""A second leg beside a call, as coroutines."""

import uuid
from contextlib import suppress

from base.ids import CallId
from transports.freeswitch.door_events import LegEnded
from transports.freeswitch.door_legs import LegWish
from transports.freeswitch.errors import CallEndedError, LegFailedError, PhoneTimeoutError
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.words import Device, HangupCause, Route

_MARGIN_S = 5.0
"""The switch tells the end of its own ringing time; so much later it has failed to."""
_JOIN_TIMEOUT_S = 10.0
"""A busy switch connects two legs seconds later; who gave up before would not know that the caller is with a person."""
_GIVEN_UP_S = 1.0
"""The switch tells the end of a leg that was given up at once, unless it still looks for the extension."""


async def reach(wire: DoorWire, destination: Device | Route, ring_s: int) -> None:
    """See DoorCall.reach."""
    machine = wire.machine
    wire.require_live("reach")
    wire.leg_news = None
    wish = LegWish(leg_id=CallId(str(uuid.uuid4())), destination=destination, ring_s=ring_s)
    wire.ask(lambda: machine.reach(wish))
    try:
        await wire.until(lambda: wire.leg_news is not None or not machine.live, ring_s + _MARGIN_S, "reach somebody")
        wire.require_live("reach")
    except BaseException:
        drop(wire)
        raise
    _require_leg(wire)


def drop(wire: DoorWire) -> None:
    """See DoorCall.drop_leg."""
    if not wire.machine.over:
        wire.ask(wire.machine.drop_leg)


async def give_up(wire: DoorWire) -> None:
    """Drop the leg, tell who waits for it, and wait until the switch has told its end, or has had its time."""
    machine = wire.machine
    if not machine.live or machine.second_leg is None:
        return
    wire.leg_news = LegEnded(machine.second_leg, HangupCause.ORIGINATOR_CANCEL.value)
    drop(wire)
    with suppress(PhoneTimeoutError):
        await wire.until(lambda: machine.legs_settled or not machine.live, _GIVEN_UP_S, "end of the second leg")


async def join(wire: DoorWire, back_to: str | None) -> None:
    """See DoorCall.join; the socket has not ended yet."""
    machine = wire.machine
    wire.require_live("join")
    _require_leg(wire)
    wire.leg_news = None
    wire.ask(lambda: machine.join(back_to))
    await wire.until(lambda: wire.joined or wire.leg_news is not None or machine.over, _JOIN_TIMEOUT_S, "join")
    _require_leg(wire)
    if not wire.joined:
        raise CallEndedError("join: the caller has gone")


async def joined_or_not(wire: DoorWire) -> None:
    """See DoorCall.joined_or_not."""
    await wire.until(lambda: not wire.machine.joining, _JOIN_TIMEOUT_S, "join")


def _require_leg(wire: DoorWire) -> None:
    if isinstance(wire.leg_news, LegEnded):
        raise LegFailedError(wire.leg_news.cause)
