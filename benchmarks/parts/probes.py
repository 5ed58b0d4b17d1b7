"""Stages that tell when things happened inside the service, on the clock that the measuring side reads too.

They are the real detector and the mocks of the tests, with a note at two places: the detector's start arriving at the
pipeline's first stage, and a sentence's first audio leaving the voice. Linux counts `time.monotonic()` for all
processes alike.
"""

import time
import zlib
from collections import ChainMap, deque
from collections.abc import AsyncGenerator, Callable, Mapping

import structlog
from msgspec import Struct
from pipecat.frames.frames import Frame, TTSAudioRawFrame, TTSStartedFrame, VADUserStartedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection

from base.ids import CallId
from base.speech import VadEdge
from benchmarks.parts.marked import FRAME_S, mark
from benchmarks.parts.served import Noted, write
from processors.catalog import AnyFactory, Stages
from processors.factory import CallContext, StageContext, Workshop
from processors.stt.mock import MockStt, MockSttConfig, MockSttService
from processors.tts.mock import CHUNK_S, MockTts, MockTtsConfig, MockTtsService
from processors.vad.silero import SileroConfig, SileroIngress, SileroStream, SileroVad

FRAMES_PER_CHUNK = round(CHUNK_S / FRAME_S)
KEPT_FRAMES = 64

_decided_by: dict[str, int] = {}
"""Call → checksum of the caller's frame that completed the window with which the detector decided last."""


class ProbedStream(SileroStream):
    """Remembers which frame decided."""

    def listen(self, call_id: str, frame_bytes: int, window_bytes: int) -> None:
        """Whose audio it is, and how it is cut."""
        self._call_id, self._frame_bytes, self._window_bytes = call_id, frame_bytes, window_bytes
        self._frames: deque[tuple[int, int]] = deque(maxlen=KEPT_FRAMES)
        self._fed = self._judged = 0

    def feed(self, pcm: bytes) -> None:
        self._frames.append((self._fed, zlib.crc32(pcm)))
        self._fed += 1
        super().feed(pcm)

    def _on_window(self, confidence: float, rms: float) -> None:
        self._judged += 1
        deciding = -(-self._judged * self._window_bytes // self._frame_bytes) - 1
        _decided_by[self._call_id] = next((crc for number, crc in self._frames if number == deciding), 0)
        super()._on_window(confidence, rms)


class ProbedIngress(SileroIngress):
    """Meets `transports.ingress.IngressVad`."""

    def open(self, sample_rate: int, on_edge: Callable[[VadEdge], None]) -> ProbedStream:
        batcher = self._batchers(sample_rate)
        stream = ProbedStream(batcher, self._config, on_edge)
        call_id = str(structlog.contextvars.get_contextvars()["call"])
        stream.listen(call_id, round(sample_rate * FRAME_S) * 2, batcher.window_bytes)
        return stream


class ProbedVad(SileroVad):
    """`vad.probed`"""

    use = "vad.probed"

    async def prepare(self, config: SileroConfig, context: StageContext, workshop: Workshop) -> ProbedIngress:
        await super().prepare(config, context, workshop)
        return ProbedIngress(self._batcher, config)


class ProbedSttService(MockSttService):
    """Tells when the detector's start arrives."""

    def __init__(self, config: MockSttConfig, call_id: CallId) -> None:
        super().__init__(config)
        self._call_id = call_id

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            at = time.monotonic()
            write(Noted(call_id=self._call_id, what="voice_found", at=at, frame=_decided_by.get(self._call_id, 0)))
        await super().process_frame(frame, direction)


class ProbedStt(MockStt):
    """`stt.probed`"""

    use = "stt.probed"

    def create(self, config: MockSttConfig, prepared: Struct, call: CallContext) -> ProbedSttService:
        return ProbedSttService(config, call.call_id)


class MarkedTtsService(MockTtsService):
    """Speaks in marked frames, and tells when a sentence's first audio leaves it."""

    def __init__(self, config: MockTtsConfig, call: CallContext) -> None:
        super().__init__(config, call.sample_rate)
        self._call_id = call.call_id
        self._begins = False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """The sentence, numbered from 0."""
        number = 0
        async for frame in super().run_tts(text, context_id):
            if isinstance(frame, TTSAudioRawFrame):
                chunk = [mark(number + at, self.sample_rate) for at in range(FRAMES_PER_CHUNK)]
                frame.audio = b"".join(samples.astype("<i2").tobytes() for samples in chunk)
                number += FRAMES_PER_CHUNK
            yield frame

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if isinstance(frame, TTSStartedFrame):
            self._begins = True
        elif isinstance(frame, TTSAudioRawFrame) and self._begins:
            self._begins = False
            write(Noted(call_id=self._call_id, what="voice_begins", at=time.monotonic(), frame=0))
        await super().push_frame(frame, direction)


class MarkedTts(MockTts):
    """`tts.marked`"""

    use = "tts.marked"

    def create(self, config: MockTtsConfig, prepared: Struct, call: CallContext) -> MarkedTtsService:
        return MarkedTtsService(config, call)


def probed_stages() -> Mapping[str, AnyFactory]:
    """The catalog and these."""
    return ChainMap({stage.use: stage for stage in (ProbedVad(), ProbedStt(), MarkedTts())}, Stages())  # type: ignore[arg-type]
