"""A process of the role `jobs`: the queue's work and nothing else. No call, no REST API, no voice, no model."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from pipecat.processors.frame_processor import FrameProcessor
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from base.clock import SystemClock
from base.ids import TenantId
from control import parts
from control.health import ReadyView, ScrapeTarget
from control.jobs.desk import JobDesk
from control.settings import Settings
from control.workers.joining import joined
from control.workers.presence import Presence, Told
from control.workers.presence import Present as Presently
from control.workers.seat import Place, seated
from control.workers.telling import health_of, targets_of, twin_of
from tenants.key_checker import KeyChecker


@dataclass
class JobsProcess:
    """See `control.process.Process`."""

    settings: Settings
    key_checker: KeyChecker
    desk: JobDesk
    presence: Presence | None
    live_calls: int = 0
    """Never any."""
    draining: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def drain(self, *, others: bool = False) -> None:
        """It ends: jobs in hand end or are given back when it is closed."""
        self.draining = True
        if self.presence is not None:
            self.presence.news()

    def take_leave(self) -> None:
        """Of nobody."""

    def blame(self, processor: FrameProcessor, error: str) -> None:
        """Of no call."""

    def present(self) -> Presently:
        """What it tells the others."""
        return Presently(state="draining" if self.draining else "ok", told=Told())

    def readiness(self, seen: Collection[TenantId] | None = None, *, rows: bool = True) -> ReadyView:
        """Whether it does jobs; how the queue fares hinders nobody."""
        problems = ("it is being stopped: no further job is begun",) if self.draining else ()
        if self.presence is not None:
            problems = (*problems, *twin_of(self.presence, seen if rows else ()))
        processes = () if self.presence is None else self.presence.everybody
        return ReadyView(
            ready=not problems,
            problems=problems,
            live_calls=0,
            tenants=None,
            dependencies=(self.desk.watch.found,),
            processes=tuple(health_of(one, seen if rows else ()) for one in processes),
        )

    async def scraped(self) -> bytes:
        """The metrics of this process."""
        return self.desk.scraped() + generate_latest(self._registry)

    def scrape_targets(self) -> list[ScrapeTarget]:
        """Every process that has metrics."""
        return [] if self.presence is None else targets_of(self.presence.everybody)


@asynccontextmanager
async def open_jobs(found: Settings, place: Place) -> AsyncIterator[JobsProcess]:
    """Jobs are done while the block runs.

    Opening order: database, what tells other processes of it, the watch, the jobs. Raises SettingsError, DatabaseError,
    KeyFileError.
    """
    found, clock = seated(found, place), SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(parts.service_database(found))
        desk = parts.job_desk(place.seat, database, clock)
        presence = await joined(found, database, place, clock)
        process = JobsProcess(
            settings=found,
            key_checker=parts.api_keys(found, database, clock).checker,
            desk=desk,
            presence=presence,
        )
        if presence is not None:
            await stack.enter_async_context(presence.present(process.present))
        await stack.enter_async_context(desk.watch)
        await stack.enter_async_context(await parts.jobs(found, database, clock, desk))
        yield process
