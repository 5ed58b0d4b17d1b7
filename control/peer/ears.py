"""What the caller hears: when the assistant's voice begins and ends, to 5 ms."""

from dataclasses import dataclass

import numpy as np

from control.peer.sound import Samples

VOICE_RMS = 150.0
"""Root mean square (of 32768) from which 5 ms count as a voice."""
JOIN_S = 0.2
"""Pauses shorter than this belong to one voice."""


@dataclass
class Voice:
    """One stretch of voice; `end` grows while it lasts. Monotonic seconds."""

    start: float
    end: float


class Ears:
    """Fed with what is played to the caller, in order; tells the voices in it."""

    def __init__(self, rate: int) -> None:
        self._block = rate // 200
        self._block_s = self._block / rate
        self.voices: list[Voice] = []

    def hear(self, at: float, samples: Samples) -> None:
        """Takes samples whose first is heard at `at`."""
        if not len(samples) or int(np.abs(samples.astype(np.int32)).max()) < VOICE_RMS:
            return
        padded = np.zeros(-(-len(samples) // self._block) * self._block, dtype=np.float32)
        padded[: len(samples)] = samples
        rms = np.sqrt(np.mean(padded.reshape(-1, self._block) ** 2, axis=1))
        for index in np.flatnonzero(rms >= VOICE_RMS):
            start = at + int(index) * self._block_s
            self._voice(start, start + self._block_s)

    def _voice(self, start: float, end: float) -> None:
        if self.voices and start - self.voices[-1].end < JOIN_S:
            self.voices[-1].end = end
        else:
            self.voices.append(Voice(start, end))

    def first_start(self, since: float, until: float) -> float | None:
        """When the first voice began that was still heard after `since`, if it began by `until`."""
        for voice in self.voices:
            if voice.end > since and voice.start <= until:
                return voice.start
        return None

    def last_heard(self, now: float) -> float | None:
        """When a voice was last heard, up to `now`; None: never."""
        for voice in reversed(self.voices):
            if voice.start <= now:
                return min(voice.end, now)
        return None

    def during(self, when: float) -> Voice | None:
        """The voice that was being heard at `when` (pauses inside it count)."""
        for voice in self.voices:
            if voice.start <= when < voice.end:
                return voice
        return None

    def next_after(self, when: float) -> Voice | None:
        """The first voice that began at or after `when`."""
        for voice in self.voices:
            if voice.start >= when:
                return voice
        return None
