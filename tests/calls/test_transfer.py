"""A caller who wants a person: stays with the assistant until one has answered, and loses nothing when none does."""

from typing import Any

import pytest

from control.peer import Callee, Dialed, HangUp, Say, Script, Wait, WireEvent
from control.phone import WIRE_VARIABLE
from tests.calls.callers import SPEECH, STAYS, document, hears, speech
from tests.calls.house import House, Rung, house

EXTENSION = "user/200@us.example.net"
AWAY = "Nobody is there now"
wires = pytest.mark.parametrize("wire", ["unicast", "audio_fork", "audio_stream"])


def company(**llm: Any) -> bytes:
    """Its assistant gives every caller to extension 200 after the first answer."""
    mind = {"answers": ["I call somebody", "At nine"], "request": "operator"} | llm
    return document(llm=mind, transfer={"to": "200", "ring_s": 5}, texts={"operator_away": AWAY})


def dialed(home: House, wire: str = "unicast") -> Dialed:
    return home.dialed(variables={WIRE_VARIABLE: wire})


async def ring(home: House, script: Script, wire: str = "unicast") -> Rung:
    return await home.call(script, dialed(home, wire))


@wires
async def test_a_person_answers_and_both_talk_until_the_person_hangs_up(wire: str) -> None:
    callees = {EXTENSION: Callee(rings_s=1.5, talks_s=0.5)}
    async with house(company(), callees=callees) as home:
        ringing = home.dial(Script(steps=(hears(), Say(SPEECH), STAYS)), dialed(home, wire))
        rung = await home.ring(ringing)
        assert (rung.result.ended_by, rung.result.cause) == ("leg", "NORMAL_CLEARING")
        assert rung.heard() == ["Welcome to us", "I call somebody"]
        assert (rung.record.end_reason, rung.record.hangup_cause, rung.record.errors) == ("operator", "", ())
        assert rung.result.hazards == ()
        [called] = ringing.machine.legs.dialled
        assert called.endswith(f"}}{EXTENSION} &park()")
        assert f"atende_call={rung.result.call_id}" in called
        assert rung.voices_s[-1] == pytest.approx(1.3, abs=0.3), "the answer, and a ringing tone behind it"


@wires
@pytest.mark.parametrize("cause", ["USER_BUSY", "NO_ANSWER"])
async def test_when_nobody_can_be_had_the_conversation_goes_on(wire: str, cause: str) -> None:
    async with house(company(), callees={EXTENSION: Callee(rings_s=0.5, cause=cause)}) as home:
        steps = (hears(), Say(SPEECH), hears(quiet_ms=900), Say(speech("en_10")), hears(), HangUp())
        rung = await ring(home, Script(steps=steps), wire)
        assert rung.heard() == ["Welcome to us", "I call somebody", AWAY, "At nine"]
        assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())


async def test_an_extension_without_a_telephone_is_nobody_at_once() -> None:
    async with house(company()) as home:
        rung = await ring(home, Script(steps=(hears(), Say(SPEECH), hears(quiet_ms=900), HangUp())))
        assert rung.heard()[-1] == AWAY


async def test_it_rings_no_longer_than_the_company_says() -> None:
    async with house(company(), callees={EXTENSION: Callee(rings_s=60)}) as home:
        script = Script(steps=(hears(), Say(SPEECH), Wait(6.0), hears(quiet_ms=900), HangUp()))
        rung = await ring(home, script)
        assert rung.heard()[-1] == AWAY


@wires
async def test_no_telephone_rings_on_for_a_caller_who_has_gone(wire: str) -> None:
    async with house(company(), callees={EXTENSION: Callee(rings_s=60)}) as home:
        rung = await ring(home, Script(steps=(hears(), Say(SPEECH), hears(), Wait(1.0), HangUp())), wire)
        assert (rung.result.ended_by, rung.record.end_reason) == ("caller", "caller_hangup")
        assert rung.result.hazards == ()


async def test_nobody_is_left_in_silence_who_answers_when_the_caller_has_gone() -> None:
    """The switch takes a while to find the extension: what is killed before is not there yet."""
    late = Callee(rings_s=2.0, made_s=1.8)
    async with house(company(), callees={EXTENSION: late}) as home:
        rung = await ring(home, Script(steps=(hears(), Say(SPEECH), hears(quiet_ms=200), HangUp())))
        assert rung.record.end_reason == "caller_hangup"
        assert rung.result.hazards == ()


async def test_who_says_something_meanwhile_is_answered_and_still_connected() -> None:
    async with house(company(), callees={EXTENSION: Callee(rings_s=5, talks_s=0.3)}) as home:
        steps = (hears(), Say(SPEECH), hears(), Wait(0.5), Say(speech("en_10")), STAYS)
        rung = await ring(home, Script(steps=steps))
        assert rung.heard() == ["Welcome to us", "I call somebody", "At nine"]
        assert (rung.result.ended_by, rung.record.end_reason) == ("leg", "operator")


async def test_when_the_service_closes_no_telephone_rings_on() -> None:
    async with house(company(), callees={EXTENSION: Callee(rings_s=60)}) as home:

        def look(event: WireEvent) -> None:
            if event.what == "assistant_silent":
                home.phone.shut()

        ringing = home.dial(Script(steps=(hears(), Say(SPEECH), STAYS)), home.dialed(), on_event=look)
        rung = await home.ring(ringing)
        assert (rung.result.ended_by, rung.result.door) == ("dialplan", "failed")
        assert not ringing.machine.legs.rings
