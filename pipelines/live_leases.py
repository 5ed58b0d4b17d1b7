"""Which leases are held now, of whom, and since when nobody was rung."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from base.ids import AssistantName, TenantId
from pipelines.leases import Lease


class LiveLeases:
    """By tenant. A call counts for the assistant that it was given, whatever it changes over to."""

    def __init__(self) -> None:
        self._of: dict[TenantId, set[Lease]] = {}
        self._rung_at: dict[TenantId, float] = {}
        self._live: Counter[tuple[TenantId, AssistantName]] = Counter()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def total(self) -> int:
        """Calls in progress."""
        return self._live.total()

    def count(self, tenant_id: TenantId, assistant: AssistantName) -> int:
        """Calls in progress of an assistant."""
        return self._live[tenant_id, assistant]

    def of(self, tenant_id: TenantId) -> tuple[Lease, ...]:
        """Those of a tenant."""
        return tuple(self._of.get(tenant_id, ()))

    def rung_at(self, tenant_id: TenantId) -> float:
        """Loop time of the last call; 0 when there was none."""
        return self._rung_at.get(tenant_id, 0.0)

    def forget(self, tenant_id: TenantId) -> None:
        """When it was rung; what is held is held on."""
        self._rung_at.pop(tenant_id, None)

    async def none_left(self) -> None:
        """Return when no call is in progress."""
        await self._quiet.wait()

    @asynccontextmanager
    async def held(self, tenant_id: TenantId, assistant: AssistantName, lease: Lease) -> AsyncIterator[Lease]:
        """The lease is a call's until the block ends; then it is closed."""
        self._live[tenant_id, assistant] += 1
        self._quiet.clear()
        self._rung_at[tenant_id] = asyncio.get_running_loop().time()
        leases = self._of.setdefault(tenant_id, set())
        leases.add(lease)
        try:
            yield lease
        finally:
            lease.close()
            leases.discard(lease)
            if not leases and self._of.get(tenant_id) is leases:
                del self._of[tenant_id]
            self._live[tenant_id, assistant] -= 1
            self._live += Counter()  # Drops the zeros.
            if not self._live:
                self._quiet.set()
