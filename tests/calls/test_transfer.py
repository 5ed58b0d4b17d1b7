"""A caller who wants a person: stays with the assistant until one has answered, and loses nothing when none does."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from control.peer import Callee, HangUp, Say, Script, Wait, WireEvent
from tests.calls.callers import SPEECH, STAYS, document, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung, house
from transports.freeswitch.words import WIRES

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=4)
calls = evening.fixture()

AWAY = "Nobody is there now"
COMPANY: Mapping[str, Any] = {
    "llm": {"answers": ["I call somebody", "At nine"], "request": "operator"},
    "transfer": {"to": "200", "ring_s": 5},
    "texts": {"operator_away": AWAY},
}
"""Gives every caller to its extension 200 after the first answer."""
NOBODY_ENDS_IT = Callee(rings_s=60)


def on_every_wire(callee: Callee) -> Mapping[str, Mapping[str, Any]]:
    return {wire: {"wire": wire, "callee": callee, **COMPANY} for wire in WIRES}


@evening.callers(Script(steps=(hears(), Say(SPEECH), STAYS)), on_every_wire(Callee(rings_s=1.5, talks_s=0.5)))
def test_a_person_answers_and_both_talk_until_the_person_hangs_up(rung: Rung, case: str) -> None:
    assert (rung.result.ended_by, rung.result.cause) == ("leg", "NORMAL_CLEARING")
    assert rung.heard() == ["Welcome to us", "I call somebody"]
    assert (rung.record.end_reason, rung.record.hangup_cause, rung.record.errors) == ("operator", "", ())
    assert rung.result.hazards == ()
    assert rung.variables["atende_outcome"] == "operator"
    [called] = rung.dialled
    assert "}user/200@t" in called
    assert called.endswith(".example.net &park()"), "of the company's own domain"
    assert f"atende_call={rung.result.call_id}" in called
    assert rung.voices_s[-1] == pytest.approx(1.3, abs=0.3), "the answer, and a ringing tone behind it"


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), hears(quiet_ms=900), Say(speech("en_10")), hears(), HangUp())),
    {
        **on_every_wire(Callee(rings_s=0.5, cause="USER_BUSY")),
        "not answered": {"callee": Callee(rings_s=0.5, cause="NO_ANSWER"), **COMPANY},
        "without a telephone": COMPANY,
    },
)
def test_when_nobody_can_be_had_the_conversation_goes_on(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", "I call somebody", AWAY, "At nine"]
    assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())
    assert rung.variables["atende_outcome"] == "talking"


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), Wait(6.0), hears(quiet_ms=900), HangUp())), callee=NOBODY_ENDS_IT, **COMPANY
)
def test_it_rings_no_longer_than_the_company_says(rung: Rung) -> None:
    assert rung.heard()[-1] == AWAY


@evening.callers(Script(steps=(hears(), Say(SPEECH), hears(), Wait(1.0), HangUp())), on_every_wire(NOBODY_ENDS_IT))
def test_no_telephone_rings_on_for_a_caller_who_has_gone(rung: Rung, case: str) -> None:
    assert (rung.result.ended_by, rung.record.end_reason) == ("caller", "caller_hangup")
    assert rung.result.hazards == ()


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), hears(quiet_ms=200), HangUp())),
    callee=Callee(rings_s=2.0, made_s=1.8),
    **COMPANY,
)
def test_nobody_is_left_in_silence_who_answers_when_the_caller_has_gone(rung: Rung) -> None:
    """The switch takes a while to find the extension: what is killed before is not there yet."""
    assert rung.record.end_reason == "caller_hangup"
    assert rung.result.hazards == ()


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), hears(), Wait(0.5), Say(speech("en_10")), STAYS)),
    callee=Callee(rings_s=5, talks_s=0.3),
    **COMPANY,
)
def test_who_says_something_meanwhile_is_answered_and_still_connected(rung: Rung) -> None:
    assert rung.heard() == ["Welcome to us", "I call somebody", "At nine"]
    assert (rung.result.ended_by, rung.record.end_reason) == ("leg", "operator")


QUEUE: Mapping[str, Any] = {
    "llm": {"answers": ["One moment please I put you through"], "request": "operator"},
    "tts": {"word_s": 0.15},
    "transfer": {"to": "600", "mode": "blind"},
}


@evening.callers(Script(steps=(hears(), Say(SPEECH), STAYS)), {wire: {"wire": wire, **QUEUE} for wire in WIRES})
def test_who_is_sent_on_hears_the_sentence_to_its_end_and_we_are_gone(rung: Rung, case: str) -> None:
    assert rung.result.ended_by == "transfer"
    assert re.fullmatch(r"600 XML t\d+\.example\.net", rung.result.transferred_to or ""), (
        "of the company's own dialplan"
    )
    assert rung.voices_s[-1] == pytest.approx(7 * 0.15, abs=0.2)
    assert rung.heard() == ["Welcome to us", "One moment please I put you through"]
    assert (rung.record.end_reason, rung.record.hangup_cause, rung.record.errors) == ("transferred", "", ())
    assert rung.result.hazards == (), "nothing of ours listens, and our leaving fetches nobody back"
    assert rung.variables["atende_outcome"] == "transferred"


NOTES = {
    "goodbye": {"llm": {"answers": ["Bye"], "request": "hangup"}},
    "operator": {"llm": {"answers": ["I give you back"], "request": "operator"}},
}


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), STAYS)),
    {f"{wire} {outcome}": {"wire": wire, **parts} for wire in WIRES for outcome, parts in NOTES.items()},
)
def test_the_pbx_can_read_who_answered_and_how_it_ended(rung: Rung, case: str) -> None:
    ours = {name: value for name, value in rung.variables.items() if name.startswith("atende_")}
    assert (
        ours.items()
        >= {
            "atende_assistant": "front",
            "atende_revision": "1",
            "atende_call": rung.result.call_id,
            "atende_outcome": case.partition(" ")[2],
        }.items()
    )


@evening.caller(Script(steps=(hears(), HangUp())))
def test_a_call_that_nothing_of_ours_ended_is_still_being_talked(rung: Rung) -> None:
    assert rung.variables["atende_outcome"] == "talking"
    assert rung.record.end_reason == "caller_hangup"


async def test_when_the_service_closes_no_telephone_rings_on() -> None:
    async with house(document(**COMPANY), callees={"user/200@us.example.net": NOBODY_ENDS_IT}) as home:

        def look(event: WireEvent) -> None:
            if event.what == "assistant_silent":
                home.phone.shut()

        ringing = home.dial(Script(steps=(hears(), Say(SPEECH), STAYS)), home.dialed(), on_event=look)
        rung = await home.ring(ringing)
        assert (rung.result.ended_by, rung.result.door) == ("dialplan", "failed")
        assert not ringing.machine.legs.rings
