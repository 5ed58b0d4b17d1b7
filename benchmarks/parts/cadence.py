"""How even audio comes, and how many calls a core carries. Pure.

The cadence error of a gap is |gap - 20 ms|. A stream that is sent all the time (ours) has no gap that does not count.
Stock pipecat sends while the bot speaks only: a gap of `PAUSE_S` and more is a pause of its, and the two gaps behind it
are left out, since it begins with two messages back to back. Both are in stock's favour.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.parts.judge import percentile

FRAME_S = 0.020
PAUSE_S = 0.100
AFTER_PAUSE = 2
LIMIT_MS = 10.0
"""What the 99th percentile of the cadence error may be in a call that holds."""
PEER_LIMIT_MS = 5.0
"""A peer whose own ticks are later than this at the 99th percentile measures itself."""
FOREIGN_LIMIT = 0.12
"""Of the server's core, used by others: what is measured beside it is the machine's, not the server's."""
LEAST_ANSWERED = 0.9
LEAST_DELIVERED = 0.98


def errors_ms(arrivals: Sequence[float], *, pauses: bool) -> npt.NDArray[np.float64]:
    """The cadence errors of one call's arrivals (seconds, ascending); `pauses`: it is silent between utterances."""
    gaps = np.diff(np.asarray(arrivals, dtype=np.float64))
    if pauses:
        counts = gaps < PAUSE_S
        for pause in np.flatnonzero(gaps >= PAUSE_S):
            counts[pause + 1 : pause + 1 + AFTER_PAUSE] = False
        counts[:AFTER_PAUSE] = False
        gaps = gaps[counts]
    return np.abs(gaps - FRAME_S) * 1000


@dataclass(frozen=True)
class Step:
    """So many calls at once, for a while."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    """Cadence error over all calls."""
    delivered: float
    """Audio that came, of what 20 ms each would be; 1 for a wire that pauses."""
    answered: float
    """Answers heard, of the caller's turns."""
    cpu_share: float
    """CPU of the server's process with all its threads, 1 = its core."""
    foreign_share: float
    """Of the same core, by anyone else."""
    peer_p99_ms: float
    """How late the callers' own ticks were."""

    @property
    def cpu_s_per_call_minute(self) -> float:
        """CPU seconds for each minute of each call."""
        return self.cpu_share * 60 / self.calls

    @property
    def void(self) -> bool:
        """Whether it tells more of the machine than of the server."""
        return self.peer_p99_ms > PEER_LIMIT_MS or self.foreign_share > FOREIGN_LIMIT

    @property
    def holds(self) -> bool:
        """Whether the calls were calls: even, whole and answered. A NaN holds nothing."""
        even = self.p99_ms <= LIMIT_MS
        return even and self.delivered >= LEAST_DELIVERED and self.answered >= LEAST_ANSWERED


def unanswered(calls: int) -> Step:
    """So many calls could not even be set up."""
    nan = float("nan")
    return Step(calls, 0.0, nan, nan, delivered=0.0, answered=0.0, cpu_share=nan, foreign_share=nan, peer_p99_ms=nan)


def p99_ms(every: Sequence[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Median and 99th percentile over all calls; NaN of nothing."""
    joined = np.concatenate(every).tolist() if every else []
    return percentile(joined, 0.5), percentile(joined, 0.99)


def best(tries: Sequence[Step]) -> Step:
    """Of several tries of one number: one that holds, else one that is not void, else the evenest."""
    return min(tries, key=lambda step: (not step.holds, step.void, step.p99_ms))


def enough(tries: Sequence[Step], most: int) -> bool:
    """Whether a number needs no further try: it held, or failed twice on a quiet machine, or was tried `most` times.

    A void try that fails tells nothing of the server and is made again.
    """
    return any(step.holds for step in tries) or sum(not step.void for step in tries) >= 2 or len(tries) >= most


def capacity(steps: Sequence[Step]) -> int:
    """The last number of calls on a ladder that held, below the first that did not; 0 when none did."""
    held = 0
    for step in steps:
        if not step.holds:
            break
        held = step.calls
    return held
