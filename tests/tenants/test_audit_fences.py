"""What the database itself holds to about the audit log: whoever asks, and however wrongly."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants import audit_store
from tenants.audit import AuditBrokenError, sealed, start
from tenants.audit_store import AuditUnavailableError, PostgresAuditLog
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect
from tenants.sql import queries
from tests.tenants.changes import OURS, THEIRS, against_the_rules, audit_table, change_of

__all__ = ["audit_table"]

pytestmark = pytest.mark.postgres

ADD = "INSERT INTO atende.audit (tenant_id, number, change, digest) VALUES ($1, $2, $3, $4)"
COPY = "SELECT tenant_id, number, change, digest FROM atende.audit"
LOOKS: dict[str, Callable[[Database], AbstractAsyncContextManager[Any]]] = {
    "a tenant": lambda database: database.tenant(THEIRS),
    "the platform": lambda database: database.platform(),
    "nobody": lambda database: database._pool.acquire(),
}


async def fill(database: Database, tenant_id: TenantId | None = OURS, length: int = 5) -> PostgresAuditLog:
    audit = PostgresAuditLog(database)
    for revision in range(1, length + 1):
        await audit.append(tenant_id, change_of(revision))
    return audit


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"tenant_id": "00000000-0000-0000-0000-000000000000"}, "audit_tenant_id_check"),
        ({"number": 0}, "audit_number_check"),
        ({"change": "[]"}, "audit_change_check"),
        ({"change": json.dumps({"said": "x" * 4096})}, "audit_change_check"),
        ({"digest": b"x" * 31}, "audit_digest_check"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
async def test_the_table_refuses_what_is_no_entry_from_its_owner_too(
    audit_table: Database, postgres: Secret, wrong: dict[str, Any], constraint: str
) -> None:
    good = {"tenant_id": OURS, "number": 1, "change": "{}", "digest": b"x" * 32}
    owner = await connect(postgres)
    try:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await owner.execute(ADD, *(good | wrong).values())
        assert caught.value.constraint_name == constraint
        await owner.execute(ADD, *good.values())
    finally:
        await owner.close()


@pytest.mark.parametrize("tenant_id", [OURS, None], ids=["tenant", "platform"])
async def test_a_number_is_given_once(audit_table: Database, postgres: Secret, tenant_id: TenantId | None) -> None:
    await fill(audit_table, tenant_id, 1)
    owner = await connect(postgres)
    try:
        with pytest.raises(asyncpg.UniqueViolationError):
            await owner.execute(ADD, tenant_id, 1, "{}", b"x" * 32)
    finally:
        await owner.close()


@pytest.mark.parametrize("look", ["a tenant", "nobody"])
async def test_a_wrong_query_sees_nothing_of_others(audit_table: Database, look: str) -> None:
    await fill(audit_table)
    await fill(audit_table, None)
    async with LOOKS[look](audit_table) as connection:
        for query in (
            "SELECT count(*) FROM atende.audit",
            f"SELECT count(*) FROM atende.audit WHERE tenant_id = '{OURS}'",
            f"SELECT count(*) FROM atende.audit WHERE chain = '{OURS}'",
            "SELECT count(*) FROM atende.audit WHERE tenant_id IS NULL",
        ):
            assert await connection.fetchval(query) == 0, query


async def test_the_platform_sees_all_and_writes_its_own_alone(audit_table: Database) -> None:
    await fill(audit_table)
    await fill(audit_table, None, 2)
    async with audit_table.platform() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atende.audit") == 7
    for tenant_id, look in ((OURS, "the platform"), (OURS, "a tenant"), (None, "a tenant"), (None, "nobody")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with LOOKS[look](audit_table) as connection:
                await connection.execute(ADD, tenant_id, 9, "{}", b"x" * 32)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE atende.audit SET change = '{}'",
        "UPDATE atende.audit SET digest = digest",
        "DELETE FROM atende.audit",
        "TRUNCATE atende.audit",
        "ALTER TABLE atende.audit DISABLE TRIGGER ALL",
        "ALTER TABLE atende.audit DISABLE ROW LEVEL SECURITY",
        "SELECT FROM atende.audit FOR UPDATE",
        "SET session_replication_role = replica",
    ],
)
async def test_the_service_alters_and_removes_nothing(audit_table: Database, look: str, statement: str) -> None:
    await fill(audit_table)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with LOOKS[look](audit_table) as connection:
            await connection.execute(statement)


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE atende.audit SET change = '{}' WHERE number = 3",
        "UPDATE atende.audit SET number = 9 WHERE false",
        "DELETE FROM atende.audit WHERE number > 3",
        "TRUNCATE atende.audit",
        f"{ADD.replace('VALUES ($1, $2, $3, $4)', COPY)} ON CONFLICT (chain, number) DO UPDATE SET change = '{{}}'",
    ],
)
async def test_the_owner_alters_and_removes_nothing_by_mistake(
    audit_table: Database, postgres: Secret, statement: str, role: str
) -> None:
    audit = await fill(audit_table)
    owner = await connect(postgres)
    try:
        await owner.execute(f"SET session_replication_role = {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the audit log is only added to"):
            await owner.execute(statement)
    finally:
        await owner.close()
    assert (await audit.verify(OURS)).held_to == 5


@pytest.mark.parametrize("page", [2, 1000])
@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE atende.audit SET change = replace(change, '192.0.2.7', '192.0.2.8') WHERE number = 3", 3),
        ("UPDATE atende.audit SET change = change || ' ' WHERE number = 1", 1),
        ("UPDATE atende.audit SET digest = sha256('') WHERE number = 5", 5),
        ("UPDATE atende.audit SET number = 9 WHERE number = 2", 2),
        ("DELETE FROM atende.audit WHERE number = 4", 4),
        ("DELETE FROM atende.audit WHERE number < 3", 1),
        ("UPDATE atende.audit SET tenant_id = 'THEIRS' WHERE number = 2", 2),
        ("UPDATE atende.audit SET change = '{}' WHERE number = 2", 2),
    ],
)
async def test_what_an_owner_does_against_the_rules_is_found(
    audit_table: Database,
    postgres: Secret,
    statement: str,
    broken_at: int,
    page: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_store, "PAGE", page)
    audit = await fill(audit_table)
    whole = await audit.page(OURS, 0, 10)
    await against_the_rules(postgres, statement.replace("THEIRS", THEIRS))
    verdict = await audit.verify(OURS)
    assert (verdict.held_to, verdict.broken_at) == (broken_at - 1, broken_at)
    assert verdict.digest == (whole[broken_at - 2].digest if broken_at > 1 else start(OURS).digest.hex())


async def test_what_was_cut_off_is_missed_by_a_digest_that_was_kept(audit_table: Database, postgres: Secret) -> None:
    """The chain alone does not tell; its length and last digest do."""
    audit = await fill(audit_table)
    kept = await audit.verify(OURS)
    await against_the_rules(postgres, "DELETE FROM atende.audit WHERE number = 5")
    cut = await audit.verify(OURS)
    assert (cut.held_to, cut.broken_at) == (4, None)
    await audit.append(OURS, change_of(6))
    anew = await audit.verify(OURS)
    assert (anew.held_to, anew.broken_at) == (5, None)
    assert anew.digest != kept.digest


async def test_an_entry_that_cannot_be_read_is_told_and_keeps_nobody_from_writing(
    audit_table: Database, postgres: Secret
) -> None:
    audit = await fill(audit_table, length=2)
    await against_the_rules(postgres, """UPDATE atende.audit SET change = '{"newer": 1}' WHERE number = 2""")
    for reading in (audit.list(OURS, 10), audit.page(OURS, 0, 10)):
        with pytest.raises(AuditBrokenError, match="entry 2 "):
            await reading
    assert (await audit.append(OURS, change_of(3))).number == 3


async def test_what_a_newer_version_wrote_is_verified_as_it_is(audit_table: Database, postgres: Secret) -> None:
    """A field that this one does not know is covered, and no false alarm."""
    audit = await fill(audit_table, length=1)
    newer = sealed(OURS, change_of(2), start(OURS))
    text = newer.change.replace("{", '{"newer":1,', 1)
    last = (await audit.list(OURS, 1))[0]
    owner = await connect(postgres)
    digest = await owner.fetchval(
        "SELECT sha256($1::bytea || $2::bytea)",
        bytes.fromhex(last.digest),
        f'{{"tenant_id":"{OURS}","number":2,"change":{text}}}'.encode(),
    )
    await owner.execute(ADD, OURS, 2, text, digest)
    await owner.close()
    assert (await audit.verify(OURS)).held_to == 2


@pytest.mark.parametrize(("block", "facts"), [("last", ()), ("newest", (1900, 50)), ("page", (100, 50))])
@pytest.mark.parametrize("tenant_id", [OURS, None], ids=["tenant", "platform"])
async def test_a_chain_is_read_by_its_index_alone(
    audit_table: Database, postgres: Secret, tenant_id: TenantId | None, block: str, facts: tuple[int, ...]
) -> None:
    owner = await connect(postgres)
    for one in (OURS, THEIRS, None):
        fill_in = "SELECT $1, n, '{}', sha256(''::bytea) FROM generate_series(1, 2000) n"
        await owner.execute(f"INSERT INTO atende.audit (tenant_id, number, change, digest) {fill_in}", one)
    await owner.execute("ANALYZE atende.audit")
    await owner.close()
    within = audit_table.platform() if tenant_id is None else audit_table.tenant(tenant_id)
    async with within as connection:
        plan = str(await connection.fetchval("EXPLAIN (FORMAT JSON) " + queries("audit")[block], tenant_id, *facts))
    scan = json.loads(plan)[0]["Plan"]["Plans"][0]
    assert (scan["Node Type"], scan["Index Name"]) == ("Index Scan", "audit_pkey")
    assert "chain = " in scan["Index Cond"]
    assert ("number " in scan["Index Cond"]) is bool(facts)


async def test_a_database_that_does_not_answer_is_told(audit_table: Database, postgres: Secret) -> None:
    closed = await connect_app(postgres, None, PoolBounds(max_connections=1, acquire_timeout_s=0.05))
    audit = PostgresAuditLog(closed)

    async def all_fail() -> None:
        for call in (
            lambda: audit.append(OURS, change_of()),
            lambda: audit.list(None, 1),
            lambda: audit.page(OURS, 0, 1),
            lambda: audit.verify(None),
            lambda: audit.chains(1),
        ):
            with pytest.raises(AuditUnavailableError):
                await call()

    async with closed.platform():
        await all_fail()
    await closed.close()
    await all_fail()
