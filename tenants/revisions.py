"""Numbered documents of each tenant: appended, never changed."""

from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
from msgspec import Struct

from base.clock import Clock
from base.ids import TenantId
from pipelines.events import Event, EventData, EventKind, Tell, event, told_to_nobody
from tenants.database import Database
from tenants.event_store import written
from tenants.sql import queries


class SlugTakenError(ValueError):
    """Another tenant has this slug."""


class RaceLostError(Exception):
    """Another process has published another document of this tenant meanwhile."""

    def __init__(self, number: int) -> None:
        super().__init__(f"revision {number} was published by another process; publish again")


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


class RevisionInfo(Struct, frozen=True, kw_only=True):
    """One stored document as a list has it: `size_bytes` in the place of the document."""

    number: int
    digest: str
    size_bytes: int
    created_at: datetime


MAX_LISTED: Final = 200
"""Revisions that are listed at once."""
_BEYOND: Final = 2**31 - 1
"""No revision has a greater number."""


class RevisionStore(Protocol):
    """Documents by tenant. The contract of both stores below."""

    async def current(self, tenant_id: TenantId) -> RevisionRow | None:
        """The newest revision."""
        ...

    async def get(self, tenant_id: TenantId, number: int) -> RevisionRow | None:
        """One revision."""
        ...

    async def list(self, tenant_id: TenantId, limit: int, before: int | None = None) -> tuple[RevisionInfo, ...]:
        """The newest first, of those with a number less than `before`; `MAX_LISTED` at the most."""
        ...

    async def put(
        self,
        tenant_id: TenantId,
        tenant: TenantRow,
        digest: str,
        document: bytes,
        number: int | None = None,
        *,
        on_trial: bool = False,
    ) -> RevisionRow:
        """The tenant under these names, and the document as its newest revision.

        With a new one an event is kept: `document.published`, or `canary.started` for one that is to be `on_trial`.
        An equal digest gives back the newest as it is. Raises SlugTakenError, and RaceLostError when it would have
        another number than this: nothing is changed then.
        """
        ...


class MemoryRevisions:
    """Revisions for as long as the process lives."""

    def __init__(self, clock: Clock, tell: Tell = told_to_nobody) -> None:
        self._clock = clock
        self._tell = tell
        self._tenants: dict[TenantId, TenantRow] = {}
        self._rows: dict[TenantId, list[RevisionRow]] = {}

    async def current(self, tenant_id: TenantId) -> RevisionRow | None:
        rows = self._rows.get(tenant_id)
        return rows[-1] if rows else None

    async def get(self, tenant_id: TenantId, number: int) -> RevisionRow | None:
        rows = self._rows.get(tenant_id, [])
        return rows[number - 1] if 1 <= number <= len(rows) else None

    async def list(self, tenant_id: TenantId, limit: int, before: int | None = None) -> tuple[RevisionInfo, ...]:
        rows = [row for row in reversed(self._rows.get(tenant_id, [])) if before is None or row.number < before]
        return tuple(
            RevisionInfo(number=row.number, digest=row.digest, size_bytes=len(row.document), created_at=row.created_at)
            for row in rows[: _bounded(limit)]
        )

    async def put(
        self,
        tenant_id: TenantId,
        tenant: TenantRow,
        digest: str,
        document: bytes,
        number: int | None = None,
        *,
        on_trial: bool = False,
    ) -> RevisionRow:
        if any(other.slug == tenant.slug for key, other in self._tenants.items() if key != tenant_id):
            raise SlugTakenError(f"another tenant has the slug {tenant.slug!r}")
        rows = self._rows.get(tenant_id, [])
        if not rows or rows[-1].digest != digest:
            if number not in {None, len(rows) + 1}:
                raise RaceLostError(number)
            added = RevisionRow(number=len(rows) + 1, digest=digest, document=document, created_at=self._clock.now())
            rows = self._rows[tenant_id] = [*rows, added]
            self._tell(_published(tenant_id, added, on_trial=on_trial))
        self._tenants[tenant_id] = tenant
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

    async def list(self, tenant_id: TenantId, limit: int, before: int | None = None) -> tuple[RevisionInfo, ...]:
        end = _BEYOND if before is None else before
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(_SQL["list"], tenant_id, end, _bounded(limit))
        return tuple(RevisionInfo(**row) for row in rows)

    async def put(
        self,
        tenant_id: TenantId,
        tenant: TenantRow,
        digest: str,
        document: bytes,
        number: int | None = None,
        *,
        on_trial: bool = False,
    ) -> RevisionRow:
        async with self._database.tenant(tenant_id) as connection:
            try:
                await connection.execute(_SQL["put_tenant"], tenant_id, tenant.slug, tenant.domain, tenant.name)
            except asyncpg.UniqueViolationError as error:
                raise SlugTakenError(f"another tenant has the slug {tenant.slug!r}") from error
            await connection.execute(_SQL["lock_tenant"], tenant_id)
            newest = _row(await connection.fetchrow(_SQL["current"], tenant_id))
            if newest is not None and newest.digest == digest:
                return newest
            following = newest.number + 1 if newest else 1
            if number not in {None, following}:
                raise RaceLostError(number)
            added = _row(await connection.fetchrow(_SQL["add"], tenant_id, following, digest, document))
            assert added is not None
            await written(connection, tenant_id, _published(tenant_id, added, on_trial=on_trial))
            return added


def _published(tenant_id: TenantId, row: RevisionRow, *, on_trial: bool) -> Event:
    data = EventData(revision=row.number, digest=row.digest)
    kind: EventKind = "canary.started" if on_trial else "document.published"
    return event(tenant_id, row.created_at, kind, str(row.number), data, once=True)


def _row(found: Any) -> RevisionRow | None:
    return None if found is None else RevisionRow(**found)


def _bounded(limit: int) -> int:
    return max(0, min(limit, MAX_LISTED))
