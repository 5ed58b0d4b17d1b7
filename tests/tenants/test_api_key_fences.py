"""What the database itself holds to about API keys: whoever asks, and however wrongly."""

import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest

from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from tenants.api_key_store import KeysUnavailableError, PostgresApiKeys
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect
from tests.tenants.kept_keys import NOON, OURS, THEIRS, key_of, publish, table

__all__ = ["table"]

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"tenant_id": None}, "tenants_key_has_a_tenant"),
        ({"role": "platform-admin"}, "tenants_key_has_a_tenant"),
        ({"role": "root"}, "api_keys_role_check"),
        ({"id": "short"}, "api_keys_id_check"),
        ({"id": "aaaaaaaaaaa\n"}, "api_keys_id_check"),
        ({"digest": b"x" * 31}, "api_keys_digest_check"),
        ({"name": "x" * 101}, "api_keys_name_check"),
        ({"expires_at": NOON}, "api_keys_check"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
async def test_the_table_refuses_what_is_no_key_from_its_owner_too(
    table: Database, postgres: Secret, wrong: dict[str, Any], constraint: str
) -> None:
    good = {"id": "a" * 12, "tenant_id": OURS, "role": "tenant-admin", "name": "", "digest": b"x" * 32}
    good |= {"created_at": NOON, "expires_at": None}
    statement = f"INSERT INTO atende.api_keys ({', '.join(good)}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    owner = await connect(postgres)
    try:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await owner.execute(statement, *(good | wrong).values())
        assert caught.value.constraint_name == constraint
        await owner.execute(statement, *good.values())
    finally:
        await owner.close()


LOOKS: dict[str, Callable[[Database], AbstractAsyncContextManager[Any]]] = {
    "a tenant": lambda database: database.tenant(THEIRS),
    "the platform": lambda database: database.platform(),
    "a key": lambda database: database.key_holder(ApiKeyId("aaaaaaaaaaaa")),
    "nobody": lambda database: database._pool.acquire(),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_a_wrong_query_sees_revokes_and_uses_nothing_of_others(table: Database, look: str) -> None:
    store, ours, platform = PostgresApiKeys(table), key_of(OURS), key_of(None)
    await store.add(OURS, ours)
    await store.add(None, platform)
    foreign = [ours] if look == "the platform" else [ours, platform]
    async with LOOKS[look](table) as connection:
        for row in foreign:
            key_id, tenant_id = row.key.id, row.key.tenant_id
            for query, facts in (
                ("SELECT count(*) FROM atende.api_keys WHERE id = $1", [key_id]),
                ("SELECT count(*) FROM atende.api_keys WHERE tenant_id IS NOT DISTINCT FROM $1", [tenant_id]),
                ("SELECT count(*) FROM atende.api_keys WHERE $1::text = $1 AND digest <> ''", [key_id]),
            ):
                seen = await connection.fetchval(query, *facts)
                assert seen == (1 if look == "the platform" and "digest" in query else 0), query
            revoke = "UPDATE atende.api_keys SET revoked_at = now() WHERE id = $1"
            assert await connection.execute(revoke, key_id) == "UPDATE 0"
        everything = await connection.execute("UPDATE atende.api_keys SET last_used_at = now(), revoked_at = now()")
        assert everything == ("UPDATE 1" if look == "the platform" else "UPDATE 0")
    for row in foreign:
        assert await store.find(row.key.id) == row


async def test_who_presents_a_key_sees_that_row_and_changes_nothing(table: Database) -> None:
    store, ours = PostgresApiKeys(table), key_of(OURS)
    await store.add(OURS, ours)
    await store.add(OURS, key_of(OURS))
    async with table.key_holder(ours.key.id) as connection:
        assert [row["id"] for row in await connection.fetch("SELECT id FROM atende.api_keys")] == [ours.key.id]
        assert await connection.fetchval("SELECT count(*) FROM atende.tenants") == 0
        assert await connection.execute("UPDATE atende.api_keys SET revoked_at = now()") == "UPDATE 0"
    async with table._pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atende.api_keys") == 0, "it is forgotten with the end"


async def test_the_platform_sees_no_row_of_a_tenant(table: Database) -> None:
    async with table.platform() as connection:
        for name in ("tenants", "revisions", "conversations", "messages"):
            assert await connection.fetchval(f"SELECT count(*) FROM atende.{name}") == 0
    async with table._pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.platform', 'off', true)")
        assert await connection.fetchval("SELECT atende.is_platform()") is False


@pytest.mark.parametrize("look", [name for name in LOOKS if name != "nobody"])
async def test_the_service_makes_no_key_for_others_and_changes_or_removes_none(table: Database, look: str) -> None:
    ours = key_of(OURS)
    await PostgresApiKeys(table).add(OURS, ours)
    forged = (
        "INSERT INTO atende.api_keys (id, tenant_id, role, name, digest, created_at) "
        "VALUES ('bbbbbbbbbbbb', $1, $2, '', sha256(''), now())"
    )

    def forge(tenant_id: TenantId | None, role: str) -> Callable[[Any], Awaitable[object]]:
        return lambda connection: connection.execute(forged, tenant_id, role)

    def run(statement: str) -> Callable[[Any], Awaitable[object]]:
        return lambda connection: connection.execute(statement)

    forbidden = [
        forge(OURS, "tenant-admin"),
        run("DELETE FROM atende.api_keys"),
        run("UPDATE atende.api_keys SET role = 'platform-admin', tenant_id = NULL"),
        run("UPDATE atende.api_keys SET expires_at = NULL"),
        run("UPDATE atende.api_keys SET digest = sha256('')"),
        run("TRUNCATE atende.api_keys"),
        run("ALTER TABLE atende.api_keys DISABLE ROW LEVEL SECURITY"),
    ]
    if look != "the platform":
        forbidden.append(forge(None, "platform-admin"))
    for attempt in forbidden:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with LOOKS[look](table) as connection:
                await attempt(connection)


async def test_a_tenants_keys_go_with_it(table: Database, postgres: Secret) -> None:
    store, tenant_id = PostgresApiKeys(table), TenantId(str(uuid.uuid4()))
    await publish(table, tenant_id)
    key = key_of(tenant_id)
    await store.add(tenant_id, key)
    owner = await connect(postgres)
    await owner.execute("DELETE FROM atende.tenants WHERE id = $1", tenant_id)
    await owner.close()
    assert await store.find(key.key.id) is None


async def test_a_database_that_does_not_answer_is_told_without_a_key(table: Database, postgres: Secret) -> None:
    closed = await connect_app(postgres, None, PoolBounds(max_connections=1, acquire_timeout_s=0.05))
    store, row = PostgresApiKeys(closed), key_of(OURS)

    async def all_fail() -> None:
        for call in (
            lambda: store.add(OURS, row),
            lambda: store.list(None, 100),
            lambda: store.revoke(OURS, row.key.id, NOON),
            lambda: store.used(OURS, row.key.id, NOON),
            lambda: store.find(row.key.id),
        ):
            with pytest.raises(KeysUnavailableError) as caught:
                await call()
            assert row.digest.reveal() not in f"{caught.value!r} {caught.value.__cause__!r}"

    async with closed.platform():
        await all_fail()
    await closed.close()
    await all_fail()
