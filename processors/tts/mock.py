"""A voice that hums as long as a sentence takes to say: for tests and benchmarks."""

import asyncio
from array import array
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import cache
from math import pi, sin
from typing import Annotated

from msgspec import Meta, Struct
from pipecat.frames.frames import Frame, TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.mocking import Failing, Seconds

CHUNK_S = 0.1
TONE_HZ = 400
"""A whole number of periods fits a chunk at 8 and 16 kHz, so that chunks join without a click."""


class MockTtsConfig(Failing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long speech is and takes to make."""

    latency_s: Seconds = 0.0
    """From a sentence to its first audio."""
    word_s: Annotated[float, Meta(ge=0.001, le=5.0)] = 0.3
    """Audio of one word, rounded up to 100 ms per sentence."""
    chunk_s: Seconds = 0.0
    """Computing time of each 100 ms of audio."""


class MockTtsService(TTSService):
    """Yields 100 ms chunks of a tone at the wire's rate."""

    def __init__(self, config: MockTtsConfig, sample_rate: int) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=sample_rate,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._config = config
        self._turn = 0

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """The sentence as a tone. Raises MockError when told to."""
        turn, self._turn = self._turn, self._turn + 1
        await self._config.trouble(turn)
        await asyncio.sleep(self._config.latency_s)
        chunk = tone(self.sample_rate)
        for _ in range(max(1, round(len(text.split()) * self._config.word_s / CHUNK_S + 0.499))):
            await asyncio.sleep(self._config.chunk_s)
            yield TTSAudioRawFrame(chunk, self.sample_rate, 1, context_id=context_id)


@cache
def tone(sample_rate: int) -> bytes:
    """100 ms of a sine at a quarter of full scale, mono S16LE."""
    step = 2 * pi * TONE_HZ / sample_rate
    return array("h", (int(8192 * sin(step * n)) for n in range(int(sample_rate * CHUNK_S)))).tobytes()


class MockTts(ProcessorFactory[MockTtsConfig, Struct]):
    """`tts.mock`"""

    use = "tts.mock"
    role = Role.TTS
    config_type = MockTtsConfig

    def latency_ms(self, config: MockTtsConfig) -> float:
        return config.latency_s * 1000

    def cost_per_turn(self, config: MockTtsConfig) -> float:
        return 0.0

    async def prepare(self, config: MockTtsConfig, context: StageContext, workshop: Workshop) -> Struct:
        config.refuse()
        return config

    async def rehearse(
        self,
        config: MockTtsConfig,
        prepared: Struct,
        context: StageContext,
        sentences: Sequence[str],
        progress: Callable[[int, int], None],
    ) -> None:
        """Renders nothing."""
        progress(len(sentences), len(sentences))

    def create(self, config: MockTtsConfig, prepared: Struct, call: CallContext) -> MockTtsService:
        return MockTtsService(config, call.sample_rate)
