"""A voice whose every 20 ms can be told from all others of the sentence, and what became of it on the way. Pure.

Each frame is a whole number of periods of one tone: 40 pitches by 6 levels, 4.8 s until they begin again. What a
caller heard is then known by samples: which frames, in which order, and whether each is whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from control.peer.sound import through_g711

Samples = npt.NDArray[np.int16]

FRAME_S = 0.020
PITCHES, LEVELS = 40, 6
MARKS = PITCHES * LEVELS
QUIET = 100
"""Peak of 16-bit samples under which 20 ms are silence."""
PAUSE_S = 0.2
"""A longer silence ends an utterance."""


def mark(number: int, rate: int) -> Samples:
    """20 ms with this number, modulo `MARKS`; 300 to 2250 Hz, -15 to -10 dBFS at the peak."""
    level, pitch = divmod(number % MARKS, PITCHES)
    at = np.arange(int(rate * FRAME_S)) / rate
    wave: Samples = np.rint((6000 + 900 * level) * np.sin(2 * np.pi * (300 + 50 * pitch) * at)).astype(np.int16)
    return wave


@cache
def _numbers(rate: int) -> dict[bytes, int]:
    """Every frame as it is sent and as G.711 mu-law leaves it → its number."""
    marks = [mark(number, rate) for number in range(MARKS)]
    found = {samples.tobytes(): number for number, samples in enumerate(marks)}
    return found | {through_g711(samples, "PCMU").tobytes(): number for number, samples in enumerate(marks)}


def number_of(samples: Samples, rate: int) -> int | None:
    """The number of 20 ms; None: it is no frame of this voice, or not a whole one."""
    return _numbers(rate).get(samples.tobytes())


@dataclass
class Utterance:
    """A stretch of the voice as it was heard; None stands for sound that is no whole frame of it."""

    times: list[float] = field(default_factory=list)
    """When each frame was heard (monotonic seconds)."""
    numbers: list[int | None] = field(default_factory=list)

    @property
    def ended(self) -> float:
        """Past its last sample."""
        return self.times[-1] + FRAME_S

    def is_whole(self, frames: int) -> bool:
        """Whether it is a sentence of so many frames, every sample of it and nothing else."""
        return self.numbers == [number % MARKS for number in range(frames)]

    def gaps_s(self) -> list[float]:
        """Between each frame's last sample and the next one's first; early ones count nothing."""
        return [max(0.0, later - time - FRAME_S) for time, later in zip(self.times, self.times[1:], strict=False)]


def utterances(frames: Iterable[tuple[float, Samples]], rate: int, pause_s: float = PAUSE_S) -> list[Utterance]:
    """The voice in what a caller heard, in frames of 20 ms with the moment of each."""
    found: list[Utterance] = []
    for at, samples in frames:
        if not len(samples) or int(np.abs(samples.astype(np.int32)).max()) < QUIET:
            continue
        if not found or at - found[-1].ended > pause_s:
            found.append(Utterance())
        found[-1].times.append(at)
        found[-1].numbers.append(number_of(samples, rate))
    return found


def first_frames(came: Iterable[tuple[float, Samples]], rate: int) -> list[float]:
    """When the first frame of each sentence came down the wire, in pieces of any length."""
    size = int(rate * FRAME_S)
    return [at for at, samples in came if len(samples) >= size and number_of(samples[:size], rate) == 0]


@dataclass(frozen=True)
class Resumed:
    """What became of a sentence over which the caller made a sound."""

    held: bool
    """The assistant fell silent for it."""
    resumed_s: float
    """From the end of the caller's sound until the voice was heard again; NaN: it was not."""
    again: int
    """Frames heard a second time; below 0: so many were never heard."""
    whole: bool
    """The sentence was heard to its end, every sample in its order but for what was heard again."""


def resumed(parts: Sequence[Utterance], noise_began: float, noise_ended: float, frames: int) -> Resumed:
    """Judge a sentence of `frames` frames. `parts`: the voice, cut at silences of more than a frame."""
    before = [part for part in parts if part.times[0] < noise_began]
    if not before:
        return Resumed(held=False, resumed_s=float("nan"), again=0, whole=False)
    first, rest = before[-1], [part for part in parts if part.times[0] > before[-1].times[0]]
    if first.is_whole(frames):
        return Resumed(held=False, resumed_s=0.0, again=0, whole=True)
    if not rest or rest[0].numbers[0] == 0:  # nothing more, or another sentence
        return Resumed(held=True, resumed_s=float("nan"), again=0, whole=False)
    after = rest[0]
    last, begin = first.numbers[-1], after.numbers[0]
    if last is None or begin is None:
        return Resumed(held=True, resumed_s=float("nan"), again=0, whole=False)
    again = last + 1 - begin
    whole = first.is_whole(len(first.numbers)) and after.numbers == list(range(begin, frames))
    return Resumed(held=True, resumed_s=max(0.0, after.times[0] - noise_ended), again=again, whole=whole)
