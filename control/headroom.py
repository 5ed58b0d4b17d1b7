"""Whether one call more can be taken: by what the media clock and the lanes of threads show, not by a guess. Pure.

Somebody looks twice a second and tells `Headroom` what he saw. A figure that was above its bound in `MANY` of the last
`LOOKS` looks has been so for seconds: no call is taken until nearly all of them are well below it. One hiccup of the
machine is one or two looks, and refuses nobody.

The clock's beats go ahead of everything else on the event loop. A loop that has no time left still sends audio in time
while answers come late: so it is looked at, too, how much of its time it works.

A queue tells too late that too many calls were taken: callers speak seconds after they are answered. Hence what a call
costs a lane is learned from those that were, and calls are only taken while all of them together would leave the lane
some of its time.
"""

from collections import deque
from collections.abc import Collection, Mapping
from typing import Final, Literal

from msgspec import Struct

from processors.compute import LaneLoad

LOOK_S: Final = 0.5
LOOKS: Final = 10
MANY: Final = 4
FEW: Final = 1
WELL_BELOW: Final = 0.75
"""Of the bound: between this and the bound, what is full stays full and what has room keeps it."""
LEARNED_CALL_S: Final = 60.0
"""What a call costs is believed after so many seconds of calls."""
REMEMBERED_CALL_S: Final = 600.0
OTHERS_LOOKS: Final = 20
"""Looks over which is averaged what other processes take of a lane that they share with this one."""

Limiting = Literal["max_calls", "media_clock", "event_loop", "stt", "tts"]
LiveLane = Literal["stt", "tts"]
LANES: Final[tuple[LiveLane, ...]] = ("stt", "tts")
STAGES: Final[Mapping[LiveLane, str]] = {"stt": "speech recognition", "tts": "the voice"}


class Bounds(Struct, frozen=True, kw_only=True):
    """How far a process may be used."""

    max_calls: int = 200
    max_lateness_ms: float = 15.0
    """Of the media clock, 99th percentile of half a second. Callers hear it above 20: a frame that is not there."""
    max_loop_load: float = 0.9
    """Share of its time that the event loop may work."""
    max_wait_ms: float = 500.0
    """Of a sentence for a thread of its lane."""
    max_load: float = 0.8
    """Share of a lane's time that all calls together may take."""


class Reading(Struct, frozen=True, kw_only=True):
    """What one look saw."""

    at: float
    """Monotonic seconds."""
    live_calls: int
    lateness_ms: float
    """The media clock's 99th percentile since the look before; 0 while it stood still."""
    loop_load: float = 0.0
    """Share of the time since the look before that the event loop worked."""
    lanes: Mapping[LiveLane, LaneLoad] = {}


class Full(Struct, frozen=True):
    """Why no call is taken."""

    by: Limiting
    told: str
    """What is so, against which bound, and what helps."""


class Lane(Struct, frozen=True, kw_only=True):
    """A lane, as far as it is known."""

    waiting: int = 0
    wait_ms: float = 0.0
    """The longest of the last seconds."""
    load: float = 0.0
    """Share of its time that the live calls take, by what calls were found to cost (0: not known yet), and that other
    processes took of late where it is theirs, too.
    """


class Signal:
    """One figure against its bound, over the last looks."""

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._seen: deque[float] = deque(maxlen=LOOKS)
        self.full = False

    @property
    def highest(self) -> float:
        """Of the last looks."""
        return max(self._seen, default=0.0)

    @property
    def mean(self) -> float:
        """Of the last looks."""
        return sum(self._seen) / max(1, len(self._seen))

    @property
    def lasting(self) -> float:
        """What was reached in `MANY` of the last looks."""
        return sorted(self._seen, reverse=True)[MANY - 1] if len(self._seen) >= MANY else 0.0

    def saw(self, value: float) -> None:
        self._seen.append(value)
        if not self.full:
            self.full = sum(one > self._bound for one in self._seen) >= MANY
        elif len(self._seen) == LOOKS:
            self.full = sum(one > self._bound * WELL_BELOW for one in self._seen) > FEW


class _Cost:
    """Seconds of a lane's threads that a call takes of each second it lasts, averaged over the latest calls."""

    def __init__(self) -> None:
        self._share = self._seen_s = 0.0

    @property
    def share(self) -> float:
        return self._share if self._seen_s >= LEARNED_CALL_S else 0.0

    def saw(self, busy_s: float, call_s: float) -> None:
        self._seen_s = min(self._seen_s + call_s, REMEMBERED_CALL_S)
        self._share += (busy_s - self._share * call_s) / self._seen_s


