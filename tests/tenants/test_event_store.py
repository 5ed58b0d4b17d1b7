"""One contract for both stores of events; and what the database itself holds to."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from base.ids import TenantId
from base.secret import Secret
from pipelines.events import Event, EventData, EventKind, event
from tenants.database import Database, PoolBounds, connect_app
from tenants.event_store import (
    EventStore,
    EventsUnavailableError,
    ForeignEventError,
    KeptEvent,
    MemoryEvents,
    PostgresEvents,
    written,
)
from tenants.migrate import connect

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OURS, THEIRS = (TenantId(str(uuid.uuid4())) for _ in range(2))
ALL = 1000
WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def some(subject: str, tenant_id: TenantId | None = OURS, kind: EventKind = "call.started", **more: Any) -> Event:
    return event(tenant_id, NOON, kind, subject, EventData(**more))


def subjects(kept: Any) -> list[str]:
    found: list[KeptEvent] = list(kept)
    return [one.event.subject for one in found]


@pytest.fixture
async def table(database: Database, postgres: Secret) -> AsyncIterator[Database]:
    """No events are left in the end."""
    yield database
    owner = await connect(postgres)
    await owner.execute("DELETE FROM atende.events")
    await owner.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def events(request: pytest.FixtureRequest) -> EventStore:
    if request.param == "memory":
        return MemoryEvents()
    return PostgresEvents(request.getfixturevalue("table"))


async def test_what_is_kept_comes_back_whole_in_its_order(events: EventStore) -> None:
    before = await events.last()
    first = some("c1", assistant="ana", duration_s=1.5, turns=3)
    second = some("7", kind="document.published", revision=7, digest="a" * 64)
    assert await events.append(OURS, first, second) == 2
    kept = await events.of_tenant(OURS, 0, ALL)
    assert [one.event for one in kept] == [first, second]
    assert before < kept[0].id < kept[1].id == await events.last()


async def test_an_event_is_kept_once_whoever_tells_it(events: EventStore) -> None:
    told = some("c1")
    assert await events.append(OURS, told) == 1
    assert await events.append(OURS, told, some("c2"), told) == 1
    assert subjects(await events.of_tenant(OURS, 0, ALL)) == ["c1", "c2"]


async def test_pages_go_on_behind_an_id(events: EventStore) -> None:
    await events.append(OURS, *(some(str(number)) for number in range(5)))
    first = await events.of_tenant(OURS, 0, 2)
    second = await events.of_tenant(OURS, first[-1].id, 2)
    assert subjects(first) + subjects(second) == ["0", "1", "2", "3"]
    assert subjects(await events.all(second[-1].id, 2)) == ["4"]
    assert list(await events.of_tenant(OURS, 2**70, 2)) == []


async def test_a_tenant_sees_its_own_and_who_hands_on_sees_all(events: EventStore) -> None:
    before = await events.last()
    await events.append(OURS, some("ours"))
    await events.append(THEIRS, some("theirs", THEIRS))
    await events.append(None, some("platform", None, "database.back"))
    assert subjects(await events.of_tenant(OURS, 0, ALL)) == ["ours"]
    assert subjects(await events.of_tenant(THEIRS, 0, ALL)) == ["theirs"]
    assert subjects(await events.all(before, ALL)) == ["ours", "theirs", "platform"]


async def test_kinds_are_picked_out(events: EventStore) -> None:
    await events.append(OURS, some("a"), some("b", kind="call.ended"), some("c", kind="key.created"), some("d"))
    wanted = frozenset[EventKind]({"call.ended", "key.created"})
    assert subjects(await events.of_tenant(OURS, 0, ALL, wanted)) == ["b", "c"]
    assert subjects(await events.all(0, 1, wanted)) == ["b"]
    assert list(await events.all(0, ALL, frozenset())) == []


async def test_another_tenants_event_is_refused_and_nothing_kept(events: EventStore) -> None:
    with pytest.raises(ForeignEventError):
        await events.append(OURS, some("a"), some("b", THEIRS))
    with pytest.raises(ForeignEventError):
        await events.append(None, some("c"))
    assert list(await events.of_tenant(OURS, 0, ALL)) == []


async def test_what_is_old_or_too_much_is_taken_away(events: EventStore) -> None:
    old = [structs.replace(some(f"old {number}"), at=NOON - timedelta(days=40)) for number in range(3)]
    await events.append(OURS, *old, *(some(str(number)) for number in range(4)))
    assert await events.trim(NOON - timedelta(days=30), 1000) == 3
    assert subjects(await events.of_tenant(OURS, 0, ALL)) == ["0", "1", "2", "3"]
    last = await events.last()
    assert await events.trim(NOON - timedelta(days=30), 2) == 2
    assert subjects(await events.of_tenant(OURS, 0, ALL)) == ["2", "3"]
    assert await events.trim(NOON - timedelta(days=30), 2) == 0
    await events.append(OURS, some("next"))
    assert await events.last() > last, "an id is not given twice"


@pytest.fixture
async def another(postgres: Secret, table: Database) -> AsyncIterator[Database]:
    """The pool of another process on the same database."""
    found = await connect_app(postgres, None, PoolBounds(max_connections=5))
    yield found
    await found.close()


@pytest.mark.postgres
async def test_no_id_is_seen_before_a_smaller_one(table: Database, another: Database) -> None:
    """The first writer ends behind the second one's try: who reads between must not go past what is still to come."""
    reader, second = PostgresEvents(another), PostgresEvents(another)
    async with table.tenant(OURS) as connection:
        await written(connection, OURS, some("first"))
        late = asyncio.ensure_future(second.append(THEIRS, some("second", THEIRS)))
        async with asyncio.timeout(10), table.platform() as looker:
            while not await looker.fetchval(WAITS):
                pass
        assert list(await reader.all(0, ALL)) == []
        assert not late.done()
    await late
    assert subjects(await reader.all(0, ALL)) == ["first", "second"]


