"""A call whose audio ends while a person is called for its caller, or in the moment when both are connected."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from control.peer import Callee, HangUp, Say, Script, WireEvent, esl
from control.peer.call import PeerCall
from tests.calls.callers import SPEECH, STAYS, document, hears, speech
from tests.calls.house import House, Rung, house
from transports.freeswitch.words import WIRE_VARIABLE, WIRES

FILE = "/usr/share/announcement.wav"
AT_200 = "user/200@us.example.net"
AWAY = "Nobody is there now"
COMPANY: Mapping[str, Any] = {
    "llm": {"answers": ["I call somebody", "At nine"], "request": "operator"},
    "transfer": {"to": "200", "ring_s": 5},
    "texts": {"operator_away": AWAY},
}
Moment = Callable[[PeerCall], None]


def open_house(callee: Callee) -> Any:
    return house(document(**COMPANY), files={FILE: 5.0}, callees={AT_200: callee})


def loses(call: PeerCall) -> None:
    """The audio ends: somebody else plays a file, which ends unicast; or the module's socket breaks."""
    call.other_plays(FILE)
    call.cut_media()


def loses_now(call: PeerCall) -> None:
    """Also of unicast, and told before anything else is."""
    play = {"call-command": "execute", "execute-app-name": "playback", "execute-app-arg": FILE}
    call.machine.execute(esl.Command(f"sendmsg {call.call_id}", play), asyncio.get_running_loop().time())
    call.cut_media()


def when_it_rings(call: PeerCall) -> None:
    """Loses the audio as soon as the first telephone rings."""
    legs = call.machine.legs
    originate = legs.originate

    def ringing(*args: Any) -> str | None:
        first = not legs.dialled
        result = originate(*args)
        if first:
            loses(call)
        return result

    legs.originate = ringing  # type: ignore[method-assign]


def when_it_is_answered(call: PeerCall) -> None:
    """The person's answer and the loss are told in one breath, the answer first."""
    legs = call.machine.legs
    done = legs._done
    told: list[str] = []

    def answered(result: str, now: float) -> None:
        done(result, now)
        if not told:
            told.append(result)
            loses_now(call)

    legs._done = answered  # type: ignore[method-assign]


def when_they_are_connected(call: PeerCall) -> None:
    """The loss is told when the switch has been asked to connect the two, and has not answered yet."""
    legs = call.machine.legs
    bridge = legs.bridge

    def connected(other: str, now: float) -> bool:
        loses_now(call)
        return bridge(other, now)

    legs.bridge = connected  # type: ignore[method-assign]


async def one(home: House, script: Script, moment: Moment, variables: Mapping[str, str]) -> Rung:
    call = home.dial(script, home.dialed(variables=variables))
    moment(call)
    return await home.ring(call)


async def each(home: House, script: Script, moment: Moment, variables: Mapping[str, str]) -> dict[str, Rung]:
    """A call on each wire, all at once."""
    calls = (one(home, script, moment, {WIRE_VARIABLE: wire, **variables}) for wire in WIRES)
    return dict(zip(WIRES, await asyncio.gather(*calls), strict=True))


@pytest.mark.parametrize("moment", [when_it_rings, when_it_is_answered])
async def test_a_person_who_is_called_is_not_lost_with_the_audio(moment: Moment) -> None:
    async with open_house(Callee(rings_s=0.8, talks_s=0.5)) as home:
        rungs = await each(home, Script(steps=(hears(), Say(SPEECH), STAYS), limit_s=15), moment, {})
        for wire, rung in rungs.items():
            assert (rung.result.ended_by, rung.result.hazards) == ("leg", ()), wire
            assert rung.heard() == ["Welcome to us", "I call somebody"], wire
            assert (rung.record.end_reason, rung.record.errors) == ("operator", ()), wire
            assert rung.variables["atende_outcome"] == "operator", wire
        # The door is re-entered for unicast alone: there the telephone rings again.
        if moment is when_it_rings:
            assert {wire: len(rung.dialled) for wire, rung in rungs.items()} == dict.fromkeys(WIRES, 1) | {"unicast": 2}


async def test_it_rings_no_longer_than_the_company_says_in_all() -> None:
    async with open_house(Callee(rings_s=60)) as home:
        script = Script(steps=(hears(), Say(SPEECH), hears(quiet_ms=900), hears(quiet_ms=900), HangUp()), limit_s=20)
        rung = await one(home, script, when_it_rings, {})
        assert rung.heard()[-1] == AWAY
        first, second = (int(dialled.split("originate_timeout=")[1].split(",")[0]) for dialled in rung.dialled)
        assert first == COMPANY["transfer"]["ring_s"]
        assert 0 < second <= first
        assert (rung.record.end_reason, rung.record.errors, rung.result.hazards) == ("caller_hangup", (), ())


@pytest.mark.parametrize(
    ("moment", "before"),
    [(when_they_are_connected, {}), (when_it_is_answered, {"hangup_after_bridge": "false"})],
)
async def test_a_connection_that_fails_leaves_the_caller_his_conversation(
    moment: Moment, before: Mapping[str, str]
) -> None:
    async with open_house(Callee(rings_s=0.5, stays=False)) as home:
        steps = (hears(), Say(SPEECH), hears(quiet_ms=1200), Say(speech("en_10")), hears(), HangUp())
        rungs = await each(home, Script(steps=steps, limit_s=20), moment, before)
        for wire, rung in rungs.items():
            assert rung.heard() == ["Welcome to us", "I call somebody", AWAY, "At nine"], wire
            assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ()), wire
            assert rung.result.hazards == (), wire
            after = rung.variables.get("hangup_after_bridge", "")
            assert after == before.get("hangup_after_bridge", ""), wire
            assert (rung.variables["socket_resume"], rung.variables["atende_outcome"]) == ("true", "talking"), wire


def writes(call: PeerCall) -> None:
    call._write("Do you open on Saturday?", asyncio.get_running_loop().time())


def presses(call: PeerCall) -> None:
    for key in "57#":
        call._guarded(lambda at, key=key: call.machine.digit(key, at))  # type: ignore[misc]


@pytest.mark.parametrize(("does", "words"), [(writes, "Do you open on Saturday?"), (presses, "I typed 57.")])
async def test_what_is_written_and_pressed_on_the_way_out_is_heard(does: Moment, words: str) -> None:
    parts = {"llm": {"answers": ["You asked: {question}"]}, "extra": [{"id": "keys", "use": "filter.dtmf"}]}
    async with house(document(**parts), files={FILE: 5.0}) as home:

        def look(event: WireEvent) -> None:
            if event.what == "assistant_silent":
                call.hang_up() if call._doors else call.other_plays(FILE)

        call = home.dial(Script(steps=(STAYS,), limit_s=10), on_event=look)
        receive = call.machine.receive

        def leaving(data: bytes, now: float) -> Any:
            if b" door again" in data:
                does(call)
            return receive(data, now)

        call.machine.receive = leaving  # type: ignore[method-assign]
        rung = await home.ring(call)
        assert rung.result.doors == ("again",)
        assert rung.said()[1:] == [("caller", words), ("assistant", f"You asked: {words}")]
