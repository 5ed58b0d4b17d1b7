"""From a confidence per window to "started" and "stopped". Pure; time is counted in windows of audio.

The rules are those of pipecat's VADAnalyzer (1.14): speech must be heard for `start` windows in a row before
STARTED, anything else for `stop` windows in a row before STOPPED. The model's state is reset as pipecat's
SileroVADAnalyzer does: after 2 s of audio, once the caller is quiet and five windows in a row were clearly
no speech. Without it, long silence makes the 8 kHz model late for the speech that follows.
"""

from base.speech import VadEdge

WINDOW_S = 0.032
"""Silero judges 256 samples at 8 kHz or 512 at 16 kHz at a time."""
RESET_AFTER_WINDOWS = round(2.0 / WINDOW_S)
CLEARLY_QUIET = 0.1
QUIET_WINDOWS = 5


def windows(seconds: float) -> int:
    """Whole windows nearest to a time; at least one."""
    return max(1, round(seconds / WINDOW_S))


class EdgeDetector:
    """One call's hysteresis."""

    __slots__ = ("_confidence", "_low", "_run", "_since_reset", "_start", "_stop", "speaking")

    def __init__(self, *, confidence: float, start_windows: int, stop_windows: int) -> None:
        self._confidence = confidence
        self._start = start_windows
        self._stop = stop_windows
        self._run = 0
        """Windows in a row that speak for a change."""
        self._since_reset = 0
        self._low = 0
        self.speaking = False

    def judge(self, confidence: float, loud: bool) -> VadEdge | None:
        """Take one window: the model's confidence that it is speech, and whether it is loud enough to count."""
        self._since_reset += 1
        self._low = self._low + 1 if confidence < CLEARLY_QUIET else 0
        speech = loud and confidence >= self._confidence
        self._run = self._run + 1 if speech is not self.speaking else 0
        if self._run < (self._stop if self.speaking else self._start):
            return None
        self._run = 0
        self.speaking = not self.speaking
        return VadEdge.STARTED if self.speaking else VadEdge.STOPPED

    def wants_reset(self) -> bool:
        """Whether the model's memory should be cleared now; true once, then counted anew."""
        due = self._since_reset >= RESET_AFTER_WINDOWS and self._low >= QUIET_WINDOWS
        if not due or self.speaking or self._run:
            return False
        self._since_reset = 0
        return True
