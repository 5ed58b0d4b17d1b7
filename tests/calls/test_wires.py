"""One call, every wire: what a caller and an operator may rely on does not depend on how the audio goes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import soundfile

from control.peer import Codec, Dtmf, HangUp, Hears, Interrupt, Say, Script, Wait, WaitFor, Write
from tests.calls.callers import SPEECH, STAYS, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung, was_broken_off
from tests.calls.noises import COUGH
from tests.calls.recorded import is_time_true
from transports.freeswitch.words import WIRES

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=4, record=True)
calls = evening.fixture()

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
CODECS = (Codec.PCMU, Codec.L16_16K, Codec.OPUS)
TURN = (hears(), Say(SPEECH), hears(), HangUp())
FRAMES = {
    "unicast": {Codec.PCMU: 320, Codec.L16_16K: 640, Codec.OPUS: 1920},
    "audio_fork": {Codec.PCMU: 320, Codec.L16_16K: 640, Codec.OPUS: 640},
}
"""Octets of 20 ms on the wire: unicast has the call's own rate, a fork the one that we ask for."""


def on_every_wire(**parts: Any) -> Mapping[str, Mapping[str, Any]]:
    return {wire: {"wire": wire, **parts} for wire in WIRES}


@evening.callers(
    Script(steps=TURN),
    {
        f"{wire} {codec.value}": {"wire": wire, "codec": codec, "llm": {"answers": ["At nine"]}}
        for wire in WIRES
        for codec in CODECS
    },
)
def test_greeting_turn_and_the_callers_hang_up(rung: Rung, case: str) -> None:
    wire, _, codec = case.partition(" ")
    assert rung.heard() == ["Welcome to us", "At nine"]
    assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())
    assert rung.result.hazards == ()
    assert rung.result.downlink.octets > 8_000
    if wire in FRAMES:
        assert set(rung.result.downlink.sizes) == {FRAMES[wire][Codec(codec)]}
    assert rung.record.recording is not None
    samples, rate = soundfile.read(rung.folder / rung.record.recording)
    assert rate == (8000 if codec == Codec.PCMU.value else 16000), "at the rate at which it is carried"
    caller, assistant = np.abs(samples).max(axis=0)
    assert caller > 0.1
    assert assistant > 0.02


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=800, say=speech("en_10")), hears(), HangUp())),
    on_every_wire(llm={"answers": [LONG, "All right"]}, tts={"word_s": 0.25}),
)
def test_who_interrupts_is_heard_and_only_heard_words_are_kept(rung: Rung, case: str) -> None:
    was_broken_off(rung, LONG, 0.25)
    assert rung.heard()[-1] == "All right"
    is_time_true(rung)


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=900, say=COUGH), hears(), HangUp())),
    on_every_wire(llm={"answers": [LONG]}, stt={"transcripts": ["when do you open", ""]}, tts={"word_s": 0.25}),
)
def test_after_a_cough_the_sentence_goes_on(rung: Rung, case: str) -> None:
    cough = rung.result.turns[1]
    assert cough.barge_in_ms is not None
    assert cough.barge_in_ms < 500
    assert cough.response_ms is not None
    assert cough.response_ms < 1000
    assert rung.heard()[-1] == LONG
    assert [turn.role for turn in rung.record.turns].count("caller") == 1


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), STAYS)),
    on_every_wire(llm={"answers": ["Good bye to you"], "request": "hangup"}, tts={"word_s": 0.2}),
)
def test_our_hang_up_comes_after_the_last_word(rung: Rung, case: str) -> None:
    assert (rung.result.ended_by, rung.result.cause) == ("service", "NORMAL_CLEARING")
    assert rung.heard()[-1] == "Good bye to you"
    assert rung.voices_s[-1] == pytest.approx(0.8, abs=0.2)
    assert (rung.record.end_reason, rung.record.errors) == ("goodbye", ())


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), STAYS)),
    on_every_wire(llm={"answers": ["I put you through"], "request": "operator"}),
)
def test_a_call_is_given_back_to_the_dialplan(rung: Rung, case: str) -> None:
    assert (rung.result.ended_by, rung.result.door, rung.result.answered) == ("dialplan", "operator", True)
    assert rung.record.end_reason == "operator"
    assert [event.what for event in rung.result.events if event.what == "media_ended"], "nothing listens in any more"


@evening.callers(
    Script(steps=(hears(), Dtmf("5#"), Wait(0.8), Say(SPEECH), hears(), HangUp())),
    on_every_wire(llm={"answers": ["At nine"]}),
)
def test_keys_disturb_nothing(rung: Rung, case: str) -> None:
    assert rung.heard()[-1] == "At nine"
    assert rung.record.errors == ()


@evening.callers(
    Script(steps=(hears(), Write("Vocês abrem no sábado?"), hears(), HangUp())),
    on_every_wire(llm={"answers": ["You asked: {question}"], "writes": "nine o'clock\n\nexit"}),
)
def test_text(rung: Rung, case: str) -> None:
    """What is written is answered by voice, and what is sent out reads the same on every wire."""
    question, answer = rung.record.turns[1:]
    assert (question.role, question.text, question.written) == ("caller", "Vocês abrem no sábado?", True)
    assert (answer.role, answer.text, answer.written) == ("assistant", "You asked: Vocês abrem no sábado?", False)
    assert len(rung.voices) >= 2
    assert rung.result.texts == ('{"type":"json","data":{"text":"nine o\'clock exit"}}',)
    assert (rung.record.end_reason, rung.record.errors, rung.result.hazards) == ("caller_hangup", (), ())


@evening.callers(
    Script(
        steps=(hears(), Say(SPEECH), WaitFor(what=Hears.SPEECH_START), Wait(0.8), Write("ok"), hears(1000), HangUp()),
    ),
    on_every_wire(llm={"answers": [LONG, "All right"]}, tts={"word_s": 0.25}),
)
def test_who_writes_interrupts_even_with_a_word_that_only_listens(rung: Rung, case: str) -> None:
    broken, written = rung.record.turns[2:4]
    assert broken.interrupted
    assert LONG.startswith(broken.text)
    assert 0 < len(broken.text.split()) < 10
    assert (written.text, written.written) == ("ok", True)
    assert rung.heard()[-1] == "All right"
    assert [turn.written for turn in rung.record.turns].count(True) == 1


@evening.callers(Script(steps=TURN), on_every_wire(llm={"answers": [LONG]}, tts={"word_s": 0.25}))
def test_a_long_answer_is_heard_whole_and_without_a_gap(rung: Rung, case: str) -> None:
    assert rung.heard()[-1] == LONG
    answer = [voice for voice in rung.voices if voice[0] > rung.voices[0][1] + 0.5]
    assert sum(end - start for start, end in answer) == pytest.approx(15 * 0.25, abs=0.12)
    assert answer[-1][1] - answer[0][0] == pytest.approx(15 * 0.25, abs=0.2)
