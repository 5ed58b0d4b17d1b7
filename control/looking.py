"""Somebody looks at the media clock and the lanes of threads, so that `Headroom` knows."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from base.tasks import beside
from control.headroom import LANES, LOOK_S, Headroom, LiveLane, Reading
from processors.compute import LaneLoad
from transports.clock import MediaClock
from transports.lateness import LatenessHistogram

log = structlog.get_logger()


class Lanes(Protocol):
    """Threads of this process, or of a model server."""

    def look(self, lane: LiveLane) -> LaneLoad: ...


class Look:
    """Looks once for each call of `take`; each tells what was since the one before."""

    def __init__(
        self,
        headroom: Headroom,
        clock: MediaClock,
        lanes: Lanes,
        live_calls: Callable[[], int],
        *,
        worked_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """`worked_s`: CPU seconds of the loop's thread, on which this is made and `take` is called."""
        self._headroom, self._clock, self._lanes, self._live_calls = headroom, clock, lanes, live_calls
        self._before: LatenessHistogram = clock.counted()
        self._worked, self._worked_s = worked_s, worked_s()
        self._at: float | None = None

    def take(self, at: float) -> None:
        """At this moment, in monotonic seconds."""
        worked_s, since_s = self._worked() - self._worked_s, at - (at if self._at is None else self._at)
        self._worked_s, self._at = self._worked_s + worked_s, at
        counted = self._clock.counted()
        late, self._before = counted.since(self._before).snapshot(), counted
        self._headroom.saw(
            Reading(
                at=at,
                live_calls=self._live_calls(),
                lateness_ms=late.p99_ms,
                loop_load=worked_s / since_s if since_s else 0.0,
                lanes={lane: self._lanes.look(lane) for lane in LANES},
            )
        )


@asynccontextmanager
async def looking(look: Look, every_s: float = LOOK_S) -> AsyncIterator[None]:
    """While the block runs, on the loop of the media clock."""

    async def look_again() -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every_s)
            try:
                look.take(loop.time())
            except Exception:
                # With what was seen last calls would be refused, or taken, for ever.
                log.exception("whether there is room cannot be seen")

    async with beside(look_at_the_room=look_again()):
        yield
