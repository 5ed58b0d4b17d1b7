"""What is heard over the assistant's speech: when it is a turn, when it is nothing, and what is asked of the output."""

from collections.abc import Sequence
from typing import Any

import pytest
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import SpeechControlParamsFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from pipelines.barge_in import LATE_WORDS_S, QUIET_S, HoldsSpeech, Overlap
from pipelines.calls import CallRecord
from pipelines.spec import AssistantSpec, LimitsSpec, TurnSpec
from processors.llm.intents import phrasebook
from tests.pipelines.harness import LIMIT, Ringing, assistant, ringing
from tests.pipelines.transport import HoldingTransport, MemoryTransport
from tests.pipelines.virtual import virtual

LONG = " ".join(f"word{i}" for i in range(1, 21)) + "."
ANSWER_BEGINS_S = 3.1
"""After "tell me all", which was said from 2.0 s to 2.5 s."""
BRIEF_S = 0.7


def overlap() -> Overlap:
    return Overlap(BRIEF_S, phrasebook("pt-BR").acknowledges)


def test_a_voice_into_silence_is_a_turn() -> None:
    assert overlap().began(1.0, None)


def test_a_voice_is_a_turn_by_its_length() -> None:
    judge = overlap()
    assert not judge.began(10.0, "Abrimos às nove.")
    assert judge.too_long_at == pytest.approx(10.0 + BRIEF_S)
    assert not judge.ended(10.0 + BRIEF_S - 0.01)
    assert not judge.began(20.0, "Abrimos às nove.")
    assert judge.ended(20.0 + BRIEF_S + 0.01)


def test_pauses_of_a_quick_detector_do_not_make_two_voices_of_one() -> None:
    judge = overlap()
    judge.began(10.0, "Abrimos")
    assert not judge.ended(10.4)
    judge.began(10.4 + QUIET_S / 2, "Abrimos")
    assert judge.ended(10.9)
    judge.began(10.9 + QUIET_S + 0.01, "Abrimos")
    assert not judge.ended(11.5)


@pytest.mark.parametrize(
    ("over", "words", "begins"),
    [
        ("Abrimos às nove.", "Uhum.", False),
        ("Abrimos às nove.", "Ah, tá, entendi.", False),
        ("Abrimos às nove.", "", False),
        ("Abrimos às nove.", " ... ", False),
        ("Abrimos às nove.", "Não.", True),
        ("Abrimos às nove.", "Espera!", True),
        ("Abrimos às nove.", "Hã?", True),
        ("Abrimos às nove.", "Uhum, e no sábado", True),
        ("", "Uhum.", False),
        ("Só para confirmar: vocês abrem no sábado?", "Uhum.", True),
        ("Só para confirmar: vocês abrem no sábado? ", "Sim.", True),
        ("Só para confirmar: vocês abrem no sábado?", "", False),
        (None, "Uhum.", True),
    ],
)
def test_words_are_a_turn_unless_they_only_listen(over: str | None, words: str, begins: bool) -> None:
    judge = overlap()
    judge.began(10.0, over)
    judge.ended(10.4)
    assert judge.said(words, 11.0) is begins


def test_words_of_long_ago_are_not_taken_for_listening() -> None:
    judge = overlap()
    judge.began(10.0, "Abrimos às nove.")
    judge.ended(10.4)
    assert judge.is_over(10.5)
    assert judge.said("Uhum.", 10.5 + LATE_WORDS_S)
    assert not judge.is_over(10.5 + LATE_WORDS_S)


def test_after_a_turn_nothing_is_left_of_the_voice() -> None:
    judge = overlap()
    judge.began(10.0, "Abrimos às nove.")
    assert not judge.is_over(10.2), "it goes on"
    judge.settled()
    assert judge.said("Uhum.", 10.3)


def test_only_some_outputs_can_hold() -> None:
    assert isinstance(HoldingTransport(), HoldsSpeech)
    assert not isinstance(MemoryTransport(), HoldsSpeech)


def spec(*transcripts: str, turn: TurnSpec | None = None, latency_s: float = 0.0, **configs: Any) -> AssistantSpec:
    return assistant(
        stt={"transcripts": ["tell me all", *transcripts], "latency_s": latency_s},
        turn=turn or TurnSpec(),
        limits=LimitsSpec(silence_s=60),
        **({"llm": {"answers": [LONG, "Fine"]}} | configs),
    )


