"""Time that passes only when everybody waits: tests of minutes run in milliseconds, always the same way."""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")
EPOCH = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REAL_LIMIT_S = 20.0


class _Selector(selectors.SelectSelector):
    """Instead of sleeping, moves the loop's time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            # Nothing is due: only a thread can bring news.
            ready = super().select(REAL_LIMIT_S)
            assert ready, "everybody waits and nothing will ever happen"
            return ready
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        self._until = time.monotonic() + REAL_LIMIT_S
        super().__init__(self._virtual)

    def time(self) -> float:
        assert time.monotonic() < self._until, "the test takes too long, and not by waiting"
        return self._virtual.now


class LoopClock:
    """The running loop's time as both clocks."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic())


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time; fails when it leaves a task behind."""

    async def checked(running: Awaitable[None]) -> None:
        await running
        # A done task's callbacks, and what they started, get their turn.
        for _ in range(5):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {sorted(task.get_name() for task in left)}"

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(checked(test(*args, **kwargs)))

    return run


async def eventually(condition: Callable[[], bool], limit_s: float = 20.0, *, pause_s: float = 0.005) -> None:
    """In real time: wait for what a thread or the disk will bring. `pause_s` is between two looks."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(pause_s)
