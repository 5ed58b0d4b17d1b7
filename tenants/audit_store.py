"""Where the audit log is kept: a chain for each tenant, that of the platform under None."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from base.ids import TenantId
from tenants.audit import AuditEntry, Change, Kept, Link, Verdict, opened, sealed, start, verify
from tenants.database import Database, answering
from tenants.sql import queries

PAGE: Final = 1000
"""So many entries are read at once for verifying."""


class AuditUnavailableError(Exception):
    """The audit log cannot be written or read now: another time it may."""


class Chain(Struct, frozen=True):
    """Whose chain it is; None: the platform's."""

    tenant_id: TenantId | None


class AuditLog(Protocol):
    """Chains by tenant, only ever added to. The contract of both logs. All raise AuditUnavailableError."""

    async def append(self, tenant_id: TenantId | None, change: Change) -> AuditEntry:
        """The change as the next entry of the chain; those who add at the same time come one behind the other."""
        ...

    async def list(self, tenant_id: TenantId | None, limit: int, before: int | None = None) -> Sequence[AuditEntry]:
        """At most so many, the newest first; only those before a number, where one is given.

        Raises AuditBrokenError.
        """
        ...

    async def page(self, tenant_id: TenantId | None, after: int, limit: int) -> Sequence[AuditEntry]:
        """At most so many behind a number, in their order. Raises AuditBrokenError."""
        ...

    async def verify(self, tenant_id: TenantId | None, behind: Link | None = None, most: int | None = None) -> Verdict:
        """Whether the chain holds from its beginning (or `behind` an entry), and to where; `most` entries of it."""
        ...

    async def chains(self, limit: int, behind: Chain | None = None) -> Sequence[TenantId | None]:
        """Whose chains there are, at most so many: the platform's first, then tenants' by their ids."""
        ...


class MemoryAuditLog:
    """Chains for as long as the process lives."""

    def __init__(self) -> None:
        self._chains: dict[TenantId | None, list[Kept]] = {}

    async def append(self, tenant_id: TenantId | None, change: Change) -> AuditEntry:
        chain = self._chains.setdefault(tenant_id, [])
        chain.append(sealed(tenant_id, change, chain[-1] if chain else start(tenant_id)))
        return opened(tenant_id, chain[-1])

    async def list(self, tenant_id: TenantId | None, limit: int, before: int | None = None) -> Sequence[AuditEntry]:
        newest = [kept for kept in reversed(self._of(tenant_id)) if before is None or kept.number < before]
        return [opened(tenant_id, kept) for kept in newest[:limit]]

    async def page(self, tenant_id: TenantId | None, after: int, limit: int) -> Sequence[AuditEntry]:
        return [opened(tenant_id, kept) for kept in await self._kept(tenant_id, after, limit)]

    async def verify(self, tenant_id: TenantId | None, behind: Link | None = None, most: int | None = None) -> Verdict:
        return await _verified(self._kept, tenant_id, behind, most)

    async def chains(self, limit: int, behind: Chain | None = None) -> Sequence[TenantId | None]:
        known = sorted(self._chains, key=lambda tenant_id: tenant_id or "")
        return [one for one in known if behind is None or (one or "") > (behind.tenant_id or "")][:limit]

    def _of(self, tenant_id: TenantId | None) -> Sequence[Kept]:
        return self._chains.get(tenant_id, [])

    async def _kept(self, tenant_id: TenantId | None, after: int, limit: int) -> Sequence[Kept]:
        return [kept for kept in self._of(tenant_id) if kept.number > after][:limit]


_SQL: Final = queries("audit")
_BEHIND_ALL: Final = 2**63 - 1
_PLATFORMS: Final = "00000000-0000-0000-0000-000000000000"


class PostgresAuditLog:
    """Chains in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, tenant_id: TenantId | None, change: Change) -> AuditEntry:
        with answering(AuditUnavailableError, "keep the audit log"):
            async with self._database.of(tenant_id) as connection:
                await connection.execute(_SQL["lock"], tenant_id)
                last = await connection.fetchrow(_SQL["last"], tenant_id)  # a statement of its own: it sees what is new
                kept = sealed(tenant_id, change, start(tenant_id) if last is None else Kept(*last))
                await connection.execute(_SQL["append"], tenant_id, kept.number, kept.change, kept.digest)
        return opened(tenant_id, kept)

    async def list(self, tenant_id: TenantId | None, limit: int, before: int | None = None) -> Sequence[AuditEntry]:
        before = _BEHIND_ALL if before is None else before
        return [opened(tenant_id, kept) for kept in await self._fetch("newest", tenant_id, before, limit)]

    async def page(self, tenant_id: TenantId | None, after: int, limit: int) -> Sequence[AuditEntry]:
        return [opened(tenant_id, kept) for kept in await self._kept(tenant_id, after, limit)]

    async def verify(self, tenant_id: TenantId | None, behind: Link | None = None, most: int | None = None) -> Verdict:
        return await _verified(self._kept, tenant_id, behind, most)

    async def chains(self, limit: int, behind: Chain | None = None) -> Sequence[TenantId | None]:
        last = None if behind is None else behind.tenant_id or _PLATFORMS
        with answering(AuditUnavailableError, "keep the audit log"):
            async with self._database.platform() as connection:
                rows = await connection.fetch(_SQL["chains"], last, limit)
        return [None if row["tenant_id"] is None else TenantId(str(row["tenant_id"])) for row in rows]

    async def _kept(self, tenant_id: TenantId | None, after: int, limit: int) -> Sequence[Kept]:
        return await self._fetch("page", tenant_id, after, limit)

    async def _fetch(self, query: str, tenant_id: TenantId | None, *facts: int) -> Sequence[Kept]:
        with answering(AuditUnavailableError, "keep the audit log"):
            async with self._database.of(tenant_id) as connection:
                return [Kept(*row) for row in await connection.fetch(_SQL[query], tenant_id, *facts)]


async def _verified(
    read: Callable[[TenantId | None, int, int], Awaitable[Sequence[Kept]]],
    tenant_id: TenantId | None,
    behind: Link | None,
    most: int | None,
) -> Verdict:
    last = start(tenant_id) if behind is None else Kept(behind.number, "", bytes.fromhex(behind.digest))
    broken_at, end = None, None if most is None else last.number + most
    entries: Sequence[Kept] = ()
    while broken_at is None and (end is None or last.number < end):
        if not (entries := await read(tenant_id, last.number, PAGE if end is None else min(PAGE, end - last.number))):
            break
        broken_at = verify(tenant_id, entries, last)
        held = entries if broken_at is None else entries[: broken_at - last.number - 1]
        last = held[-1] if held else last
    whole = broken_at is not None or not entries
    return Verdict(tenant_id=tenant_id, held_to=last.number, digest=last.digest.hex(), broken_at=broken_at, whole=whole)
