"""The queue as an operator sees it: what waits, what is under way, what fails, and when each kind was done last.

What is put into it, and how it fares, is pgqueuer's to write (`control/jobs/queue.py`).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from msgspec import Struct, structs

from tenants.database import Database, answering
from tenants.job_rows import JobRow, JobState, KindLoad, kind_and_node, name_of, read_payload
from tenants.sql import queries

FAILING_AFTER: Final = 3
"""A job that was tried so often without an end is told as failing."""
DONE_WITHIN: Final = timedelta(days=1)
MAX_LISTED: Final = 200
LOG_KEPT: Final = timedelta(days=2)
FAILURES_KEPT: Final = timedelta(days=30)
FORGOTTEN_AFTER: Final = timedelta(days=1)
_NEWEST: Final = 2**63 - 1


class JobsUnavailableError(Exception):
    """The queue cannot be asked now: another time it may."""


class JobLoads(Protocol):
    """How the queue fares, for who watches it. Raises JobsUnavailableError."""

    async def load(self, now: datetime) -> Sequence[KindLoad]:
        """By kind and node."""
        ...


class JobList(JobLoads, Protocol):
    """Jobs one by one, for who is asked about them. Raises JobsUnavailableError."""

    async def list(self, limit: int, before: int | None = None, kind: str | None = None) -> Sequence[JobRow]:
        """The newest first, `MAX_LISTED` at the most; those with ids below `before`."""
        ...


class JobTidying(Protocol):
    """What grows old, for who takes it away. Raises JobsUnavailableError."""

    async def tidy(self, now: datetime, limit: int, done_here: Collection[str]) -> int:
        """Take away what is old of the log, the queue and the timetable: so many of each at the most; how many went.

        Jobs of these names wait for as long as they have to.
        """
        ...


class Logged(Struct, frozen=True):
    """What became of a job of that name."""

    name: str
    at: datetime
    well: bool = True


class Timed(Struct, frozen=True):
    """When jobs of that name are put into the queue, and when that was said last."""

    name: str
    last_run: datetime | None
    next_run: datetime
    updated: datetime


class MemoryJobs:
    """A queue for as long as the process lives. Nobody works on it: what is in it is what it is given."""

    def __init__(self) -> None:
        self.rows: list[JobRow] = []
        self.log: list[Logged] = []
        self.timetable: list[Timed] = []

    async def list(self, limit: int, before: int | None = None, kind: str | None = None) -> Sequence[JobRow]:
        below = _NEWEST if before is None else before
        found = [one for one in self.rows if one.id < below and kind in (None, one.kind)]
        return sorted(found, key=lambda one: -one.id)[: _bound(limit)]

    async def load(self, now: datetime) -> Sequence[KindLoad]:
        names = {_name(one) for one in self.rows} | {one.name for one in self.timetable}
        return [self._load(name, now) for name in sorted(names | {one.name for one in self._done(now)})]

    async def tidy(self, now: datetime, limit: int, done_here: Collection[str]) -> int:
        log = [one for one in self.log if one.at < now - (LOG_KEPT if one.well else FAILURES_KEPT)][:limit]
        rows = [
            one
            for one in self.rows
            if one.state != "running" and one.due_at < now - FORGOTTEN_AFTER and _name(one) not in done_here
        ][:limit]
        times = [one for one in self.timetable if one.updated < now - FAILURES_KEPT]
        self.log = [one for one in self.log if one not in log]
        self.rows = [one for one in self.rows if one not in rows]
        self.timetable = [one for one in self.timetable if one not in times]
        return len(log) + len(rows) + len(times)

    def _done(self, now: datetime) -> Iterable[Logged]:
        return (one for one in self.log if one.well and one.at > now - DONE_WITHIN)

    def _load(self, name: str, now: datetime) -> KindLoad:
        kind, node = kind_and_node(name)
        rows = [one for one in self.rows if _name(one) == name]
        waiting = [one for one in rows if one.state != "running"]
        done = [one.at for one in self._done(now) if one.name == name]
        load = KindLoad(
            kind=kind,
            node=node,
            waiting=len(waiting),
            running=len(rows) - len(waiting),
            failing=sum(one.attempts >= FAILING_AFTER for one in waiting),
            oldest_s=round(max([0.0, *((now - one.due_at).total_seconds() for one in waiting)]), 1),
            done_last_day=len(done),
            last_done_at=max(done, default=None),
        )
        for timed in self.timetable:
            if timed.name == name:
                load = structs.replace(load, last_run_at=timed.last_run, next_run_at=timed.next_run)
        return load


_SQL: Final = queries("jobs")


class PostgresJobs:
    """pgqueuer's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, limit: int, before: int | None = None, kind: str | None = None) -> Sequence[JobRow]:
        below, most = _NEWEST if before is None else before, _bound(limit)
        with answering(JobsUnavailableError, "tell of jobs"):
            async with self._database.platform() as connection:
                rows = await connection.fetch(_SQL["list"], below, most, kind)
        return [_row(row) for row in rows]

    async def load(self, now: datetime) -> Sequence[KindLoad]:
        with answering(JobsUnavailableError, "tell of jobs"):
            async with self._database.platform() as connection:
                waiting = {row["entrypoint"]: row for row in await connection.fetch(_SQL["load"], FAILING_AFTER)}
                ended = {row["entrypoint"]: row for row in await connection.fetch(_SQL["ended"], now - DONE_WITHIN)}
                times = {row["entrypoint"]: row for row in await connection.fetch(_SQL["timetable"])}
        found = []
        for name in sorted({*waiting, *ended, *times}):
            load, end, time = waiting.get(name), ended.get(name), times.get(name)
            kind, node = kind_and_node(name)
            one = KindLoad(
                kind=kind,
                node=node,
                waiting=load["waiting"] if load else 0,
                running=load["running"] if load else 0,
                failing=load["failing"] if load else 0,
                oldest_s=round(load["oldest_s"], 1) if load else 0.0,
                done_last_day=end["done"] if end else 0,
                last_done_at=end["last_done"] if end else None,
                last_run_at=time["last_run"] if time else None,
                next_run_at=time["next_run"] if time else None,
            )
            found.append(one)
        return found

    async def tidy(self, now: datetime, limit: int, done_here: Collection[str]) -> int:
        with answering(JobsUnavailableError, "be tidied"):
            async with self._database.platform() as connection:
                done = [
                    await connection.execute(_SQL["old_log"], now - LOG_KEPT, now - FAILURES_KEPT, limit),
                    await connection.execute(_SQL["forgotten"], now - FORGOTTEN_AFTER, limit, list(done_here)),
                    await connection.execute(_SQL["forgotten_times"], now - FAILURES_KEPT),
                ]
        return sum(int(told.rpartition(" ")[2]) for told in done)


def _bound(limit: int) -> int:
    return max(0, min(limit, MAX_LISTED))


def _name(row: JobRow) -> str:
    return name_of(row.kind, row.node)


def _row(row: Any) -> JobRow:
    kind, node = kind_and_node(row["entrypoint"])
    state: JobState = "running" if row["status"] == "picked" else "retrying" if row["attempts"] else "waiting"
    return JobRow(
        id=row["id"],
        kind=kind,
        node=node,
        tenant_id=read_payload(row["payload"]).tenant_id,
        state=state,
        created_at=row["created"],
        changed_at=row["updated"],
        due_at=row["execute_after"],
        attempts=row["attempts"],
        last_error=row["last_error"] or "",
    )
