"""Tenants that take calls and are loaded by their first: each once, however many ask, and the others one by one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from base.ids import TenantId
from base.tasks import given_up
from tenants.document import TenantDocument

log = structlog.get_logger()


class ColdTenants:
    """By tenant, the document that is to be loaded. Whoever loads it takes it out."""

    def __init__(self, load: Callable[[TenantDocument], Coroutine[Any, Any, None]], go_on: Callable[[], bool]) -> None:
        """`load` may raise; the tenant stays cold then, if it is not taken out. `go_on` says whether to load behind."""
        self._load = load
        self._go_on = go_on
        self._of: dict[TenantId, TenantDocument] = {}
        self._loading: dict[TenantId, asyncio.Task[None]] = {}
        self._behind: asyncio.Task[None] | None = None

    def __contains__(self, tenant_id: TenantId) -> bool:
        return tenant_id in self._of

    def get(self, tenant_id: TenantId) -> TenantDocument | None:
        """What is to be loaded of a tenant."""
        return self._of.get(tenant_id)

    def put(self, document: TenantDocument) -> None:
        """It waits from now on."""
        self._of[document.tenant_id] = document

    def take(self, tenant_id: TenantId) -> None:
        """It is loaded, or gone. Idempotent."""
        self._of.pop(tenant_id, None)

    async def loaded(self, tenant_id: TenantId, timeout_s: float) -> None:
        """Return when the tenant does not wait any more. Raises what loading raises, and TimeoutError."""
        if tenant_id in self._of:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._begin(tenant_id))

    def load_behind(self) -> None:
        """All of them, one after the other, so that who is rung meanwhile does not wait behind the others."""
        if self._of:
            log.info("tenants are loaded behind", tenants=len(self._of))
            self._behind = asyncio.create_task(self._load_all(), name="load the other tenants")

    async def close(self) -> None:
        """Load nothing more. Idempotent."""
        await given_up([*self._loading.values(), *([self._behind] if self._behind is not None else [])])

    async def _load_all(self) -> None:
        for tenant_id in list(self._of):
            if tenant_id in self._of and self._go_on():
                await asyncio.wait({self._begin(tenant_id)})

    def _begin(self, tenant_id: TenantId) -> asyncio.Task[None]:
        if tenant_id not in self._loading:
            task = asyncio.create_task(self._load(self._of[tenant_id]), name=f"load {tenant_id}")
            self._loading[tenant_id] = task
            task.add_done_callback(lambda done: self._ended(tenant_id, done))
        return self._loading[tenant_id]

    def _ended(self, tenant_id: TenantId, task: asyncio.Task[None]) -> None:
        self._loading.pop(tenant_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("tenant not loaded", tenant=tenant_id, error=str(error))
