"""Does the jobs of the queue: one after the other or two beside each other, for as long as the process may.

A job that fails is tried again, later and later, and for ever: it is about what has to be done sooner or later. One
whose process dies is another process's after `heartbeat_s`. When the process is to end, a job ends at its next batch,
or after `stop_s` at the latest, and is given back: whoever takes it goes on where it was.

Closing order: nothing new is begun, jobs in hand end or are given back, pgqueuer ends.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Final, Self

import asyncpg
import msgspec
import structlog
from msgspec import Struct
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.applications import PgQueuer
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job, Schedule

from base.clock import Clock
from base.ids import TenantId
from control.jobs.counts import JobCounts, Outcome
from control.jobs.queue import CHANNEL, PlatformDriver, put, queries_on
from control.jobs.work import JobKind
from pipelines.events import Event, EventData, event
from tenants.audit_store import AuditUnavailableError
from tenants.database import Database
from tenants.event_store import EventsUnavailableError
from tenants.following import OUTAGES
from tenants.job_rows import Payload
from tenants.job_store import FAILING_AFTER, JobsUnavailableError
from tenants.retention import RetentionUnknownError

AWAY: Final = (*OUTAGES, AuditUnavailableError, EventsUnavailableError, JobsUnavailableError)
OURS: Final = (RetentionUnknownError, AuditUnavailableError, EventsUnavailableError, JobsUnavailableError)
GIVEN_BACK: Final = "given back: its process ended"
MAX_TOLD_CHARS: Final = 200
GIVE_BACK_S: Final = 3.0
TELLINGS: Final = 3
"""pgqueuer tries to write down how jobs ended, and again: so often it is told that it is over."""

log = structlog.get_logger()


class JobBounds(Struct, frozen=True, kw_only=True):
    """How jobs are done."""

    poll_s: float = 5.0
    """What another process has put into the queue is seen after so long at the latest."""
    heartbeat_s: float = 30.0
    """A job whose process has not told that it lives for so long is another's."""
    at_once: int = 2
    first_retry_s: float = 30.0
    """Each further pause is twice as long, up to `max_retry_s`."""
    max_retry_s: float = 3600.0
    stop_s: float = 10.0
    restart_s: float = 5.0
    """Before the queue is turned to again when it could not be asked."""


class _GivenBackError(Exception):
    """The process is to end."""


