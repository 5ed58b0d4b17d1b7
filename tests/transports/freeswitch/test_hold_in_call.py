"""Speech held at the media edge, with pipecat's own worker, aggregators and TTS base."""

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)

from base.speech import VadEdge
from tests.transports.freeswitch.edge import FRAME, RATE, Call, Ear, calling, settle, tone
from tests.transports.freeswitch.test_transport import Request, Talk

SENTENCE = "Atendemos de segunda a sexta."
FIRST_WORD = len("Atendemos") * 3
"""Chunks of 20 ms: 60 ms for each letter."""


async def spoken(talk: Talk, chunks: int) -> None:
    await talk.answer()
    while sum(talk.call.sounding) < chunks:
        await talk.call.beats(1)


async def test_the_next_beat_is_silent_and_the_word_is_said_again() -> None:
    talk = Talk(SENTENCE)
    async with calling(talk.call, *talk.processors):
        await spoken(talk, FIRST_WORD + 4)
        before = len(talk.call.wire.sent)
        assert talk.call.transport.hold_speech() == SENTENCE
        await talk.call.beats(30)
        assert not any(talk.call.sounding[before:])
        assert talk.call.wire.flushed_at == [before]
        talk.call.transport.resume_speech()
        await talk.call.beats(1)
        assert talk.call.sounding[-1]
        await talk.call.beats(120)
        assert talk.said() == [SENTENCE]
        # The second word begins a little behind the first one's last letter: gaps count as well.
        said_twice = sum(talk.call.sounding) - sum(letter.isalnum() for letter in SENTENCE) * 3
        assert 0 < said_twice <= 8
        assert len(talk.after.of(BotStartedSpeakingFrame)) == len(talk.after.of(BotStoppedSpeakingFrame)) == 1
        assert not talk.after.of(InterruptionFrame)
    assert [message.interrupted for message in talk.turns] == [False]


async def test_what_the_wire_keeps_is_flushed_once_and_said_again() -> None:
    talk = Talk(SENTENCE)
    talk.call.wire.lag_ms = 160  # type: ignore[misc]
    async with calling(talk.call, *talk.processors):
        await spoken(talk, 20)
        kept = talk.call.wire.sent[-20:]
        talk.call.transport.hold_speech()
        talk.call.transport.hold_speech()
        await talk.call.beats(20)
        talk.call.transport.resume_speech()
        at = len(talk.call.wire.sent)
        await talk.call.beats(20)
        assert len(talk.call.wire.flushed_at) == 1
        assert talk.call.wire.sent[at : at + 20] == kept, "twelve of twenty chunks were heard, and no word"


async def test_a_hold_may_become_an_interruption() -> None:
    talk = Talk(SENTENCE, "Pois não.")
    async with calling(talk.call, *talk.processors):
        await spoken(talk, FIRST_WORD + 4)
        before = len(talk.call.wire.sent)
        talk.call.transport.hold_speech()
        await talk.call.beats(10)
        await talk.call.edge(VadEdge.STARTED)
        await talk.call.beats(30)
        talk.call.transport.resume_speech()
        await talk.call.beats(30)
        assert not any(talk.call.sounding[before:])
        assert talk.said() == ["Atendemos"]
        await talk.call.edge(VadEdge.STOPPED)
        await talk.answer()
        await talk.call.beats(60)
        assert talk.said() == ["Atendemos", "Pois não."]
    assert [message.interrupted for message in talk.turns] == [True, False]


async def test_a_request_waits_for_the_words_that_are_held() -> None:
    talk = Talk("Até logo.")
    async with calling(talk.call, *talk.processors):
        await talk.answer()
        await talk.call.worker.queue_frame(Request())
        while sum(talk.call.sounding) < len("Atélogo") * 3:
            await talk.call.beats(1)
        assert talk.call.transport.hold_speech() is not None
        await talk.call.beats(50)
        assert not talk.after.of(Request)
        talk.call.transport.resume_speech()
        await talk.call.beats(30)
        assert talk.after.of(Request)
        assert talk.said() == ["Até logo."]


