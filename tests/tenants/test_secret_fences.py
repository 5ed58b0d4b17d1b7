"""What the database itself holds to about secrets: whoever asks, and however wrongly."""

from typing import Any

import asyncpg
import pytest

from base.secret import Secret
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect
from tenants.sealing import SealBrokenError, Sealed
from tenants.secret_rows import Place, SecretsUnavailableError
from tenants.secret_store import PostgresSecrets
from tests.tenants.kept_secrets import NOON, OURS, RING, THEIRS, row_of, table

__all__ = ["table"]

pytestmark = pytest.mark.postgres


async def test_nothing_that_is_kept_holds_the_value(table: Database, postgres: Secret) -> None:
    await PostgresSecrets(table).add(OURS, row_of(OURS, "openai", value="sk-hush-hush"))
    owner = await connect(postgres)
    try:
        [row] = await owner.fetch("SELECT * FROM atende.secrets")
    finally:
        await owner.close()
    assert b"hush" not in row["sealed"]
    assert not any("hush" in str(value) for value in row.values())


async def test_a_row_that_is_moved_to_another_tenant_name_or_version_does_not_open(
    table: Database, postgres: Secret
) -> None:
    store = PostgresSecrets(table)
    await store.add(OURS, row_of(OURS, "openai"))
    owner = await connect(postgres)
    try:
        for change, tenant_id, name, version in (
            (f"tenant_id = '{THEIRS}'", THEIRS, "openai", 1),
            ("name = 'crm'", THEIRS, "crm", 1),
            ("version = 2", THEIRS, "crm", 2),
        ):
            await owner.execute(f"UPDATE atende.secrets SET {change}")
            moved = await store.newest(tenant_id, name)
            assert moved is not None
            assert moved.value is not None
            with pytest.raises(SealBrokenError):
                RING.open(tenant_id, name, version, moved.value)
        back = f"tenant_id = '{OURS}', name = 'openai', version = 1"
        await owner.execute(f"UPDATE atende.secrets SET {back}")
        stays = await store.newest(OURS, "openai")
        assert stays is not None
        assert stays.value is not None
        assert RING.open(OURS, "openai", 1, stays.value) == Secret("sk-1")
    finally:
        await owner.close()


async def test_a_wrong_query_sees_and_changes_nothing_of_others(table: Database) -> None:
    store, row = PostgresSecrets(table), row_of(OURS, "openai")
    await store.add(OURS, row)
    looks: list[Any] = [table.tenant(THEIRS), table.key_holder("aaaaaaaaaaaa"), table._pool.acquire()]  # type: ignore[arg-type]
    for look in looks:
        async with look as connection:
            assert await connection.fetchval("SELECT count(*) FROM atende.secrets WHERE sealed IS NOT NULL") == 0
            assert await connection.execute("UPDATE atende.secrets SET changed_at = now()") == "UPDATE 0"
    assert await store.seal_anew(Place(THEIRS, "openai", 1), Sealed("x", b"y" * 29), Sealed("x", b"z" * 29)) is False
    assert await store.newest(OURS, "openai") == row


FORGED = (
    "INSERT INTO atende.secrets (tenant_id, name, version, created_at, created_by, key_id, sealed) "
    f"VALUES ('{THEIRS}', 'x', 1, now(), 'me', 'k', decode(repeat('00', 29), 'hex'))"
)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM atende.secrets",
        "TRUNCATE atende.secrets",
        "UPDATE atende.secrets SET tenant_id = tenant_id",
        "UPDATE atende.secrets SET name = name, version = version",
        "UPDATE atende.secrets SET created_by = 'somebody'",
        "ALTER TABLE atende.secrets NO FORCE ROW LEVEL SECURITY",
        FORGED,
    ],
)
async def test_the_service_moves_renames_and_removes_no_row_of_its_own(table: Database, statement: str) -> None:
    await PostgresSecrets(table).add(OURS, row_of(OURS, "openai"))
    for look in (table.tenant(OURS), table.platform()):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with look as connection:
                await connection.execute(statement)


async def test_an_owner_who_is_no_superuser_sees_none(table: Database, postgres: Secret) -> None:
    await PostgresSecrets(table).add(OURS, row_of(OURS, "openai"))
    owner = await connect(postgres)
    change = owner.transaction()
    await change.start()
    try:
        await owner.execute("CREATE ROLE plain_owner NOLOGIN")
        await owner.execute("GRANT USAGE, CREATE ON SCHEMA atende TO plain_owner")
        await owner.execute("ALTER TABLE atende.secrets OWNER TO plain_owner")
        await owner.execute("SET LOCAL ROLE plain_owner")
        assert await owner.fetchval("SELECT count(*) FROM atende.secrets") == 0
        await owner.execute("ALTER TABLE atende.secrets NO FORCE ROW LEVEL SECURITY")
        assert await owner.fetchval("SELECT count(*) FROM atende.secrets") == 1, "it is FORCE that hinders it"
    finally:
        await change.rollback()
        await owner.close()


async def test_a_database_that_does_not_answer_is_told(table: Database, postgres: Secret) -> None:
    closed = await connect_app(postgres, None, PoolBounds(max_connections=1, acquire_timeout_s=0.05))
    store, row = PostgresSecrets(closed), row_of(OURS, "openai")
    await closed.close()
    for call in (
        lambda: store.add(OURS, row),
        lambda: store.list(OURS),
        lambda: store.newest(OURS, "openai"),
        lambda: store.remove(OURS, "openai", NOON),
        lambda: store.history(OURS, "openai", 1),
        lambda: store.changes(None),
        store.by_key,
    ):
        with pytest.raises(SecretsUnavailableError):
            await call()
