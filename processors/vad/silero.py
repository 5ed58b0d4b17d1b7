"""`vad.silero`: hears when the caller speaks. Works at the edge, for all calls of the process at once.

The weights are the official silero_vad.onnx (MIT), from the installed models or from pipecat's wheel, which
carries the same file; anything else is refused. Confidence and hysteresis as pipecat's SileroVADAnalyzer,
but for its loudness: that smoothes over 400 ms and would delay every start by 150 ms. A floor on the energy
of each window takes its place.
"""

import asyncio
import hashlib
import math
import threading
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from base.speech import VadEdge
from processors.factory import CallContext, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from processors.vad.batcher import Place, Session, VadBatcher
from processors.vad.edges import WINDOW_S, EdgeDetector, windows

MODEL = "silero-vad"
FILE = "silero_vad.onnx"
SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""Of the file in silero-vad 6.2 and pipecat-ai 1.14."""


class SileroConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the caller counts as speaking."""

    confidence: Annotated[float, Meta(ge=0.05, le=0.99)] = 0.5
    """How sure the model must be of a window of 32 ms."""
    start_secs: Annotated[float, Meta(ge=0.03, le=1.0)] = 0.1
    """Speech without a gap before a start. Shorter stops the assistant sooner and takes more noise for speech."""
    stop_secs: Annotated[float, Meta(ge=0.03, le=3.0)] = 0.2
    """Anything else without a gap before a stop; the turn's own wait comes on top of it."""
    floor_dbfs: Annotated[float, Meta(ge=-90.0, le=-10.0)] = -55.0
    """Windows whose RMS is below this never count as speech (line noise, a far television)."""


class SileroStream:
    """One call's place in the detector (`transports.ingress.VadStream`)."""

    def __init__(self, batcher: VadBatcher, config: SileroConfig, on_edge: Callable[[VadEdge], None]) -> None:
        start, stop = windows(config.start_secs), windows(config.stop_secs)
        self.start_secs = start * WINDOW_S
        self.stop_secs = stop * WINDOW_S
        self._edges = EdgeDetector(confidence=config.confidence, start_windows=start, stop_windows=stop)
        self._floor_rms = math.pow(10.0, config.floor_dbfs / 20.0)
        self._on_edge = on_edge
        self._place: Place = batcher.open(self._on_window)

    def feed(self, pcm: bytes) -> None:
        """Take mono S16LE audio of any length; never blocks."""
        self._place.feed(pcm)

    def close(self) -> None:
        """Give the place back; no callback comes after this. Idempotent."""
        self._place.close()

    def _on_window(self, confidence: float, rms: float) -> None:
        edge = self._edges.judge(confidence, rms >= self._floor_rms)
        if self._edges.wants_reset():
            self._place.reset()
        if edge is not None:
            self._on_edge(edge)


class SileroIngress:
    """One config's detector (`transports.ingress.IngressVad`); all configs share the batchers."""

    def __init__(self, batchers: Callable[[int], VadBatcher], config: SileroConfig) -> None:
        self._batchers = batchers
        self._config = config

    def open(self, sample_rate: int, on_edge: Callable[[VadEdge], None]) -> SileroStream:
        """A place for one call at 8000 or 16000 Hz. Raises ValueError for other rates."""
        return SileroStream(self._batchers(sample_rate), self._config, on_edge)


class SileroVad(ProcessorFactory[SileroConfig, SileroIngress]):
    """Voice activity detection by Silero, batched over all calls."""

    use = "vad.silero"
    role = Role.VAD
    config_type = SileroConfig

    def __init__(self) -> None:
        self._session: Session | None = None
        self._loading = threading.Lock()
        self._batchers: dict[int, VadBatcher] = {}

    def latency_ms(self, config: SileroConfig) -> float:
        return config.stop_secs * 1000

    def cost_per_turn(self, config: SileroConfig) -> float:
        return 0.0

    async def prepare(self, config: SileroConfig, context: StageContext, workshop: Workshop) -> SileroIngress:
        """Load the model, once per process. Raises PrepareError when the weights are missing or not the official."""
        await asyncio.to_thread(self._load, workshop)
        return SileroIngress(self._batcher, config)

    def create(self, config: SileroConfig, prepared: SileroIngress, call: CallContext) -> None:
        """Nothing: it works at the edge, before the pipeline."""
        return

    def _load(self, workshop: Workshop) -> None:
        with self._loading:
            if self._session is None:
                self._session = load_session(_weights(workshop))

    def _batcher(self, sample_rate: int) -> VadBatcher:
        if sample_rate not in self._batchers:
            assert self._session is not None
            self._batchers[sample_rate] = VadBatcher(self._session, sample_rate)
        return self._batchers[sample_rate]


def load_session(weights: bytes) -> Session:
    """An ONNX session that computes on the calling thread alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    session: Session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    return session


def packaged_weights() -> bytes:
    """The file that pipecat's wheel carries. Raises OSError when it does not."""
    return files("pipecat.audio.vad.data").joinpath(FILE).read_bytes()


def _weights(workshop: Workshop) -> bytes:
    try:
        folder = workshop.models.path(MODEL)
    except PrepareError as missing:
        try:
            weights, source = packaged_weights(), "pipecat's package"
        except OSError:
            raise missing from None
    else:
        weights, source = _read(folder / FILE), str(folder / FILE)
    digest = hashlib.sha256(weights).hexdigest()
    if digest != SHA256:
        raise PrepareError(f"{FILE} from {source} is not the official file (sha256 {digest}); run `atende models pull`")
    return weights


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PrepareError(f"{path} cannot be read: {error}; run `atende models pull {MODEL}`") from error
