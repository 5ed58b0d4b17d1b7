"""The jobs of a process, made of its settings and its database."""

import asyncio
from contextlib import suppress

from base.clock import Clock
from control.jobs.counts import JobCounts
from control.jobs.desk import JobDesk
from control.jobs.runner import JobBounds, Jobs
from control.jobs.work import Workroom, kinds
from control.settings import Settings
from control.workers.seat import node_of
from pipelines.events import Event
from tenants.audit_store import PostgresAuditLog
from tenants.database import Database
from tenants.event_store import EventsUnavailableError, PostgresEvents
from tenants.job_store import PostgresJobs
from tenants.retention import Erasing, Retentions
from tenants.revisions import PostgresRevisions


async def made(
    found: Settings, database: Database, clock: Clock, desk: JobDesk, bounds: JobBounds | None = None
) -> Jobs:
    """Not begun yet: see `Jobs`."""
    revisions, events = PostgresRevisions(database), PostgresEvents(database)
    counts = desk.counts or JobCounts()

    async def tell(event: Event) -> None:
        with suppress(EventsUnavailableError):  # the log has it
            await events.append(event.tenant_id, event)

    node = await asyncio.to_thread(node_of, found)
    room = Workroom(
        clock=clock,
        database_now=database.now,
        revisions=revisions,
        retentions=Retentions(revisions),
        erasing=Erasing(database),
        audit=PostgresAuditLog(database),
        events=events,
        jobs=PostgresJobs(database),
        node=node,
        recordings_dir=found.data_dir / "recordings",
        events_days=found.events_days,
        tell=tell,
        broken=counts.broken,
    )
    return Jobs(database, kinds(room), node, clock, tell, counts, bounds)
