"""A call as it sounded: a stereo WAV, the caller left and the assistant right, true to time.

Both sides are placed by the media clock's time at which the caller said and heard them; what never came, or was taken
back before it was heard, is silence.
The file is a valid WAV at any moment: its header tells the length so far and is written before the samples.
"""

import asyncio
import os
from array import array
from pathlib import Path
from typing import BinaryIO, Self

import structlog

log = structlog.get_logger()

FLUSH_S = 1.0
"""How often samples are written; also the most that a crash can lose."""
SETTLE_S = 0.3
"""Samples younger than this may still be joined by the other side's; what is heard may be told 200 ms ahead."""
MAX_BUFFER_S = 30.0
"""If the disk is slower than this, the recording ends; the call does not."""
JITTER_S = 0.02
MAX_FRAMES = (2**32 - 64) // 4
"""A RIFF file tells its length in 32 bits: 37 hours at 8 kHz."""


class Recording:
    """An `AudioTap` that writes; use it as `async with`. Feeding it never waits; a thread writes once a second.

    A disk that fails ends the recording, not the call: nothing here raises. Closing order: the writer's
    task ends, the rest is written, the file is closed.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        """The first sample of either side is the recording's beginning. `sample_rate` in Hz, both sides."""
        self._path = path
        self._rate = sample_rate
        self._started_at: float | None = None
        self._latest = 0.0
        self._written = 0
        self._sides = (array("h"), array("h"))
        self._file: BinaryIO | None = None
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.error = ""
        """Why the recording is not whole; empty when it is."""

    async def __aenter__(self) -> Self:
        """Create the file, readable by us alone."""
        try:
            self._file = await asyncio.to_thread(_create, self._path, self._rate)
        except OSError as error:
            self._fail(str(error))
        else:
            self._task = asyncio.create_task(self._keep_writing(self._file), name=f"recording {self._path.name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.close())

    def from_caller(self, pcm: bytes, at: float) -> None:
        """What the caller's side sounded like from `at` on (seconds of the media clock)."""
        self._place(0, pcm, at)

    def to_caller(self, pcm: bytes, at: float) -> None:
        """What the assistant's side sounded like from `at` on."""
        self._place(1, pcm, at)

    def unheard(self, at: float) -> None:
        """Of the assistant's side, nothing from `at` on was heard."""
        if self._started_at is not None:
            kept = round((at - self._started_at) * self._rate) - self._written
            del self._sides[1][max(0, kept) :]

    async def close(self) -> None:
        """Write what is left. Idempotent."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait({task})
        if self._file is not None:
            file, self._file = self._file, None
            async with self._writing:
                await self._write(file, max(map(len, self._sides)))
                await asyncio.to_thread(file.close)

    def _place(self, side: int, pcm: bytes, at: float) -> None:
        """Put samples where their time is: gaps become silence, what was there already is not written twice."""
        if self._file is None or self.error:
            return
        if self._started_at is None:
            self._started_at = at
        self._latest = max(self._latest, at)
        samples = self._sides[side]
        gap = round((at - self._started_at) * self._rate) - self._written - len(samples)
        if len(samples) + max(gap, 0) > self._rate * MAX_BUFFER_S:
            self._fail("the disk is too slow, or the clock jumped")
            return
        # The times of an even stream jitter by less than a packet; only more than that is a gap or an overlap.
        if gap > self._rate * JITTER_S:
            samples.frombytes(bytes(2 * gap))
        elif gap < -self._rate * JITTER_S:
            pcm = pcm[-2 * gap :]
        samples.frombytes(pcm[: len(pcm) & ~1])

    async def _keep_writing(self, file: BinaryIO) -> None:
        while not self.error:
            await asyncio.sleep(FLUSH_S)
            settled = int((self._latest - SETTLE_S - (self._started_at or 0.0)) * self._rate) - self._written
            if settled > 0:
                await asyncio.shield(self._write_in_turn(file, settled))

    async def _write_in_turn(self, file: BinaryIO, frames: int) -> None:
        """A closing waits for it, even when the task that began it has been cancelled."""
        async with self._writing:
            await self._write(file, frames)

    async def _write(self, file: BinaryIO, frames: int) -> None:
        if self._written + frames > MAX_FRAMES:
            self._fail("a WAV cannot be longer")
            return
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


def _take(side: "array[int]", frames: int) -> "array[int]":
    """The first samples of a side, silence where there are none."""
    taken = side[:frames]
    del side[:frames]
    taken.frombytes(bytes(2 * (frames - len(taken))))
    return taken


def _interleave(left: "array[int]", right: "array[int]") -> bytes:
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
