"""The operator's music on every wire: while a person is called, and at no other moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from control.peer import Callee, HangUp, Interrupt, Say, Script
from control.phone import PhoneOptions
from pipelines.hold_music import HoldMusic
from tests.calls.callers import SPEECH, STAYS, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung
from transports.freeswitch.words import WIRES

pytestmark = pytest.mark.asyncio(loop_scope="module")

MUSIC_HZ = 330
MUSIC = HoldMusic((6000 * np.sin(2 * np.pi * MUSIC_HZ * np.arange(11025) / 11025)).astype(np.int16), 11025)
"""One second, so that it has to go round."""
RINGS_S = 3.0

evening = Evening(at_once=6, options=PhoneOptions(hold_music=MUSIC))
calls = evening.fixture()


def on_every_wire(callee: Callee) -> Mapping[str, Mapping[str, Any]]:
    company = {
        "llm": {"answers": ["I call somebody", "At nine"], "request": "operator"},
        "transfer": {"to": "200", "ring_s": 10},
        "texts": {"operator_away": "Nobody is there now"},
    }
    return {wire: {"wire": wire, "callee": callee, **company} for wire in WIRES}


@evening.callers(Script(steps=(hears(), Say(SPEECH), STAYS)), on_every_wire(Callee(rings_s=RINGS_S, talks_s=0.5)))
def test_it_is_heard_without_a_gap_until_a_person_answers(rung: Rung, case: str) -> None:
    assert (rung.result.ended_by, rung.record.end_reason, rung.record.errors) == ("leg", "operator", ())
    start, end = rung.voices[-1]
    assert end - start > RINGS_S - 0.6, "a ringing tone is a second long"
    assert rung.voices_s[-1] == pytest.approx(0.3 + RINGS_S, abs=0.4), "the answer, and music behind it to the end"
    assert rung.result.hazards == ()


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=1300, say=speech("en_10")), STAYS)),
    on_every_wire(Callee(rings_s=6.0, talks_s=0.3)),
)
def test_it_stops_for_who_speaks_and_goes_on_when_nobody_does(rung: Rung, case: str) -> None:
    stopped_ms = rung.result.turns[1].barge_in_ms
    assert stopped_ms is not None
    assert stopped_ms < 500
    assert rung.heard() == ["Welcome to us", "I call somebody", "At nine"]
    assert not any(turn.interrupted for turn in rung.record.turns), "music is no answer that could be broken off"
    spoken = rung.result.turns[1]
    assert spoken.speech_ended_at_ms is not None
    since = rung.rang_at + spoken.speech_ended_at_ms / 1000
    again_s = sum(end - max(start, since) for start, end in rung.voices if end > since)
    assert again_s > 1.5, "the answer is 0.2 s of it"


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), hears(quiet_ms=900), Say(speech("en_10")), hears(), HangUp())),
    on_every_wire(Callee(rings_s=1.5, cause="NO_ANSWER")),
)
def test_when_nobody_can_be_had_it_is_over(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", "I call somebody", "Nobody is there now", "At nine"]
    assert rung.record.end_reason == "caller_hangup"
    assert rung.voices_s[-1] == pytest.approx(0.2, abs=0.15)
