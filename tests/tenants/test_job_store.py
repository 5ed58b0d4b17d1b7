"""One contract for both stores that tell of jobs. Who works on them: tests/control/jobs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest

from base.secret import Secret
from tenants.database import Database
from tenants.job_rows import JobRow, KindLoad, Payload, kind_and_node, name_of
from tenants.job_store import (
    FAILING_AFTER,
    MAX_LISTED,
    JobList,
    JobsUnavailableError,
    JobTidying,
    Logged,
    MemoryJobs,
    PostgresJobs,
    Timed,
)
from tenants.migrate import connect
from tests.tenants.records import someone

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Jobs(JobList, JobTidying, Protocol):
    """All that a store of jobs is asked."""


class Queue:
    """A store, and what pgqueuer writes beside it. `now` is the store's."""

    def __init__(self, store: Jobs, now: datetime) -> None:
        self.store = store
        self.now = now

    async def put(self, rows: Sequence[JobRow]) -> None:
        """These are not done."""
        raise NotImplementedError

    async def logged(self, *entries: Logged) -> None:
        """That became of jobs."""
        raise NotImplementedError

    async def timed(self, *entries: Timed) -> None:
        """The timetable."""
        raise NotImplementedError

    async def left(self) -> tuple[list[str], list[str], list[str]]:
        """The names in queue, log and timetable."""
        raise NotImplementedError


class InMemory(Queue):
    store: MemoryJobs

    async def put(self, rows: Sequence[JobRow]) -> None:
        self.store.rows += rows

    async def logged(self, *entries: Logged) -> None:
        self.store.log += entries

    async def timed(self, *entries: Timed) -> None:
        self.store.timetable += entries

    async def left(self) -> tuple[list[str], list[str], list[str]]:
        store = self.store
        return (
            sorted(name_of(one.kind, one.node) for one in store.rows),
            sorted(one.name for one in store.log),
            sorted(one.name for one in store.timetable),
        )


class InPostgres(Queue):
    """Written as the owner, whom no policy holds."""

    def __init__(self, store: Jobs, now: datetime, owner: Any) -> None:
        super().__init__(store, now)
        self._owner = owner

    async def put(self, rows: Sequence[JobRow]) -> None:
        for row in rows:
            await self._owner.execute(
                "INSERT INTO atende.jobs (id, priority, status, entrypoint, payload, created, updated, execute_after, "
                "attempts) VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8)",
                row.id,
                "picked" if row.state == "running" else "queued",
                name_of(row.kind, row.node),
                msgspec.json.encode(Payload(row.tenant_id)),
                row.created_at,
                row.changed_at,
                row.due_at,
                row.attempts,
            )
            if row.last_error:
                await self._owner.execute(
                    "INSERT INTO atende.job_log (job_id, status, priority, entrypoint, traceback) "
                    "VALUES ($1, 'exception', 0, $2, jsonb_build_object('exception_message', $3::text))",
                    row.id,
                    name_of(row.kind, row.node),
                    row.last_error,
                )

    async def logged(self, *entries: Logged) -> None:
        for one in entries:
            await self._owner.execute(
                "INSERT INTO atende.job_log (job_id, status, priority, entrypoint, created, traceback) "
                "VALUES (0, $1, 0, $2, $3, $4)",
                "successful" if one.well else "exception",
                one.name,
                one.at,
                None if one.well else "{}",
            )

    async def timed(self, *entries: Timed) -> None:
        for one in entries:
            await self._owner.execute(
                "INSERT INTO atende.job_schedules (expression, entrypoint, last_run, next_run, updated) "
                "VALUES ('* * * * *', $1, $2, $3, $4)",
                one.name,
                one.last_run,
                one.next_run,
                one.updated,
            )

    async def left(self) -> tuple[list[str], list[str], list[str]]:
        jobs, log, times = [
            sorted(row["entrypoint"] for row in await self._owner.fetch(f"SELECT entrypoint FROM atende.{table}"))
            for table in ("jobs", "job_log", "job_schedules")
        ]
        return jobs, log, times


@pytest.fixture
async def stored_queue(database: Database, postgres: Secret) -> AsyncIterator[Queue]:
    """Nothing is left in it in the end."""
    owner = await connect(postgres)
    try:
        yield InPostgres(PostgresJobs(database), datetime.now(UTC), owner)
    finally:
        await owner.execute("DELETE FROM atende.jobs; DELETE FROM atende.job_log; DELETE FROM atende.job_schedules")
        await owner.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "memory":
        return InMemory(MemoryJobs(), datetime.now(UTC))
    found: Queue = request.getfixturevalue("stored_queue")
    return found


def job(number: int, name: str, now: datetime, *, late_s: float = 0, **changed: Any) -> JobRow:
    """One that is due since so long."""
    kind, node = kind_and_node(name)
    at = now - timedelta(minutes=number)
    facts: dict[str, Any] = {
        "id": number,
        "kind": kind,
        "node": node,
        "tenant_id": None,
        "state": "waiting",
        "created_at": at,
        "changed_at": at,
        "due_at": now - timedelta(seconds=late_s),
        "attempts": 0,
        "last_error": "",
    }
    return JobRow(**facts | changed)