async def over_the_answer(call: Ringing, *voices_s: float, at: float = 4.7) -> CallRecord:
    """The caller asks, lets these voices be heard in the answer, 1.5 s apart, and hangs up long after."""
    await call.until(2.0)
    await call.caller.speaks(0.5)
    for number, voice_s in enumerate(voices_s):
        await call.until(at + 1.5 * number)
        await call.caller.speaks(voice_s)
    await call.until(20.0)
    call.session.end("caller_hangup")
    return await call.record()


def told(record: CallRecord) -> Sequence[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in record.turns[2:]]


@virtual
async def test_a_cough_is_no_turn() -> None:
    async with ringing(spec(""), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.3)
        played_s = call.player.played_s
    assert call.player.holds == [LONG]
    assert told(record) == [("assistant", LONG)]
    assert not record.turns[-1].interrupted
    assert played_s == pytest.approx(0.9 + 20 * 0.3, abs=0.01)


@virtual
async def test_uhum_is_no_turn_however_late_its_words_come() -> None:
    for latency_s in (0.0, 0.7):
        async with ringing(spec("Uh-huh.", latency_s=latency_s), transport=HoldingTransport()) as call:
            record = await over_the_answer(call, 0.5)
        assert call.player.holds == [LONG]
        assert told(record) == [("assistant", LONG)]


