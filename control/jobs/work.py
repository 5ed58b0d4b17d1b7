"""What there is to do: each kind of job, when, for whom, and how, in batches between which it may be given back."""

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import structlog

from base.clock import Clock
from base.ids import TenantId
from pipelines.events import Event, EventData, event
from tenants.audit import Link
from tenants.audit_store import AuditLog, Chain
from tenants.event_store import KEPT, EventStore
from tenants.job_rows import Kind, name_of
from tenants.job_store import JobTidying
from tenants.retention import Erasing, Oldest, Retentions, RetentionUnknownError, cutoff, is_due
from tenants.revisions import PostgresRevisions, TenantChange

CALLS_AT_ONCE: Final = 200
"""That one transaction takes the words of."""
TENANTS_AT_ONCE: Final = 500
"""That one statement asks about."""
FILES_AT_ONCE: Final = 100
"""That are removed without a look whether the process is to end."""
ROWS_AT_ONCE: Final = 1000
EVERYBODY: Final[Sequence[TenantId | None]] = (None,)
CLOCKS_APART: Final = timedelta(minutes=1)
"""By which this machine's clock may be ahead of the database's before it is told."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

log = structlog.get_logger()


@dataclass(frozen=True)
class JobKind:
    """`times` is a cron expression in UTC. `whose` has a job each; `work` tells after each batch how much it dealt
    with, and may be broken off there: begun anew it goes on with what is left.
    """

    name: Kind
    times: str
    whose: Callable[[], Awaitable[Sequence[TenantId | None]]]
    work: Callable[[TenantId | None], AsyncGenerator[int, None]]
    of_node: bool = False
    """Every node has its own."""

    def queued_as(self, node: str) -> str:
        """The name of its jobs that a process of that node does."""
        return name_of(self.name, node if self.of_node else "")


@dataclass(frozen=True)
class Workroom:
    """What the work is done with."""

    clock: Clock
    database_now: Callable[[], Awaitable[datetime]]
    """The database's clock."""
    revisions: PostgresRevisions
    retentions: Retentions
    erasing: Erasing
    audit: AuditLog
    events: EventStore
    jobs: JobTidying
    node: str
    """This machine's name among those that share the database."""
    recordings_dir: Path
    """This node's."""
    events_days: int
    tell: Callable[[Event], Awaitable[None]]
    broken: Callable[[], None]
    """Counts a chain of the audit log that does not hold."""


def kinds(room: Workroom) -> tuple[JobKind, ...]:
    """All that there are."""
    work = Work(room)
    found = (
        JobKind("retention", "17 * * * *", work.due, work.retention),
        JobKind("recordings", "27 * * * *", work.recorded, work.recordings, of_node=True),
        JobKind("audit", "41 3 * * *", work.chains, work.audit),
        JobKind("events", "7 * * * *", _everybody, work.events),
        JobKind("upkeep", "52 * * * *", _everybody, work.upkeep),
    )
    work.done_here = tuple(kind.queued_as(room.node) for kind in found)
    return found


