"""The caller's side of a realtime stage: what belongs to a turn, and how much of an answer was heard. Pure."""

from collections import deque
from typing import Final

import numpy as np
import soxr

from processors.realtime.speech_model import MODEL_RATE

MAX_TURN_S: Final = 60.0
"""Of one turn; what came before is forgotten."""
PASSED_OVER_S: Final = 0.2
"""Behind a voice that was no turn the assistant speaks on after so long (`pipelines.barge_in.QUIET_S`)."""


class Utterance:
    """One call's audio, S16LE at `rate` Hz, kept until it is known whether it is of a turn."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._up: soxr.ResampleStream | None = None
        self.in_turn = False

    def voice_began(self) -> None:
        """What was said before, outside a turn, was nothing."""
        if not self.in_turn:
            self._clear()

    def audio(self, pcm: bytes) -> bytes:
        """What of it the model gets now, at its rate; nothing outside a turn."""
        self._keep(pcm)
        return self._resampled(pcm) if self.in_turn else b""

    def turn_began(self) -> bytes:
        """The turn is the caller's: what was kept is its beginning."""
        if self.in_turn:
            return b""
        self.in_turn = True
        self._up = None
        return self._resampled(b"".join(self._kept))

    def turn_ended(self) -> bytes:
        """The rest of it."""
        self.in_turn = False
        return self._resampled(b"", last=True)

    def once_more(self) -> bytes:
        """All of the turn so far, for a model that has heard nothing of it."""
        self._up = None
        return self._resampled(b"".join(self._kept), last=True)

    def forget(self) -> None:
        """It has been answered."""
        self._clear()

    @property
    def empty(self) -> bool:
        """Whether nothing was heard."""
        return not self._kept

    def _keep(self, pcm: bytes) -> None:
        self._kept.append(pcm)
        self._kept_bytes += len(pcm)
        while self._kept_bytes > MAX_TURN_S * self._rate * 2:
            self._kept_bytes -= len(self._kept.popleft())

    def _clear(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0
        self._up = None

    def _resampled(self, pcm: bytes, *, last: bool = False) -> bytes:
        if self._up is None:
            self._up = soxr.ResampleStream(self._rate, MODEL_RATE, 1, dtype="int16")
        samples = np.frombuffer(pcm, "<i2")
        return bytes(self._up.resample_chunk(samples, last=last).tobytes())


class Audibility:
    """How much of what the assistant says has been heard. Times are seconds of one monotonic clock.

    It errs to the early side: while a voice is judged nothing is heard.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._held_at: float | None = None

    def began(self, at: float) -> None:
        """The first sample is heard."""
        if self._since is None:
            self._since, self._held_at = at, None

    def ended(self) -> None:
        """All of it was heard, or it was broken off."""
        self._since = self._held_at = None

    def voice_began(self, at: float) -> None:
        """The caller's voice holds it."""
        if self._held_at is None:
            self._held_at = at

    def voice_ended(self, at: float) -> None:
        """If that was no turn, it goes on in a moment."""
        if self._since is not None and self._held_at is not None:
            self._since += at + PASSED_OVER_S - self._held_at
        self._held_at = None

    def heard_ms(self, at: float) -> int | None:
        """None when all that was said was heard."""
        if self._since is None:
            return None
        until = at if self._held_at is None else self._held_at
        return max(0, round((until - self._since) * 1000))
