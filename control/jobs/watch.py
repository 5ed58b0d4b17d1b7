"""Looks how the queue of jobs fares, for `/health/ready` and `/metrics`, and says so in the log where that changes."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Self

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from base.clock import Clock
from base.tasks import given_up
from control import dependencies as judge
from control.dependencies import Dependency
from control.dependency_watch import say_changed
from tenants.job_rows import KINDS, KindLoad
from tenants.job_store import JobLoads, JobsUnavailableError

LOOK_S: Final = 15.0
ASK_TIMEOUT_S: Final = 10.0

log = structlog.get_logger()


class JobWatch:
    """Use it as `async with`. While the database is away the queue is as it was seen last."""

    def __init__(self, jobs: JobLoads, clock: Clock, look_s: float = LOOK_S) -> None:
        self._jobs = jobs
        self._clock = clock
        self._look_s = look_s
        self._loads: Sequence[KindLoad] = ()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="watch the jobs")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await given_up([self._task])

    @property
    def found(self) -> Dependency:
        """As whoever asks for readiness is told."""
        return judge.jobs(self._loads)

    def text(self) -> bytes:
        """In Prometheus' text format: of the whole queue, whichever process tells."""
        registry = CollectorRegistry()
        registry.register(_Queue(self._loads))
        return generate_latest(registry)

    async def look(self) -> None:
        """Raises JobsUnavailableError, TimeoutError."""
        former = self.found.state
        async with asyncio.timeout(ASK_TIMEOUT_S):
            self._loads = await self._jobs.load(self._clock.now())
        say_changed(self.found, former)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except (JobsUnavailableError, TimeoutError):
                pass  # the watch of the database says so
            except Exception:
                log.exception("the queue of jobs cannot be looked at")
            await asyncio.sleep(self._look_s)


class _Queue(Collector):
    def __init__(self, loads: Sequence[KindLoad]) -> None:
        self._loads = loads

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        # Of kinds of another version nothing is told: labels have a bound.
        waiting = _family("waiting", "Jobs that wait, of all nodes.")
        running = _family("running", "Jobs that are under way, of all nodes.")
        failing = _family("failing", "Jobs that wait and failed three times and more.")
        oldest = _family("oldest_seconds", "For how long the oldest whose time has come waits.")
        for kind in KINDS:
            loads = [one for one in self._loads if one.kind == kind]
            waiting.add_metric([kind], sum(one.waiting for one in loads))
            running.add_metric([kind], sum(one.running for one in loads))
            failing.add_metric([kind], sum(one.failing for one in loads))
            oldest.add_metric([kind], max((one.oldest_s for one in loads), default=0.0))
        return waiting, running, failing, oldest


def _family(name: str, told: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"atende_jobs_{name}", told, labels=["kind"])
