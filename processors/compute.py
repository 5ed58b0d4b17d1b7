"""Threads for heavy work: one bounded lane for hearing, one for speaking, one for what can wait.

Hearing never queues behind a rendering: each lane has threads of its own. The background lane's threads, one
a core, have low OS priority, and a piece of work begins only while no live work runs or waits (for a limited
time, so that a busy switch cannot hold up a publication for ever).
"""

import asyncio
import os
import platform
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from msgspec import Struct

Lane = Literal["stt", "tts", "background"]

MAX_WAITING = {"stt": 256, "tts": 256, "background": 4096}
"""Pieces of work that may wait in a lane; more are refused."""
MAX_YIELD_S = 5.0
"""Background work waits this long for a quiet moment, then begins anyway, at low priority."""
BACKGROUND_NICENESS = 15
LINUX = platform.system() == "Linux"


class LaneFullError(Exception):
    """Too much work waits in a lane: the machine is overloaded."""


class LaneLoad(Struct, frozen=True, kw_only=True):
    """How much a lane has to do. Times are in seconds."""

    threads: int
    waiting: int
    """Pieces of work that have not begun."""
    wait_s: float
    """The longest that one waits now, or waited that began since the look before this one."""
    busy_s: float
    """Of all threads since the beginning, what runs now included."""
    others_s: float = 0.0
    """The same, for other processes that have the lane, too; `busy_s` is then for this one."""
    problem: str = ""
    """Why nothing can be done there; empty: it can."""


class _Books:
    """What a lane has to do and does; the loop and the lane's threads write here."""

    def __init__(self, threads: int, now: Callable[[], float]) -> None:
        self._threads, self._now = threads, now
        self._lock = threading.Lock()
        self._waiting: dict[object, float] = {}
        self._running: dict[object, float] = {}
        self._busy_s = self._longest_s = 0.0

    def asked(self, piece: object) -> None:
        with self._lock:
            self._waiting[piece] = self._now()

    def dropped(self, piece: object) -> None:
        """It will not begin, if it has not."""
        with self._lock:
            self._waiting.pop(piece, None)

    def began(self, piece: object) -> None:
        with self._lock:
            now = self._running[piece] = self._now()
            self._longest_s = max(self._longest_s, now - self._waiting.pop(piece, now))

    def ended(self, piece: object) -> None:
        with self._lock:
            self._busy_s += self._now() - self._running.pop(piece)

    def look(self) -> LaneLoad:
        with self._lock:
            now, longest_s, self._longest_s = self._now(), self._longest_s, 0.0
            return LaneLoad(
                threads=self._threads,
                waiting=len(self._waiting),
                wait_s=max([longest_s, *(now - asked for asked in self._waiting.values())]),
                busy_s=self._busy_s + sum(now - began for began in self._running.values()),
            )


class ComputeLanes:
    """Satisfies `processors.factory.Compute`. Belongs to one event loop.

    `stt` and `tts` get half of the cores each (at least one thread): what runs inside (the encoder of the
    recogniser) may use one more core for itself.
    """

    def __init__(self, cores: int | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        every = cores or usable_cores()
        live = max(1, every // 2)
        self._executors = {
            "stt": ThreadPoolExecutor(live, "stt"),
            "tts": ThreadPoolExecutor(live, "tts"),
            "background": ThreadPoolExecutor(every, "background", initializer=_lower_priority),
        }
        threads = {"stt": live, "tts": live, "background": every}
        self._books = {lane: _Books(count, now) for lane, count in threads.items()}
        self._unfinished = dict.fromkeys(self._executors, 0)
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def run(self, lane: Lane, work: Callable[[], Any]) -> Any:
        """The result of `work`, or its exception. Cancelling drops it if it has not begun.

        Raises LaneFullError.
        """
        if self._unfinished[lane] >= MAX_WAITING[lane]:
            raise LaneFullError(f"{self._unfinished[lane]} pieces of work wait in the lane {lane!r}")
        self._count(lane, +1)
        try:
            if lane == "background":
                await self._wait_for_quiet()
            return await self._on_a_thread(lane, work)
        finally:
            self._count(lane, -1)

    def look(self, lane: Lane) -> LaneLoad:
        """How much the lane has to do; its longest wait is told once."""
        return self._books[lane].look()

    async def _on_a_thread(self, lane: Lane, work: Callable[[], Any]) -> Any:
        books, piece = self._books[lane], object()

        def counted() -> Any:
            books.began(piece)
            try:
                return work()
            finally:
                books.ended(piece)

        books.asked(piece)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executors[lane], counted)
        finally:
            books.dropped(piece)

    async def _wait_for_quiet(self) -> None:
        try:
            async with asyncio.timeout(MAX_YIELD_S):
                await self._quiet.wait()
        except TimeoutError:
            return

    def _count(self, lane: Lane, change: int) -> None:
        self._unfinished[lane] += change
        if self._unfinished["stt"] + self._unfinished["tts"]:
            self._quiet.clear()
        else:
            self._quiet.set()

    def close(self) -> None:
        """Drop what has not begun and let the threads end; what runs is not waited for."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)


def usable_cores() -> int:
    """Cores that this process may use; containers and `taskset` give fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if LINUX else os.cpu_count() or 1


def _lower_priority() -> None:
    # On Linux niceness belongs to a thread; elsewhere this would slow the whole process.
    if LINUX:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)
