"""What the database itself holds to about every table: whoever asks, and however wrongly."""

import asyncpg
import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants.database import Database
from tenants.migrate import connect

pytestmark = pytest.mark.postgres

OURS = TenantId("0f0f0f0f-0000-4000-8000-00000000fe01")
OPEN = {"migrations"}
"""What holds nothing of a tenant and nothing of the platform's."""


async def test_every_table_is_under_policies_that_hold_for_its_owner_too(database: Database, postgres: Secret) -> None:
    owner = await connect(postgres)
    try:
        rows = await owner.fetch(
            "SELECT relname, relrowsecurity AND relforcerowsecurity AS closed FROM pg_class "
            "WHERE relnamespace = 'atende'::regnamespace AND relkind IN ('r', 'p')"
        )
    finally:
        await owner.close()
    assert {row["relname"] for row in rows if not row["closed"]} == OPEN
    assert len(rows) > 12


async def test_a_query_that_forgets_the_tenant_sees_and_changes_nothing_of_others(
    database: Database, postgres: Secret
) -> None:
    owner = await connect(postgres)
    try:
        tables = await owner.fetch(
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'atende' AND column_name = 'tenant_id'"
        )
    finally:
        await owner.close()
    names = [row["table_name"] for row in tables]
    assert {"revisions", "conversations", "messages", "secrets", "events", "live_calls"} <= set(names)
    for name in names:
        async with database.tenant(OURS) as connection:
            assert await connection.fetch(f"SELECT * FROM atende.{name} WHERE tenant_id <> $1", OURS) == [], name
        for change in (f"DELETE FROM atende.{name}", f"UPDATE atende.{name} SET tenant_id = '{OURS}'"):
            async with database.tenant(OURS) as connection:
                try:
                    told = await connection.execute(change)
                except asyncpg.InsufficientPrivilegeError:
                    continue
                assert told.rpartition(" ")[2] == "0", (name, change)
