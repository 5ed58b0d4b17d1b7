"""The media clock: one 20 ms beat per process for all calls' audio.

Deadlines are absolute: the n-th tick of a subscriber is due at `first + n * tick_s`, whatever happened
to the ticks before it. A late clock catches up (a subscriber is then called several times in a row),
but by no more than `max_catch_up` ticks; what is later than that is given up, so a stall of a second
does not become a burst of fifty datagrams.

A timer of the loop's waits for everything that is ready before it: with a full core, for tens of tasks. So whoever
runs often and on the same loop calls `catch_up` in passing, and a beat that is due goes ahead of what is queued.

Subscribers are spread over phases (4 × 5 ms by default), so that the work of many calls does not fall
into one moment. The clock stands still while nobody subscribes, and measures its own lateness: the
figure by which a process can tell that it should take no more calls.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from transports.lateness import Lateness, LatenessHistogram

log = structlog.get_logger()

OnTick = Callable[[float], None]
"""Called with the tick's deadline in seconds of the media clock; must not block and must not raise."""

EARLY_S = 0.001
"""Timers of uvloop count whole milliseconds and may fire this much too early."""

WINDOW_S = 5.0
"""`recent` looks back between one and two of these."""


class TimerHandle(Protocol):
    """What a scheduled call gives back."""

    def cancel(self) -> None: ...


Schedule = Callable[[float, Callable[[], None]], TimerHandle]
"""Calls a function after a delay in seconds."""


def _on_running_loop(delay_s: float, function: Callable[[], None]) -> TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, function)


class Subscription:
    """A place on the clock. `cancel` is idempotent; no tick comes after it."""

    __slots__ = ("_clock", "live", "on_tick", "phase")

    def __init__(self, clock: "MediaClock", phase: int, on_tick: OnTick) -> None:
        self._clock = clock
        self.live = True
        self.phase = phase
        self.on_tick = on_tick

    def cancel(self) -> None:
        """Hear no more ticks."""
        self._clock.drop(self)


class MediaClock:
    """Calls every subscriber once per tick. Belongs to one event loop."""

    def __init__(
        self,
        *,
        tick_s: float = 0.020,
        phases: int = 4,
        max_catch_up: int = 2,
        now: Callable[[], float] = time.monotonic,
        schedule: Schedule = _on_running_loop,
    ) -> None:
        """`now` and `schedule` are given by tests that bring their own time.

        `max_catch_up` bounds the ticks that one subscriber gets on top of the due one after a stall.
        """
        self.now = now
        self._tick_s = tick_s
        self._slot_s = tick_s / phases
        self._max_catch_up = max_catch_up
        self._schedule = schedule
        self._phases: list[list[Subscription]] = [[] for _ in range(phases)]
        self._origin = 0.0
        self._slot = 0
        """Number of the next slot; it is due at `_origin + _slot * _slot_s` and serves phase `_slot % phases`."""
        self._timer: TimerHandle | None = None
        self._due = float("inf")
        """When the timer should fire; never while there is none, as within a beat."""
        self._total = LatenessHistogram()
        self._window = LatenessHistogram()
        self._before = LatenessHistogram()
        self._window_ends = 0.0

    def subscribe(self, on_tick: OnTick) -> Subscription:
        """Tick from the next beat of the emptiest phase on. A subscriber that raises is logged and dropped."""
        phase = min(range(len(self._phases)), key=lambda p: len(self._phases[p]))
        subscription = Subscription(self, phase, on_tick)
        if not any(self._phases):
            self._origin, self._slot = self.now(), 0
        self._phases[phase].append(subscription)
        self._arm()
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscriber; the clock stops with the last one."""
        if subscription.live:
            subscription.live = False
            self._phases[subscription.phase].remove(subscription)
        if self._timer is not None and not any(self._phases):
            self._timer.cancel()
            self._timer = None
            self._due = float("inf")

    def catch_up(self) -> None:
        """Beat now if a beat is due; costs next to nothing when none is. On the clock's own loop only."""
        if self.now() >= self._due:
            assert self._timer is not None
            self._timer.cancel()
            self._beat()

    @property
    def subscribers(self) -> int:
        """How many are ticking."""
        return sum(map(len, self._phases))

    def lateness(self) -> Lateness:
        """Of every beat since the clock was made."""
        return self._total.snapshot()

    def counted(self) -> LatenessHistogram:
        """A copy of what was counted since the clock was made: what admission looks at, again and again."""
        return self._total.merged(LatenessHistogram())

    def recent(self) -> Lateness:
        """Of the last 5 to 10 seconds."""
        self._turn_window(self.now())
        return self._before.merged(self._window).snapshot()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        while not self._phases[self._slot % len(self._phases)]:
            self._slot += 1
        self._due = self._deadline()
        delay_s = max(0.0, self._due - self.now())
        self._timer = self._schedule(delay_s, self._beat)

    def _deadline(self) -> float:
        return self._origin + self._slot * self._slot_s

    def _beat(self) -> None:
        self._timer, self._due = None, float("inf")
        now = self.now()
        self._count(now - self._deadline(), now)
        self._give_up_what_is_too_late(now)
        while self._deadline() <= now + EARLY_S:
            self._call(self._phases[self._slot % len(self._phases)], self._deadline())
            self._slot += 1
        if any(self._phases):
            self._arm()

    def _give_up_what_is_too_late(self, now: float) -> None:
        """Move on by whole ticks, so that every subscriber keeps its phase."""
        over_s = now - self._deadline() - self._max_catch_up * self._tick_s
        ticks = int(over_s / self._tick_s + 1e-6) if over_s > 0 else 0
        if ticks:
            self._slot += ticks * len(self._phases)
            self._total.skip(ticks)
            self._window.skip(ticks)

    def _call(self, subscriptions: list[Subscription], deadline: float) -> None:
        for subscription in tuple(subscriptions):
            if not subscription.live:
                continue
            try:
                subscription.on_tick(deadline)
            except Exception:
                # One call's mistake must not silence the others.
                log.exception("media clock subscriber failed")
                self.drop(subscription)

    def _count(self, late_s: float, now: float) -> None:
        self._turn_window(now)
        late_ms = late_s * 1000
        self._total.add(late_ms)
        self._window.add(late_ms)

    def _turn_window(self, now: float) -> None:
        if now < self._window_ends:
            return
        stale = now >= self._window_ends + WINDOW_S
        self._before = LatenessHistogram() if stale else self._window
        self._window = LatenessHistogram()
        self._window_ends = now + WINDOW_S
