"""A call as it sounded: a stereo WAV, the caller left and the assistant right, true to time.

Both sides are placed by the media clock's time at which they passed the wire; what never came is silence.
The file is a valid WAV at any moment: its header tells the length so far and is written before the samples.
"""

import asyncio
import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import structlog

log = structlog.get_logger()

FLUSH_S = 1.0
"""How often samples are written; also the most that a crash can lose."""
SETTLE_S = 0.2
"""Samples younger than this may still be joined by the other side's."""
MAX_BUFFER_S = 30.0
"""If the disk is slower than this, the recording ends; the call does not."""
HEADER_BYTES = 44


class Recording:
    """An `AudioTap` that writes. Feeding it never waits; a thread writes once a second.

    Closing order: the writer's task ends, the rest is written, the file is closed.
    """

    def __init__(self, path: Path, sample_rate: int, started_at: float, now: Callable[[], float]) -> None:
        """`started_at` is the media clock's time of the first sample; `now` reads that clock."""
        self._path = path
        self._rate = sample_rate
        self._started_at = started_at
        self._now = now
        self._written = 0
        self._sides = (array("h"), array("h"))
        self._file: BinaryIO | None = None
        self._task: asyncio.Task[None] | None = None
        self.error = ""
        """Why the recording is not whole; empty when it is."""

    async def open(self) -> None:
        """Create the file, readable by us alone. Raises OSError."""
        self._file = await asyncio.to_thread(_create, self._path, self._rate)
        self._task = asyncio.create_task(self._keep_writing(), name=f"recording {self._path.name}")

    def from_caller(self, pcm: bytes, at: float) -> None:
        self._place(0, pcm, at)

    def to_caller(self, pcm: bytes, at: float) -> None:
        self._place(1, pcm, at)

    async def close(self) -> None:
        """Write what is left. Idempotent; never raises (see `error`)."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait({task})
        if self._file is not None:
            file, self._file = self._file, None
            await self._write(file, max(map(len, self._sides)))
            await asyncio.to_thread(file.close)

    def _place(self, side: int, pcm: bytes, at: float) -> None:
        """Put samples where their time is: late ones overwrite nothing, gaps become silence."""
        if self._file is None or self.error:
            return
        samples = self._sides[side]
        place = round((at - self._started_at) * self._rate) - self._written
        if place - len(samples) > self._rate * MAX_BUFFER_S:
            self._fail("the disk is too slow")
            return
        # Timestamps of an even stream jitter by less than a packet; only real gaps are filled.
        if place - len(samples) > self._rate // 50:
            samples.frombytes(bytes(2 * (place - len(samples))))
        samples.frombytes(pcm[: len(pcm) & ~1])

    async def _keep_writing(self) -> None:
        while self._file is not None and not self.error:
            await asyncio.sleep(FLUSH_S)
            settled = int((self._now() - SETTLE_S - self._started_at) * self._rate) - self._written
            if settled > 0:
                # Shielded: a closing that comes now must find the samples either written or here.
                await asyncio.shield(self._write(self._file, settled))

    async def _write(self, file: BinaryIO, frames: int) -> None:
        left, right = self._sides
        block = _interleave(_take(left, frames), _take(right, frames))
        self._written += frames
        try:
            await asyncio.to_thread(_append, file, self._rate, self._written, block)
        except OSError as error:
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        self.error = self.error or why
        log.warning("recording stopped", error=why)


def _take(side: array[int], frames: int) -> array[int]:
    """The first samples of a side, silence where there are none."""
    taken = side[:frames]
    del side[:frames]
    taken.frombytes(bytes(2 * (frames - len(taken))))
    return taken


def _interleave(left: array[int], right: array[int]) -> bytes:
    both = array("h", bytes(4 * len(left)))
    both[0::2] = left
    both[1::2] = right
    return both.tobytes()


def _create(path: Path, rate: int) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "r+b", buffering=0)
    file.write(_header(rate, 0))
    return file


def _append(file: BinaryIO, rate: int, frames: int, block: bytes) -> None:
    file.seek(0, os.SEEK_END)
    file.write(block)
    file.seek(0)
    file.write(_header(rate, frames))


def _header(rate: int, frames: int) -> bytes:
    """RIFF/WAVE, PCM, two channels of 16 bits (Microsoft, "Multimedia Programming Interface", 1991)."""
    data = frames * 4

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little")

    form = number(1, 2) + number(2, 2) + number(rate, 4) + number(rate * 4, 4) + number(4, 2) + number(16, 2)
    return b"RIFF" + number(36 + data, 4) + b"WAVEfmt " + number(16, 4) + form + b"data" + number(data, 4)
