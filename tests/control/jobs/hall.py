"""What a test of jobs needs: tenants with documents and calls, nodes that do jobs, and the owner's view of it all."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

from msgspec import structs

from base.clock import Clock, SystemClock
from base.ids import CallId, TenantId
from base.secret import Secret
from control.jobs.counts import JobCounts
from control.jobs.runner import JobBounds, Jobs
from control.jobs.work import JobKind, Workroom, kinds
from pipelines.calls import CallRecord
from pipelines.events import Event
from tenants.audit_store import PostgresAuditLog
from tenants.conversations import PostgresConversations
from tenants.database import Database
from tenants.event_store import PostgresEvents
from tenants.job_rows import JobRow, Kind
from tenants.job_store import PostgresJobs
from tenants.migrate import connect
from tenants.retention import Erasing, Retentions
from tenants.revisions import PostgresRevisions, TenantRow
from tests.tenants.records import record, someone

QUICK = JobBounds(poll_s=0.05, heartbeat_s=1.0, first_retry_s=0.01, max_retry_s=0.05, stop_s=5.0, restart_s=0.05)
LIMIT_S = 30.0


class Hall:
    """One database."""

    def __init__(self, database: Database, url: Secret) -> None:
        self.database = database
        self.url = url
        self.clock: Clock = SystemClock()
        self.revisions = PostgresRevisions(database)
        self.conversations = PostgresConversations(database)
        self.events = PostgresEvents(database)
        self.audit = PostgresAuditLog(database)
        self.jobs = PostgresJobs(database)
        self.counts = JobCounts()
        self.told: list[Event] = []

    def now(self) -> datetime:
        return self.clock.now()

    async def tenant(self, retention: str, tenant_id: TenantId | None = None) -> TenantId:
        """One of whom such a document is stored, with that under `retention`; more of it nobody here reads."""
        tenant_id = tenant_id or someone()
        raw = f"slug: s{tenant_id[:8]}\nid: {tenant_id}\nretention: {retention}\n".encode()
        row = TenantRow(slug=f"s{tenant_id[:8]}", domain="d", name="n")
        await self.revisions.put(tenant_id, row, hashlib.sha256(raw).hexdigest(), raw)
        return tenant_id

    async def call(self, tenant_id: TenantId, call_id: str, *, days_ago: float, **changed: Any) -> CallRecord:
        """A call that was so long ago."""
        at = self.now() - timedelta(days=days_ago)
        kept = record(tenant_id, call_id, opened_at=at, ended_at=at + timedelta(minutes=1), **changed)
        await self.conversations.store(tenant_id, kept)
        return kept

    async def read(self, tenant_id: TenantId, call_id: str) -> CallRecord:
        found = await self.conversations.get(tenant_id, CallId(call_id))
        assert found is not None
        return found

    def room(
        self, recordings_dir: Path = Path("nowhere"), events_days: int = 90, database: Database | None = None
    ) -> Workroom:
        database = database or self.database

        async def tell(event: Event) -> None:
            self.told.append(event)

        return Workroom(
            clock=self.clock,
            database_now=database.now,
            revisions=PostgresRevisions(database),
            retentions=Retentions(PostgresRevisions(database)),
            erasing=Erasing(database),
            audit=PostgresAuditLog(database),
            events=PostgresEvents(database),
            jobs=PostgresJobs(database),
            node="node-1",
            recordings_dir=recordings_dir,
            events_days=events_days,
            tell=tell,
            broken=self.counts.broken,
        )

    def kinds(self, *names: Kind, room: Workroom | None = None) -> tuple[JobKind, ...]:
        """Those of the program that are so named."""
        return tuple(kind for kind in kinds(room or self.room()) if kind.name in names)

    def node(
        self,
        kinds: Sequence[JobKind],
        name: str = "node-1",
        *,
        bounds: JobBounds = QUICK,
        database: Database | None = None,
        **bound: float,
    ) -> Jobs:
        """What a process of that node does while it is open."""

        async def tell(event: Event) -> None:
            self.told.append(event)

        bounds = structs.replace(bounds, **bound)
        return Jobs(database or self.database, kinds, name, self.clock, tell, self.counts, bounds)

    async def done(self, *names: str, times: int = 1) -> None:
        """Return when so many jobs of each of these have ended well, and none is left."""

        async def all_done() -> bool:
            rows = await self.ask("SELECT entrypoint FROM atende.job_log WHERE status = 'successful'")
            ended = [row["entrypoint"] for row in rows]
            return all(ended.count(name) >= times for name in names) and not await self.jobs.list(1)

        await self.until(all_done)

    async def done_of(self, name: str) -> None:
        """Return when a job of that name has ended well, whatever becomes of others."""
        ended = "SELECT 1 FROM atende.job_log WHERE status = 'successful' AND entrypoint = $1"
        await self.until(lambda: self.ask(ended, name))

    async def is_put(self, name: str) -> None:
        """Into the queue, by somebody else."""
        await self.ask("INSERT INTO atende.jobs (priority, status, entrypoint) VALUES (0, 'queued', $1)", name)

    async def until(self, so: Callable[[], Any]) -> None:
        """Return when it is."""
        async with asyncio.timeout(LIMIT_S):
            for pause_s in repeat(0.02):
                if await so():
                    return
                await asyncio.sleep(pause_s)

    async def queue(self) -> Sequence[JobRow]:
        return await self.jobs.list(200)

    async def ask(self, statement: str, *facts: Any) -> list[Any]:
        """As the owner of the server, whom no policy holds."""
        owner = await connect(self.url)
        try:
            rows: list[Any] = await owner.fetch(statement, *facts)
        finally:
            await owner.close()
        return rows

    async def is_due(self, name: str) -> None:
        """Its time has come, for whoever looks next."""
        await self.ask("UPDATE atende.job_schedules SET next_run = now() - interval '1 s' WHERE entrypoint = $1", name)


def of(
    kind: Kind, tenants: Sequence[TenantId | None], work: Callable[[TenantId | None], AsyncGenerator[int, None]]
) -> JobKind:
    """A kind whose work is the test's own."""

    async def whose() -> Sequence[TenantId | None]:
        return tenants

    return JobKind(kind, "0 0 1 1 *", whose, work)


async def nothing(_: TenantId | None) -> AsyncGenerator[int, None]:
    """Work that there is none of."""
    for none in ():
        yield none
