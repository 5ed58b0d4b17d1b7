"""A wire in memory: a caller who follows a script, and an output that plays in the loop's own time."""

import asyncio
from collections import deque
from dataclasses import dataclass

from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    SystemFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from tests.pipelines.virtual import LoopClock

STOP_S = 0.2
WORD_S = 0.3


class Caller(FrameProcessor):
    """The input: what the caller does, as the edge tells it."""

    def __init__(self) -> None:
        super().__init__(name="caller")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    async def speaks(self, seconds: float = 1.0) -> None:
        """From the first sample until the detector is sure that it was the last."""
        await self.starts()
        await asyncio.sleep(seconds)
        await self.stops()

    async def starts(self) -> None:
        await self.broadcast_frame(VADUserStartedSpeakingFrame, timestamp=LoopClock().now().timestamp())
        await self.push_frame(InputAudioRawFrame(audio=bytes(1600), sample_rate=8000, num_channels=1))

    async def stops(self) -> None:
        await asyncio.sleep(STOP_S)
        now = LoopClock().now().timestamp()
        await self.broadcast_frame(VADUserStoppedSpeakingFrame, stop_secs=STOP_S, timestamp=now)


class Player(FrameProcessor):
    """The output: plays audio for as long as it lasts and keeps everything else in its place.

    When interrupted it tells the words heard so far (`WORD_S` each) ahead of the interruption.
    """

    def __init__(self) -> None:
        super().__init__(name="player")
        self.played_s = 0.0
        self._queue: deque[Frame] = deque()
        self._more = asyncio.Event()
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self.holds: list[str] = []
        """The sentence of each hold."""
        self._task: asyncio.Task[None] | None = None
        self._speaking = False
        self._sentence = ""
        self._sentence_s = 0.0

    async def cleanup(self) -> None:
        if self._task is not None:
            await self.cancel_task(self._task)
            self._task = None
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._task = self.create_task(self._play())
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._cut()
            await self.push_frame(frame, direction)
            await self._stopped()
        elif isinstance(frame, SystemFrame | EndFrame | CancelFrame) or direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
        else:
            self._queue.append(frame)
            self._more.set()

    def hold(self) -> str | None:
        """Stop behind the audio under way, which is 100 ms."""
        if not self._speaking:
            return None
        self._goes_on.clear()
        self.holds.append(self._sentence)
        return self._sentence

    def resume(self) -> None:
        self._goes_on.set()

    async def _play(self) -> None:
        while True:
            while not self._queue:
                self._more.clear()
                await self._more.wait()
            await self._goes_on.wait()
            if not self._queue:
                continue
            await self._come_out(self._queue.popleft())

    async def _come_out(self, frame: Frame) -> None:
        if isinstance(frame, OutputAudioRawFrame):
            if not self._speaking:
                self._speaking = True
                await self.broadcast_frame(BotStartedSpeakingFrame)
            seconds = len(frame.audio) / 2 / frame.sample_rate
            await asyncio.sleep(seconds)
            self.played_s += seconds
            self._sentence_s += seconds
            return
        if isinstance(frame, AggregatedTextFrame):
            announced = not isinstance(frame, TTSTextFrame)
            self._sentence, self._sentence_s = (frame.text, 0.0) if announced else ("", 0.0)
        await self.push_frame(frame)
        if isinstance(frame, TTSStoppedFrame):
            await self._stopped()

    async def _cut(self) -> None:
        self._goes_on.set()
        heard = self._sentence.split()[: int(self._sentence_s / WORD_S + 1e-6)]
        self._sentence = ""
        self._queue = deque(frame for frame in self._queue if not frame.interruptible)
        if heard:
            await self.push_frame(HeardFrame(" ".join(heard), "sentence"))

    async def _stopped(self) -> None:
        if self._speaking and not any(isinstance(frame, OutputAudioRawFrame) for frame in self._queue):
            self._speaking = False
            await self.broadcast_frame(BotStoppedSpeakingFrame)


@dataclass
class HeardFrame(TTSTextFrame, SystemFrame):
    """A system frame, so that the interruption behind it does not drop it from the next queue."""


class MemoryTransport(BaseTransport):
    def __init__(self) -> None:
        super().__init__()
        self.caller = Caller()
        self.player = Player()

    def input(self) -> Caller:
        return self.caller

    def output(self) -> Player:
        return self.player


class HoldingTransport(MemoryTransport):
    """Whose output can fall silent and speak on."""

    def hold_speech(self) -> str | None:
        return self.player.hold()

    def resume_speech(self) -> None:
        self.player.resume()
