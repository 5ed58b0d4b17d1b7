"""One contract for both stores of conversations, and the fences of the one in PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from base.ids import AssistantName, CallId
from pipelines.calls import Turn
from tenants.call_search import Cursor
from tenants.conversations import (
    CallsOfTime,
    ConversationStore,
    ForeignRecordError,
    PostgresConversations,
    Taken,
    cursor,
)
from tenants.database import Database
from tests.tenants.records import NOON, record, someone


async def test_what_is_stored_comes_back_whole(conversations: ConversationStore) -> None:
    tenant = someone()
    full, bare = (
        record(tenant),
        record(tenant, "c2", turns=(), errors=(), recording=None, timeline=(), cost_usd=None, usage=()),
    )
    assert await conversations.store(tenant, full)
    assert await conversations.store(tenant, bare)
    assert await conversations.get(tenant, full.call.id) == full
    assert await conversations.get(tenant, bare.call.id) == bare
    assert await conversations.get(tenant, CallId("never")) is None


async def test_storing_twice_keeps_the_first(conversations: ConversationStore) -> None:
    tenant = someone()
    assert await conversations.store(tenant, record(tenant))
    assert not await conversations.store(tenant, record(tenant))
    assert not await conversations.store(tenant, record(tenant, end_reason="lost", turns=()))
    assert await conversations.get(tenant, CallId("c1")) == record(tenant)
    assert len(await conversations.list(tenant, 10)) == 1


async def test_a_tenant_sees_its_own_calls_alone_even_under_one_call_id(conversations: ConversationStore) -> None:
    ours, theirs = someone(), someone()
    await conversations.store(ours, record(ours, "shared", end_reason="goodbye"))
    assert await conversations.get(theirs, CallId("shared")) is None
    assert await conversations.list(theirs, 10) == []
    await conversations.store(theirs, record(theirs, "shared", end_reason="silence"))
    found = await conversations.get(ours, CallId("shared"))
    assert found is not None
    assert (found.call.tenant_id, found.end_reason) == (ours, "goodbye")
    assert [one.end_reason for one in await conversations.list(theirs, 10)] == ["silence"]


async def test_a_record_is_never_stored_for_somebody_else(conversations: ConversationStore) -> None:
    ours, theirs = someone(), someone()
    with pytest.raises(ForeignRecordError):
        await conversations.store(theirs, record(ours))
    assert await conversations.list(ours, 10) == []


async def test_what_an_assistants_calls_of_a_day_took(conversations: ConversationStore) -> None:
    ours, theirs, sofia = someone(), someone(), AssistantName("sofia")
    await conversations.store(theirs, record(theirs, "theirs", cost_usd=100.0))
    for number, minutes in enumerate([-1, 0, 5, 10]):
        await conversations.store(ours, record(ours, f"c{number}", minutes=minutes, cost_usd=2.0**-number))
    await conversations.store(ours, record(ours, "not known", minutes=6, cost_usd=None))
    await conversations.store(ours, record(ours, "another's", minutes=1, assistant=AssistantName("bia")))
    until = NOON + timedelta(minutes=10)
    asked = [(ours, sofia), (ours, AssistantName("nobody")), (theirs, sofia), (someone(), sofia), (ours, sofia)]
    found = await conversations.taken([CallsOfTime(*who, NOON, until) for who in asked])
    assert found[0] == found[4] == Taken(180, 0.75), "that of the end is not of it"
    assert found[1:4] == [Taken(), Taken(60, 100.0), Taken()], "each its own, in the order in which they were asked for"
    assert await conversations.taken([]) == []


async def test_lists_are_newest_first_in_pages_that_lose_and_double_nothing(conversations: ConversationStore) -> None:
    tenant = someone()
    for number, minutes in enumerate([3, 1, 2, 2, 2]):
        await conversations.store(tenant, record(tenant, f"c{number}", minutes=minutes))
    everything = [one.call.id for one in await conversations.list(tenant, 10)]
    assert everything == ["c0", "c4", "c3", "c2", "c1"]
    paged: list[str] = []
    behind: Cursor | None = None
    while page := await conversations.list(tenant, 2, behind):
        paged += [one.call.id for one in page]
        behind = cursor(page[-1])
    assert paged == everything
    assert await conversations.list(tenant, 0) == []
    assert await conversations.list(tenant, -5) == []


async def test_what_a_caller_sends_cannot_make_a_record_unstorable(conversations: ConversationStore) -> None:
    tenant = someone()
    odd = record(tenant, turns=(Turn(role="caller", text="a\x00b\ud83dc'; DROP TABLE x; --", at_ms=0.0),))
    odd = structs.replace(odd, call=structs.replace(odd.call, caller="\x00555"))
    assert await conversations.store(tenant, odd)
    found = await conversations.get(tenant, odd.call.id)
    assert found is not None
    assert found.turns[0].text == "abc'; DROP TABLE x; --"
    assert found.call.caller == "555"


@pytest.mark.postgres
async def test_after_a_question_for_many_tenants_a_transaction_sees_none_of_them(database: Database) -> None:
    ours = someone()
    await PostgresConversations(database).store(ours, record(ours))
    async with database.platform() as connection:
        asked = [ours], ["sofia"], [NOON - timedelta(days=1)], [NOON + timedelta(days=1)]
        assert await connection.fetchval("SELECT seconds FROM atende.taken($1, $2, $3, $4)", *asked) > 0
        assert await connection.fetchval("SELECT count(*) FROM atende.conversations") == 0


@pytest.mark.postgres
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM atende.conversations",
        "SELECT count(*) FROM atende.messages",
        "SELECT count(*) FROM atende.conversations WHERE tenant_id = '{ours}'",
        "SELECT count(*) FROM atende.messages WHERE call_id = 'fenced'",
    ],
)
async def test_raw_sql_of_the_service_sees_one_tenant(database: Database, sql: str) -> None:
    ours, theirs = someone(), someone()
    await PostgresConversations(database).store(ours, record(ours, "fenced"))
    async with database.tenant(theirs) as connection:
        assert await connection.fetchval(sql.format(ours=ours)) == 0
    async with database._pool.acquire() as connection:
        assert await connection.fetchval(sql.format(ours=ours)) == 0
    async with database.tenant(ours) as connection:
        assert await connection.fetchval(sql.format(ours=ours)) >= 1


@pytest.mark.postgres
async def test_the_service_can_neither_write_for_others_nor_change_or_remove_what_is_written(
    database: Database,
) -> None:
    ours, theirs = someone(), someone()
    await PostgresConversations(database).store(ours, record(ours))
    forged = "INSERT INTO atende.messages VALUES ($1, 'c1', 9, 'caller', 'x', 0, false)"
    forbidden: list[Callable[[Any], Any]] = [
        lambda connection: connection.execute(forged, ours),
        lambda connection: connection.execute("DELETE FROM atende.conversations"),
        lambda connection: connection.execute("UPDATE atende.messages SET at_ms = 0"),
        lambda connection: connection.execute("UPDATE atende.tenants SET id = $1", theirs),
        lambda connection: connection.execute("SELECT * FROM atende.migrations"),
        lambda connection: connection.execute("ALTER TABLE atende.messages DISABLE ROW LEVEL SECURITY"),
        lambda connection: connection.execute("DROP POLICY own_rows ON atende.messages"),
        lambda connection: connection.execute("SET ROLE postgres"),
        lambda connection: connection.execute("CREATE TABLE atende.mine (x int)"),
    ]
    for attempt in forbidden:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant(theirs) as connection:
                await attempt(connection)


@pytest.mark.postgres
async def test_a_connection_forgets_the_tenant_with_the_transaction(database: Database) -> None:
    ours = someone()
    await PostgresConversations(database).store(ours, record(ours))
    async with database._pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", ours)
            assert await connection.fetchval("SELECT count(*) FROM atende.conversations") == 1
        assert await connection.fetchval("SELECT count(*) FROM atende.conversations") == 0
