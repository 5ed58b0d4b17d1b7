"""Whole calls over real sockets with a mind that hears and speaks by itself, on the wires that stream."""

import pytest

from control.peer import HangUp, Interrupt, Say, Script
from tests.calls.callers import SPEECH, STAYS, asks, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung, was_broken_off
from tests.calls.noises import COUGH
from tests.calls.recorded import is_time_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=4, record=True)
calls = evening.fixture()

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
WORD_S = 0.25


def streaming(**realtime: object) -> dict[str, dict[str, object]]:
    return {wire: {"wire": wire, "realtime": realtime} for wire in ("unicast", "audio_fork")}


@evening.callers(asks(SPEECH), streaming(transcripts=["when do you open"], answers=["At nine"], transcript_s=0.3))
def test_a_caller_is_greeted_asks_and_is_answered(rung: Rung, case: str) -> None:
    assert rung.said() == [("assistant", "Welcome to us"), ("caller", "when do you open"), ("assistant", "At nine")]
    assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())
    assert rung.result.hazards == ()
    fall = rung.record.turns[2].waterfall
    assert fall is not None
    assert fall.first_audio is not None


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=800, say=speech("en_10")), hears(), HangUp())),
    streaming(answers=[LONG, "All right"], word_s=WORD_S),
)
def test_who_interrupts_is_heard_and_only_heard_words_are_kept(rung: Rung, case: str) -> None:
    was_broken_off(rung, LONG, WORD_S)
    assert rung.heard()[-1] == "All right"
    is_time_true(rung)


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=900, say=COUGH), hears(), HangUp())),
    streaming(answers=[LONG], word_s=WORD_S),
)
def test_after_a_cough_the_answer_goes_on(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", LONG]
    assert [turn.role for turn in rung.record.turns] == ["assistant", "caller", "assistant"]


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), STAYS), limit_s=20.0), streaming(answers=["Good bye"], request="hangup")
)
def test_it_ends_the_call_behind_its_last_word(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", "Good bye"]
    assert rung.record.end_reason == "goodbye"
    assert rung.voices_s[1] == pytest.approx(0.2, abs=0.1)
