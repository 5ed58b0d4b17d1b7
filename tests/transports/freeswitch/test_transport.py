"""Whole pipelines at the media edge, with pipecat's own worker, aggregators and TTS base."""

import asyncio
import random
from itertools import pairwise

import pytest
from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    DataFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from base.speech import VadEdge
from tests.transports.freeswitch.edge import (
    FRAME,
    RATE,
    SILENCE,
    Call,
    Ear,
    HaltingTts,
    HandVad,
    LetterTts,
    ScriptedLlm,
    SlowTts,
    calling,
    settle,
    tone,
)
from transports.freeswitch.heard import HeardTextFrame, heard_prefix


class Echo(FrameProcessor):
    """Says back what it hears."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self.push_frame(TTSAudioRawFrame(frame.audio, frame.sample_rate, 1))
        else:
            await self.push_frame(frame, direction)


class Talk:
    """A conversation: user and assistant aggregators round a scripted mind."""

    def __init__(self, *answers: str, tts: FrameProcessor | None = None) -> None:
        self.call = Call()
        self.context = LLMContext([{"role": "user", "content": "alô"}])
        strategies = UserTurnStrategies(
            start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.1)]
        )
        pair = LLMContextAggregatorPair(
            self.context, user_params=LLMUserAggregatorParams(user_turn_strategies=strategies)
        )
        self.before, self.after = Ear(), Ear()
        self.turns: list[AssistantTurnStoppedMessage] = []
        pair.assistant().add_event_handler(
            "on_assistant_turn_stopped", lambda aggregator, message: self.turns.append(message)
        )
        self.tts = tts or LetterTts()
        transport = self.call.transport
        self.processors = [
            transport.input(),
            pair.user(),
            ScriptedLlm(answers),
            self.tts,
            self.before,
            transport.output(),
            self.after,
            pair.assistant(),
        ]

    def said(self) -> list[str]:
        """What the conversation keeps of the assistant's."""
        return [str(m["content"]) for m in self.context.get_messages() if m["role"] == "assistant"]  # type: ignore[index,call-overload]

    async def answer(self) -> None:
        await self.call.worker.queue_frame(LLMRunFrame())
        await settle()


async def test_an_echo_call() -> None:
    call = Call(continuous=True)
    async with calling(call, call.transport.input(), Echo(), call.transport.output()):
        await call.beats(10)
        spoken = tone(400)
        for at in range(0, len(spoken), FRAME):
            await call.beats(1, spoken[at : at + FRAME])
        await call.beats(30)
        await call.worker.stop_when_done()
        await call.until_ended()
    sent = b"".join(call.wire.sent)
    assert spoken in sent
    assert not any(sent.replace(spoken, b""))
    assert {len(pcm) for pcm in call.wire.sent} == {FRAME}


async def test_both_sides_are_recorded_true_to_time() -> None:
    call = Call(continuous=True)
    async with calling(call, call.transport.input(), Echo(), call.transport.output()):
        await call.beats(20, tone(20))
        await call.beats(20)
    assert [pcm for pcm, _ in call.tap.assistant] == call.wire.sent
    assert [pcm for pcm, _ in call.tap.caller] == [tone(20)] * 20 + [SILENCE] * 20
    for side in (call.tap.caller, call.tap.assistant):
        assert [b - a for (_, a), (_, b) in pairwise(side)] == pytest.approx([0.02] * (len(side) - 1))


async def test_a_recorder_that_fails_does_not_silence_the_call() -> None:
    call = Call(continuous=True)

    def fail(pcm: bytes, at: float) -> None:
        raise OSError("disk full")

    call.tap.to_caller = fail  # type: ignore[method-assign]
    async with calling(call, call.transport.input(), Echo(), call.transport.output()):
        await call.beats(20, tone(20))
    assert sum(call.sounding) > 10