class Jobs:
    """Use it as `async with`: the work goes on while the block runs."""

    def __init__(
        self,
        database: Database,
        kinds: Sequence[JobKind],
        node: str,
        clock: Clock,
        tell: Callable[[Event], Awaitable[None]],
        counts: JobCounts,
        bounds: JobBounds | None = None,
    ) -> None:
        """`node` is this machine's name among those that share the database."""
        self._database = database
        self._kinds = {kind.queued_as(node): kind for kind in kinds}
        self._clock = clock
        self._tell = tell
        self._counts = counts
        self._bounds = bounds or JobBounds()
        self._stopping = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()
        self._queue: PgQueuer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="jobs")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        assert self._task is not None
        await asyncio.wait({self._task}, timeout=self._bounds.stop_s)
        for one in self._in_hand:
            one.cancel()
        await asyncio.wait({self._task}, timeout=GIVE_BACK_S)
        # A database that hangs takes nothing back: another process will take the job for that of a dead one.
        for _again in range(TELLINGS):
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1.0)

    @property
    def in_hand(self) -> int:
        """Jobs that are under way here."""
        return len(self._in_hand)

    def stop(self) -> None:
        """Begin no other, and give back at the next batch what is in hand. Idempotent."""
        self._stopping.set()
        if self._queue is not None:
            self._queue.shutdown.set()

    async def _work(self) -> None:
        away = False
        while not self._stopping.is_set():
            try:
                await self._once()
                away = False
            except AWAY as error:
                if not away:
                    log.warning("jobs wait: the database does not answer", error=type(error).__name__)
                away = True
            except Exception:
                log.exception("the queue of jobs could not be worked on")
            if not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._bounds.restart_s):
                        await self._stopping.wait()

    async def _once(self) -> None:
        """Until it is to stop, or the queue cannot be asked."""
        bounds, driver = self._bounds, PlatformDriver(self._database)
        queries = queries_on(driver)
        self._queue = queue = PgQueuer(driver, channel=CHANNEL, queries=queries)
        if self._stopping.is_set():
            return
        for name, kind in self._kinds.items():
            queue.entrypoint(name, accepts_context=False)(self._done_by(kind))
            queue.schedule(name, kind.times, accepts_context=False)(self._put_by(name, kind, queries))
        # What was never done is due; what is known is done when its time comes, or has come meanwhile.
        await queries.insert_schedule(dict.fromkeys(queue.sm.registry, timedelta(0)))
        await queue.run(
            dequeue_timeout=timedelta(seconds=bounds.poll_s),
            batch_size=1,
            max_concurrent_tasks=max(2, bounds.at_once),
            heartbeat_timeout=timedelta(seconds=bounds.heartbeat_s),
            log_aggregation_interval=timedelta(0),
        )

    def _put_by(self, name: str, kind: JobKind, queries: Queries) -> Callable[[Schedule], Awaitable[None]]:
        async def due(_: Schedule) -> None:
            try:
                new = await put(queries, name, await kind.whose())
            except AWAY as error:
                log.warning("jobs are due and cannot be put into the queue", kind=kind.name, reason=told(error))
            else:
                log.debug("jobs are due", kind=kind.name, new=new)

        return due

    def _done_by(self, kind: JobKind) -> Callable[[Job], Awaitable[None]]:
        async def do(job: Job) -> None:
            tenant_id = msgspec.json.decode(job.payload or b"{}", type=Payload).tenant_id
            with structlog.contextvars.bound_contextvars(job=job.id, kind=kind.name):
                await self._do(kind, tenant_id, job.attempts)

        return do

    async def _do(self, kind: JobKind, tenant_id: TenantId | None, attempts: int) -> None:
        """Raises RetryRequested where it is to be done again."""
        began, pause_s, reason = time.monotonic(), 0.0, ""
        outcome: Outcome = "done"
        # A task of its own: when pgqueuer is made to end, the job is given back and not taken for cancelled.
        work = asyncio.create_task(self._batches(kind, tenant_id), name=f"job {kind.name}")
        self._in_hand.add(work)
        try:
            await asyncio.wait({work})
        finally:
            self._in_hand.discard(work)
            work.cancel()
        error = _GivenBackError() if work.cancelled() else work.exception()
        if isinstance(error, _GivenBackError):
            outcome, reason = "given_back", GIVEN_BACK
        elif error is not None:
            outcome, reason = "failed", told(error)
            pause_s = min(self._bounds.max_retry_s, self._bounds.first_retry_s * 2.0 ** min(attempts, 20))
            await self._failed(kind, tenant_id, attempts + 1, reason, pause_s, error)
        self._counts.ended(kind.name, outcome, time.monotonic() - began)
        if outcome != "done":
            raise RetryRequested(timedelta(seconds=pause_s), reason)

    async def _batches(self, kind: JobKind, tenant_id: TenantId | None) -> None:
        async with aclosing(kind.work(tenant_id)) as batches:
            async for items in batches:
                self._counts.dealt(kind.name, items)
                if self._stopping.is_set():
                    raise _GivenBackError

    async def _failed(
        self,
        kind: JobKind,
        tenant_id: TenantId | None,
        attempts: int,
        reason: str,
        pause_s: float,
        error: BaseException,
    ) -> None:
        facts = {"tenant": tenant_id, "attempts": attempts, "reason": reason, "again_in_s": pause_s}
        known = isinstance(error, (*AWAY, RetentionUnknownError))
        log.error("a job failed and is tried again", **facts, exc_info=None if known else error)
        if attempts == FAILING_AFTER:
            data = EventData(attempts=attempts, reason=reason)
            await self._tell(event(tenant_id, self._clock.now(), "job.failing", kind.name, data))


def told(error: BaseException) -> str:
    """Why a job failed, for whoever may see all companies. Of what is not ours only its kind: a text may quote."""
    if isinstance(error, OURS):
        return str(error)[:MAX_TOLD_CHARS]
    if isinstance(error, asyncpg.PostgresError):
        return f"the database: {type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
