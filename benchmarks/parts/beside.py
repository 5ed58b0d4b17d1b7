"""Live calls and an operator's requests, served by one process on one core; phases with requests and without.

What is judged is what requests add: the median over the pairs of phases, so that neither the machine's own hiccups,
which fall into phases of both kinds, nor one bad pair is taken for the requests' doing. Late are frames by `LATE_S` and
more: whoever plays them usually has as much in hand (jitter buffers hold some 40 to 60 ms), and as much is what the
worst call may be late in `benchmarks.first_call`. A frame that is late by 20 ms is not heard; on a machine that others
use as well it comes without requests, too, and by chance in more of the phases of one kind. How many there were is told
beside it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from base.secret import Secret
from benchmarks.parts import mocks
from benchmarks.parts.cadence import FRAME_S, errors_ms
from benchmarks.parts.cores import busy, cpu_s, pinned, two_cores
from benchmarks.parts.judge import percentile
from benchmarks.parts.load import Exchange, PhoneCaller, voices
from benchmarks.parts.many_calls import LARGEST, fill, many_calls
from benchmarks.parts.served import UNBOUND
from control.capacity.child import LOOPBACK, Child, child
from control.peer import Dialed
from tenants.keys import signing_keys
from tenants.migrate import connect
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign

NUMBER: Final = "3000"
OFFSET_FRAMES: Final = 37
STAGGER_S: Final = 0.1
LATE_S: Final = 0.040
"""By which a frame is late: it came a frame's length and so long after the one before."""
WHOLE_SHARE: Final = 0.95
"""Of its frames: a call that has so many is live."""
FINISHED: Final = 20_000
"""Calls in the tables, of 200 tenants; a tenth of them are of the tenant whose calls are listed."""


@dataclass
class Phase:
    """What the calls were like for a while."""

    p99_ms: float
    """Cadence error over all frames."""
    late_share: float
    """Of all frames: those that came late."""
    by_a_frame_share: float
    """Of all frames: those that came 20 ms late and more."""
    clock_p99_ms: float
    """The service's own media clock, of its last 5 to 10 s."""
    foreign_share: float
    """Of the core, by anyone else."""
    live_calls: int
    """Whose audio came the whole time."""


def late_share(gaps: npt.NDArray[np.float64], late_s: float) -> float:
    """Of the frames behind these gaps (seconds): those that came so late."""
    return float((gaps >= FRAME_S + late_s).mean())


@dataclass
class Beside:
    """All phases; the n-th with requests follows the n-th without."""

    without: list[Phase] = field(default_factory=list)
    beside: list[Phase] = field(default_factory=list)
    took_ms: dict[str, list[float]] = field(default_factory=dict)
    """By what was asked for."""
    failed: int = 0
    """Requests that were answered otherwise than with 200."""
    asked_s: float = 0.0
    """Until the last of each phase was answered."""

    @property
    def live_calls(self) -> int:
        """In the phase with the fewest."""
        return min(phase.live_calls for phase in (*self.without, *self.beside))

    @property
    def requests_per_s(self) -> float:
        """That were answered."""
        return sum(map(len, self.took_ms.values())) / self.asked_s

    def difference(self, of: str) -> float:
        """Median over the pairs: with requests, less without."""
        pairs = zip(self.without, self.beside, strict=True)
        return float(median(getattr(second, of) - getattr(first, of) for first, second in pairs))


