"""The clocks of the peer: one 20 ms tick for all channels, and an idle clock that tells how good the machine is."""

import asyncio
import bisect
import threading
import time
from collections.abc import Callable

from msgspec import Struct

FRAME_S = 0.020


class MediaClock:
    """Ticks every channel each 20 ms on absolute deadlines; a late tick is made good at once, none is left out.

    Channels are spread over `phases` points of the 20 ms, as calls that began at different times would be.
    """

    def __init__(self, phases: int = 4) -> None:
        self._slots: list[list[Callable[[float], None]]] = [[] for _ in range(phases)]
        self._period_s = FRAME_S / phases
        self._turn = 0
        self._next_at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def add(self, tick: Callable[[float], None]) -> Callable[[], None]:
        """Calls `tick(deadline)` (monotonic seconds) every 20 ms until the returned function is called."""
        slot = min(self._slots, key=len)
        slot.append(tick)
        if self._handle is None:
            self._next_at = time.monotonic() + self._period_s
            self._arm()

        def remove() -> None:
            if tick in slot:
                slot.remove(tick)

        return remove

    def close(self) -> None:
        """Stops ticking."""
        for slot in self._slots:
            slot.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        delay_s = max(0.0, self._next_at - time.monotonic())
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._run)

    def _run(self) -> None:
        self._handle = None
        try:
            self._make_good(time.monotonic())
        finally:
            # One channel's mistake is told by the loop; the others tick on.
            if any(self._slots):
                self._arm()

    def _make_good(self, now: float) -> None:
        while self._next_at <= now + 0.0005:
            at, slot = self._next_at, tuple(self._slots[self._turn])
            self._turn = (self._turn + 1) % len(self._slots)
            self._next_at += self._period_s
            for tick in slot:
                tick(at)


class Late(Struct, frozen=True):
    """The reference clock woke at `until` instead of at `since` (monotonic seconds)."""

    since: float
    until: float


class ReferenceReport(Struct, frozen=True, kw_only=True):
    """What the reference clock saw."""

    ticks: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    late_intervals: int
    excluded_share: float
    """Part of the time that lies in late intervals, 0 to 1. Above 0.01 a run is void."""


class ReferenceClock:
    """An idle thread with a 20 ms timer on absolute deadlines: how late it is, is how late the machine makes anyone.

    Whatever a measurement sees during an interval in which this clock was later than `limit_ms` tells nothing about
    the service. Use as a context manager round the calls.
    """

    def __init__(self, limit_ms: float = 10.0) -> None:
        self._limit_s = limit_ms / 1000
        self._lateness: list[float] = []
        self._late: list[Late] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began_at = 0.0

    def __enter__(self) -> "ReferenceClock":
        self._began_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="reference-clock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def record(self, due: float, woke: float) -> None:
        """Notes one tick; only the clock's own thread and tests call this."""
        self._lateness.append(woke - due)
        if woke - due > self._limit_s:
            self._late.append(Late(due, woke))

    def excludes(self, when: float) -> bool:
        """Whether a moment (monotonic seconds) lies in a late interval, or within 20 ms after one."""
        index = bisect.bisect_right(self._late, when, key=lambda late: late.since) - 1
        return index >= 0 and when <= self._late[index].until + FRAME_S

    @property
    def late(self) -> tuple[Late, ...]:
        """The late intervals so far, in order."""
        return tuple(self._late)

    def report(self) -> ReferenceReport:
        """The figures so far."""
        ordered = sorted(self._lateness) or [0.0]
        seconds = max(len(self._lateness) * FRAME_S, FRAME_S)
        lost_s = sum(late.until - late.since for late in self._late)
        return ReferenceReport(
            ticks=len(self._lateness),
            seconds=seconds,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
            max_ms=ordered[-1] * 1000,
            late_intervals=len(self._late),
            excluded_share=lost_s / seconds,
        )

    def _run(self) -> None:
        due = self._began_at + FRAME_S
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            woke = time.monotonic()
            self.record(due, woke)
            due += FRAME_S
            if due < woke:  # after a long stop: one interval, not fifty
                due += FRAME_S * int((woke - due) / FRAME_S + 1)
