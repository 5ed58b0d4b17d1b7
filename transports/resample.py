"""Audio of a live call at another rate, frame by frame: 20 ms in, 20 ms out, about 1 ms late.

Not soxr, which files and voices use: as a stream (1.0, "HQ") it is 37 ms late between 48 and 16 kHz and up to 58 ms at
other rates, once in each direction, and gives 490, 0, 490 … samples for frames of 960; a caller would wait for that
with every answer. A short windowed sinc gives a frame for each frame, so that nothing drifts.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from transports.audio import FRAMES_PER_S, frame_bytes

_CROSSINGS: Final = 16
"""Of the sinc's zeros on each side, at the lower of the two rates: 1 ms at 16 kHz."""
_KAISER_BETA: Final = 6.5
"""Side lobes some 65 dB down."""
_ROLL_OFF: Final = 0.95
"""The filter's middle, as a share of the lower rate's half: -6 dB at 7.6 kHz for 16 kHz."""
_MAX_BLOCKS: Final = 20
"""A frame is one product of so many windows with one matrix; 20 was the fastest of 2 to 80 for 48 kHz."""


class FrameResampler:
    """One direction of one call, from `rate_in` to `rate_out` Hz. Pure.

    Its state is the last 2 ms of what came in. A frame takes 12 µs between 48 and 16 kHz, and 35 µs where 44.1 kHz
    leaves no smaller blocks (`benchmarks.wire_frames`). Raises ValueError for a rate of which 20 ms are not whole
    samples.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self.bytes_in: Final = frame_bytes(rate_in)
        self.bytes_out: Final = frame_bytes(rate_out)
        samples = rate_in // FRAMES_PER_S
        reach = _reach(rate_in, rate_out)
        blocks = _blocks(rate_in, rate_out)
        self._kernel = _kernel(rate_in, rate_out)
        self._history = np.zeros(2 * reach + samples, np.float32)
        self._old, self._new = self._history[: 2 * reach], self._history[2 * reach :]
        self._last = self._history[samples:]
        step = samples // blocks * self._history.itemsize
        self._windows = as_strided(
            self._history, (blocks, len(self._kernel)), (step, self._history.itemsize), writeable=False
        )
        self.delay_ms: Final = reach * 1000 / rate_in

    def take(self, pcm: bytes) -> bytes:
        """The next 20 ms of S16LE at the other rate. Raises ValueError for another length than `bytes_in`."""
        if len(pcm) != self.bytes_in:
            raise ValueError(f"{len(pcm)} bytes are no frame of {self.bytes_in}")
        self._old[:] = self._last
        self._new[:] = np.frombuffer(pcm, "<i2")
        out = self._windows @ self._kernel
        return np.clip(np.rint(out, out=out), -32768, 32767, out=out).astype("<i2").tobytes()


def _reach(rate_in: int, rate_out: int) -> int:
    """How many samples the filter looks to each side."""
    return math.ceil(_CROSSINGS * rate_in / min(rate_in, rate_out))


def _blocks(rate_in: int, rate_out: int) -> int:
    """How many equal parts a frame has at both rates."""
    common = math.gcd(rate_in // FRAMES_PER_S, rate_out // FRAMES_PER_S)
    return max(count for count in range(1, _MAX_BLOCKS + 1) if common % count == 0)


@lru_cache(maxsize=16)
def _kernel(rate_in: int, rate_out: int) -> NDArray[np.float32]:
    """(samples that a block looks at, samples that it gives): each column is the sinc, where its sample lies."""
    reach, blocks = _reach(rate_in, rate_out), _blocks(rate_in, rate_out)
    taken, given = rate_in // FRAMES_PER_S // blocks, rate_out // FRAMES_PER_S // blocks
    at = reach + np.arange(given) * (taken / given)
    distance = np.arange(2 * reach + taken)[:, None] - at[None, :]
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (distance / reach) ** 2, 0, None))) / np.i0(_KAISER_BETA)
    cutoff = _ROLL_OFF * min(rate_in, rate_out) / rate_in
    kernel = np.where(np.abs(distance) <= reach, np.sinc(cutoff * distance) * window, 0.0)
    even: NDArray[np.float32] = (kernel / kernel.sum(axis=0)).astype(np.float32)
    return even
