"""The media clock under virtual time."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import pairwise

import pytest

from transports.clock import MediaClock


class Timer:
    def __init__(self, at: float, function: Callable[[], None]) -> None:
        self.at, self.function, self.cancelled = at, function, False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualTime:
    """Time that moves when told; timers fire when it has moved past them."""

    def __init__(self) -> None:
        self.time = 100.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0

    def now(self) -> float:
        return self.time

    def schedule(self, delay_s: float, function: Callable[[], None]) -> Timer:
        timer = Timer(self.time + delay_s, function)
        self._count += 1
        heapq.heappush(self._timers, (timer.at, self._count, timer))
        return timer

    @property
    def pending(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self._timers)

    def stall(self, seconds: float) -> None:
        """Time passes in which no timer could fire."""
        self.time += seconds

    def run(self, seconds: float) -> None:
        end = self.time + seconds
        while self._timers and self._timers[0][0] <= end + 1e-9:
            at, _, timer = heapq.heappop(self._timers)
            self.time = max(self.time, at)
            if not timer.cancelled:
                timer.function()
        self.time = max(end, self.time)


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def clock(time: VirtualTime) -> MediaClock:
    return MediaClock(now=time.now, schedule=time.schedule)


def test_ticks_every_20_ms_on_absolute_deadlines(time: VirtualTime, clock: MediaClock) -> None:
    ticks: list[float] = []
    clock.subscribe(ticks.append)
    time.run(1.0)
    assert len(ticks) == 51
    assert ticks == pytest.approx([100.0 + 0.02 * n for n in range(51)])


def test_calls_are_spread_over_the_phases(time: VirtualTime, clock: MediaClock) -> None:
    seen: list[list[float]] = [[] for _ in range(8)]
    for heard in seen:
        clock.subscribe(heard.append)
    time.run(0.1)
    offsets = sorted(round((heard[0] - 100.0) * 1000) for heard in seen)
    assert offsets == [0, 0, 5, 5, 10, 10, 15, 15]
    for heard in seen:
        assert [b - a for a, b in pairwise(heard)] == pytest.approx([0.02] * (len(heard) - 1))


def test_a_late_clock_catches_up_to_its_deadlines(time: VirtualTime, clock: MediaClock) -> None:
    called_at: list[tuple[float, float]] = []
    clock.subscribe(lambda deadline: called_at.append((deadline, time.now())))
    time.run(0.1)
    time.stall(0.045)
    time.run(0.1)
    deadlines = [deadline for deadline, _ in called_at]
    assert deadlines == pytest.approx([100.0 + 0.02 * n for n in range(len(deadlines))])
    assert clock.lateness().skipped_ticks == 0
    assert clock.lateness().max_ms == pytest.approx(25.0)


def test_what_is_due_is_done_in_passing_and_not_twice(time: VirtualTime, clock: MediaClock) -> None:
    """Timers wait for all that is ready before them; what is ready may call the clock in passing."""
    called_at: list[tuple[float, float]] = []
    clock.subscribe(lambda deadline: called_at.append((deadline, time.now())))
    time.run(0.1)
    time.stall(0.015)
    clock.catch_up()
    assert len(called_at) == 6, "nothing is due yet"
    time.stall(0.007)
    clock.catch_up()
    clock.catch_up()
    assert called_at[-1] == pytest.approx((100.12, 100.122))
    assert time.pending == 1
    time.run(0.1)
    assert [deadline for deadline, _ in called_at] == pytest.approx([100.0 + 0.02 * n for n in range(len(called_at))])


def test_a_clock_that_stands_still_has_nothing_to_catch_up_with(time: VirtualTime, clock: MediaClock) -> None:
    ticks: list[float] = []
    clock.catch_up()
    subscription = clock.subscribe(ticks.append)
    time.run(0.1)
    subscription.cancel()
    time.stall(1.0)
    clock.catch_up()
    assert len(ticks) == 6


def test_a_stall_becomes_a_small_burst_not_a_long_one(time: VirtualTime, clock: MediaClock) -> None:
    moments: list[float] = []
    deadlines: list[float] = []

    def tick(deadline: float) -> None:
        moments.append(time.now())
        deadlines.append(deadline)

    clock.subscribe(tick)
    time.run(0.1)
    time.stall(1.0)
    time.run(0.2)
    burst = max(moments.count(moment) for moment in moments)
    assert burst == 3
    assert clock.lateness().skipped_ticks == 47
    assert all(round((deadline - 100.0) / 0.02, 6).is_integer() for deadline in deadlines)


def test_stands_still_without_subscribers_and_starts_again(time: VirtualTime, clock: MediaClock) -> None:
    ticks: list[float] = []
    subscription = clock.subscribe(ticks.append)
    time.run(0.05)
    subscription.cancel()
    subscription.cancel()
    assert time.pending == 0
    assert clock.subscribers == 0
    heard = len(ticks)
    time.run(5.0)
    assert len(ticks) == heard
    clock.subscribe(ticks.append)
    time.run(0.1)
    assert len(ticks) > heard
    assert ticks[heard] == pytest.approx(105.05)
    assert clock.lateness().max_ms == pytest.approx(0.0, abs=1e-6)


def test_a_subscriber_may_leave_or_join_inside_its_tick(time: VirtualTime, clock: MediaClock) -> None:
    late: list[float] = []
    first: list[float] = []

    def once(deadline: float) -> None:
        first.append(deadline)
        subscription.cancel()
        clock.subscribe(late.append)

    subscription = clock.subscribe(once)
    time.run(0.1)
    assert len(first) == 1
    assert [b - a for a, b in pairwise(late)] == pytest.approx([0.02] * (len(late) - 1))
    assert len(late) >= 4


def test_one_call_that_fails_does_not_silence_the_others(time: VirtualTime, clock: MediaClock) -> None:
    heard: list[float] = []

    def broken(_deadline: float) -> None:
        raise ValueError

    for _ in range(4):
        clock.subscribe(broken)
        clock.subscribe(heard.append)
    time.run(0.2)
    assert clock.subscribers == 4
    assert len(heard) >= 40


def test_lateness_tells_percentiles_and_forgets_the_old(time: VirtualTime, clock: MediaClock) -> None:
    clock.subscribe(lambda _deadline: None)
    for _ in range(99):
        time.run(0.02)
    time.stall(0.035)
    time.run(0.02)
    total = clock.lateness()
    assert total.p50_ms <= 0.25
    assert 12 <= total.max_ms <= 40
    assert total.p999_ms == total.max_ms
    time.run(12.0)
    assert clock.recent().max_ms < 0.25
    assert clock.lateness().max_ms == total.max_ms


async def test_runs_on_the_real_loop() -> None:
    clock = MediaClock()
    done = asyncio.Event()
    ticks: list[float] = []

    def tick(deadline: float) -> None:
        ticks.append(deadline)
        if len(ticks) == 5:
            subscription.cancel()
            done.set()

    subscription = clock.subscribe(tick)
    await asyncio.wait_for(done.wait(), timeout=5.0)
    assert ticks[4] - ticks[0] == pytest.approx(0.08)
