"""Every verb of a call's control, on every wire: what is asked of the line, and what switch and caller have of it.

`test_transfer`, `test_hold_music` and `test_wires` have the same as the product does it; `test_our_own_death` has what
survives us.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from base.ids import CallId
from control.peer import Callee, CallResult, Dialed, HangUp, Script, Switch, Wait, WireEvent
from control.peer.call import PeerCall
from control.wires import Media, open_media
from tests.transports.freeswitch.edge import tone
from transports.audio import frame_bytes, silence
from transports.freeswitch.errors import CallEndedError, LegFailedError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_server import DoorServer
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.words import (
    WIRE_VARIABLE,
    WIRES,
    Device,
    DoorName,
    HangupCause,
    HungUp,
    Note,
    PhoneEvent,
    Route,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOMAIN = "us.example.net"
PERSON, BUSY = Device("200", DOMAIN), Device("201", DOMAIN)
CALLEES = {
    f"user/200@{DOMAIN}": Callee(rings_s=0.1, talks_s=0.2),
    f"user/201@{DOMAIN}": Callee(rings_s=0.1, cause="USER_BUSY"),
}
STAYS = Script(steps=(Wait(9.0),), limit_s=10)
AT_ONCE = 8


@dataclass
class Guest:
    """A caller in the hands of a verb, through all of his visits."""

    wire: str
    server: MediaServer
    verb: "Verb"
    line: DoorCall = field(init=False)
    media: Media = field(init=False)
    visits: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[PhoneEvent] = field(default_factory=list)
    error: BaseException | None = None

    async def answer(self) -> None:
        self.media = await open_media(self.line, self.wire, self.server, 5.0, lambda *_: None)

    async def talk(self) -> None:
        """The caller is heard, and hears 0.3 s of ours to the end."""
        came = asyncio.Event()
        self.media.listen(lambda _: came.set())
        self.heard.clear()
        if self.media.lead_ms:
            self.media.send(tone(300))
            self.media.send(b"")
        else:
            size, both = frame_bytes(self.media.sample_rate), tone(300) + silence(8000, 200)
            for at in range(0, len(both), size):
                self.media.send(both[at : at + size])
        async with asyncio.timeout(4):
            await came.wait()
            await self.heard.wait()

    async def serve(self, line: DoorCall) -> None:
        """One visit."""
        self.line, self.visits = line, self.visits + 1
        listening = asyncio.create_task(self._listen(line), name="events of a call")
        try:
            await self.verb(self)
            await listening
        except Exception as error:
            self.error = error
        finally:
            listening.cancel()

    async def _listen(self, line: DoorCall) -> None:
        async for event in line.events():
            self.told.append(event)

    def look(self, event: WireEvent) -> None:
        if event.what == "assistant_silent":
            self.heard.set()


Verb = Callable[[Guest], Awaitable[None]]


@dataclass(frozen=True)
class Played:
    """A call that is over."""

    guest: Guest
    result: CallResult
    call: PeerCall

    @property
    def end(self) -> tuple[str, str, str | None, bool]:
        return (self.result.ended_by, self.result.cause, self.result.door, self.result.answered)

    @property
    def hang_ups(self) -> list[HungUp]:
        return [event for event in self.guest.told if isinstance(event, HungUp)]

    @property
    def media_ended_first(self) -> bool:
        """Nothing of ours listened when the call went on."""
        return [event.what for event in self.result.events][-2:] == ["media_ended", "ended"]

    def variable(self, name: str) -> str | None:
        return self.call.machine.channel.variables.get(name)


Check = Callable[[Played], None]
SCENES: dict[str, tuple[Verb, Script]] = {}


def scene(verb: Verb, script: Script = STAYS) -> Callable[[Check], Callable[..., Awaitable[None]]]:
    """A test of what `verb` came to, once on each wire."""

    def decorate(check: Check) -> Callable[..., Awaitable[None]]:
        name = check.__name__
        SCENES[name] = (verb, script)

        @pytest.mark.parametrize("wire", WIRES)
        async def test(calls: Mapping[tuple[str, str], asyncio.Task[Played]], wire: str) -> None:
            played = await calls[name, wire]
            assert played.result.hazards == ()
            check(played)

        test.__name__ = name
        return test

    return decorate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls() -> AsyncIterator[Mapping[tuple[str, str], asyncio.Task[Played]]]:
    guests: dict[CallId, Guest] = {}
    room = asyncio.Semaphore(AT_ONCE)

    async def on_call(line: DoorCall) -> None:
        await guests[line.hello.call_id].serve(line)

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(MediaServer("127.0.0.1", 0))
        door = await stack.enter_async_context(DoorServer("127.0.0.1", 0, on_call))
        switch = await stack.enter_async_context(Switch(*door.address, callees=CALLEES))

        async def play(wire: str, verb: Verb, script: Script) -> Played:
            guest = Guest(wire, server, verb)
            dialed = Dialed(number="100", variables={WIRE_VARIABLE: wire})
            async with room:
                call = switch.dial(dialed, script, on_event=guest.look)
                guests[CallId(call.call_id)] = guest
                result = await switch.ring(call)
            if guest.error is not None:
                raise guest.error
            return Played(guest, result, call)

        tasks = {
            (name, wire): asyncio.create_task(play(wire, verb, script))
            for name, (verb, script) in SCENES.items()
            for wire in WIRES
        }
        yield tasks
        await asyncio.gather(*tasks.values(), return_exceptions=True)


# Before the answer


async def refuse(guest: Guest) -> None:
    await guest.line.refuse(DoorName.BUSY)


@scene(refuse)
def test_a_refused_call_goes_on_unanswered_in_the_dialplan(played: Played) -> None:
    assert played.end == ("dialplan", "USER_BUSY", "busy", False)
    assert played.result.ended_ms < 1000


async def reject(guest: Guest) -> None:
    await guest.line.hang_up(HangupCause.CALL_REJECTED)


@scene(reject)
def test_a_call_is_refused_with_a_cause_and_the_dialplan_has_no_say(played: Played) -> None:
    assert played.end == ("service", "CALL_REJECTED", None, False)
    assert played.hang_ups == [HungUp("CALL_REJECTED", by_caller=False)]


# The ends


async def end_with_cause(guest: Guest) -> None:
    await guest.answer()
    await guest.talk()
    await guest.line.hang_up(HangupCause.NORMAL_TEMPORARY_FAILURE)


@scene(end_with_cause)
def test_our_hang_up_has_its_cause_and_is_told_as_ours(played: Played) -> None:
    assert played.end == ("service", "NORMAL_TEMPORARY_FAILURE", None, True)
    assert played.hang_ups == [HungUp("NORMAL_TEMPORARY_FAILURE", by_caller=False)]


async def wait_for_the_end(guest: Guest) -> None:
    await guest.answer()
    await guest.line.closed()
    with pytest.raises(CallEndedError):
        guest.line.note({Note.OUTCOME: "late"})


@scene(wait_for_the_end, Script(steps=(Wait(0.4), HangUp())))
def test_the_callers_hang_up_is_told_as_his(played: Played) -> None:
    assert played.end == ("caller", "NORMAL_CLEARING", None, True)
    assert played.hang_ups == [HungUp("NORMAL_CLEARING", by_caller=True)]


async def give_back(guest: Guest) -> None:
    await guest.answer()
    await guest.talk()
    guest.line.note({Note.ASSISTANT: "front", Note.REVISION: "7", Note.OUTCOME: "operator"})
    await guest.line.give_back(DoorName.VOICEMAIL)


@scene(give_back)
def test_what_is_given_back_goes_on_at_its_door_and_can_read_our_notes(played: Played) -> None:
    assert played.end == ("dialplan", "NORMAL_CLEARING", "voicemail", True)
    names = ("atende_assistant", "atende_revision", "atende_outcome", "atende_call")
    assert [played.variable(name) for name in names] == ["front", "7", "operator", None]
    assert "media_ended" in [event.what for event in played.result.events]


async def send_on(guest: Guest) -> None:
    await guest.answer()
    await guest.talk()
    await guest.line.transfer(Route("600", DOMAIN))
    assert guest.line.hangup_cause == ""


@scene(send_on)
def test_who_is_sent_on_is_let_go_of_at_once_and_by_all_of_us(played: Played) -> None:
    assert (played.result.ended_by, played.result.transferred_to) == ("transfer", f"600 XML {DOMAIN}")
    assert played.variable("socket_resume") == "false", "our leaving fetches nobody back"
    assert played.media_ended_first
    assert played.result.ended_ms < 3000, "nobody waits for a socket that the switch leaves open"


# Beside the conversation


async def send_keys(guest: Guest) -> None:
    await guest.answer()
    await guest.line.send_digits("12#")
    await guest.talk()
    await guest.line.send_digits("*")
    await guest.line.hang_up()


@scene(send_keys)
def test_the_caller_hears_the_keys_that_we_send_and_us_as_before(played: Played) -> None:
    assert played.end == ("service", "NORMAL_CLEARING", None, True)
    assert played.result.keys == "12#*"


async def call_nobody(guest: Guest) -> None:
    await guest.answer()
    with pytest.raises(LegFailedError, match="USER_BUSY"):
        await guest.line.reach(BUSY)
    await guest.talk()
    await guest.line.hang_up()


@scene(call_nobody)
def test_a_second_leg_that_is_busy_costs_the_call_nothing(played: Played) -> None:
    assert played.end == ("service", "NORMAL_CLEARING", None, True)
    assert len(played.call.media.ears.voices) == 1


async def call_a_person(guest: Guest) -> None:
    await guest.answer()
    await guest.line.reach(PERSON)
    await guest.talk()
    await guest.line.join()
    assert guest.line.joined


@scene(call_a_person)
def test_two_who_are_bridged_talk_without_us(played: Played) -> None:
    assert played.end == ("leg", "NORMAL_CLEARING", None, True)
    assert played.variable("socket_resume") == "false"
    assert played.hang_ups == [], "it was not our call any more"


# And streams again


async def come_back(guest: Guest) -> None:
    await guest.answer()
    await guest.talk()
    await (guest.line.re_enter() if guest.visits == 1 else guest.line.hang_up())


@scene(come_back)
def test_who_re_enters_the_door_is_heard_and_hears_again(played: Played) -> None:
    assert (played.guest.visits, played.result.doors) == (2, ("again",))
    assert len(played.call.media.ears.voices) == 2
    assert played.variable("socket_resume") == "true", "our death is caught again"


async def talk_with_a_person_and_come_back(guest: Guest) -> None:
    await guest.answer()
    if guest.visits == 1:
        await guest.line.reach(PERSON)
        await guest.line.join(back_to=DOMAIN)
        return
    await guest.talk()
    await guest.line.hang_up()


@scene(talk_with_a_person_and_come_back)
def test_after_a_bridge_the_call_is_ours_again_where_that_was_asked(played: Played) -> None:
    assert (played.guest.visits, played.result.doors) == (2, ("again",))
    assert played.end == ("service", "NORMAL_CLEARING", None, True)
    assert played.variable("socket_resume") == "true"
    assert len(played.call.media.ears.voices) == 1
