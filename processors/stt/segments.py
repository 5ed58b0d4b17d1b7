"""What the caller says, cut into utterances as the voice activity detector hears them; pure."""

from collections import deque

BYTES_PER_SAMPLE = 2
LEAD_S = 0.3
"""Kept from before the detector noticed, where a wire sends audio without a pause."""
LONGEST_S = 28.0
"""An utterance that goes on longer is recognised in parts: the recogniser's window has 30 s."""
MAX_WAITING = 8
"""Utterances of one call that wait to be recognised; the oldest is dropped for a newer one."""


class Segments:
    """Collects S16LE audio between the detector's edges and keeps utterances until they are taken."""

    def __init__(self, sample_rate: int) -> None:
        self._second = sample_rate * BYTES_PER_SAMPLE
        self._audio = bytearray()
        self._speaking = False
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)

    def started(self) -> None:
        """The caller speaks. What waits to be recognised belongs to the same breath: it is joined."""
        self._speaking = True
        while self._waiting and len(self._waiting[-1]) + len(self._audio) < LONGEST_S * self._second / 2:
            self._audio[:0] = self._waiting.pop()

    def heard(self, pcm: bytes) -> None:
        """Audio of the caller, or of silence before it."""
        self._audio += pcm
        if not self._speaking:
            del self._audio[: max(0, len(self._audio) - _even(LEAD_S * self._second))]
        elif len(self._audio) >= LONGEST_S * self._second:
            self._finish()

    def stopped(self) -> None:
        """The caller stopped: the utterance is whole."""
        self._speaking = False
        self._finish()

    @property
    def waiting(self) -> int:
        """Utterances that can be taken."""
        return len(self._waiting)

    def take(self) -> bytes | None:
        """The utterance that has waited longest."""
        return self._waiting.popleft() if self._waiting else None

    def _finish(self) -> None:
        if self._audio:
            self._waiting.append(bytes(self._audio))
            self._audio.clear()


def _even(size: float) -> int:
    return int(size) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