@virtual
async def test_what_was_passed_over_is_not_in_the_next_turn() -> None:
    transcripts = ("Uh-huh.", "and where are you")
    async with ringing(spec(*transcripts, llm={"answers": [LONG, "{question}"]}), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.speaks(0.4)
        await call.until(12.0)
        await call.caller.speaks(0.5)
        await call.until(18.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert told(record) == [("assistant", LONG), ("caller", "and where are you"), ("assistant", "and where are you")]


@virtual
async def test_a_turn_of_which_nothing_is_recognised_does_not_end_by_words_that_were_passed_over() -> None:
    async with ringing(spec("Uh-huh.", ""), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.speaks(0.4)
        await call.until(12.0)
        await call.caller.speaks(0.5)
        await call.until(15.0)
        assert call.session._conduct.phase.name == "HEARING"
        await call.until(20.0)
        assert call.session._conduct.phase.name == "LISTENING"


@virtual
async def test_a_short_word_interrupts_as_soon_as_it_is_recognised() -> None:
    async with ringing(spec("No", latency_s=0.6), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.3)
    broken, said, fine = record.turns[2:]
    # It was held from 4.7 s to 5.2 s and interrupted at 5.8 s: 2.2 s of it were heard.
    assert (broken.text, broken.interrupted) == ("word1 word2 word3 word4 word5 word6 word7", True)
    assert (said.text, said.at_ms) == ("No", pytest.approx(4700, abs=1))
    assert fine.text == "Fine"
    fall = fine.waterfall
    assert fall is not None
    assert fall.transcript == pytest.approx(800, abs=1)
    assert fall.turn_end == pytest.approx(800, abs=1), "the silence was long enough already"
    assert not record.turns[0].interrupted


@virtual
async def test_a_quick_answer_waits_for_the_silence_of_the_turn() -> None:
    async with ringing(spec("No"), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.3)
    fall = record.turns[-1].waterfall
    assert fall is not None
    assert fall.transcript == pytest.approx(200, abs=1)
    assert fall.turn_end == pytest.approx(600, abs=1)


@virtual
async def test_words_stand_behind_what_they_interrupted_even_where_a_turn_ends_at_once() -> None:
    async with ringing(spec("No", turn=TurnSpec(wait_s=0.0)), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.3)
    assert [turn.role for turn in record.turns[2:]] == ["assistant", "caller", "assistant"]
    assert record.turns[2].interrupted


@virtual
async def test_a_longer_voice_interrupts_while_it_lasts() -> None:
    async with ringing(spec("stop please"), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.starts()
        await call.until(4.7 + BRIEF_S)
        assert call.session._conduct.phase.name == "SPEAKING"
        played_s = call.player.played_s
        await call.until(4.7 + BRIEF_S + QUIET_S + 0.05)
        assert call.session._conduct.phase.name == "HEARING"
        assert call.player.played_s == played_s, "nothing was heard meanwhile"
        await call.until(6.2)
        await call.caller.stops()
        await call.until(12.0)
        call.session.end("caller_hangup")
        record = await call.record()
    broken, _, fine = record.turns[2:]
    assert broken.interrupted
    assert len(broken.text.split()) == 5
    assert fine.text == "Fine"


@virtual
async def test_a_detector_that_tells_the_end_late_is_waited_for() -> None:
    async with ringing(spec(""), transport=HoldingTransport()) as call:
        await call.until(1.5)
        await call.caller.push_frame(SpeechControlParamsFrame(vad_params=VADParams(stop_secs=0.8)))
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.push_frame(VADUserStartedSpeakingFrame())
        await call.until(4.7 + 0.5 + 0.8)
        await call.caller.push_frame(VADUserStoppedSpeakingFrame(stop_secs=0.8))
        await call.until(20.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert told(record) == [("assistant", LONG)]


@virtual
async def test_a_quick_detector_s_pauses_are_waited_out() -> None:
    async with ringing(spec(""), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        for _ in range(2):
            await call.caller.push_frame(VADUserStartedSpeakingFrame())
            await call.until(call.now() + 0.2)
            await call.caller.push_frame(VADUserStoppedSpeakingFrame(stop_secs=0.03))
            played_s = call.player.played_s
            await call.until(call.now() + 0.1)
            assert call.player.played_s == pytest.approx(played_s, abs=0.11)
        await call.until(20.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert told(record) == [("assistant", LONG)]


@virtual
async def test_two_coughs_and_then_words() -> None:
    async with ringing(spec("", "", "wait"), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.3, 0.3, 0.4)
    assert len(call.player.holds) == 3
    assert [role for role, _ in told(record)] == ["assistant", "caller", "assistant"]
    assert record.turns[2].interrupted
    assert record.turns[3].text == "wait"


@virtual
async def test_yes_over_a_question_is_a_reply() -> None:
    question = LONG.replace(".", "?")
    answers = {"answers": [question, "Fine"]}
    async with ringing(spec("Mm-hmm.", llm=answers), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.4)
    assert [role for role, _ in told(record)] == ["assistant", "caller", "assistant"]
    assert record.turns[3].text == "Mm-hmm."


@virtual
async def test_uhum_into_silence_is_a_reply() -> None:
    async with ringing(spec("Mm-hmm."), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.4, at=12.0)
    assert call.player.holds == []
    assert told(record) == [("assistant", LONG), ("caller", "Mm-hmm."), ("assistant", "Fine")]


@virtual
async def test_a_cough_does_not_take_back_a_good_bye() -> None:
    request = {"answers": [LONG], "request": "hangup"}
    async with ringing(spec("", llm=request), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(ANSWER_BEGINS_S + 19.5 * 0.3)
        await call.caller.speaks(0.3)
        record = await call.record()
    assert call.player.holds == [LONG]
    assert (record.end_reason, record.turns[-1].text, record.turns[-1].interrupted) == ("goodbye", LONG, False)
    assert call.line.asked == ["hang_up"]


@virtual
async def test_a_cough_does_not_take_back_the_farewell_of_a_silent_call() -> None:
    limits = LimitsSpec(silence_s=5, reprompts=0)
    silent = assistant(limits=limits, stt={"transcripts": [""]})
    async with ringing(silent, transport=HoldingTransport()) as call:
        await call.until(6.2)
        await call.caller.speaks(0.3)
        record = await call.record()
    assert call.player.holds == ["Good bye then"]
    assert call.said() == ["Welcome to us", "Good bye then"]
    assert record.end_reason == "silence"
    assert call.now() < 8


@virtual
@pytest.mark.parametrize("turn", [TurnSpec(false_interruption_s=0.0), TurnSpec(interruptible=False)])
async def test_it_can_be_turned_off(turn: TurnSpec) -> None:
    async with ringing(spec("", turn=turn), transport=HoldingTransport()) as call:
        record = await over_the_answer(call, 0.3)
    assert call.player.holds == []
    assert record.turns[2].interrupted is turn.interruptible


@virtual
async def test_while_it_is_muted_nothing_is_held() -> None:
    turn = TurnSpec(mute_until_greeting_done=True)
    async with ringing(spec("", turn=turn), transport=HoldingTransport()) as call:
        await call.until(0.35)
        await call.caller.speaks(0.3)
        await call.until(3.0)
        assert call.player.holds == []
        assert call.said() == ["Welcome to us"]


@virtual
async def test_an_output_that_cannot_hold_is_interrupted_at_once() -> None:
    async with ringing(spec("")) as call:
        record = await over_the_answer(call, 0.3)
    broken = record.turns[2]
    assert (len(broken.text.split()), broken.interrupted) == (5, True)


@virtual
async def test_who_coughs_and_hangs_up_has_heard_the_words_before() -> None:
    async with ringing(spec(""), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.starts()
        await call.until(4.9)
        call.session.end("caller_hangup")
        record = await call.record()
    assert record.end_reason == "caller_hangup"
    assert LIMIT not in call.said()