async def test_who_hangs_up_while_it_is_held_has_heard_the_words_before() -> None:
    talk = Talk(SENTENCE)
    async with calling(talk.call, *talk.processors):
        await spoken(talk, FIRST_WORD + 4)
        talk.call.transport.hold_speech()
        await talk.call.beats(5)
        await talk.call.transport.caller_gone()
        assert talk.call.transport.hold_speech() is None
        talk.call.transport.resume_speech()
        await talk.call.worker.stop_when_done()
        await talk.call.until_ended()
    assert talk.said() == ["Atendemos"]


async def test_what_may_not_be_interrupted_is_neither_held_nor_flushed() -> None:
    talk = Talk()
    async with calling(talk.call, *talk.processors):
        frame = TTSSpeakFrame("Fim.")
        frame.interruptible = False
        await talk.call.worker.queue_frame(frame)
        await talk.call.beats(5)
        assert any(talk.call.sounding)
        assert talk.call.transport.hold_speech() is None
        await talk.call.beats(20)
        assert sum(talk.call.sounding) == 9
        assert talk.call.wire.flushed_at == []


async def test_what_may_not_be_interrupted_waits_for_a_wire_that_is_lost() -> None:
    talk = Talk()
    async with calling(talk.call, *talk.processors):
        frame = TTSSpeakFrame("Fim.")
        frame.interruptible = False
        await talk.call.worker.queue_frame(frame)
        while sum(talk.call.sounding) < 4:
            await talk.call.beats(1)
        talk.call.transport.wire_lost()
        talk.call.transport.wire_lost()
        before = len(talk.call.wire.sent)
        await talk.call.beats(20, pcm=None)
        assert not any(talk.call.sounding[before:])
        assert talk.said() == []
        talk.call.transport.wire_back()
        talk.call.transport.wire_back()
        await talk.call.beats(20)
        assert sum(talk.call.sounding[before:]) == 9, "the word was not heard whole"
        assert talk.said() == ["Fim."]


async def test_what_was_on_its_way_when_the_wire_was_lost_is_said_again() -> None:
    talk = Talk(SENTENCE)
    talk.call.wire.lag_ms = 160  # type: ignore[misc]
    async with calling(talk.call, *talk.processors):
        await spoken(talk, 20)
        kept = talk.call.wire.sent[-20:]
        talk.call.transport.wire_lost()
        talk.call.wire.lag_ms = 0  # type: ignore[misc]
        await talk.call.beats(20)
        talk.call.transport.wire_back()
        at = len(talk.call.wire.sent)
        await talk.call.beats(20)
        assert talk.call.wire.sent[at : at + 20] == kept, "twelve of twenty chunks were heard, and no word"


async def test_who_hangs_up_while_the_wire_is_lost_has_heard_the_words_before() -> None:
    talk = Talk(SENTENCE)
    async with calling(talk.call, *talk.processors):
        await spoken(talk, FIRST_WORD + 4)
        talk.call.transport.wire_lost()
        await talk.call.beats(5)
        await talk.call.transport.caller_gone()
        talk.call.transport.wire_back()
        await talk.call.worker.stop_when_done()
        await talk.call.until_ended()
    assert talk.said() == ["Atendemos"]


async def test_a_voice_far_ahead_waits_while_it_is_held() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), call.transport.output(), ear):
        await call.worker.queue_frame(TTSAudioRawFrame(tone(1000), RATE, 1, context_id="c"))
        await call.beats(5)
        assert call.transport.hold_speech() == ""
        for _ in range(70):
            await call.worker.queue_frame(TTSAudioRawFrame(tone(1000), RATE, 1, context_id="c"))
        await settle()
        await call.beats(50)
        assert call.transport.output()._playout.queued_ms < 61_000
        call.transport.resume_speech()
        await call.beats(50)
        assert all(call.sounding[-50:])


@pytest.mark.parametrize("chunks", [1, 20, 40, 60])
async def test_held_at_any_moment_it_is_told_whole(chunks: int) -> None:
    talk = Talk(f"{SENTENCE} Aos sábados até meio dia.")
    async with calling(talk.call, *talk.processors):
        await spoken(talk, chunks)
        for _ in range(3):
            talk.call.transport.hold_speech()
            await talk.call.beats(7)
            talk.call.transport.resume_speech()
            await talk.call.beats(3)
        await talk.call.beats(220)
        assert talk.said() == [f"{SENTENCE} Aos sábados até meio dia."]
    assert all(len(pcm) == FRAME for pcm in talk.call.wire.sent)
