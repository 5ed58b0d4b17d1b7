"""A call at the media edge without sockets and without waiting: wire, detector and time are all by hand."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.workers.runner import WorkerRunner

from base.speech import VadEdge
from transports.clock import MediaClock
from transports.freeswitch.transport import FreeSwitchTransport

RATE = 8000
FRAME = 320
SILENCE = bytes(FRAME)
MS_PER_LETTER = 60


def tone(milliseconds: int, level: int = 4000) -> bytes:
    at = np.arange(RATE * milliseconds // 1000)
    return (level * np.sin(at / 3)).astype(np.int16).tobytes()


class MemoryWire:
    """What was sent, and a mouth for the caller."""

    sample_rate = RATE
    lag_ms = 0
    lead_ms = 0
    burst_ms = 0

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.flushed_at: list[int] = []
        self._callback: Callable[[bytes], None] = lambda pcm: None

    def listen(self, callback: Callable[[bytes], None]) -> None:
        self._callback = callback

    def say(self, pcm: bytes) -> None:
        self._callback(pcm)

    def send(self, pcm: bytes) -> None:
        self.sent.append(pcm)

    def flush(self) -> None:
        self.flushed_at.append(len(self.sent))

    def close(self) -> None: ...


class Recorder:
    """An AudioTap."""

    def __init__(self) -> None:
        self.caller: list[tuple[bytes, float]] = []
        self.assistant: list[tuple[bytes, float]] = []
        self.unheard_from: list[float] = []

    def from_caller(self, pcm: bytes, at: float) -> None:
        self.caller.append((pcm, at))

    def to_caller(self, pcm: bytes, at: float) -> None:
        self.assistant.append((pcm, at))

    def unheard(self, at: float) -> None:
        self.unheard_from.append(at)


class HandStream:
    start_secs = 0.1
    stop_secs = 0.2

    def __init__(self, on_edge: Callable[[VadEdge], None]) -> None:
        self.on_edge = on_edge
        self.fed = 0
        self.closed = False

    def feed(self, pcm: bytes) -> None:
        self.fed += len(pcm)

    def close(self) -> None:
        self.closed = True


class HandVad:
    """A detector that says what the test tells it to."""

    def __init__(self) -> None:
        self.streams: list[HandStream] = []

    def open(self, sample_rate: int, on_edge: Callable[[VadEdge], None]) -> HandStream:
        self.streams.append(HandStream(on_edge))
        return self.streams[-1]

    def edge(self, edge: VadEdge) -> None:
        self.streams[-1].on_edge(edge)


class HandTimer:
    def __init__(self, at: float, function: Callable[[], None]) -> None:
        self.at, self.function, self.live = at, function, True

    def cancel(self) -> None:
        self.live = False


class HandTime:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[HandTimer] = []

    def schedule(self, delay_s: float, function: Callable[[], None]) -> HandTimer:
        timer = HandTimer(self.now + delay_s, function)
        self._timers.append(timer)
        return timer

    def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer.live and timer.at <= end + 1e-9]:
            timer = min(due, key=lambda due_timer: due_timer.at)
            timer.live = False
            self.now = max(self.now, timer.at)
            timer.function()
        self._timers = [timer for timer in self._timers if timer.live]
        self.now = end


async def settle() -> None:
    """Let every task run until all of them wait."""
    for _ in range(60):
        await asyncio.sleep(0)


class Ear(FrameProcessor):
    """Writes down what passes, both ways, and passes it on."""

    def __init__(self) -> None:
        super().__init__()
        self.down: list[Frame] = []
        self.up: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        (self.down if direction is FrameDirection.DOWNSTREAM else self.up).append(frame)
        await self.push_frame(frame, direction)

    def of(self, *kinds: type[Frame]) -> list[Frame]:
        return [frame for frame in self.down if isinstance(frame, kinds)]


class ScriptedLlm(FrameProcessor):
    """Answers each context with the next answer."""

    def __init__(self, answers: Sequence[str]) -> None:
        super().__init__()
        self._answers = iter(answers)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.push_frame(LLMFullResponseStartFrame())
            await self.push_frame(LLMTextFrame(next(self._answers)))
            await self.push_frame(LLMFullResponseEndFrame())
        else:
            await self.push_frame(frame, direction)


class LetterTts(TTSService):
    """60 ms of tone for each letter of a sentence, in blocks of 100 ms."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            push_text_frames=True,
            settings=TTSSettings(model=None, voice=None, language=None),
        )

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        pcm = tone(sum(letter.isalnum() for letter in text) * MS_PER_LETTER)
        for at in range(0, len(pcm), FRAME * 5):
            yield TTSAudioRawFrame(pcm[at : at + FRAME * 5], RATE, 1, context_id=context_id)


class SlowTts(LetterTts):
    """Gives way to other tasks between its blocks, as a voice over a network does."""

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        async for frame in super().run_tts(text, context_id):
            for _ in range(3):
                await asyncio.sleep(0)
            yield frame


class HaltingTts(LetterTts):
    """Has its first block at once and nothing more before `goes_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        async for frame in super().run_tts(text, context_id):
            yield frame
            await self.goes_on.wait()


class Call:
    """One running pipeline and what is needed to play its caller."""

    def __init__(self, wire: MemoryWire | None = None, **transport: Any) -> None:
        self.wire = wire or MemoryWire()
        self.vad = HandVad()
        self.time = HandTime()
        self.tap = Recorder()
        self.first_audio: list[float] = []
        self.underruns: list[int] = []
        self.clock = MediaClock(now=lambda: self.time.now, schedule=self.time.schedule)
        self.transport = FreeSwitchTransport(
            self.wire,
            clock=self.clock,
            vad=self.vad,
            tap=self.tap,
            on_first_audio=self.first_audio.append,
            on_underrun=self.underruns.append,
            **transport,
        )
        self.worker: PipelineWorker
        self.ended: asyncio.Task[None]

    async def beats(self, count: int, pcm: bytes | None = SILENCE) -> None:
        """So many times 20 ms: the caller's frame comes, the clock ticks, the pipeline works."""
        for _ in range(count):
            if pcm is not None:
                self.wire.say(pcm)
            self.time.pass_(0.020)
            await settle()

    async def edge(self, edge: VadEdge) -> None:
        self.vad.edge(edge)
        await settle()

    @property
    def sounding(self) -> list[bool]:
        """For every frame sent, whether there was sound in it."""
        return [any(pcm) for pcm in self.wire.sent]

    async def until_ended(self) -> None:
        """The clock goes on until the pipeline has ended."""
        for _ in range(2000):
            if self.ended.done():
                break
            await self.beats(1)
            await asyncio.sleep(0.0005)
        async with asyncio.timeout(10):
            await self.ended


@asynccontextmanager
async def calling(call: Call, *processors: FrameProcessor) -> AsyncIterator[Call]:
    """Run a pipeline of these with lean flags, one runner for the call; it has ended when the block is left."""
    call.worker = PipelineWorker(
        Pipeline(list(processors)),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )
    started = asyncio.Event()
    call.worker.add_event_handler("on_pipeline_started", lambda worker, frame: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(call.worker)
    call.ended = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(10):
            await started.wait()
        await settle()
        yield call
    finally:
        if not call.ended.done():
            await call.worker.cancel()
        async with asyncio.timeout(10):
            await call.ended