async def test_jobs_are_listed_whole_the_newest_first_in_pages_and_by_kind(queue: Queue) -> None:
    now, ours = queue.now, someone()
    rows = [
        job(1, "retention", now, tenant_id=ours),
        job(2, "recordings@node-1", now, state="running", attempts=1),
        job(3, "retention", now, state="retrying", attempts=2, last_error="the disk is full"),
        job(4, "of_another_version@node-2", now),
    ]
    await queue.put(rows)
    assert await queue.store.list(10) == rows[::-1]
    assert await queue.store.list(2) == [rows[3], rows[2]]
    assert await queue.store.list(2, before=3) == [rows[1], rows[0]]
    assert await queue.store.list(10, kind="retention") == [rows[2], rows[0]]
    assert await queue.store.list(10, before=3, kind="recordings") == [rows[1]]
    assert await queue.store.list(10, kind="record") == []


async def test_lists_are_bounded(queue: Queue) -> None:
    await queue.put([job(number, "audit", queue.now) for number in range(1, MAX_LISTED + 2)])
    assert [one.id for one in await queue.store.list(5000)] == list(range(MAX_LISTED + 1, 1, -1))
    assert await queue.store.list(0) == []
    assert await queue.store.list(-1) == []


async def test_each_kind_is_told_with_what_waits_fails_and_was_done(queue: Queue) -> None:
    now = queue.now
    await queue.put(
        [
            job(1, "retention", now, late_s=90),
            job(2, "retention", now, late_s=30, state="retrying", attempts=FAILING_AFTER),
            job(3, "retention", now, late_s=900, state="running", attempts=FAILING_AFTER),
            job(4, "recordings@a", now, late_s=-60),
        ]
    )
    await queue.logged(
        Logged("audit", now - 2 * HOUR), Logged("audit", now - HOUR), Logged("audit", now - 25 * HOUR),
        Logged("events", now - HOUR, well=False), Logged("recordings@b", now - 25 * HOUR),
    )  # fmt: skip
    await queue.timed(Timed("upkeep", None, now + HOUR, now), Timed("audit", now - DAY, now + HOUR, now))
    audit, recordings, retention, upkeep = await queue.store.load(now)
    assert audit == KindLoad(
        kind="audit",
        node="",
        done_last_day=2,
        last_done_at=now - HOUR,
        last_run_at=now - DAY,
        next_run_at=now + HOUR,
    )
    assert recordings == KindLoad(kind="recordings", node="a", waiting=1)
    assert (retention.waiting, retention.running, retention.failing) == (2, 1, 1)
    assert 90 <= retention.oldest_s < 120
    assert (upkeep.last_run_at, upkeep.next_run_at, upkeep.done_last_day) == (None, now + HOUR, 0)


async def test_what_is_old_goes_and_what_somebody_there_does_waits(queue: Queue) -> None:
    now = queue.now
    await queue.put(
        [
            job(1, "audit", now, late_s=2 * 86400),
            job(2, "recordings@here", now, late_s=2 * 86400),
            job(3, "recordings@gone", now, late_s=25 * 3600),
            job(4, "recordings@away", now, late_s=23 * 3600),
            job(5, "recordings@gone", now, late_s=25 * 3600, state="running"),
        ]
    )
    await queue.logged(
        Logged("done", now - 3 * DAY), Logged("done lately", now - DAY), Logged("failed", now - 3 * DAY, well=False),
        Logged("failed long ago", now - 31 * DAY, well=False),
    )  # fmt: skip
    await queue.timed(Timed("gone", now, now, now - 31 * DAY), Timed("away", now, now, now - 29 * DAY))
    assert await queue.store.tidy(now, 100, ("audit", "recordings@here")) == 4
    assert await queue.left() == (
        ["audit", "recordings@away", "recordings@gone", "recordings@here"],
        ["done lately", "failed"],
        ["away"],
    )
    assert await queue.store.tidy(now, 100, ("audit", "recordings@here")) == 0


async def test_what_is_old_goes_so_many_at_once(queue: Queue) -> None:
    await queue.put([job(number, "gone", queue.now, late_s=2 * 86400) for number in range(1, 6)])
    await queue.logged(*(Logged("gone", queue.now - 3 * DAY - number * HOUR) for number in range(3)))
    gone = [await queue.store.tidy(queue.now, 2, ()) for _ in range(4)]
    assert gone == [4, 3, 1, 0]


@pytest.mark.postgres
async def test_a_payload_of_another_version_is_nobodys(database: Database, postgres: Secret) -> None:
    owner = await connect(postgres)
    try:
        await owner.execute(
            "INSERT INTO atende.jobs (priority, status, entrypoint, payload) "
            "VALUES (0, 'queued', 'later', 'no JSON'), (0, 'queued', 'later', NULL)"
        )
        assert [one.tenant_id for one in await PostgresJobs(database).list(10, kind="later")] == [None, None]
    finally:
        await owner.execute("DELETE FROM atende.jobs")
        await owner.close()


@pytest.mark.postgres
async def test_a_database_that_is_away_is_told_as_that(database: Database) -> None:
    store, now = PostgresJobs(database), datetime.now(UTC)
    await database.close()
    asked: Sequence[Callable[[], Awaitable[object]]] = (
        lambda: store.list(1),
        lambda: store.load(now),
        lambda: store.tidy(now, 1, ()),
    )
    for ask in asked:
        with pytest.raises(JobsUnavailableError):
            await ask()


def test_a_name_in_the_queue_is_a_kind_and_perhaps_a_node() -> None:
    for name in ("audit", "recordings@a", "recordings@a@b"):
        assert name_of(*kind_and_node(name)) == name
    assert kind_and_node("recordings@a@b") == ("recordings", "a@b")