async def test_the_ear_gets_start_then_preroll_then_speech_then_stop() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        count = 0

        async def beats(number: int) -> None:
            nonlocal count
            for _ in range(number):
                await call.beats(1, count.to_bytes(2, "little") * (FRAME // 2))
                count += 1

        await beats(50)
        assert not ear.of(InputAudioRawFrame)
        await call.edge(VadEdge.STARTED)
        await beats(12)
        await call.edge(VadEdge.STOPPED)
        await beats(30)
    kinds = (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame, InputAudioRawFrame)
    heard = ear.of(*kinds)
    assert isinstance(heard[0], VADUserStartedSpeakingFrame)
    assert heard[0].start_secs == 0.1
    stop = next(at for at, frame in enumerate(heard) if isinstance(frame, VADUserStoppedSpeakingFrame))
    during = [frame.audio for frame in heard[1:stop] if isinstance(frame, InputAudioRawFrame)]
    after = [frame.audio for frame in heard[stop + 1 :] if isinstance(frame, InputAudioRawFrame)]
    numbers = [int.from_bytes(pcm[at : at + 2], "little") for pcm in during for at in range(0, len(pcm), FRAME)]
    assert numbers == list(range(50 - 20, 62))
    assert [len(pcm) // FRAME for pcm in during] == [5, 5, 5, 5, 5, 5, 2]
    assert [len(pcm) // FRAME for pcm in after] == [5]
    assert len(ear.of(UserSpeakingFrame)) == 1
    assert len([frame for frame in heard if isinstance(frame, VADUserStoppedSpeakingFrame)]) == 1


async def test_a_continuous_ear_gets_everything() -> None:
    call, ear = Call(continuous=True), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        await call.beats(10, tone(20))
        await call.edge(VadEdge.STARTED)
        await call.beats(7)
        await call.edge(VadEdge.STOPPED)
        await call.beats(8)
    audio = b"".join(frame.audio for frame in ear.of(InputAudioRawFrame) if isinstance(frame, InputAudioRawFrame))
    assert audio == tone(20) * 10 + SILENCE * 12


async def test_the_detector_can_be_exchanged_in_a_call() -> None:
    call, ear, other = Call(), Ear(), HandVad()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        await call.edge(VadEdge.STARTED)
        call.transport.set_vad(other)
        await settle()
        assert len(ear.of(VADUserStoppedSpeakingFrame)) == 1
        assert call.vad.streams[0].closed
        call.vad.edge(VadEdge.STOPPED)
        await call.beats(3)
        other.edge(VadEdge.STARTED)
        await settle()
        assert other.streams[0].fed == 3 * FRAME
        assert len(ear.of(VADUserStartedSpeakingFrame)) == 2
        assert len(ear.of(VADUserStoppedSpeakingFrame)) == 1
    assert other.streams[0].closed


async def test_the_gate_can_be_opened_for_a_new_ear() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        await call.beats(10)
        assert not ear.of(InputAudioRawFrame)
        call.transport.set_continuous(True)
        await call.beats(10)
        assert len(ear.of(InputAudioRawFrame)) == 2


async def test_keys_become_frames() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        for digit in ("5", "#", "A"):
            call.transport.dtmf(digit, 100)
        await settle()
    pressed = [frame.button.value for frame in ear.of(InputDTMFFrame) if isinstance(frame, InputDTMFFrame)]
    assert pressed == ["5", "#"]


async def test_an_answer_is_kept_when_it_was_heard() -> None:
    talk = Talk("Bom dia. Tudo bem?")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        beats = 0
        while not talk.said():
            await talk.call.beats(1)
            beats += 1
            assert beats < 200
        letters = len("BomdiaTudobem")
        assert sum(talk.call.sounding) == letters * 3
        assert talk.said() == ["Bom dia. Tudo bem?"]
        assert [message.interrupted for message in talk.turns] == [False]
    heard = [frame.text for frame in talk.after.of(TTSTextFrame) if isinstance(frame, TTSTextFrame)]
    assert heard == ["Bom dia.", "Tudo bem?"]


async def test_who_speaks_is_told_both_ways() -> None:
    talk = Talk("Bom dia.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.beats(30)
    for heard in (talk.after.down, talk.before.up):
        kinds = [type(f) for f in heard if isinstance(f, BotStartedSpeakingFrame | BotStoppedSpeakingFrame)]
        assert kinds == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
    assert len(talk.after.of(BotSpeakingFrame)) == 1
    first = next(at for (pcm, at) in talk.call.tap.assistant if any(pcm))
    assert talk.call.first_audio == [pytest.approx(first)]


SENTENCES = ("Atendemos de segunda a sexta.", "Aos sábados até meio dia.")


@pytest.mark.parametrize("played", [0, 1, 5, 20, 40, 71, 72, 73, 74, 90, 120])
async def test_a_barge_in_keeps_exactly_the_words_heard(played: int) -> None:
    talk = Talk(" ".join(SENTENCES), "Pois não.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        while sum(talk.call.sounding) < played:
            await talk.call.beats(1)
        before = len(talk.call.wire.sent)
        await talk.call.edge(VadEdge.STARTED)
        await talk.call.beats(30)
        assert not any(talk.call.sounding[before:])
        assert talk.said() == expected(played)
        await talk.call.edge(VadEdge.STOPPED)
        await talk.answer()
        await talk.call.beats(60)
        assert talk.said() == [*expected(played), "Pois não."]
    interrupted = [message.interrupted for message in talk.turns]
    assert interrupted[-1] is False
    assert all(interrupted[:-1])


def expected(played: int) -> list[str]:
    """The words within so many chunks of 20 ms, sentence by sentence."""
    words = []
    for sentence in SENTENCES:
        chunks = sum(letter.isalnum() for letter in sentence) * 3
        words.append(heard_prefix(sentence, min(1.0, played / chunks)))
        played = max(0, played - chunks)
    kept = " ".join(filter(None, words))
    return [kept] if kept else []


async def test_the_words_come_ahead_of_the_interruption() -> None:
    talk = Talk(SENTENCES[0])
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.beats(40)
        await talk.call.edge(VadEdge.STARTED)
    kinds = (TTSTextFrame, InterruptionFrame, BotStoppedSpeakingFrame)
    assert [type(frame) for frame in talk.after.of(*kinds)] == [
        HeardTextFrame,
        InterruptionFrame,
        BotStoppedSpeakingFrame,
    ]


async def test_a_sentence_told_in_the_same_moment_is_not_lost() -> None:
    """The text of a sentence and the interruption leave the output without the loop running in between."""
    talk = Talk(" ".join(SENTENCES))
    chunks = sum(letter.isalnum() for letter in SENTENCES[0]) * 3
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        while sum(talk.call.sounding) < chunks:
            await talk.call.beats(1)
        talk.call.time.pass_(0.020)
        talk.call.vad.edge(VadEdge.STARTED)
        await settle()
        assert talk.said() == [SENTENCES[0]]


async def test_many_interruptions_leave_every_heard_word() -> None:
    talk = Talk(*["um dois três quatro cinco seis."] * 8)
    async with calling(talk.call, *talk.processors):
        for _ in range(8):
            await talk.answer()
            await talk.call.beats(25)
            await talk.call.worker.queue_frame(InterruptionFrame())
            await talk.call.beats(3)
    assert len(talk.said()) == 8
    assert set(talk.said()) == {talk.said()[0]}
    assert talk.said()[0].startswith("um dois")


@pytest.mark.parametrize("seed", range(25))
async def test_an_interruption_at_any_moment_keeps_a_true_prefix(seed: int) -> None:
    """Ticks, rendering and interruption meet in every order: between any two steps of any task."""
    chance = random.Random(seed)
    talk = Talk(" ".join(SENTENCES), tts=SlowTts())
    async with calling(talk.call, *talk.processors):
        await talk.call.worker.queue_frame(LLMRunFrame())
        for _ in range(chance.randrange(10, 260)):
            if chance.random() < 0.5:
                talk.call.time.pass_(0.020)
            await asyncio.sleep(0)
        await talk.call.worker.queue_frame(InterruptionFrame())
        for _ in range(chance.randrange(0, 6)):
            talk.call.time.pass_(0.020)
            await asyncio.sleep(0)
        await settle()
        played = sum(talk.call.sounding)
        silent_from = len(talk.call.wire.sent)
        await talk.call.beats(60)
        assert not any(talk.call.sounding[silent_from:])
        kept = " ".join(talk.said())
        whole = " ".join(expected(played))
        assert whole.startswith(kept)
        assert len(whole.split()) - len(kept.split()) <= 3


async def test_a_voice_that_halts_in_a_sentence_is_told_once_it_goes_on() -> None:
    voice = HaltingTts()
    talk = Talk("Vamos atender.", "Claro.", tts=voice)
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.beats(40)
        assert (any(talk.call.sounding), talk.call.underruns) == (True, [])
        silent_ms = 20 * talk.call.sounding[::-1].index(True)
        voice.goes_on.set()
        await settle()
        await talk.call.beats(100)
        assert talk.call.underruns == [silent_ms]
        await talk.answer()
        await talk.call.beats(60)
        assert talk.call.underruns == [silent_ms], "a pause between two answers is none"
    assert talk.said() == ["Vamos atender.", "Claro."]


async def test_a_fixed_sentence_is_cut_too() -> None:
    talk = Talk()
    async with calling(talk.call, *talk.processors):
        await talk.call.worker.queue_frame(TTSSpeakFrame("Bem vindo ao consultório sorriso."))
        await settle()
        await talk.call.beats(20)
        await talk.call.edge(VadEdge.STARTED)
        await talk.call.beats(2)
        assert talk.said() == ["Bem"]


class Request(DataFrame):
    """Something for the call, in order with what is said."""


async def test_a_request_comes_out_when_the_words_before_it_were_heard() -> None:
    talk = Talk("Até logo.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.worker.queue_frame(Request())
        await settle()
        while not talk.after.of(Request):
            await talk.call.beats(1)
            assert len(talk.call.wire.sent) < 200
        assert sum(talk.call.sounding) == len("Atélogo") * 3
        assert not talk.call.sounding[-1]


async def test_an_interruption_drops_the_request() -> None:
    talk = Talk("Até logo.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.worker.queue_frame(Request())
        await talk.call.beats(5)
        await talk.call.edge(VadEdge.STARTED)
        await talk.call.beats(40)
        assert not talk.after.of(Request)


class Stubborn(FrameProcessor):
    """A voice that goes on with its context after an interruption."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMRunFrame):
            await self.push_frame(TTSStartedFrame(context_id="old"))
            await self.say()
        elif isinstance(frame, InterruptionFrame):
            await self.say()
            await self.push_frame(TTSStoppedFrame(context_id="old"))

    async def say(self) -> None:
        await self.push_frame(TTSAudioRawFrame(tone(200), RATE, 1, context_id="old"))


async def test_stale_audio_of_an_interrupted_context_is_not_played() -> None:
    call, voice = Call(), Stubborn()
    async with calling(call, call.transport.input(), voice, call.transport.output()):
        await call.worker.queue_frame(LLMRunFrame())
        await call.beats(4)
        assert call.sounding[-1]
        await call.worker.queue_frame(InterruptionFrame())
        await settle()
        before = len(call.wire.sent)
        await call.beats(30)
        assert not any(call.sounding[before:])


async def test_the_end_waits_for_the_last_word() -> None:
    talk = Talk("Até logo.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.worker.stop_when_done()
        await talk.call.until_ended()
    assert sum(talk.call.sounding) == len("Atélogo") * 3
    assert talk.said() == ["Até logo."]
    assert isinstance(talk.after.down[-1], EndFrame)
    assert talk.call.clock.subscribers == 0
    await talk.call.transport.caller_gone()
    talk.call.transport.dtmf("1", 100)
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_caller_who_hangs_up_has_heard_the_words_so_far() -> None:
    talk = Talk(SENTENCES[0])
    gone: list[object] = []
    talk.call.transport.add_event_handler("on_client_disconnected", lambda transport, wire: gone.append(wire))
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.beats(40)
        sent = len(talk.call.wire.sent)
        await talk.call.transport.caller_gone()
        await talk.call.transport.caller_gone()
        await talk.call.worker.stop_when_done()
        await talk.call.until_ended()
    assert talk.said() == expected(sum(talk.call.sounding))
    assert talk.said() != [SENTENCES[0]]
    assert [message.interrupted for message in talk.turns] == [True]
    assert len(talk.call.wire.sent) == sent
    assert gone == [talk.call.wire]
    assert talk.call.vad.streams[0].closed


async def test_a_caller_who_hangs_up_while_speaking_is_heard_to_the_end() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        await call.edge(VadEdge.STARTED)
        await call.beats(3, tone(20))
        await call.transport.caller_gone()
        await call.worker.stop_when_done()
        await call.until_ended()
    kinds = (VADUserStoppedSpeakingFrame, InputAudioRawFrame, EndFrame)
    assert [type(frame) for frame in ear.of(*kinds)] == [InputAudioRawFrame, VADUserStoppedSpeakingFrame, EndFrame]


async def test_a_cancelled_call_keeps_the_words_heard() -> None:
    talk = Talk(SENTENCES[0])
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.beats(40)
        await talk.call.worker.cancel()
        await talk.call.until_ended()
    assert talk.said() == expected(sum(talk.call.sounding))
    assert talk.call.clock.subscribers == 0


async def test_a_closed_transport_neither_plays_nor_hears_though_the_pipeline_lives() -> None:
    call = Call()
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.beats(3)
        before = len(call.wire.sent)
        call.transport.close()
        call.transport.close()
        assert call.clock.subscribers == 0
        assert call.vad.streams[0].closed
        await call.beats(3)
        assert len(call.wire.sent) == before > 0


async def test_a_caller_gone_before_the_start_hears_nothing() -> None:
    call = Call()
    await call.transport.output().caller_left()
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.transport.caller_gone()
        await call.worker.stop_when_done()
        await call.until_ended()
    assert call.wire.sent == []


async def test_audio_at_another_rate_is_resampled() -> None:
    call = Call()
    async with calling(call, call.transport.input(), call.transport.output()):
        for _ in range(4):
            await call.worker.queue_frame(TTSAudioRawFrame(tone(300), RATE * 3, 1, context_id="c"))
        await call.worker.queue_frame(TTSStoppedFrame(context_id="c"))
        await call.beats(40)
    assert 20 <= sum(call.sounding) <= 21


async def test_audio_that_is_not_mono_is_an_error_not_a_noise() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        await call.worker.queue_frame(OutputAudioRawFrame(tone(100), RATE, 2))
        await call.beats(10)
        assert not any(call.sounding)
        assert any(isinstance(frame, ErrorFrame) for frame in ear.up)


async def test_a_voice_far_ahead_has_to_wait() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), call.transport.output(), ear):
        for _ in range(70):
            await call.worker.queue_frame(TTSAudioRawFrame(tone(1000), RATE, 1, context_id="c"))
        await settle()
        assert call.transport.output()._playout.queued_ms == 60_000
        await call.beats(60)
        assert 60_000 <= call.transport.output()._playout.queued_ms < 61_000
        await call.worker.queue_frame(InterruptionFrame())
        await settle()
        await call.beats(1)
        assert not call.sounding[-1]


async def test_no_task_is_left_behind() -> None:
    talk = Talk("Bom dia.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.beats(10)
        await talk.call.transport.caller_gone()
        await talk.call.worker.stop_when_done()
        await talk.call.until_ended()
    await settle()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
