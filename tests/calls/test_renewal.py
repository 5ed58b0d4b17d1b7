"""A call whose audio ends although the call does not: the conversation goes on over another stream."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from base.ids import CallId
from control.peer import CallResult, HangUp, Say, Script, WireEvent
from control.peer.call import PeerCall
from tests.calls.callers import SPEECH, STAYS, document, hears
from tests.calls.house import House, Rung, house
from transports.freeswitch.media_socket import MediaSocket
from transports.freeswitch.words import WIRE_VARIABLE, WIRES

FILE = "/usr/share/announcement.wav"
GREETING = "Welcome to us this is a greeting of a good many words"
ASKS = (Say(SPEECH), hears(quiet_ms=700))
ASKED = ("caller", "What are your opening hours?")
Loss = Callable[[House, PeerCall], None]


def socket_of(home: House, call: PeerCall) -> MediaSocket:
    live = home.phone._live.get(CallId(call.call_id))
    assert live is not None
    assert live.line._wire.socket is not None
    return live.line._wire.socket


def played(_home: House, call: PeerCall) -> None:
    """Somebody else's client plays a file: unicast is over in this park."""
    call.other_plays(FILE)


def reset(home: House, call: PeerCall) -> None:
    """By our side: the module tells, and may leave its bug behind."""
    transport = socket_of(home, call)._transport
    assert transport is not None
    transport.abort()


def broken(_home: House, call: PeerCall) -> None:
    """By the module's side."""
    call.cut_media()


def nonsense(home: House, call: PeerCall) -> None:
    """An opcode that there is not: we close in order."""
    socket_of(home, call).data_received(b"\x8b\x00")


LOSSES: dict[str, tuple[str, Loss]] = {
    "unicast played": ("unicast", played),
    **{f"{wire} {loss.__name__}": (wire, loss) for wire in WIRES[1:] for loss in (reset, broken, nonsense)},
}


def open_house(**parts: object) -> AbstractAsyncContextManager[House]:
    return house(document(llm={"answers": ["At nine", "At ten", "At eleven"]}, **parts), files={FILE: 5.0})


async def each(home: House, script: Script, at: str, times: int = 1, also: Loss | None = None) -> dict[str, Rung]:
    """One call for each of the losses, all at once; each is lost when this happens, so many times."""

    async def one(wire: str, loss: Loss) -> Rung:
        left = times

        def look(event: WireEvent) -> None:
            nonlocal left
            if event.what == at and left:
                left -= 1
                loss(home, call)
                if also is not None:
                    also(home, call)

        call = home.dial(script, home.dialed(variables={WIRE_VARIABLE: wire}), on_event=look)
        return await home.ring(call)

    rungs = await asyncio.gather(*(one(*what) for what in LOSSES.values()))
    return dict(zip(LOSSES, rungs, strict=True))


def undisturbed(home: House, rungs: dict[str, Rung]) -> None:
    """Nothing in the records tells of it, and nothing is left of what was lost."""
    for name, rung in rungs.items():
        assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ()), name
        assert rung.result.hazards == (), name
    assert home.media_server.open_sockets == 0
    assert len(home.media_server._expected) == 0
    assert home.door._ports.retired == 0


async def test_the_caller_is_answered_as_if_nothing_had_been() -> None:
    async with open_house() as home:
        rungs = await each(home, Script(steps=(hears(), *ASKS, HangUp())), "assistant_silent")
        for name, rung in rungs.items():
            assert rung.said() == [("assistant", "Welcome to us"), ASKED, ("assistant", "At nine")], name
        undisturbed(home, rungs)


async def test_the_audio_may_end_three_times() -> None:
    async with open_house() as home:
        script = Script(steps=(hears(quiet_ms=700), *ASKS, *ASKS, *ASKS, HangUp()))
        rungs = await each(home, script, "assistant_silent", times=3)
        for name, rung in rungs.items():
            assert rung.heard() == ["Welcome to us", "At nine", "At ten", "At eleven"], name
        undisturbed(home, rungs)


async def test_a_sentence_goes_on_where_it_was_cut() -> None:
    async with open_house(texts={"greeting": GREETING}) as home:
        rungs = await each(home, Script(steps=(hears(quiet_ms=900), *ASKS, HangUp())), "assistant_speaks")
        for name, rung in rungs.items():
            assert rung.heard() == [GREETING, "At nine"], name
            # Twelve words of 0.1 s: held while nobody hears, the first of them said again.
            assert 1.22 <= sum(rung.voices_s[:-1]) <= 1.9, (name, rung.voices_s)
        undisturbed(home, rungs)


