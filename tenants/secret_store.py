"""Where tenants' secrets are kept, sealed: no store ever holds, or is given, a value that can be read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import asyncpg
from msgspec import structs

from base.ids import TenantId
from tenants.database import Database, answering
from tenants.sealing import Sealed
from tenants.secret_rows import (
    MAX_LISTED,
    MAX_SECRETS,
    Change,
    Place,
    PlacedValue,
    SecretInfo,
    SecretRow,
    SecretsUnavailableError,
    TooManySecretsError,
    VersionTakenError,
    is_secret_name,
)
from tenants.sql import queries

_BEYOND: Final = 2**31 - 1
"""No version has a greater number."""


class SecretStore(Protocol):
    """Secrets by tenant; those of somebody else are in all of these as if they were not there. The contract of both.

    All raise SecretsUnavailableError.
    """

    async def newest(self, tenant_id: TenantId, name: str) -> SecretRow | None:
        """The newest version, also one whose value was erased."""
        ...

    async def add(self, tenant_id: TenantId, row: SecretRow) -> None:
        """Keep a next version; the value of the one before it is erased at `row.info.created_at`.

        Raises VersionTakenError and TooManySecretsError: nothing is changed then.
        """
        ...

    async def remove(self, tenant_id: TenantId, name: str, at: datetime) -> bool:
        """Erase the value; False when there is none."""
        ...

    async def list(self, tenant_id: TenantId) -> Sequence[SecretInfo]:
        """Those that have a value, by name."""
        ...

    async def history(
        self, tenant_id: TenantId, name: str, limit: int, before: int | None = None
    ) -> Sequence[SecretInfo]:
        """Versions, the newest first, of those less than `before`; `MAX_LISTED` at the most."""
        ...

    async def changes(self, since: datetime | None) -> Sequence[Change]:
        """Of all tenants what has changed after `since`; None: every value that there is."""
        ...

    async def by_key(self) -> Mapping[str, int]:
        """How many values of all tenants there are under each master key, by its id."""
        ...

    async def sealed_otherwise(self, key_id: str, after: Place | None, limit: int) -> Sequence[PlacedValue]:
        """Values of all tenants under another master key than this, in the order of their places, behind one."""
        ...

    async def seal_anew(self, place: Place, former: Sealed, value: Sealed) -> bool:
        """Keep the value sealed in another way; False when it is not what it was any more."""
        ...


class MemorySecrets:
    """Secrets for as long as the process lives. Its clock goes a microsecond with each change."""

    def __init__(self) -> None:
        self._rows: dict[Place, SecretRow] = {}
        self._changed: dict[Place, datetime] = {}
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    async def newest(self, tenant_id: TenantId, name: str) -> SecretRow | None:
        versions = self._of(tenant_id, name)
        return versions[-1] if versions else None

    async def add(self, tenant_id: TenantId, row: SecretRow) -> None:
        info = row.info
        place = Place(tenant_id, info.name, info.version)
        if place in self._rows:
            raise VersionTakenError(info.name, info.version)
        if sum(one.name != info.name for one in await self.list(tenant_id)) >= MAX_SECRETS:
            raise TooManySecretsError
        await self.remove(tenant_id, info.name, info.created_at)
        self._keep(place, row)

    async def remove(self, tenant_id: TenantId, name: str, at: datetime) -> bool:
        former = await self.newest(tenant_id, name)
        if former is None or former.value is None:
            return False
        erased = SecretRow(info=structs.replace(former.info, erased_at=at), value=None)
        self._keep(Place(tenant_id, name, former.info.version), erased)
        return True

    async def list(self, tenant_id: TenantId) -> Sequence[SecretInfo]:
        rows = (row for place, row in sorted(self._rows.items(), key=_place) if place.tenant_id == tenant_id)
        return [row.info for row in rows if row.value is not None]

    async def history(
        self, tenant_id: TenantId, name: str, limit: int, before: int | None = None
    ) -> Sequence[SecretInfo]:
        below = [row.info for row in self._of(tenant_id, name) if before is None or row.info.version < before]
        return below[::-1][: min(limit, MAX_LISTED)]

    async def changes(self, since: datetime | None) -> Sequence[Change]:
        found = [
            Change(
                tenant_id=place.tenant_id,
                name=place.name,
                version=place.version,
                kept=self._rows[place].value is not None,
                changed_at=at,
            )
            for place, at in sorted(self._changed.items(), key=lambda one: one[1])
        ]
        return [one for one in found if (one.kept if since is None else one.changed_at > since)]

    async def by_key(self) -> Mapping[str, int]:
        return Counter(row.value.key_id for row in self._rows.values() if row.value is not None)

    async def sealed_otherwise(self, key_id: str, after: Place | None, limit: int) -> Sequence[PlacedValue]:
        return [
            PlacedValue(place, row.value)
            for place, row in sorted(self._rows.items(), key=_place)
            if row.value is not None and row.value.key_id != key_id and (after is None or place > after)
        ][:limit]

    async def seal_anew(self, place: Place, former: Sealed, value: Sealed) -> bool:
        row = self._rows.get(place)
        if row is None or row.value != former:
            return False
        self._rows[place] = structs.replace(row, value=value)
        return True

    def _of(self, tenant_id: TenantId, name: str) -> Sequence[SecretRow]:
        rows = sorted(self._rows.items(), key=_place)
        return [row for place, row in rows if (place.tenant_id, place.name) == (tenant_id, name)]

    def _keep(self, place: Place, row: SecretRow) -> None:
        self._now += timedelta(microseconds=1)
        self._rows[place], self._changed[place] = row, self._now


def _place(item: tuple[Place, SecretRow]) -> Place:
    return item[0]


_SQL: Final = queries("secrets")
_WHAT: Final = "tell of secrets"
_FIRST: Final = Place(TenantId("00000000-0000-0000-0000-000000000000"), "", 0)


class PostgresSecrets:
    """Secrets in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, tenant_id: TenantId, name: str) -> SecretRow | None:
        if not is_secret_name(name):
            return None
        rows = await self._fetch("newest", tenant_id, name)
        return None if not rows else SecretRow(info=_info(rows[0]), value=_value(rows[0]))

    async def add(self, tenant_id: TenantId, row: SecretRow) -> None:
        info, value = row.info, row.value
        assert value is not None, "what is added has a value"
        facts = (info.name, info.version, info.created_at, info.created_by, value.key_id, value.sealed, MAX_SECRETS)
        with answering(SecretsUnavailableError, _WHAT):
            try:
                async with self._database.tenant(tenant_id) as connection:
                    await connection.fetchval(_SQL["erase"], tenant_id, info.name, info.created_at)
                    if not await connection.fetchval(_SQL["add"], tenant_id, *facts):
                        raise TooManySecretsError  # and nothing is erased
            except asyncpg.UniqueViolationError as error:
                raise VersionTakenError(info.name, info.version) from error

    async def remove(self, tenant_id: TenantId, name: str, at: datetime) -> bool:
        return is_secret_name(name) and bool(await self._fetch("erase", tenant_id, name, at))

    async def list(self, tenant_id: TenantId) -> Sequence[SecretInfo]:
        return [_info(row) for row in await self._fetch("list", tenant_id)]

    async def history(
        self, tenant_id: TenantId, name: str, limit: int, before: int | None = None
    ) -> Sequence[SecretInfo]:
        if not is_secret_name(name):
            return []
        below = _BEYOND if before is None else before
        return [_info(row) for row in await self._fetch("history", tenant_id, name, below, min(limit, MAX_LISTED))]

    async def changes(self, since: datetime | None) -> Sequence[Change]:
        rows = await (self._of_all("all_kept") if since is None else self._of_all("changed", since))
        return [Change(**{**row, "tenant_id": TenantId(str(row["tenant_id"]))}) for row in rows]

    async def by_key(self) -> Mapping[str, int]:
        return {row["key_id"]: row["secrets"] for row in await self._of_all("by_key")}

    async def sealed_otherwise(self, key_id: str, after: Place | None, limit: int) -> Sequence[PlacedValue]:
        begin = structs.astuple(after or _FIRST)
        rows = await self._of_all("sealed_otherwise", key_id, *begin, limit)
        return [
            PlacedValue(
                Place(TenantId(str(row["tenant_id"])), row["name"], row["version"]),
                Sealed(row["key_id"], row["sealed"]),
            )
            for row in rows
        ]

    async def seal_anew(self, place: Place, former: Sealed, value: Sealed) -> bool:
        facts = (*structs.astuple(place), value.key_id, value.sealed, former.sealed)
        return bool(await self._of_all("seal_anew", *facts))

    async def _fetch(self, query: str, tenant_id: TenantId, *facts: object) -> Sequence[Any]:
        with answering(SecretsUnavailableError, _WHAT):
            async with self._database.tenant(tenant_id) as connection:
                found: Sequence[Any] = await connection.fetch(_SQL[query], tenant_id, *facts)
                return found

    async def _of_all(self, query: str, *facts: object) -> Sequence[Any]:
        with answering(SecretsUnavailableError, _WHAT):
            async with self._database.platform() as connection:
                found: Sequence[Any] = await connection.fetch(_SQL[query], *facts)
                return found


def _info(row: Any) -> SecretInfo:
    return SecretInfo(**{name: row[name] for name in SecretInfo.__struct_fields__})


def _value(row: Any) -> Sealed | None:
    return None if row["sealed"] is None else Sealed(row["key_id"], row["sealed"])