class Work:
    """See `JobKind`: for whom, and how."""

    def __init__(self, room: Workroom) -> None:
        self._room = room
        self._ahead = False
        self.done_here: Sequence[str] = ()
        """The names of all jobs that are done where this is."""

    async def due(self) -> Sequence[TenantId | None]:
        """Of whom a document was ever stored (what was said to one that was removed grows old, too), and who has
        something that is older than it lets it be kept. One whose document cannot be read has a job that says so.
        """
        changes, now = await self._room.revisions.changes(), await self._now()
        found: list[TenantId | None] = []
        for start in range(0, len(changes), TENANTS_AT_ONCE):
            some = changes[start : start + TENANTS_AT_ONCE]
            kept = await self._room.erasing.oldest([change.tenant_id for change in some])
            found += await self._due_of(some, kept, now)
        return found

    async def _due_of(
        self, changes: Sequence[TenantChange], kept: Mapping[TenantId, Oldest], now: datetime
    ) -> list[TenantId | None]:
        found: list[TenantId | None] = []
        for change in changes:
            if (oldest := kept.get(change.tenant_id)) is None:
                continue
            try:
                keeps = await self._room.retentions.as_of(change)
            except RetentionUnknownError:
                found.append(change.tenant_id)
            else:
                if keeps is not None and is_due(oldest, keeps, now):
                    found.append(change.tenant_id)
        return found

    async def retention(self, tenant_id: TenantId | None) -> AsyncGenerator[int, None]:
        """What the tenant's newest document does not let be kept any longer."""
        room = self._room
        if tenant_id is None or (keeps := await room.retentions.of(tenant_id)) is None:
            return
        now = await self._now()
        before, calls = cutoff(now, keeps.transcripts_days), 0
        while gone := await room.erasing.words(tenant_id, before, now, CALLS_AT_ONCE):
            calls += gone
            yield gone
        before, recordings = cutoff(now, keeps.recordings_days), 0
        while gone := await room.erasing.recordings(tenant_id, before, CALLS_AT_ONCE):
            recordings += gone
            yield gone
        if calls or recordings:
            log.info("what was said is kept no longer", tenant=tenant_id, calls=calls, recordings=recordings)

    async def recorded(self) -> Sequence[TenantId | None]:
        """Who has recordings on this node that are older than it lets them be kept."""
        days = await asyncio.to_thread(_oldest_days, self._room.recordings_dir)
        changes = [change for change in await self._room.revisions.changes() if change.tenant_id in days]
        kept = {one: Oldest(None, datetime.combine(day, time(), UTC)) for one, day in days.items()}
        return await self._due_of(changes, kept, await self._now())

    async def recordings(self, tenant_id: TenantId | None) -> AsyncGenerator[int, None]:
        """Files of this node."""
        room, files = self._room, 0
        if tenant_id is None or not _is_id(tenant_id) or (keeps := await room.retentions.of(tenant_id)) is None:
            return
        before = cutoff(await self._now(), keeps.recordings_days).date()
        if keeps.recordings_days == 0:
            before += timedelta(days=1)  # today's, too
        folder = room.recordings_dir / tenant_id
        while gone := await asyncio.to_thread(remove_before, folder, before, FILES_AT_ONCE):
            files += gone
            yield gone
        if files:
            log.info("recordings are kept no longer", tenant=tenant_id, files=files)

    async def chains(self) -> Sequence[TenantId | None]:
        """The platform's, and those of all companies that ever had one."""
        found: list[TenantId | None] = []
        last: Chain | None = None
        while some := await self._room.audit.chains(ROWS_AT_ONCE, last):
            found += some
            last = Chain(some[-1])
        return found

    async def audit(self, tenant_id: TenantId | None) -> AsyncGenerator[int, None]:
        """The whole chain of the audit log. Its number and digest in the service's log prove later what there was."""
        room = self._room
        verdict = await room.audit.verify(tenant_id, None, ROWS_AT_ONCE)
        yield verdict.held_to
        while not verdict.whole:
            behind = Link(verdict.held_to, verdict.digest)
            verdict = await room.audit.verify(tenant_id, behind, ROWS_AT_ONCE)
            yield verdict.held_to - behind.number
        facts = {"of": tenant_id or "platform", "number": verdict.held_to, "digest": verdict.digest}
        if verdict.broken_at is None:
            log.info("the audit log holds", **facts)
            return
        log.error("the audit log does not hold", broken_at=verdict.broken_at, **facts)
        room.broken()
        data = EventData(number=verdict.broken_at)
        await room.tell(event(None, room.clock.now(), "audit.broken", tenant_id or "", data))

    async def events(self, _: TenantId | None) -> AsyncGenerator[int, None]:
        """What happened long ago, and what is more than so many."""
        room = self._room
        before = cutoff(await self._now(), room.events_days)
        while gone := await room.events.trim(before, KEPT):
            yield gone

    async def upkeep(self, _: TenantId | None) -> AsyncGenerator[int, None]:
        """The jobs' own log, and jobs that nobody is there for any more."""
        now = await self._now()
        while gone := await self._room.jobs.tidy(now, ROWS_AT_ONCE, self.done_here):
            yield gone

    async def _now(self) -> datetime:
        """By this machine's clock or the database's, whichever is earlier: what one that is ahead takes away is gone,
        and what one that is behind leaves goes another time. Raises what the database raises.
        """
        here, there = self._room.clock.now(), await self._room.database_now()
        ahead = here - there > CLOCKS_APART
        if ahead and not self._ahead:
            log.error(
                "this machine's clock is ahead of the database's, which counts",
                ahead_s=round((here - there).total_seconds()),
            )
        self._ahead = ahead
        return min(here, there)


async def _everybody() -> Sequence[TenantId | None]:
    return EVERYBODY


def _oldest_days(folder: Path) -> dict[TenantId, date]:
    """By tenant: the first day of which there is a folder."""
    found: dict[TenantId, date] = {}
    for whose in folder.iterdir() if folder.is_dir() else ():
        if not whose.is_symlink() and whose.is_dir() and _is_id(whose.name):
            days = [day for one in whose.iterdir() if (day := _day(one.name)) is not None]
            if days:
                found[TenantId(whose.name)] = min(days)
    return found


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name) if _DAY.fullmatch(name) else None
    except ValueError:
        return None


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def remove_before(folder: Path, before: date, most: int) -> int:
    """Recordings of the folder `YYYY-MM-DD` of each day before that one, and the folders that are empty then; how many
    files, `most` at the most. What is named otherwise is nobody's recording, and stays.
    """
    gone = 0
    for day in sorted(folder.iterdir()) if folder.is_dir() else ():
        if day.is_symlink() or not day.is_dir() or not _DAY.fullmatch(day.name) or day.name >= before.isoformat():
            continue
        for file in sorted(day.glob("*.wav")):
            if gone == most:
                return gone
            if _is_id(file.stem):
                file.unlink(missing_ok=True)
                gone += 1
        with suppress(OSError):  # something else is in it, or comes just now
            day.rmdir()
    return gone
