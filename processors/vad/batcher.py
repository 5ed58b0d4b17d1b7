"""Many calls' windows through one Silero session: the same answers as one call at a time, at a fifth of the cost.

Shapes (silero_vad.onnx v5): input [N, context + window] float32, state [2, N, 128] float32, sr int64 scalar →
output [N, 1], new state [2, N, 128]. Context is the window's last 64 (16 kHz) or 32 (8 kHz) samples of before.

A window waits at most `MAX_WAIT_S` for others, less when few calls are open. One run takes at most
`MAX_WINDOWS` windows (about 2 ms at 8 kHz on one core) and at most one of each call, so that a call's
windows stay in order; what is left runs in the loop's next rounds. Belongs to one event loop and is not
thread-safe.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

Floats = npt.NDArray[np.float32]

MAX_WAIT_S = 0.016
WAIT_PER_CALL_S = 0.001
MAX_WINDOWS = 32
MAX_BACKLOG_WINDOWS = 64
"""Of one call (2 s); beyond it the oldest are dropped: the loop was stalled, and late news are no news."""
FIRST_CAPACITY = 16

log = structlog.get_logger()


class Session(Protocol):
    """What is used of an onnxruntime.InferenceSession."""

    def run(self, output_names: None, inputs: dict[str, Any]) -> list[Any]: ...


def _tell(place: "Place", confidence: float, rms: float) -> None:
    """One call's mistake must not cost the others their verdicts."""
    try:
        place.on_window(confidence, rms)
    except Exception:
        log.exception("a listener of the detector failed and is dropped")
        place.close()


class Place:
    """One call's place: bytes in, one verdict per window out."""

    __slots__ = ("_batcher", "_rest", "listed", "on_window", "slot", "waiting")

    def __init__(self, batcher: "VadBatcher", slot: int, on_window: Callable[[float, float], None]) -> None:
        """`on_window(confidence, rms)`: rms of full scale (0 to 1)."""
        self._batcher = batcher
        self._rest = bytearray()
        self.slot = slot
        self.on_window = on_window
        self.waiting: deque[bytes] = deque(maxlen=MAX_BACKLOG_WINDOWS)
        self.listed = False

    def feed(self, pcm: bytes) -> None:
        """Take audio of any length; complete windows wait for the next run."""
        size = self._batcher.window_bytes
        self._rest += pcm
        whole = len(self._rest) // size * size
        if whole and self.slot >= 0:
            self.waiting.extend(bytes(self._rest[at : at + size]) for at in range(0, whole, size))
            self._batcher.enlist(self)
        del self._rest[:whole]

    def reset(self) -> None:
        """Clear the model's memory of this call."""
        self._batcher.clear(self.slot)

    def close(self) -> None:
        """Give the place to another call. Idempotent."""
        self.waiting.clear()
        self._batcher.release(self)


class VadBatcher:
    """All calls of one sample rate in this process."""

    def __init__(self, session: Session, sample_rate: int) -> None:
        """`sample_rate` is 8000 or 16000 Hz; Raises ValueError for others."""
        if sample_rate not in (8000, 16000):
            raise ValueError(f"Silero judges audio of 8000 or 16000 Hz, not {sample_rate}")
        self._session = session
        self._rate = np.array(sample_rate, np.int64)
        self._window = sample_rate * 32 // 1000
        self._context = sample_rate * 4 // 1000
        self.window_bytes = self._window * 2
        self._states: Floats = np.zeros((2, FIRST_CAPACITY, 128), np.float32)
        self._contexts: Floats = np.zeros((FIRST_CAPACITY, self._context), np.float32)
        self._free = list(range(FIRST_CAPACITY))
        self._listed: deque[Place] = deque()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.runs = 0
        self.windows = 0

    @property
    def open_places(self) -> int:
        """Calls that are being heard."""
        return len(self._contexts) - len(self._free)

    def open(self, on_window: Callable[[float, float], None]) -> Place:
        """A fresh place; the arrays double when there is none left."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.clear(slot)
        return Place(self, slot, on_window)

    def release(self, place: Place) -> None:
        """Take a place back."""
        if place.slot >= 0:
            self._free.append(place.slot)
            place.slot = -1

    def clear(self, slot: int) -> None:
        """Forget what the model remembers in a slot."""
        if slot >= 0:
            self._states[:, slot] = 0
            self._contexts[slot] = 0

    def enlist(self, place: Place) -> None:
        """Have a place's windows judged with the next run."""
        if not place.listed:
            place.listed = True
            self._listed.append(place)
        loop = asyncio.get_running_loop()
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            wait_s = min(MAX_WAIT_S, WAIT_PER_CALL_S * self.open_places)
            self._timer = loop.call_later(wait_s, self._flush)

    def _flush(self) -> None:
        self._timer = None
        batch = self._take_batch()
        if batch:
            verdicts = self._judge(batch)
            for (place, _), confidence, rms in zip(batch, *verdicts, strict=True):
                if place.slot >= 0:
                    _tell(place, confidence, rms)
        if self._listed and self._timer is None and self._loop is not None:
            self._timer = self._loop.call_soon(self._flush)

    def _take_batch(self) -> list[tuple[Place, bytes]]:
        batch: list[tuple[Place, bytes]] = []
        again = []
        while self._listed and len(batch) < MAX_WINDOWS:
            place = self._listed.popleft()
            place.listed = False
            if place.waiting:
                batch.append((place, place.waiting.popleft()))
            if place.waiting:
                again.append(place)
        for place in again:
            place.listed = True
            self._listed.append(place)
        return batch

    def _judge(self, batch: list[tuple[Place, bytes]]) -> tuple[list[float], list[float]]:
        slots = [place.slot for place, _ in batch]
        pcm = np.frombuffer(b"".join(window for _, window in batch), "<i2").reshape(len(batch), self._window)
        samples = np.empty((len(batch), self._context + self._window), np.float32)
        samples[:, : self._context] = self._contexts[slots]
        np.multiply(pcm, np.float32(1 / 32768), out=samples[:, self._context :])
        inputs = {"input": samples, "state": self._states[:, slots], "sr": self._rate}
        output, states = self._session.run(None, inputs)
        self._states[:, slots] = states
        self._contexts[slots] = samples[:, -self._context :]
        self.runs += 1
        self.windows += len(batch)
        heard = samples[:, self._context :]
        rms = np.sqrt(np.einsum("ij,ij->i", heard, heard) / np.float32(self._window))
        return output[:, 0].tolist(), rms.tolist()

    def _grow(self) -> None:
        capacity = len(self._contexts)
        self._states = np.concatenate([self._states, np.zeros_like(self._states)], axis=1)
        self._contexts = np.concatenate([self._contexts, np.zeros_like(self._contexts)])
        self._free = [*range(capacity, 2 * capacity)]