@dataclass
class Stage:
    """A service with live calls."""

    service: Child
    core: int
    callers: list[PhoneCaller]
    headers: dict[str, str]
    paths: dict[str, str]
    """What is asked for, by its name."""

    async def phase(self, seconds: float, per_s: float, found: Beside) -> Phase:
        """The calls for a while, with so many requests in a second."""
        for caller in self.callers:
            caller.heard.forget()
        began, before = time.monotonic(), busy(self.core)
        used_s = cpu_s(self.service.pid)
        if per_s:
            await self._ask(seconds, per_s, found)
        else:
            await asyncio.sleep(seconds)
        took, after = time.monotonic() - began, busy(self.core)
        heard = [np.array(caller.heard.times) for caller in self.callers]
        errors = np.concatenate([errors_ms(times.tolist(), pauses=False) for times in heard])
        gaps = np.concatenate([np.diff(times) for times in heard])
        ours_s = cpu_s(self.service.pid) - used_s
        scraped = await self.service.scraped()
        return Phase(
            p99_ms=percentile(errors.tolist(), 0.99),
            late_share=late_share(gaps, LATE_S),
            by_a_frame_share=late_share(gaps, FRAME_S),
            clock_p99_ms=scraped['atende_media_clock_late_seconds{quantile="0.99"}'] * 1000,
            foreign_share=max(0.0, after.busy_s - before.busy_s - ours_s) / took,
            live_calls=sum(len(times) >= WHOLE_SHARE * took / FRAME_S for times in heard),
        )

    async def _ask(self, seconds: float, per_s: float, found: Beside) -> None:
        """One after the other at a steady rate, whether or not the one before was answered."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for place in range(round(seconds * per_s)):
                await asyncio.sleep(max(0.0, began + place / per_s - loop.time()))
                name = list(self.paths)[place % len(self.paths)]
                group.create_task(self._one(name, found))
            await asyncio.sleep(max(0.0, began + seconds - loop.time()))
        found.asked_s += loop.time() - began

    async def _one(self, name: str, found: Beside) -> None:
        began = time.perf_counter()
        answer = await self.service.client.get(self.paths[name], headers=self.headers)
        found.took_ms.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        found.failed += answer.status_code != 200


@asynccontextmanager
async def staged(folder: Path, calls: int) -> AsyncIterator[Stage]:
    """A service and its database on one core with finished calls and so many live ones; its peers on another."""
    server_core, peer_core = two_cores()
    tenants = mocks.tenants_folder(folder / "tenants")
    os.sched_setaffinity(0, {server_core})  # PostgreSQL inherits it
    environ = {"ATENDE_API_REQUESTS_PER_S": "1000", **UNBOUND}
    async with child(folder, tenants, environ, before_exec=pinned(server_core)) as service:
        os.sched_setaffinity(0, {peer_core})
        key, largest = await _filled(service)
        exchange, callers = Exchange(), list[PhoneCaller]()
        try:
            await _grow(callers, calls, exchange, service, key)
            yield Stage(
                service=service,
                core=server_core,
                callers=callers,
                headers={"Authorization": f"Bearer {key.reveal()}"},
                paths={
                    "status": "/api/v1/pipelines",
                    "live": "/api/v1/live-calls",
                    "list": f"/api/v1/calls?limit=50&domain_uuid={largest}",
                },
            )
        finally:
            await asyncio.gather(*(caller.hang_up() for caller in callers), return_exceptions=True)
            exchange.close()


async def _filled(service: Child) -> tuple[Secret, str]:
    """Calls in the tables, and a key; and whose calls are to be listed."""
    owner = await connect(service.database_url)
    many = many_calls(200, FINISHED)
    try:
        await fill(owner, many)
    finally:
        await owner.close()
    return await service.key(), many.tenants[LARGEST]


async def _grow(callers: list[PhoneCaller], calls: int, exchange: Exchange, service: Child, key: Secret) -> None:
    (tenant,) = await service.tenants(key)
    assert tenant.tenant_id is not None
    signature = sign(signing_keys(service.data_dir, None), tenant.tenant_id, NUMBER)
    variables = {TENANT_VARIABLE: tenant.tenant_id, NUMBER_VARIABLE: NUMBER, SIGNATURE_VARIABLE: signature}
    dialed, spoken = Dialed(number=NUMBER, variables=variables), voices()
    for index in range(calls):
        voice = spoken[index % len(spoken)]
        address = LOOPBACK, service.esl_port
        callers.append(PhoneCaller(exchange, voice, index * OFFSET_FRAMES, dialed, address))
        await callers[-1].ring()
        await asyncio.sleep(STAGGER_S)


async def measured(stage: Stage, pairs: int, seconds: float, per_s: float) -> Beside:
    """One without, one with, and so on."""
    found = Beside()
    for _ in range(pairs):
        found.without.append(await stage.phase(seconds, 0.0, found))
        found.beside.append(await stage.phase(seconds, per_s, found))
    return found
