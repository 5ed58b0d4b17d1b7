"""Numbered documents of each tenant: appended, never changed."""

from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
from msgspec import Struct

from base.clock import Clock
from base.ids import TenantId
from tenants.database import Database
from tenants.sql import queries


class SlugTakenError(ValueError):
    """Another tenant has this slug."""


class TenantRow(Struct, frozen=True, kw_only=True):
    """The names of a tenant."""

    slug: str
    domain: str
    name: str


class RevisionRow(Struct, frozen=True, kw_only=True):
    """One stored document. `digest` is the SHA-256 of `document`, in hex."""

    number: int
    digest: str
    document: bytes
    created_at: datetime


class RevisionStore(Protocol):
    """Documents by tenant. The contract of both stores below."""

    async def current(self, tenant_id: TenantId) -> RevisionRow | None:
        """The newest revision."""
        ...

    async def get(self, tenant_id: TenantId, number: int) -> RevisionRow | None:
        """One revision."""
        ...

    async def put(self, tenant_id: TenantId, tenant: TenantRow, digest: str, document: bytes) -> RevisionRow:
        """The tenant under these names, and the document as its newest revision.

        An equal digest gives back the newest as it is. Raises SlugTakenError.
        """
        ...


class MemoryRevisions:
    """Revisions for as long as the process lives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tenants: dict[TenantId, TenantRow] = {}
        self._rows: dict[TenantId, list[RevisionRow]] = {}

    async def current(self, tenant_id: TenantId) -> RevisionRow | None:
        rows = self._rows.get(tenant_id)
        return rows[-1] if rows else None

    async def get(self, tenant_id: TenantId, number: int) -> RevisionRow | None:
        rows = self._rows.get(tenant_id, [])
        return rows[number - 1] if 1 <= number <= len(rows) else None

    async def put(self, tenant_id: TenantId, tenant: TenantRow, digest: str, document: bytes) -> RevisionRow:
        if any(other.slug == tenant.slug for key, other in self._tenants.items() if key != tenant_id):
            raise SlugTakenError(f"another tenant has the slug {tenant.slug!r}")
        self._tenants[tenant_id] = tenant
        rows = self._rows.setdefault(tenant_id, [])
        if not rows or rows[-1].digest != digest:
            rows.append(
                RevisionRow(number=len(rows) + 1, digest=digest, document=document, created_at=self._clock.now())
            )
        return rows[-1]


_SQL: Final = queries("revisions")


class PostgresRevisions:
    """Revisions in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, tenant_id: TenantId) -> RevisionRow | None:
        async with self._database.tenant(tenant_id) as connection:
            return _row(await connection.fetchrow(_SQL["current"], tenant_id))

    async def get(self, tenant_id: TenantId, number: int) -> RevisionRow | None:
        async with self._database.tenant(tenant_id) as connection:
            return _row(await connection.fetchrow(_SQL["revision"], tenant_id, number))

    async def put(self, tenant_id: TenantId, tenant: TenantRow, digest: str, document: bytes) -> RevisionRow:
        async with self._database.tenant(tenant_id) as connection:
            try:
                await connection.execute(_SQL["put_tenant"], tenant_id, tenant.slug, tenant.domain, tenant.name)
            except asyncpg.UniqueViolationError as error:
                raise SlugTakenError(f"another tenant has the slug {tenant.slug!r}") from error
            await connection.execute(_SQL["lock_tenant"], tenant_id)
            newest = _row(await connection.fetchrow(_SQL["current"], tenant_id))
            if newest is not None and newest.digest == digest:
                return newest
            number = newest.number + 1 if newest else 1
            added = _row(await connection.fetchrow(_SQL["add"], tenant_id, number, digest, document))
            assert added is not None
            return added


def _row(found: Any) -> RevisionRow | None:
    return None if found is None else RevisionRow(**found)
