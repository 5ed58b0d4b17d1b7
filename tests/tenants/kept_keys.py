"""Two tenants that were published, keys of theirs, and the database in which they are kept."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from base.ids import TenantId
from base.secret import Secret
from tenants.api_keys import KeyRow, new_key
from tenants.database import Database
from tenants.migrate import connect
from tenants.revisions import PostgresRevisions, TenantRow

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PEPPER = Secret("p" * 32)
OURS, THEIRS, NEVER = (TenantId(str(uuid.uuid4())) for _ in range(3))


def key_of(tenant_id: TenantId | None, minutes: float = 0, **changed: Any) -> KeyRow:
    role = "platform-viewer" if tenant_id is None else "tenant-admin"
    row, _ = new_key(tenant_id, role, "Site", pepper=PEPPER, created_at=NOON + timedelta(minutes=minutes))
    return structs.replace(row, key=structs.replace(row.key, **changed))


async def publish(database: Database, tenant_id: TenantId) -> None:
    row = TenantRow(slug=f"t-{tenant_id[:13]}", domain="t.example.net", name="T")
    await PostgresRevisions(database).put(tenant_id, row, "a" * 64, b"a")


@pytest.fixture
async def table(database: Database, postgres: Secret) -> AsyncIterator[Database]:
    """No keys are left in the end."""
    for tenant_id in (OURS, THEIRS):
        await publish(database, tenant_id)
    yield database
    owner = await connect(postgres)
    await owner.execute("DELETE FROM atende.api_keys")
    await owner.close()
