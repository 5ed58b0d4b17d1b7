"""How PostgreSQL finds calls: by an index of the tenant's, whatever is looked for together."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from base.ids import CallId, TenantId
from base.secret import Secret
from tenants.call_looking import By, Looking
from tenants.call_search import CallFilter, Cursor
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
INDEXES: dict[By, str] = {
    "newest": "conversations_newest",
    "assistant": "conversations_by_assistant",
    "number": "conversations_by_number",
    "caller": "conversations_by_caller",
    "end_reason": "conversations_by_end",
    "revision": "conversations_by_revision",
    "changed_over": "conversations_changed_over",
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


Read = list[tuple[By, list[dict[str, Any]]]]
"""For each statement of a search: the fact by which it reads, and its scans."""


class Explained:
    """A connection that explains what it is asked, as the service has it, its policies included, and then does it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.read: Read = []

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        await self._explain(sql, arguments)
        return await self._connection.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        await self._explain(sql, arguments)
        return await self._connection.fetchrow(sql, *arguments)

    async def _explain(self, sql: str, arguments: Sequence[Any]) -> None:
        await self._connection.execute("SET LOCAL plan_cache_mode = 'force_custom_plan'")
        plan = str(await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments))
        self.read.append((arguments[11], scans(plan)))


async def explained(
    database: Database, tenant: TenantId, wanted: CallFilter, before: Cursor | None, piece: int = 200
) -> Read:
    """All statements of one search, in one piece."""
    async with database.tenant(tenant) as connection:
        explaining = Explained(connection)
        await Looking(0, piece, piece).rows(explaining, tenant, wanted, 50, before)
    return explaining.read


@pytest.mark.postgres
async def test_whatever_is_looked_for_together_is_read_by_the_index_of_one_fact(
    database: Database, tenant: TenantId
) -> None:
    for before, taken in product(CURSORS, product((False, True), repeat=len(WANTED))):
        facts = {name: WANTED[name] for name, take in zip(WANTED, taken, strict=True) if take}
        for by, read in await explained(database, tenant, CallFilter(**facts), before):
            of_the_calls = {node["Index Name"] for node in read} - {"messages_pkey"}
            assert of_the_calls == ({INDEXES[by], INDEXES["changed_over"]} if by == "revision" and len(read) > 2
                                    else {INDEXES[by]}), (facts, by, read)  # fmt: skip
            for node in read:
                assert "tenant_id = " in node["Index Cond"], (facts, node)
                assert before is None or "opened_at <" in node["Index Cond"] or "call_id = " in node["Index Cond"]


@pytest.mark.postgres
@pytest.mark.parametrize("before", CURSORS)
@pytest.mark.parametrize("name", [None, *WANTED])
async def test_each_has_an_index_that_begins_where_the_page_begins(
    database: Database, tenant: TenantId, name: str | None, before: Cursor | None
) -> None:
    facts = {} if name is None else {name: WANTED[name]}
    *_, (by, read) = await explained(database, tenant, CallFilter(**facts), before)
    of_the_calls = {node["Index Name"]: node["Index Cond"] for node in read if node["Index Name"] != "messages_pkey"}
    assert by == (name if name in INDEXES else "newest")
    assert set(of_the_calls) == {INDEXES[by]} | ({INDEXES["changed_over"]} if name == "revision" else set())
    if before is not None:
        assert all("opened_at <" in condition for condition in of_the_calls.values())
    if name not in (None, "text"):
        column = "opened_at" if name.startswith("opened_") else name
        assert f"({column} " in of_the_calls[INDEXES[by]]


@pytest.mark.postgres
async def test_a_piece_ends_in_the_index_too(database: Database, tenant: TenantId) -> None:
    facts = {name: WANTED[name] for name in ("assistant", "number", "end_reason", "text")}
    *_, (_, read) = await explained(database, tenant, CallFilter(**facts), CURSORS[1], piece=20)
    (calls,) = (node for node in read if node["Index Name"] != "messages_pkey")
    assert "opened_at >=" in calls["Index Cond"]


@pytest.mark.postgres
async def test_a_text_is_looked_for_in_the_calls_that_are_in_question_alone(
    database: Database, tenant: TenantId
) -> None:
    wanted = CallFilter(text="sábado", opened_from=NOON + timedelta(minutes=2900))
    *_, (_, read) = await explained(database, tenant, wanted, None)
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
