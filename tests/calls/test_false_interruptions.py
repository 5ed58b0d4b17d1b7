"""Whole calls in which something is heard over the assistant's speech that is no turn, and what nearly is one."""

import numpy as np
import pytest
import soundfile

from control.peer import Codec, HangUp, Interrupt, Say, Script, Wait
from pipelines.calls import CallerSpeaking, Understood
from tests.calls.callers import SPEECH, STAYS, document, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung, house
from tests.calls.noises import COUGH, MHM, NO, UHUM
from transports.freeswitch.words import WIRE_VARIABLE

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=3, record=True)
calls = evening.fixture()

LONG = "alpha bravo sugar delta hotel india tango romeo oscar lemon uncle green"
WORD_S = 0.25
SLOW = {"word_s": WORD_S}
GREETED = ("assistant", "Welcome to us")
ASKED = ("caller", "when do you open")
SILENT_MS = 600
"""Far more than a hold takes on this machine, and less than a voice lasts that is not held."""
SPOKEN_ON_MS = 800
"""The same, for the time from the end of a noise until the assistant is heard again."""


def ears(*transcripts: str, latency_s: float = 0.0) -> dict[str, object]:
    return {"transcripts": ["when do you open", *transcripts], "latency_s": latency_s}


def held(call: Rung, *turns: int) -> None:
    """The assistant fell silent at once and spoke on after each of these sounds of the caller's."""
    for turn in turns:
        sound = call.result.turns[turn]
        assert sound.barge_in_ms is not None, "nothing was said when it began"
        assert sound.barge_in_ms < SILENT_MS
        assert sound.response_ms is not None
        assert 0 < sound.response_ms < SPOKEN_ON_MS


