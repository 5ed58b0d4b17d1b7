"""No row hangs from another tenant's: the database itself refuses it, whoever writes it."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from base.secret import Secret
from tenants.conversations import PostgresConversations
from tenants.database import Database
from tenants.migrate import connect
from tests.tenants.known import known
from tests.tenants.records import record, someone

pytestmark = pytest.mark.postgres

WITHOUT = {"conversations", "events", "audit", "secrets", "passage_documents"}
"""Their rows are there when no tenant is: the step `live_calls_of_tenants` says why of each."""


@pytest.fixture
async def owner(database: Database, postgres: Secret) -> AsyncIterator[Any]:
    """A superuser: no policy holds for it, and every reference does."""
    connection = await connect(postgres)
    try:
        yield connection
    finally:
        await connection.close()


REFERENCES = """
SELECT c.conrelid::regclass::text AS of, c.confrelid::regclass::text AS to, c.convalidated AS holds,
    array(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (n, place)
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY place) AS columns,
    array(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k (n, place)
          JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY place) AS theirs
FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'atende'::regnamespace
"""


async def keyed_by_tenant(owner: Any) -> set[str]:
    rows = await owner.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'atende' AND column_name = 'tenant_id'"
    )
    return {row["table_name"] for row in rows}


async def test_every_table_of_tenants_refers_by_tenant_or_is_listed(owner: Any) -> None:
    found = [(row["of"].removeprefix("atende."), row) for row in await owner.fetch(REFERENCES)]
    keyed = await keyed_by_tenant(owner)
    assert all(row["holds"] for _, row in found)
    for name, row in found:
        if row["to"].removeprefix("atende.") in keyed:
            pairs = list(zip(row["columns"], row["theirs"], strict=True))
            assert ("tenant_id", "tenant_id") in pairs, f"{name}: a reference without the tenant in it"
    by_tenant = {name for name, row in found if "tenant_id" in row["columns"]}
    assert keyed - by_tenant == WITHOUT, "refer to tenants or to a parent by (tenant_id, …), or say why not"


CHILDREN = {
    "messages": "INSERT INTO atende.messages (tenant_id, call_id, position, role, text, at_ms, interrupted) "
    "VALUES ($1, $2, 90, 'caller', 'x', 0, false)",
    "timelines": "INSERT INTO atende.timelines (tenant_id, call_id, moments) VALUES ($1, $2, '[]')",
    "passages": "INSERT INTO atende.passages (tenant_id, collection, id, document, position, heading, question, text) "
    "VALUES ($1, 'e/2', 'other', $2, 90, '', '', '')",
    "passage_vectors": "INSERT INTO atende.passage_vectors (tenant_id, collection, passage, kind, vector) "
    "VALUES ($1, 'e/2', $2, 90, '{0, 0}')",
}


@pytest.mark.parametrize("table", CHILDREN)
async def test_a_row_under_another_tenants_parent_is_refused(database: Database, owner: Any, table: str) -> None:
    ours, theirs, name = someone(), someone(), str(uuid.uuid4())
    await PostgresConversations(database).store(ours, record(ours, name, timeline=()))
    await owner.execute(
        "INSERT INTO atende.passage_documents (tenant_id, collection, name, digest) VALUES ($1, 'e/2', $2, '')",
        ours, name,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO atende.passages (tenant_id, collection, id, document, position, heading, question, text) "
        "VALUES ($1, 'e/2', $2, $2, 0, '', '', '')", ours, name,
    )  # fmt: skip
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await owner.execute(CHILDREN[table], theirs, name)
    await owner.execute(CHILDREN[table], ours, name)


OF_TENANTS = {
    "revisions": "INSERT INTO atende.revisions (tenant_id, number, digest, document) "
    "VALUES ($1, 1, repeat('a', 64), '')",
    "changes": "INSERT INTO atende.changes (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING",
    "api_keys": "INSERT INTO atende.api_keys (id, tenant_id, role, name, digest, created_at) "
    "SELECT translate(left(md5(id::text), 12), '0189', 'zyxw'), id, 'tenant-viewer', '', sha256(''), now() "
    "FROM (SELECT $1::uuid AS id) AS given",
    "live_calls": "INSERT INTO atende.live_calls (tenant_id, call_id, process_id, assistant, since) "
    "SELECT $1::uuid, 'x', id, 'ana', now() FROM atende.processes WHERE node = 'foreign-keys'",
}


@pytest.mark.parametrize("table", OF_TENANTS)
async def test_a_row_of_a_tenant_that_is_not_there_is_refused(database: Database, owner: Any, table: str) -> None:
    nobody, ours = someone(), someone()
    await known(database, ours)
    await owner.execute("DELETE FROM atende.processes WHERE node = 'foreign-keys'")
    await owner.execute(
        "INSERT INTO atende.processes (id, node, role, slot, pid, url, version, state, told, started_at) "
        "VALUES ($1, 'foreign-keys', 'media', 0, 1, '', '', 'ok', '{}', now())", str(uuid.uuid4()),
    )  # fmt: skip
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await owner.execute(OF_TENANTS[table], nobody)
    await owner.execute(OF_TENANTS[table], ours)
