"""Numbered documents of each tenant: appended, never changed."""

from datetime import UTC, datetime
from typing import Any, Final, Protocol

import asyncpg
from msgspec import Struct

from base.clock import Clock
from base.ids import TenantId
from pipelines.events import Event, EventData, EventKind, Tell, event, told_to_nobody
from pipelines.supervisor import Swap
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
    swap: Swap = "turn"
    """What becomes of live calls where it is taken up."""


class TenantChange(Struct, frozen=True, kw_only=True):
    """A tenant of which something was stored, or that was removed."""

    tenant_id: TenantId
    changed_at: datetime
    removed: bool


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
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
        swap: Swap = "turn",
    ) -> RevisionRow:
        """The tenant under these names, and the document as its newest revision; a removed tenant is there again.

        With a new one an event is kept: `document.published`, or `canary.started` for one that is to be `on_trial`.
        An equal digest gives back the newest as it is. Raises SlugTakenError, and RaceLostError when it would have
        another number than this: nothing is changed then.
        """
        ...


class ChangeFeed(Protocol):
    """Whose documents have changed, for processes that did not change them. The contract of both stores below."""

    async def changes(self, since: datetime | None = None) -> tuple[TenantChange, ...]:
        """Tenants that were changed after that time of the database's clock, the latest last; all when None."""
        ...

    async def remove(self, tenant_id: TenantId) -> None:
        """The tenant is gone, until something is put of it; its revisions stay. Idempotent.

        With one that was there `tenant.removed` is kept.
        """
        ...


class MemoryRevisions:
    """Revisions for as long as the process lives."""

    def __init__(self, clock: Clock, tell: Tell = told_to_nobody) -> None:
        self._clock = clock
        self._tell = tell
        self._tenants: dict[TenantId, TenantRow] = {}
        self._changes: dict[TenantId, TenantChange] = {}
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
        swap: Swap = "turn",
    ) -> RevisionRow:
        if any(other.slug == tenant.slug for key, other in self._tenants.items() if key != tenant_id):
            raise SlugTakenError(f"another tenant has the slug {tenant.slug!r}")
        rows = self._rows.get(tenant_id, [])
        if not rows or rows[-1].digest != digest:
            if number not in {None, len(rows) + 1}:
                raise RaceLostError(number)
            added = RevisionRow(
                number=len(rows) + 1, digest=digest, document=document, created_at=self._clock.now(), swap=swap
            )
            rows = self._rows[tenant_id] = [*rows, added]
            self._changed(tenant_id)
            self._tell(_published(tenant_id, added, on_trial=on_trial))
        elif self._changes[tenant_id].removed:
            self._changed(tenant_id)
        self._tenants[tenant_id] = tenant
        return rows[-1]

    async def changes(self, since: datetime | None = None) -> tuple[TenantChange, ...]:
        found = [change for change in self._changes.values() if since is None or change.changed_at > since]
        return tuple(sorted(found, key=lambda change: change.changed_at))

    async def remove(self, tenant_id: TenantId) -> None:
        if (change := self._changes.get(tenant_id)) is not None and not change.removed:
            gone = self._changed(tenant_id, removed=True)
            self._tell(_removed(tenant_id, self._tenants[tenant_id].slug, gone.changed_at))

    def _changed(self, tenant_id: TenantId, *, removed: bool = False) -> TenantChange:
        change = TenantChange(tenant_id=tenant_id, changed_at=self._clock.now(), removed=removed)
        self._changes[tenant_id] = change
        return change


_SQL: Final = queries("revisions")
_CHANGES: Final = queries("changes")


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
        swap: Swap = "turn",
    ) -> RevisionRow:
        async with self._database.tenant(tenant_id) as connection:
            try:
                await connection.execute(_SQL["put_tenant"], tenant_id, tenant.slug, tenant.domain, tenant.name)
            except asyncpg.UniqueViolationError as error:
                raise SlugTakenError(f"another tenant has the slug {tenant.slug!r}") from error
            await connection.execute(_SQL["lock_tenant"], tenant_id)
            newest = _row(await connection.fetchrow(_SQL["current"], tenant_id))
            if newest is not None and newest.digest == digest:
                await connection.execute(_CHANGES["returned"], tenant_id)
                return newest
            following = newest.number + 1 if newest else 1
            if number not in {None, following}:
                raise RaceLostError(number)
            added = _row(await connection.fetchrow(_SQL["add"], tenant_id, following, digest, document, swap))
            await connection.execute(_CHANGES["changed"], tenant_id)
            assert added is not None
            await written(connection, tenant_id, _published(tenant_id, added, on_trial=on_trial))
            return added

    async def changes(self, since: datetime | None = None) -> tuple[TenantChange, ...]:
        async with self._database.platform() as connection:
            rows = await connection.fetch(_CHANGES["since"], since or _EVER)
        return tuple(TenantChange(**{**row, "tenant_id": TenantId(str(row["tenant_id"]))}) for row in rows)

    async def remove(self, tenant_id: TenantId) -> None:
        async with self._database.tenant(tenant_id) as connection:
            gone = await connection.fetchrow(_CHANGES["remove"], tenant_id)
            if gone is not None:
                await written(connection, tenant_id, _removed(tenant_id, gone["slug"], gone["changed_at"]))


def _published(tenant_id: TenantId, row: RevisionRow, *, on_trial: bool) -> Event:
    data = EventData(revision=row.number, digest=row.digest)
    kind: EventKind = "canary.started" if on_trial else "document.published"
    return event(tenant_id, row.created_at, kind, str(row.number), data, once=True)


def _removed(tenant_id: TenantId, slug: str, at: datetime) -> Event:
    return event(tenant_id, at, "tenant.removed", slug)


def _row(found: Any) -> RevisionRow | None:
    return None if found is None else RevisionRow(**found)


def _bounded(limit: int) -> int:
    return max(0, min(limit, MAX_LISTED))
