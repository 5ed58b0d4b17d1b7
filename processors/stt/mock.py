"""A speech recogniser that hears what it was told to hear: for tests and benchmarks."""

import asyncio
from collections.abc import AsyncGenerator

from msgspec import Struct
from pipecat.frames.frames import Frame, TranscriptionFrame, UserStartedSpeakingFrame, UserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.utils.time import time_now_iso8601

from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.mocking import Failing, Seconds


class MockSttConfig(Failing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is heard, and how quickly."""

    transcripts: tuple[str, ...] = ("What are your opening hours?",)
    """Heard one per utterance, from the first again after the last; "" hears nothing."""
    latency_s: Seconds = 0.0
    """From the end of an utterance to its transcript."""


class MockSttService(SegmentedSTTService):
    """Counts utterances by the VAD's frames and ignores their audio."""

    def __init__(self, config: MockSttConfig, *, audio_passthrough: bool = False) -> None:
        super().__init__(
            audio_passthrough=audio_passthrough,
            trailing_silence_secs=0.0,
            ttfs_p99_latency=config.latency_s,
            settings=STTSettings(model=None, language=None),
        )
        self._config = config
        self._turn = 0
        self._in_turn = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, UserStartedSpeakingFrame | UserStoppedSpeakingFrame):
            self._in_turn = isinstance(frame, UserStartedSpeakingFrame)
        await super().process_frame(frame, direction)

    @property
    def wants_wav_segments(self) -> bool:
        return False

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """One utterance's transcript, after the latency; in a turn also an empty one. Raises MockError when told to."""
        turn, self._turn = self._turn, self._turn + 1
        await self._config.trouble(turn)
        await asyncio.sleep(self._config.latency_s)
        heard = self._config.transcripts
        text = heard[turn % len(heard)] if heard else ""
        if text or self._in_turn:
            yield TranscriptionFrame(text, "caller", time_now_iso8601())


class MockStt(ProcessorFactory[MockSttConfig, Struct]):
    """`stt.mock`"""

    use = "stt.mock"
    role = Role.STT
    config_type = MockSttConfig

    def latency_ms(self, config: MockSttConfig) -> float:
        return config.latency_s * 1000

    def cost_per_turn(self, config: MockSttConfig) -> float:
        return 0.0

    async def prepare(self, config: MockSttConfig, context: StageContext, workshop: Workshop) -> Struct:
        config.refuse()
        return config

    def create(self, config: MockSttConfig, prepared: Struct, call: CallContext) -> MockSttService:
        return MockSttService(config)
