"""What a call's record says happened when, and why it ended."""

import pytest

from control.peer import Callee, HangUp, Interrupt, Say, Script
from tests.calls.callers import SPEECH, STAYS, asks, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung
from tests.calls.noises import COUGH

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=3)
calls = evening.fixture()

LONG = "alpha bravo sugar delta hotel india tango romeo oscar lemon uncle green black white amber ocean"
WORDS = {"transcripts": ["when do you open", "what else"], "latency_s": 0.1}


def told(call: Rung, *without: str) -> list[str]:
    """The moments in their order, without those of how the caller's voice came."""
    left_out = {"caller_speaks", "caller_silent", "transcript", *without}
    return [f"{one.what} {one.detail}".strip() for one in call.record.timeline if one.what not in left_out]


BEGAN = ["rang", "admitted", "answered", "media_started unicast", "assistant_speaks greeting", "assistant_done"]


@evening.caller(asks(SPEECH), stt=WORDS, llm={"answers": ["At nine"]})
def test_a_question_and_an_answer(call: Rung) -> None:
    assert told(call) == [*BEGAN, "turn", "assistant_speaks answer", "assistant_done", "ended caller: caller_hangup"]
    voice = [one.what for one in call.record.timeline if one.what in {"caller_speaks", "caller_silent", "transcript"}]
    assert voice[0] == "caller_speaks"
    assert {"caller_silent", "transcript"} < set(voice)
    times = [one.at_ms for one in call.record.timeline]
    assert times == sorted(times)
    assert times[0] == 0
    answered = next(one.at_ms for one in call.record.timeline if one.what == "answered")
    assert answered <= call.result.answered_ms + 50  # type: ignore[operator]
    lasted_ms = call.result.ended_ms
    assert times[-1] == pytest.approx(lasted_ms, abs=1000)


@evening.caller(asks(SPEECH), stt=WORDS, llm={"answers": ["The secret is hotel"]})
def test_no_word_and_no_number_is_in_it(call: Rung) -> None:
    details = [one.detail for one in call.record.timeline if one.detail]
    assert details == ["unicast", "greeting", "answer", "caller: caller_hangup"]


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=800, say=speech("en_10")), hears(), HangUp())),
    stt=WORDS,
    llm={"answers": [LONG, "At nine"]},
    tts={"word_s": 0.25},
)
def test_who_interrupts_is_seen_to(call: Rung) -> None:
    steps = told(call, "held", "resumed")
    assert steps[6:10] == ["turn", "assistant_speaks answer", "barge_in", "turn"]
    held = [one.what for one in call.record.timeline if one.what in {"held", "barge_in"}]
    assert held[0] == "held", "silent at once, broken off when it was known for a turn"


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=800, say=COUGH), hears(quiet_ms=900), HangUp())),
    stt={"transcripts": ["when do you open", ""], "latency_s": 0.1},
    llm={"answers": [" ".join(LONG.split()[:8])]},
    tts={"word_s": 0.25},
)
def test_what_was_no_turn_is_told_as_such(call: Rung) -> None:
    steps = told(call)
    assert "barge_in" not in steps
    assert [step for step in steps if step in {"held", "resumed"}][:2] == ["held", "resumed"]


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), STAYS)),
    stt=WORDS,
    llm={"answers": ["I call somebody", "At nine"], "request": "operator"},
    transfer={"to": "200", "ring_s": 5},
    callee=Callee(rings_s=0.5, cause="USER_BUSY"),
    limits={"silence_s": 1, "reprompts": 0},
    texts={"operator_away": "Nobody is there now"},
)
def test_a_transfer_that_failed_and_a_good_bye(call: Rung) -> None:
    steps = told(call)
    assert steps[steps.index("reaching") :] == [
        "reaching",
        "not_reached USER_BUSY",
        "assistant_speaks operator_away",
        "assistant_done",
        "assistant_speaks farewell",
        "assistant_done",
        "hung_up",
        "ended assistant: silence",
    ]


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), hears(), STAYS)), stt=WORDS, llm={"failure": "raises"}, limits={"silence_s": 1}
)
def test_a_stage_that_fails_is_named_by_its_kind(call: Rung) -> None:
    assert "stage_failed llm.mock" in told(call)
    assert "assistant_speaks failure" in told(call)
