"""Wires that keep audio: what an interruption takes back of it, and what counts as heard."""

from typing import Any

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
)

from tests.transports.freeswitch.edge import FRAME, RATE, Call, Ear, MemoryWire, calling, settle, tone
from transports.freeswitch.heard import HeardTextFrame

WORDS = "one two three four five six seven eight nine ten"


class AheadWire(MemoryWire):
    """As mod_audio_stream: takes up to a second ahead, plays `lag_ms` late, and forgets both when it is flushed."""

    lead_ms = 1000

    def __init__(self, lag_ms: int = 0) -> None:
        super().__init__()
        self._lag_ms = lag_ms

    @property
    def lag_ms(self) -> int:  # type: ignore[override]
        return self._lag_ms

    def flush(self) -> None:
        super().flush()
        self._lag_ms = 0

    def given(self, since: int = 0) -> int:
        """Frames with sound."""
        audio = b"".join(self.sent[since:])
        return sum(any(audio[at : at + FRAME]) for at in range(0, len(audio), FRAME))


class LateWire(MemoryWire):
    """As mod_audio_fork: what was sent last has not been heard yet."""

    lag_ms = 160


def plain(milliseconds: int) -> OutputAudioRawFrame:
    return OutputAudioRawFrame(tone(milliseconds), RATE, 1)


async def say(call: Call, text: str, milliseconds: int, *, interruptible: bool = True) -> None:
    frames: list[Any] = [TTSStartedFrame(context_id="c"), AggregatedTextFrame(text, "sentence", context_id="c")]
    frames.append(TTSAudioRawFrame(tone(milliseconds), RATE, 1, context_id="c"))
    frames[1].will_be_spoken = True
    for frame in frames:
        frame.interruptible = interruptible
        await call.worker.queue_frame(frame)
    await settle()


async def interrupt(call: Call) -> None:
    await call.worker.queue_frame(InterruptionFrame())
    await settle()


async def test_a_ringing_tone_is_taken_back_and_what_follows_is_whole() -> None:
    wire = AheadWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.worker.queue_frame(plain(1000))
        await settle()
        await call.beats(15)
        await interrupt(call)
        assert wire.flushed_at, "the switch would ring on"
        since = len(wire.sent)
        await say(call, WORDS, 1200)
        await call.beats(80)
        assert wire.given(since) == 60
        await call.worker.cancel()


async def test_nothing_is_handed_over_only_when_the_caller_is_to_hear_nothing() -> None:
    """By that the wire knows that an utterance is over: the next one's delay is measured anew."""
    wire = AheadWire()
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await call.beats(5)
        assert set(wire.sent) == {b""}
        await say(call, WORDS, 3000)
        since = len(wire.sent)
        await call.beats(140)
        assert b"" not in wire.sent[since:]
        await call.beats(20)
        assert wire.sent[-1] == b""
        await call.worker.cancel()


@pytest.mark.parametrize("lag_ms", [0, 60, 500])
async def test_words_that_were_still_on_their_way_are_not_heard(lag_ms: int) -> None:
    call, ear = Call(AheadWire(lag_ms)), Ear()
    async with calling(call, call.transport.input(), call.transport.output(), ear):
        await say(call, WORDS, 3000)
        await call.beats(75)
        await interrupt(call)
        [heard] = ear.of(HeardTextFrame)
        assert isinstance(heard, HeardTextFrame)
        share = (75 * 20 - lag_ms) / 3000
        assert len(heard.text) == pytest.approx(len(WORDS) * share, abs=6)
        await call.worker.cancel()


@pytest.mark.parametrize("wire", [AheadWire(60), LateWire()])
async def test_what_may_not_be_cut_is_not_taken_back(wire: MemoryWire) -> None:
    call = Call(wire)
    async with calling(call, call.transport.input(), call.transport.output()):
        await say(call, WORDS, 2000, interruptible=False)
        await call.beats(25)
        await interrupt(call)
        assert wire.flushed_at == []
        await call.worker.cancel()


@pytest.mark.parametrize("lag_ms", [0, 160, 5000])
async def test_a_recorder_is_told_when_it_is_heard_and_what_never_is(lag_ms: int) -> None:
    call = Call(AheadWire(lag_ms))
    async with calling(call, call.transport.input(), call.transport.output()):
        await say(call, WORDS, 1000)
        await call.beats(10)
        began = call.time.now
        heard_at = [at for pcm, at in call.tap.assistant if any(pcm)]
        assert heard_at[-1] - began == pytest.approx(min(lag_ms, 200) / 1000, abs=0.021)
        await interrupt(call)
        assert call.tap.unheard_from == [pytest.approx(began, abs=0.021)]
        await call.beats(3)
        silent_at = [at for pcm, at in call.tap.assistant if not any(pcm)][-3:]
        assert silent_at[0] - began <= 0.021, "silence is no later than it is"
        await call.worker.cancel()
