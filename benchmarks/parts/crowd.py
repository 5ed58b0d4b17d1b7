"""Calls that are held at once, and what they are like meanwhile."""

import asyncio
from collections.abc import Callable

from benchmarks.parts.cadence import FRAME_S, Step, errors_ms, p99_ms
from benchmarks.parts.cores import busy
from benchmarks.parts.judge import percentile
from benchmarks.parts.load import TURN_S, Caller, Exchange
from benchmarks.parts.served import Served

STAGGER_S = 0.07


class Crowd:
    """Grows by callers that `make(index)` gives; all of them talk on until `disperse`."""

    def __init__(
        self, exchange: Exchange, service: Served, core: int, make: Callable[[int], Caller], *, pauses: bool
    ) -> None:
        """`core` is the server's; `pauses`: it sends nothing while the bot is silent."""
        self._exchange, self._service, self._core, self._make, self._pauses = exchange, service, core, make, pauses
        self.callers: list[Caller] = []

    async def grow(self, calls: int) -> None:
        """Until so many are there. Raises TimeoutError or OSError when one is not answered."""
        while len(self.callers) < calls:
            caller = self._make(len(self.callers))
            self.callers.append(caller)
            await caller.ring()
            await asyncio.sleep(STAGGER_S)

    async def measure(self, seconds: float) -> Step:
        """What the calls are like for a while."""
        loop, service = asyncio.get_running_loop(), self._service
        del self._exchange.late_s[:]
        for caller in self.callers:
            caller.heard.forget()
        began, cpu, before = loop.time(), service.cpu_s(), busy(self._core)
        await asyncio.sleep(seconds)
        took, after = loop.time() - began, busy(self._core)
        cpu_s = service.cpu_s() - cpu
        heard = [caller.heard for caller in self.callers]
        p50, p99 = p99_ms([errors_ms(each.times, pauses=self._pauses) for each in heard])
        wanted = took / FRAME_S
        return Step(
            calls=len(heard),
            seconds=took,
            p50_ms=p50,
            p99_ms=p99,
            delivered=1.0 if self._pauses else min(len(each.times) for each in heard) / wanted,
            answered=sum(len(each.answers) for each in heard) / (len(heard) * took / TURN_S),
            cpu_share=cpu_s / took,
            foreign_share=max(0.0, after.busy_s - before.busy_s - cpu_s) / took,
            peer_p99_ms=percentile(self._exchange.late_s, 0.99) * 1000,
        )

    async def disperse(self) -> None:
        """All hang up. An overloaded server may not let each go in time: that is no fault of the next measurement."""
        leaving, self.callers = self.callers, []
        await asyncio.gather(*(caller.hang_up() for caller in leaving), return_exceptions=True)