@pytest.mark.postgres
async def test_who_follows_while_many_write_misses_none(table: Database, another: Database) -> None:
    stores = [PostgresEvents(table), PostgresEvents(another)]
    writing = asyncio.gather(*(stores[n % 2].append(OURS, some(str(n))) for n in range(60)))
    followed: list[str] = []
    after = 0
    while len(followed) < 60:
        page = await stores[1].all(after, ALL)
        followed += subjects(page)
        after = page[-1].id if page else after
        if writing.done() and not page:
            break
    await writing
    assert sorted(followed, key=int) == [str(n) for n in range(60)]


@pytest.mark.postgres
async def test_a_wrong_query_sees_and_does_nothing(table: Database) -> None:
    await PostgresEvents(table).append(OURS, some("ours"))
    await PostgresEvents(table).append(None, some("platform", None, "disk.low"))
    count = "SELECT count(*) FROM atende.events"
    async with table.tenant(THEIRS) as connection:
        assert await connection.fetchval(count) == 0
        assert await connection.execute("DELETE FROM atende.events") == "DELETE 0"
    async with table.tenant(OURS) as connection:
        assert await connection.fetchval(count) == 1
        assert await connection.execute("DELETE FROM atende.events") == "DELETE 0"
    async with table._pool.acquire() as connection:
        assert await connection.fetchval(count) == 0
    for own, foreign in ((OURS, THEIRS), (OURS, None), (None, OURS)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with table.of(own) as connection:
                await connection.execute(
                    "INSERT INTO atende.events (tenant_id, at, kind, subject, data, key) "
                    "VALUES ($1, now(), 'call.started', '', '{}', gen_random_uuid())",
                    foreign,
                )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with table.tenant(OURS) as connection:
            await connection.execute("UPDATE atende.events SET subject = 'x'")


@pytest.mark.postgres
async def test_a_database_that_is_away_is_told_as_such(postgres: Secret, table: Database) -> None:
    gone = await connect_app(postgres, None, PoolBounds(max_connections=1))
    await gone.close()
    events = PostgresEvents(gone)
    for asked in (events.append(OURS, some("x")), events.of_tenant(OURS, 0, 1), events.all(0, 1), events.last()):
        with pytest.raises(EventsUnavailableError):
            await asked
