"""What a look sees of a real media clock and real lanes."""

import asyncio
import threading

from control.headroom import Bounds, Headroom
from control.looking import Look, looking
from processors.compute import ComputeLanes
from transports.clock import MediaClock

LIMIT_S = 5.0


class Timers:
    """Time that stands still unless it is told to go on, and timers that fire when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._due: list[tuple[float, object]] = []

    def now(self) -> float:
        return self.now_s

    def schedule(self, delay_s: float, function: object) -> "Timers":
        self._due = [(self.now_s + delay_s, function)]
        return self

    def cancel(self) -> None:
        self._due = []

    def beats(self, count: int, *, late_ms: float) -> None:
        for _ in range(count):
            at, beat = self._due.pop()
            self.now_s = max(self.now_s, at + late_ms / 1000)
            beat()  # type: ignore[operator]


async def test_each_look_tells_of_the_time_since_the_last() -> None:
    timers, compute = Timers(), ComputeLanes(cores=2)
    clock = MediaClock(phases=1, now=timers.now, schedule=timers.schedule)
    room = Headroom(Bounds(max_lateness_ms=8.0))
    look = Look(room, clock, compute, lambda: 1)
    clock.subscribe(lambda _: None)
    for at in range(3):
        timers.beats(25, late_ms=12.0)
        look.take(float(at))
    assert room.full(1) is None
    timers.beats(25, late_ms=12.0)
    look.take(3.0)
    full = room.full(1)
    assert full is not None
    assert "late by 12 ms" in full.told
    for at in range(4, 14):
        timers.beats(25, late_ms=0.5)
        look.take(float(at))
    assert room.full(1) is None, "the clock's total does not forget, and looks compare"
    compute.close()


async def test_how_much_the_loop_works_is_told_of_each_time_between_two_looks() -> None:
    worked, compute, room = [7.0], ComputeLanes(cores=2), Headroom(Bounds())
    look = Look(room, MediaClock(), compute, lambda: 1, worked_s=lambda: worked[0])
    look.take(100.0)
    for at, more_s in ((101.0, 0.75), (103.0, 1.5)):
        worked[0] += more_s
        look.take(at)
    assert room.loop_load == 0.5, "nothing at the first look, three quarters at both others"
    compute.close()


async def test_a_sentence_that_waits_for_a_thread_is_seen_while_it_waits_and_once_it_has_begun() -> None:
    now = [0.0]
    compute = ComputeLanes(cores=2, now=lambda: now[0])
    began, gate = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        gate.wait(LIMIT_S)

    first = asyncio.create_task(compute.run("stt", work))
    assert await asyncio.to_thread(began.wait, LIMIT_S)
    second = asyncio.create_task(compute.run("stt", lambda: None))
    await asyncio.sleep(0)
    now[0] = 1.5
    load = compute.look("stt")
    assert (load.threads, load.waiting, load.wait_s, load.busy_s) == (1, 1, 1.5, 1.5)
    now[0] = 2.0
    gate.set()
    await asyncio.wait_for(asyncio.gather(first, second), LIMIT_S)
    load = compute.look("stt")
    assert (load.waiting, load.wait_s, load.busy_s) == (0, 2.0, 2.0)
    assert compute.look("stt").wait_s == 0.0
    assert compute.look("tts").busy_s == 0.0, "the other lane did nothing"
    compute.close()


async def test_what_is_given_up_before_it_began_waits_no_more() -> None:
    compute, gate = ComputeLanes(cores=2), threading.Event()
    running = asyncio.create_task(compute.run("tts", lambda: gate.wait(LIMIT_S)))
    waiting = asyncio.create_task(compute.run("tts", lambda: None))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert compute.look("tts").waiting <= 1
    gate.set()
    await asyncio.wait_for(running, LIMIT_S)
    assert compute.look("tts").waiting == 0
    compute.close()


async def test_somebody_looks_again_and_again_while_the_block_runs_whatever_becomes_of_a_look() -> None:
    looks, again = 0, asyncio.Event()

    def live_calls() -> int:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("something nobody thought of")
        again.set()
        return 0

    compute = ComputeLanes(cores=2)
    look = Look(Headroom(Bounds()), MediaClock(), compute, live_calls)
    before = asyncio.all_tasks()
    async with looking(look, every_s=0.001):
        await asyncio.wait_for(again.wait(), LIMIT_S)
    assert asyncio.all_tasks() == before
    compute.close()