async def test_a_caller_who_hangs_up_at_that_moment_has_hung_up() -> None:
    async with open_house() as home:
        script = Script(steps=(STAYS,))
        rungs = await each(home, script, "assistant_silent", also=lambda _, call: call.hang_up())
        for name, rung in rungs.items():
            assert rung.heard() == ["Welcome to us"], name
        undisturbed(home, rungs)


async def test_what_cannot_be_had_again_is_the_dialplan_s() -> None:
    async with open_house() as home:
        deaf: set[CallId | None] = set()
        tickets = home.media_server._tickets
        assert tickets is not None
        redeem = tickets.redeem
        tickets.redeem = lambda path: None if (found := redeem(path)) in deaf else found  # type: ignore[method-assign]

        def nobody_is_there(_home: House, call: PeerCall) -> None:
            deaf.add(CallId(call.call_id))
            call._addresses = [("127.0.0.1", 9)]

        rungs = await each(home, Script(steps=(STAYS,), limit_s=9), "assistant_silent", also=nobody_is_there)
        for name, rung in rungs.items():
            assert (rung.result.ended_by, rung.result.door) == ("dialplan", "failed"), name
            assert (rung.record.end_reason, rung.heard()) == ("lost", ["Welcome to us"]), name
            assert rung.result.hazards == (), name


async def test_audio_that_ends_again_and_again_is_given_up() -> None:
    async with open_house() as home:

        def again(event: WireEvent) -> None:
            if event.what in {"media", "media_ended"}:
                asyncio.get_running_loop().call_later(0.3, call.cut_media)

        script = Script(steps=(STAYS,), limit_s=9)
        call = home.dial(script, home.dialed(variables={WIRE_VARIABLE: "audio_fork"}), on_event=again)
        rung = await home.ring(call)
        assert (rung.result.door, rung.record.end_reason) == ("failed", "lost")
        assert home.media_server.taken == 5


async def test_a_call_that_somebody_else_moves_is_not_called_back() -> None:
    """The door is not re-entered then: the call would freeze, or be torn from where it is."""
    async with open_house() as home:

        def look(event: WireEvent) -> None:
            if event.what == "assistant_silent":
                call.machine.transfer("1001 XML public", 0.0)

        call = home.dial(Script(steps=(STAYS,), limit_s=6), on_event=look)
        rung = await home.ring(call)
        assert (rung.result.ended_by, rung.result.doors) == ("transfer", ())
        assert rung.record.end_reason == "lost"


async def test_two_people_whom_somebody_else_connects_are_not_cut_apart() -> None:
    async with open_house() as home:

        async def taken(wire: str) -> Rung:
            def look(event: WireEvent) -> None:
                if event.what == "assistant_silent":
                    call.other_bridges(1.5)

            dialed = home.dialed(variables={WIRE_VARIABLE: wire})
            call = home.dial(Script(steps=(STAYS,), limit_s=8), dialed, on_event=look)
            return await home.ring(call)

        for rung in await asyncio.gather(*map(taken, WIRES)):
            assert (rung.result.ended_by, rung.result.hazards) == ("leg", ())
            assert (rung.record.end_reason, rung.heard()) == ("lost", ["Welcome to us"])
        assert home.media_server.open_sockets == 0


@pytest.mark.parametrize("wire", WIRES)
async def test_a_second_connection_of_the_same_call_gets_nothing(wire: str) -> None:
    async with open_house() as home:
        dialed = home.dialed(variables={WIRE_VARIABLE: wire})
        second = home.dial(Script(steps=(STAYS,), limit_s=5), dialed)
        seconds: list[asyncio.Task[CallResult]] = []

        def look(event: WireEvent) -> None:
            if event.what == "assistant_silent" and not seconds:
                second.machine.channel.uuid = call.call_id
                seconds.append(asyncio.create_task(home.switch.ring(second)))

        call = home.dial(Script(steps=(hears(quiet_ms=900), *ASKS, HangUp())), dialed, on_event=look)
        rung = await home.ring(call)
        assert rung.heard() == ["Welcome to us", "At nine"]
        undisturbed(home, {wire: rung})
        result = await seconds[0]
        assert (result.ended_by, result.door, result.answered) == ("dialplan", "failed", False)
