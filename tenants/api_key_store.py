"""Where API keys are kept: by tenant, those of the platform under None."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import asyncpg
from msgspec import Struct, structs

from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from pipelines.events import Event, EventData, Tell, event, told_to_nobody
from tenants.api_keys import ApiKey, KeyInvalidError, KeyRow, is_key_id
from tenants.database import Database, answering
from tenants.event_store import written
from tenants.sql import queries

MAX_KEYS: Final = 500
"""That are not revoked, of one tenant or of the platform. Those who add at the same time may exceed it a little."""


class TooManyKeysError(Exception):
    """There are `MAX_KEYS` that are not revoked."""

    def __init__(self) -> None:
        super().__init__(f"there are {MAX_KEYS} keys; revoke those that are not used any more")


class TenantUnpublishedError(LookupError):
    """The tenant has no row: no document of it was ever published."""


class KeysUnavailableError(Exception):
    """What is kept cannot be asked now: another time it may."""


class KeyPlace(Struct, frozen=True):
    """Where a list of keys goes on: behind this one. One that is revoked meanwhile comes once more, none is missed."""

    revoked: bool
    created_at: datetime
    id: ApiKeyId

    @property
    def rank(self) -> tuple[bool, timedelta, str]:
        """Increasing in the order of the list."""
        return self.revoked, _BEGINNING - self.created_at, self.id


_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def place_of(key: ApiKey) -> KeyPlace:
    return KeyPlace(key.revoked_at is not None, key.created_at, key.id)


class ApiKeyStore(Protocol):
    """Keys by tenant. A key of somebody else is in all of these as if it were not there. The contract of both stores.

    That a key was made and revoked are events, which are kept with it.

    All raise KeysUnavailableError.
    """

    async def add(self, tenant_id: TenantId | None, row: KeyRow) -> None:
        """Keep a key of this tenant; of the platform when None.

        Raises KeyInvalidError for a key of another or an id that is taken, TooManyKeysError, TenantUnpublishedError.
        """
        ...

    async def list(self, tenant_id: TenantId | None, limit: int, behind: KeyPlace | None = None) -> Sequence[ApiKey]:
        """At most `limit`, those `behind` a place: all that are not revoked, then those that are, the newest first."""
        ...

    async def revoke(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> bool:
        """The key opens nothing any more; False when there is none. The first time of revoking stays."""
        ...

    async def used(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> None:
        """The key opened at that time; an earlier time than the one that is kept changes nothing."""
        ...

    async def find(self, key_id: ApiKeyId) -> KeyRow | None:
        """The key of this id. It alone has no tenant: whose the key is, is what is asked."""
        ...


class MemoryApiKeys:
    """Keys for as long as the process lives. `tenants` are those that were published; None: everyone was."""

    def __init__(self, tenants: Collection[TenantId] | None = None, tell: Tell = told_to_nobody) -> None:
        self._tenants = tenants
        self._tell = tell
        self._rows: dict[ApiKeyId, KeyRow] = {}

    async def add(self, tenant_id: TenantId | None, row: KeyRow) -> None:
        _refuse_foreign(tenant_id, row)
        if row.key.id in self._rows:
            raise _taken(row)
        if sum(key.revoked_at is None for key in self._of(tenant_id)) >= MAX_KEYS:
            raise TooManyKeysError
        if tenant_id is not None and self._tenants is not None and tenant_id not in self._tenants:
            raise _unpublished(tenant_id)
        self._rows[row.key.id] = row
        self._tell(_made(row.key))

    async def list(self, tenant_id: TenantId | None, limit: int, behind: KeyPlace | None = None) -> Sequence[ApiKey]:
        return sorted((key for key in self._of(tenant_id) if behind is None or _rank(key) > behind.rank), key=_rank)[
            :limit
        ]

    async def revoke(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> bool:
        key = self._get(tenant_id, key_id)
        if key is not None and key.revoked_at is None:
            self._change(key, revoked_at=at)
            self._tell(_revoked(key.tenant_id, key.id, at))
        return key is not None

    async def used(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> None:
        key = self._get(tenant_id, key_id)
        if key is not None and (key.last_used_at is None or key.last_used_at < at):
            self._change(key, last_used_at=at)

    async def find(self, key_id: ApiKeyId) -> KeyRow | None:
        return self._rows.get(key_id)

    def _of(self, tenant_id: TenantId | None) -> Sequence[ApiKey]:
        return [row.key for row in self._rows.values() if row.key.tenant_id == tenant_id]

    def _get(self, tenant_id: TenantId | None, key_id: ApiKeyId) -> ApiKey | None:
        row = self._rows.get(key_id)
        return row.key if row is not None and row.key.tenant_id == tenant_id else None

    def _change(self, key: ApiKey, **times: datetime) -> None:
        self._rows[key.id] = structs.replace(self._rows[key.id], key=structs.replace(key, **times))


def _rank(key: ApiKey) -> tuple[bool, timedelta, str]:
    return place_of(key).rank


_SQL: Final = queries("api_keys")


class PostgresApiKeys:
    """Keys in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tenant_id: TenantId | None, row: KeyRow) -> None:
        _refuse_foreign(tenant_id, row)
        key = row.key
        facts = (tenant_id, key.id, key.role, key.name, bytes.fromhex(row.digest.reveal()))
        times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
        with answering(KeysUnavailableError, "tell of API keys"):
            try:
                async with self._database.of(tenant_id) as connection:
                    added = await connection.fetchval(_SQL["add"], *facts, *times, MAX_KEYS)
                    if added:
                        await written(connection, tenant_id, _made(key))
            except asyncpg.UniqueViolationError as error:
                raise _taken(row) from error
            except asyncpg.ForeignKeyViolationError as error:
                raise _unpublished(tenant_id) from error
        if not added:
            raise TooManyKeysError

    async def list(self, tenant_id: TenantId | None, limit: int, behind: KeyPlace | None = None) -> Sequence[ApiKey]:
        place = (None, None, None) if behind is None else (behind.revoked, behind.created_at, behind.id)
        with answering(KeysUnavailableError, "tell of API keys"):
            async with self._database.of(tenant_id) as connection:
                return [_key(row) for row in await connection.fetch(_SQL["list"], tenant_id, limit, *place)]

    async def revoke(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> bool:
        if not is_key_id(key_id):
            return False
        with answering(KeysUnavailableError, "tell of API keys"):
            async with self._database.of(tenant_id) as connection:
                found = await connection.fetchval(_SQL["revoke"], tenant_id, key_id, at)
                if found:
                    await written(connection, tenant_id, _revoked(tenant_id, key_id, at))
        return bool(found)

    async def used(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> None:
        if not is_key_id(key_id):
            return
        with answering(KeysUnavailableError, "tell of API keys"):
            async with self._database.of(tenant_id) as connection:
                await connection.execute(_SQL["used"], tenant_id, key_id, at)

    async def find(self, key_id: ApiKeyId) -> KeyRow | None:
        if not is_key_id(key_id):
            return None
        with answering(KeysUnavailableError, "tell of API keys"):
            async with self._database.key_holder(key_id) as connection:
                row = await connection.fetchrow(_SQL["find"], key_id)
        return None if row is None else KeyRow(key=_key(row), digest=Secret(row["digest"].hex()))


def _key(row: Any) -> ApiKey:
    names = ("id", "role", "name", "created_at", "expires_at", "last_used_at", "revoked_at")
    tenant_id = None if row["tenant_id"] is None else TenantId(str(row["tenant_id"]))
    return ApiKey(tenant_id=tenant_id, **{name: row[name] for name in names})


def _made(key: ApiKey) -> Event:
    return event(key.tenant_id, key.created_at, "key.created", key.id, EventData(role=key.role), once=True)


def _revoked(tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> Event:
    return event(tenant_id, at, "key.revoked", key_id, once=True)


def _refuse_foreign(tenant_id: TenantId | None, row: KeyRow) -> None:
    if row.key.tenant_id != tenant_id:
        raise KeyInvalidError(f"the key {row.key.id} is of {row.key.tenant_id or 'the platform'}")


def _taken(row: KeyRow) -> KeyInvalidError:
    return KeyInvalidError(f"the id {row.key.id} is taken")


def _unpublished(tenant_id: TenantId | None) -> TenantUnpublishedError:
    return TenantUnpublishedError(f"no document of the tenant {tenant_id} was ever published")