class Headroom:
    """Whether there is room. `saw` is told what a look saw; `full` answers at once."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._clock = Signal(bounds.max_lateness_ms)
        self._loop = Signal(bounds.max_loop_load)
        self._waits = {lane: Signal(bounds.max_wait_ms) for lane in LANES}
        self._costs = {lane: _Cost() for lane in LANES}
        self._others: dict[LiveLane, deque[float]] = {lane: deque(maxlen=OTHERS_LOOKS) for lane in LANES}
        self._last: Reading | None = None

    def saw(self, reading: Reading) -> None:
        """Every `LOOK_S`."""
        self._clock.saw(reading.lateness_ms)
        self._loop.saw(reading.loop_load)
        for lane, load in reading.lanes.items():
            self._waits[lane].saw(load.wait_s * 1000)
        self._learn(reading)
        self._last = reading

    def full(self, live_calls: int, lanes: Collection[str] = LANES) -> Full | None:
        """Why a call more is not to be taken; `lanes`: of those alone that it would use. None: there is room."""
        bounds = self.bounds
        if live_calls >= bounds.max_calls:
            told = f"{live_calls} live, ATENDE_MAX_CALLS is {bounds.max_calls}"
            return Full("max_calls", f"{told}; `atende capacity` measures how many this machine carries")
        if self._clock.full:
            return Full(
                "media_clock",
                f"the media clock is late by {self._clock.lasting:g} ms (99th percentile; ATENDE_MAX_LATENESS_MS is "
                f"{bounds.max_lateness_ms:g}); give this process a core of its own, or lower ATENDE_MAX_CALLS",
            )
        if self._loop.full:
            return Full(
                "event_loop",
                f"the event loop works {self._loop.lasting:.0%} of its time (ATENDE_MAX_LOOP_LOAD is "
                f"{bounds.max_loop_load:.0%}): it carries no more; lower ATENDE_MAX_CALLS, or run more processes",
            )
        for lane in LANES:
            if lane in lanes and (full := self._lane_full(lane, live_calls)) is not None:
                return full
        return None

    @property
    def loop_load(self) -> float:
        """Share of its time that the event loop worked, over the last looks."""
        return self._loop.mean

    def lane(self, lane: LiveLane, live_calls: int) -> Lane:
        """How it is used."""
        last = None if self._last is None else self._last.lanes.get(lane)
        if last is None:
            return Lane()
        others = self._others[lane]
        load = self._costs[lane].share * live_calls / last.threads + sum(others) / max(1, len(others))
        return Lane(waiting=last.waiting, wait_ms=self._waits[lane].highest, load=load)

    def _lane_full(self, lane: LiveLane, live_calls: int) -> Full | None:
        what, more = STAGES[lane], "more cores carry more, and so does a provider in its place"
        last = None if self._last is None else self._last.lanes.get(lane)
        if last is not None and last.problem:
            return Full(lane, f"{what}: {last.problem}; the log of its process says why, see ATENDE_MODELS_URL")
        if self._waits[lane].full:
            told = f"{what}: sentences wait {self._waits[lane].lasting:.0f} ms for a thread"
            return Full(lane, f"{told} (ATENDE_MAX_STAGE_WAIT_MS is {self.bounds.max_wait_ms:g}); {more}")
        # Where there is no call there is nothing that could be waited for.
        anybody = live_calls or any(self._others[lane])
        if anybody and (load := self.lane(lane, live_calls + 1).load) > self.bounds.max_load:
            told = f"{what}: with a call more it would have to work {load:.0%} of its time"
            return Full(lane, f"{told} (ATENDE_MAX_STAGE_LOAD is {self.bounds.max_load:.0%}); {more}")
        return None

    def _learn(self, now: Reading) -> None:
        before = self._last
        if before is None:
            return
        since_s = now.at - before.at
        call_s = since_s * (now.live_calls + before.live_calls) / 2
        for lane in LANES:
            if since_s <= 0 or lane not in now.lanes or lane not in before.lanes:
                continue
            here, there = now.lanes[lane], before.lanes[lane]
            if here.busy_s < there.busy_s or here.others_s < there.others_s or here.problem or there.problem:
                continue  # a server that has begun anew counts from nothing
            self._others[lane].append((here.others_s - there.others_s) / since_s / here.threads)
            if call_s > 0:
                self._costs[lane].saw(here.busy_s - there.busy_s, call_s)
