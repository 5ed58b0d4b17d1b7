"""How PostgreSQL finds calls: by an index of the tenant's, whatever is looked for together."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from base.ids import CallId, TenantId
from base.secret import Secret
from tenants.call_search import CallFilter
from tenants.conversations import Cursor, search_arguments
from tenants.database import Database
from tenants.migrate import connect, migrate
from tenants.sql import queries
from tests.tenants.plans import scans
from tests.tenants.records import someone

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WANTED: dict[str, Any] = {
    "assistant": "a1",
    "number": "1001",
    "caller": "+5511900000001",
    "end_reason": "silence",
    "revision": 2,
    "opened_from": NOON + timedelta(minutes=100),
    "opened_to": NOON + timedelta(minutes=1000),
    "text": "sábado",
}
CURSORS = (None, Cursor(NOON + timedelta(minutes=500), CallId("c500")))
FILL = """
INSERT INTO atende.conversations (
    tenant_id, call_id, tenant_slug, assistant, number, caller, revision, language,
    opened_at, ended_at, end_reason, hangup_cause, errors, revisions
) SELECT $1, 'c' || n, 's', 'a' || n % 3, 1000 + n % 3, '+551190000' || lpad((n % 300)::text, 4, '0'), 1 + n % 4, 'pt',
    $2::timestamptz + n * interval '1 minute', $2::timestamptz + n * interval '61 seconds',
    (ARRAY['goodbye', 'caller_hangup', 'silence'])[1 + n % 3], 'x', '{}',
    CASE WHEN n % 50 = 0 THEN ARRAY[1 + n % 4, 5] ELSE ARRAY[1 + n % 4] END
FROM generate_series(1, 3000) n
"""
FILL_MESSAGES = """
INSERT INTO atende.messages (tenant_id, call_id, position, role, text, at_ms, interrupted)
SELECT $1, 'c' || n, place, 'caller', 'Bom dia', 0, false
FROM generate_series(1, 3000) n, generate_series(0, 2) place
"""


@pytest.fixture(scope="module")
def tenant(postgres: Secret) -> Iterator[TenantId]:
    """One of three with 3,000 calls, of which the planner knows; they are gone afterwards."""
    tenants = [someone() for _ in range(3)]
    asyncio.run(fill(postgres, tenants))
    yield tenants[0]
    asyncio.run(clear(postgres, tenants))


async def fill(postgres: Secret, tenants: Sequence[TenantId]) -> None:
    await migrate(postgres)
    owner = await connect(postgres)
    for one in tenants:
        await owner.execute(FILL, one, NOON)
        await owner.execute(FILL_MESSAGES, one)
    await owner.execute("ANALYZE atende.conversations, atende.messages")
    await owner.close()


async def clear(postgres: Secret, tenants: Sequence[TenantId]) -> None:
    owner = await connect(postgres)
    await owner.execute("DELETE FROM atende.conversations WHERE tenant_id = ANY ($1)", tenants)
    await owner.execute("ANALYZE atende.conversations, atende.messages")
    await owner.close()


async def explained(connection: Any, tenant: TenantId, wanted: CallFilter, before: Cursor | None) -> str:
    """As the service has it, its policies included."""
    sql = "EXPLAIN (FORMAT JSON) " + queries("call_search")["search"]
    return str(await connection.fetchval(sql, *search_arguments(tenant, wanted, 50, before)))


@pytest.mark.postgres
async def test_whatever_is_looked_for_together_is_read_by_an_index_of_the_tenants(
    database: Database, tenant: TenantId
) -> None:
    async with database.tenant(tenant) as connection:
        rows = await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'atende'")
        of_the_tenant = {row["indexname"] for row in rows if "(tenant_id, " in row["indexdef"]}
        for before, taken in product(CURSORS, product((False, True), repeat=len(WANTED))):
            facts = {name: WANTED[name] for name, take in zip(WANTED, taken, strict=True) if take}
            read = scans(await explained(connection, tenant, CallFilter(**facts), before))
            assert any(node.get("Index Name", "").startswith("conversations_") for node in read), facts
            for node in read:
                assert node.get("Index Name") in of_the_tenant, (facts, node)
                assert "tenant_id = " in node["Index Cond"], (facts, node)


@pytest.mark.postgres
@pytest.mark.parametrize("before", CURSORS)
@pytest.mark.parametrize(
    ("name", "index"),
    [
        (None, "conversations_newest"),
        ("assistant", "conversations_by_assistant"),
        ("number", "conversations_by_number"),
        ("caller", "conversations_by_caller"),
        ("end_reason", "conversations_by_end"),
        ("revision", "conversations_by_revision"),
        ("opened_from", "conversations_newest"),
        ("opened_to", "conversations_newest"),
        ("text", "conversations_newest"),
    ],
)
async def test_each_has_an_index_that_begins_where_the_page_begins(
    database: Database, tenant: TenantId, name: str | None, index: str, before: Cursor | None
) -> None:
    facts = {} if name is None else {name: WANTED[name]}
    async with database.tenant(tenant) as connection:
        read = scans(await explained(connection, tenant, CallFilter(**facts), before))
    of_the_calls = {node["Index Name"]: node["Index Cond"] for node in read if node["Index Name"] != "messages_pkey"}
    assert set(of_the_calls) == {index} | ({"conversations_changed_over"} if name == "revision" else set())
    if before is not None:
        assert all("opened_at <" in condition for condition in of_the_calls.values())
    if name not in (None, "text"):
        column = "opened_at" if name.startswith("opened_") else name
        assert f"({column} " in of_the_calls[index]


@pytest.mark.postgres
async def test_a_text_is_looked_for_in_the_calls_that_are_in_question_alone(
    database: Database, tenant: TenantId
) -> None:
    wanted = CallFilter(text="sábado", opened_from=NOON + timedelta(minutes=2900))
    async with database.tenant(tenant) as connection:
        read = scans(await explained(connection, tenant, wanted, None))
    messages = [node for node in read if node["Index Name"] == "messages_pkey"]
    assert messages
    assert all("call_id = " in node["Index Cond"] for node in messages)


@pytest.mark.postgres
async def test_a_list_of_whole_records_goes_on_where_its_cursor_stands(database: Database, tenant: TenantId) -> None:
    sql = "EXPLAIN (FORMAT JSON) " + queries("conversations")["before"]
    async with database.tenant(tenant) as connection:
        (read,) = scans(str(await connection.fetchval(sql, tenant, 50, NOON + timedelta(minutes=500), "c500")))
    assert read["Index Name"] == "conversations_newest"
    assert "opened_at <" in read["Index Cond"]
