"""Tenants as the database knows them, for tests of what refers to them."""

from base.ids import TenantId
from tenants.database import Database
from tenants.sql import queries


async def known(database: Database, *tenants: TenantId) -> None:
    """They have rows, and no revision."""
    for tenant in tenants:
        async with database.tenant(tenant) as connection:
            await connection.execute(queries("revisions")["put_tenant"], tenant, f"t-{tenant}", "", "Tenant")
            await connection.execute(queries("changes")["changed"], tenant)
