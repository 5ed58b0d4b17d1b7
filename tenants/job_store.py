"""Jobs as an operator sees them: what waits, what is under way, what fails, and when each kind was done last."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct

from base.ids import TenantId
from tenants.database import Database, answering
from tenants.sql import queries

Kind = Literal["retention", "recordings", "audit", "events", "upkeep"]
KINDS: Final[tuple[Kind, ...]] = ("retention", "recordings", "audit", "events", "upkeep")
JobState = Literal["waiting", "running", "retrying"]
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


class JobRow(Struct, frozen=True, kw_only=True):
    """A job that is not done. When it is, it is in the queue no more."""

    id: int
    kind: str
    """One of `KINDS`, or of another version of the program."""
    node: str
    """Whose it is alone; empty: anybody's."""
    tenant_id: TenantId | None
    """None: the platform's, or all of a node."""
    state: JobState
    created_at: datetime
    changed_at: datetime
    due_at: datetime
    """Not before."""
    attempts: int
    """How often it was begun without an end."""
    last_error: str
    """Why the last of these had none; empty: there was none."""


class KindLoad(Struct, frozen=True, kw_only=True):
    """How a kind of job fares."""

    kind: str
    node: str
    waiting: int = 0
    running: int = 0
    failing: int = 0
    """Of those that wait, the ones that were tried `FAILING_AFTER` times and more."""
    oldest_s: float = 0.0
    """For how long the oldest that could be begun has waited."""
    done_last_day: int = 0
    last_done_at: datetime | None = None
    """Within the last day."""
    last_run_at: datetime | None = None
    """When the timetable had its jobs put into the queue last."""
    next_run_at: datetime | None = None


class JobStore(Protocol):
    """All raise JobsUnavailableError."""

    async def list(self, limit: int, before: int | None = None, kind: str | None = None) -> Sequence[JobRow]:
        """The newest first, `MAX_LISTED` at the most; those with ids below `before`."""
        ...

    async def load(self, now: datetime) -> Sequence[KindLoad]:
        """By kind and node."""
        ...

    async def tidy(self, now: datetime, limit: int, done_here: Collection[str]) -> int:
        """Take away what is old of the log, the queue and the timetable: so many at the most; how many went.

        Jobs of these names wait for as long as they have to.
        """
        ...


_SQL: Final = queries("jobs")


class _Payload(Struct):
    tenant_id: TenantId | None = None


class PostgresJobs:
    """pgqueuer's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, limit: int, before: int | None = None, kind: str | None = None) -> Sequence[JobRow]:
        below, most = _NEWEST if before is None else before, max(0, min(limit, MAX_LISTED))
        with answering(JobsUnavailableError, "tell of jobs"):
            async with self._database.platform() as connection:
                rows = await connection.fetch(_SQL["list"], below, most, kind)
        return [
            JobRow(
                id=row["id"],
                kind=_kind(row["entrypoint"]),
                node=_node(row["entrypoint"]),
                tenant_id=_tenant(row["payload"]),
                state="running" if row["status"] == "picked" else "retrying" if row["attempts"] else "waiting",
                created_at=row["created"],
                changed_at=row["updated"],
                due_at=row["execute_after"],
                attempts=row["attempts"],
                last_error=row["last_error"] or "",
            )
            for row in rows
        ]

    async def load(self, now: datetime) -> Sequence[KindLoad]:
        with answering(JobsUnavailableError, "tell of jobs"):
            async with self._database.platform() as connection:
                waiting = {row["entrypoint"]: row for row in await connection.fetch(_SQL["load"], FAILING_AFTER)}
                ended = {row["entrypoint"]: row for row in await connection.fetch(_SQL["ended"], now - DONE_WITHIN)}
                times = {row["entrypoint"]: row for row in await connection.fetch(_SQL["timetable"])}
        found = []
        for name in sorted({*waiting, *ended, *times}):
            load, end, time = waiting.get(name), ended.get(name), times.get(name)
            one = KindLoad(
                kind=_kind(name),
                node=_node(name),
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


def _kind(entrypoint: str) -> str:
    return entrypoint.partition("@")[0]


def _node(entrypoint: str) -> str:
    return entrypoint.partition("@")[2]


def _tenant(payload: bytes | None) -> TenantId | None:
    try:
        return msgspec.json.decode(payload or b"{}", type=_Payload).tenant_id
    except msgspec.DecodeError:
        return None
