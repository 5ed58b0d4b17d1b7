"""A voice activity detector by loudness alone: for tests and benchmarks without model files."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from base.speech import VadEdge
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop

WINDOW_S = 0.02


class MockVadConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Speech is what is louder than `threshold`."""

    threshold: Annotated[int, Meta(ge=1, le=32767)] = 300
    """Mean absolute sample of 20 ms, of 32768."""
    start_s: Annotated[float, Meta(ge=0.02, le=2.0)] = 0.1
    """Loudness without a gap before a start."""
    stop_s: Annotated[float, Meta(ge=0.02, le=5.0)] = 0.2
    """Quiet without a gap before a stop."""


class LoudnessStream:
    """One call's detector. Meets `transports.ingress.VadStream`."""

    def __init__(self, config: MockVadConfig, sample_rate: int, on_edge: Callable[[VadEdge], None]) -> None:
        self.start_secs = config.start_s
        self.stop_secs = config.stop_s
        self._threshold = config.threshold
        self._window = int(sample_rate * WINDOW_S) * 2
        self._on_edge = on_edge
        self._rest = b""
        self._speaking = False
        self._changed_s = 0.0
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def feed(self, pcm: bytes) -> None:
        """Take mono S16LE audio; edges follow in a later turn of the loop."""
        audio = self._rest + pcm
        whole = len(audio) - len(audio) % self._window
        self._rest = audio[whole:]
        for at in range(0, whole, self._window):
            samples = np.frombuffer(audio, dtype="<i2", count=self._window // 2, offset=at)
            self._hear(float(np.abs(samples.astype(np.int32)).mean()) > self._threshold)

    def close(self) -> None:
        self._closed = True

    def _hear(self, loud: bool) -> None:
        self._changed_s = 0.0 if loud == self._speaking else self._changed_s + WINDOW_S
        needed = self.stop_secs if self._speaking else self.start_secs
        if self._changed_s >= needed - WINDOW_S / 2:
            self._speaking, self._changed_s = loud, 0.0
            self._loop.call_soon(self._tell, VadEdge.STARTED if loud else VadEdge.STOPPED)

    def _tell(self, edge: VadEdge) -> None:
        if not self._closed:
            self._on_edge(edge)


class LoudnessVad:
    """Meets `transports.ingress.IngressVad`."""

    def __init__(self, config: MockVadConfig) -> None:
        self._config = config

    def open(self, sample_rate: int, on_edge: Callable[[VadEdge], None]) -> LoudnessStream:
        return LoudnessStream(self._config, sample_rate, on_edge)


class MockVad(ProcessorFactory[MockVadConfig, LoudnessVad]):
    """`vad.mock`"""

    use = "vad.mock"
    role = Role.VAD
    config_type = MockVadConfig

    def latency_ms(self, config: MockVadConfig) -> float:
        return config.stop_s * 1000

    def cost_per_turn(self, config: MockVadConfig) -> float:
        return 0.0

    async def prepare(self, config: MockVadConfig, context: StageContext, workshop: Workshop) -> LoudnessVad:
        return LoudnessVad(config)

    def create(self, config: MockVadConfig, prepared: LoudnessVad, call: CallContext) -> None:
        return None
