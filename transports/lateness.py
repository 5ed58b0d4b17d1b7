"""How late a periodic thing was: a histogram that costs one bisect per sample."""

from bisect import bisect_left
from itertools import accumulate

from msgspec import Struct

BOUNDS_MS = (0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60, 80, 120, 200, 500, 1000)
"""Upper ends of the buckets in milliseconds; percentiles are told as the end of their bucket."""


class Lateness(Struct, frozen=True, kw_only=True):
    """Milliseconds after the deadline. Percentiles are upper ends of buckets and never above `max_ms`."""

    count: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0
    skipped_ticks: int = 0
    """Ticks that were given up because the clock was late by more than it may catch up."""


class LatenessHistogram:
    """Counts samples; `snapshot` tells percentiles."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.count = 0
        self.max_ms = 0.0
        self.skipped = 0

    def add(self, late_ms: float) -> None:
        """Count one sample; a negative one (a timer that fired early) counts as zero."""
        self.counts[bisect_left(BOUNDS_MS, late_ms)] += 1
        self.count += 1
        self.max_ms = max(self.max_ms, late_ms)

    def skip(self, ticks: int) -> None:
        """Count ticks that were given up."""
        self.skipped += ticks

    def merged(self, other: "LatenessHistogram") -> "LatenessHistogram":
        """A new histogram with the samples of both."""
        both = LatenessHistogram()
        both.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        both.count = self.count + other.count
        both.max_ms = max(self.max_ms, other.max_ms)
        both.skipped = self.skipped + other.skipped
        return both

    def since(self, earlier: "LatenessHistogram") -> "LatenessHistogram":
        """A new histogram of what was counted after `earlier` was as it is; its `max_ms` is the end of a bucket."""
        later = LatenessHistogram()
        later.counts = [now - before for now, before in zip(self.counts, earlier.counts, strict=True)]
        later.count = self.count - earlier.count
        later.skipped = self.skipped - earlier.skipped
        ends = (*BOUNDS_MS, self.max_ms)
        later.max_ms = max((min(end, self.max_ms) for end, n in zip(ends, later.counts, strict=True) if n), default=0.0)
        return later

    def snapshot(self) -> Lateness:
        """What was counted so far."""
        return Lateness(
            count=self.count,
            p50_ms=self._percentile(0.5),
            p99_ms=self._percentile(0.99),
            p999_ms=self._percentile(0.999),
            max_ms=self.max_ms,
            skipped_ticks=self.skipped,
        )

    def _percentile(self, share: float) -> float:
        if self.count == 0:
            return 0.0
        wanted = share * self.count
        for bucket, seen in enumerate(accumulate(self.counts)):
            if seen >= wanted:
                return min(BOUNDS_MS[bucket], self.max_ms) if bucket < len(BOUNDS_MS) else self.max_ms
        return self.max_ms