def said_s(call: Rung) -> float:
    """How much the assistant spoke, pauses left out, by the recording."""
    assert call.record.recording is not None
    both, rate = soundfile.read(call.folder / call.record.recording, dtype="int16")
    block = rate // 50
    side = np.abs(both[: len(both) // block * block, 1].astype(int)).reshape(-1, block).max(axis=1)
    return float((side > 1000).sum()) * 0.02


def over(noise: object, *after: object, after_ms: int = 900, **script: object) -> Script:
    """Asks, lets a noise be heard in the answer, then does what comes after."""
    steps = (hears(), Say(SPEECH), Interrupt(after_ms=after_ms, say=noise), *(after or (hears(), HangUp())))  # type: ignore[arg-type]
    return Script(steps=steps, limit_s=30.0, **script)  # type: ignore[arg-type]


@evening.caller(
    over(COUGH, hears(), Say(SPEECH), hears(), HangUp()),
    stt=ears("", "thank you"), llm={"answers": [LONG, "You are welcome"]}, tts=SLOW,
)  # fmt: skip
def test_after_a_cough_the_sentence_goes_on_and_nobody_was_asked(call: Rung) -> None:
    held(call, 1)
    assert call.said() == [
        GREETED, ASKED, ("assistant", LONG), ("caller", "thank you"), ("assistant", "You are welcome"),
    ]  # fmt: skip
    assert not any(turn.interrupted for turn in call.record.turns)
    assert call.record.errors == ()
    assert sum(isinstance(event, CallerSpeaking) and event.speaking for event in call.events) == 3
    assert sum(isinstance(event, Understood) for event in call.events) == 2
    spoken = (3 + len(LONG.split()) + 3) * WORD_S
    assert spoken - 0.1 <= said_s(call) <= spoken + WORD_S + 0.35, "at most one word of it was said twice"


@evening.caller(over(UHUM), stt=ears("Uhum.", latency_s=0.5), llm={"answers": [LONG, "No"]}, tts=SLOW)
def test_uhum_is_no_turn_when_its_words_come_after_it_was_spoken_on(call: Rung) -> None:
    held(call, 1)
    assert call.said() == [GREETED, ASKED, ("assistant", LONG)]
    assert not call.record.turns[-1].interrupted


@evening.caller(over(MHM), stt=ears("Mm-hmm."), llm={"answers": [LONG, "No"]}, tts=SLOW)
def test_uhum_is_no_turn_when_its_words_come_at_once(call: Rung) -> None:
    held(call, 1)
    assert call.said() == [GREETED, ASKED, ("assistant", LONG)]


@evening.caller(over(NO), stt=ears("No", latency_s=0.4), llm={"answers": [LONG, "All right"]}, tts=SLOW)
def test_a_short_word_is_a_turn_once_it_is_recognised(call: Rung) -> None:
    assert call.result.turns[1].barge_in_ms is not None
    assert call.result.turns[1].barge_in_ms < SILENT_MS
    broken, said, fine = call.record.turns[2:]
    assert broken.interrupted
    assert LONG.startswith(broken.text)
    assert 3 <= len(broken.text.split()) <= 7
    assert (said.role, said.text) == ("caller", "No")
    assert fine.text == "All right"
    assert said.at_ms < call.record.turns[1].at_ms + 1400 + 400 + 900 + 1200, "it began with its voice"


@evening.caller(over(speech("en_10")), stt=ears("stop that"), llm={"answers": [LONG, "All right"]}, tts=SLOW)
def test_who_goes_on_speaking_interrupts_and_hears_nothing_meanwhile(call: Rung) -> None:
    sound = call.result.turns[1]
    assert sound.barge_in_ms is not None
    assert sound.response_ms is not None
    assert sound.barge_in_ms < SILENT_MS
    assert sound.response_ms > 300, "the next voice is the next answer"
    broken = call.record.turns[2]
    assert broken.interrupted
    assert len(broken.text.split()) * WORD_S <= 0.9 + sound.barge_in_ms / 1000 + 0.05
    assert call.heard()[-1] == "All right"
    words = 3 + len(broken.text.split()) + 2
    assert said_s(call) < (words + 1) * WORD_S + 0.35, "no word of it is said twice"


@evening.caller(
    over(COUGH, Wait(0.9), Say(COUGH), hears(), HangUp()),
    stt=ears("", ""), llm={"answers": [LONG, "No"]}, tts=SLOW,
)  # fmt: skip
def test_two_coughs(call: Rung) -> None:
    held(call, 1, 2)
    assert call.said() == [GREETED, ASKED, ("assistant", LONG)]
    assert not call.record.turns[-1].interrupted


GOOD_BYE = "Good bye dear friend"


@evening.caller(
    over(COUGH, STAYS, after_ms=1250),
    stt=ears(""), llm={"answers": [GOOD_BYE], "request": "hangup"}, tts={"word_s": 0.4},
)  # fmt: skip
def test_a_cough_in_our_last_word_does_not_lose_the_hang_up(call: Rung) -> None:
    held(call, 1)
    assert (call.result.ended_by, call.result.cause) == ("service", "NORMAL_CLEARING")
    assert call.said() == [GREETED, ASKED, ("assistant", GOOD_BYE)]
    assert (call.record.end_reason, call.record.turns[-1].interrupted) == ("goodbye", False)
    assert said_s(call) >= (3 + 4) * 0.4 - 0.1


@evening.caller(
    over(COUGH, STAYS), stt=ears(""), llm={"answers": [LONG], "request": "operator"}, tts=SLOW,
)  # fmt: skip
def test_who_coughs_is_still_put_through(call: Rung) -> None:
    held(call, 1)
    assert (call.result.ended_by, call.result.door) == ("dialplan", "operator")
    assert call.heard()[-1] == LONG


@evening.caller(over(COUGH, HangUp()), stt=ears(""), llm={"answers": [LONG]}, tts=SLOW)
def test_who_hangs_up_while_it_is_held_has_heard_the_words_before(call: Rung) -> None:
    assert call.result.turns[1].barge_in_ms is not None
    assert call.result.turns[1].response_ms is None, "nothing was heard after the cough"
    broken = call.record.turns[-1]
    assert broken.interrupted
    assert LONG.startswith(broken.text)
    assert 3 <= len(broken.text.split()) <= 4
    assert (call.record.end_reason, call.record.errors) == ("caller_hangup", ())


QUESTION = "Just to be sure do you mean the shop in the old town near the station?"


@evening.caller(over(MHM), stt=ears("Mm-hmm.", latency_s=0.3), llm={"answers": [QUESTION, "At nine"]}, tts=SLOW)
def test_a_question_is_answered_though_it_is_still_being_asked(call: Rung) -> None:
    broken = call.record.turns[2]
    assert broken.interrupted
    assert QUESTION.startswith(broken.text)
    assert call.said()[3:] == [("caller", "Mm-hmm."), ("assistant", "At nine")]


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), hears(), Say(MHM), hears(), HangUp()), limit_s=30),
    stt=ears("Mm-hmm."), llm={"answers": ["We open at nine", "Anything else"]}, tts=SLOW,
)  # fmt: skip
def test_uhum_into_silence_is_a_turn(call: Rung) -> None:
    assert call.said()[3:] == [("caller", "Mm-hmm."), ("assistant", "Anything else")]


@evening.caller(
    over(COUGH, Wait(2.0), HangUp()), turn={"false_interruption_s": 0}, stt=ears(""), llm={"answers": [LONG]}, tts=SLOW
)
def test_where_it_is_off_every_voice_interrupts(call: Rung) -> None:
    assert call.result.turns[1].barge_in_ms is not None
    assert call.result.turns[1].barge_in_ms < SILENT_MS
    assert call.record.turns[2].interrupted
    assert call.result.turns[1].response_ms is None


@evening.caller(over(COUGH), turn={"interruptible": False}, stt=ears(""), llm={"answers": [LONG]}, tts=SLOW)
def test_who_may_not_be_interrupted_is_not_held(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", LONG]
    assert call.result.turns[1].barge_in_ms is not None
    assert call.result.turns[1].barge_in_ms > 1500


@evening.caller(over(COUGH, codec=Codec.L16_16K), stt=ears(""), llm={"answers": [LONG]}, tts=SLOW)
def test_a_cough_in_a_wide_band_call(call: Rung) -> None:
    held(call, 1)
    assert call.heard()[-1] == LONG


async def test_a_cough_over_the_fork() -> None:
    async with house(document(stt=ears(""), llm={"answers": [LONG]}, tts=SLOW)) as home:
        call = await home.call(over(COUGH), home.dialed(variables={WIRE_VARIABLE: "audio_fork"}))
        held(call, 1)
        assert call.said() == [GREETED, ASKED, ("assistant", LONG)]
        assert call.record.errors == ()
