"""A checker of API keys on a clock and a store that do as they are told."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest

from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from tenants.api_key_store import KeysUnavailableError, MemoryApiKeys
from tenants.api_keys import ApiKey, KeyRow, new_key
from tenants.key_checker import KeyChecker, KeyRefusedError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
OTHER = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b11")
PEPPER = Secret("p" * 32)


class Clock:
    """Both clocks, which go when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


class Store(MemoryApiKeys):
    """A store that counts, and fails or waits when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.finds = 0
        self.uses: list[datetime] = []
        self.away = False
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def find(self, key_id: ApiKeyId) -> KeyRow | None:
        self.finds += 1
        found = await super().find(key_id)
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise KeysUnavailableError("away")
        return found

    async def used(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> None:
        self.uses.append(at)
        if self.failure is not None:
            raise self.failure
        await super().used(tenant_id, key_id, at)

    async def revoke(self, tenant_id: TenantId | None, key_id: ApiKeyId, at: datetime) -> bool:
        if self.away:
            raise KeysUnavailableError("away")
        return await super().revoke(tenant_id, key_id, at)


class Door:
    """A checker with all that it stands on, and one key of a tenant."""

    def __init__(self, max_cached: int = 10_000) -> None:
        self.clock, self.store = Clock(), Store()
        self.checker = KeyChecker(self.store, PEPPER, self.clock, max_cached=max_cached, answer_timeout_s=0.05)

    async def key(self, tenant_id: TenantId | None = TENANT, days: float | None = None) -> tuple[ApiKey, str]:
        now = self.clock.now()
        expires_at = None if days is None else now + timedelta(days=days)
        role = "platform-admin" if tenant_id is None else "tenant-viewer"
        row, text = new_key(tenant_id, role, "Site", pepper=PEPPER, created_at=now, expires_at=expires_at)
        await self.store.add(tenant_id, row)
        return row.key, text.reveal()


async def refused(checking: Awaitable[ApiKey]) -> tuple[str, str | None]:
    with pytest.raises(KeyRefusedError) as caught:
        await checking
    assert str(caught.value) == "the API key is refused", "nobody outside is told why"
    return caught.value.reason, caught.value.key_id
