"""A call as spans: what is in them, where they lie, and what is not."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from control.trace_spans import Stretch, spans_of
from pipelines.calls import CallRecord, Turn, Waterfall
from tests.control.test_metrics import AT, CALL

WATERFALL = Waterfall(
    vad_stop=200.0,
    turn_wait=400.0,
    transcript=350.0,
    turn_end=400.0,
    retrieved=410.0,
    first_sentence=500.0,
    first_tts_audio=700.0,
    first_audio=720.0,
)
GREETING = Turn(role="assistant", text="Welcome", at_ms=100.0)
ASKED = Turn(role="caller", text="my secret", at_ms=2000.0)
ANSWER = Turn(role="assistant", text="We open at nine", at_ms=4000.0, passage_id="hours#1", waterfall=WATERFALL)


def of(*turns: Turn, **changed: Any) -> Stretch:
    record = CallRecord(
        call=CALL,
        ended_at=AT + timedelta(seconds=10),
        end_reason="goodbye",
        hangup_cause="NORMAL_CLEARING",
        turns=turns,
    )
    return spans_of(structs.replace(record, **changed))


def test_an_answer_waited_for_its_steps_one_after_the_other() -> None:
    [turn] = of(GREETING, ASKED, ANSWER).parts
    assert (turn.name, turn.start_ms, turn.end_ms) == ("turn", 2000.0, 4000.0)
    # The caller's last sample was 720 ms before the first of the answer.
    assert [(part.name, part.start_ms, part.end_ms) for part in turn.parts] == [
        ("vad", 3280.0, 3480.0),
        ("turn_wait", 3480.0, 3680.0),
        ("stt", 3280.0, 3630.0),
        ("rag", 3680.0, 3690.0),
        ("llm", 3690.0, 3780.0),
        ("tts", 3780.0, 3980.0),
        ("wire", 3980.0, 4000.0),
    ]
    assert turn.facts == {
        "atende.turn.number": 1,
        "atende.turn.written": False,
        "atende.turn.answered": True,
        "atende.turn.interrupted": False,
    }


def test_what_did_not_happen_has_no_span() -> None:
    unsearched = structs.replace(WATERFALL, retrieved=None, transcript=None, first_tts_audio=None)
    [turn] = of(ASKED, structs.replace(ANSWER, waterfall=unsearched)).parts
    spans = {part.name: (part.start_ms, part.end_ms) for part in turn.parts}
    assert set(spans) == {"vad", "turn_wait", "llm"}
    assert spans["llm"] == (3680.0, 3780.0), "from the end of the caller's turn"


def test_an_aside_is_not_the_answer_and_a_turn_without_one_ends_at_the_next() -> None:
    aside = Turn(role="assistant", text="One moment", at_ms=2500.0)
    later = Turn(role="caller", text="again", at_ms=6000.0, written=True)
    first, second = of(ASKED, aside, ANSWER, later).parts
    assert (first.end_ms, len(first.parts)) == (4000.0, 7)
    assert (second.start_ms, second.end_ms, second.parts) == (6000.0, 10_000.0, ())
    assert (second.facts["atende.turn.answered"], second.facts["atende.turn.written"]) == (False, True)
    unanswered, answered = of(structs.replace(ASKED, at_ms=500.0), ASKED, ANSWER).parts
    assert (unanswered.end_ms, unanswered.parts, len(answered.parts)) == (2000.0, (), 7)


@pytest.mark.parametrize(("reason", "error"), [("goodbye", None), ("lost", "lost"), ("failure", "failure")])
def test_a_call_that_broke_is_an_error(reason: str, error: str | None) -> None:
    call = of(end_reason=reason, revisions=(1, 4), errors=("stt: my secret",))
    assert (call.name, call.start_ms, call.end_ms, call.error) == ("call", 0.0, 10_000.0, error)
    assert call.facts == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": CALL.id,
        "atende.tenant.id": CALL.tenant_id,
        "atende.revision": 4,
        "atende.revisions": 2,
        "atende.end_reason": reason,
        "atende.turns": 0,
        "atende.errors": 1,
        "atende.hangup_cause": "NORMAL_CLEARING",
    }


def test_a_cause_that_the_network_made_up_is_not_told() -> None:
    assert "atende.hangup_cause" not in of(hangup_cause="sip:+5511999990000@evil").facts
