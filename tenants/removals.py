"""Tenants whose files are gone, told to the processes that know them from the database alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from base.ids import TenantId
from base.tasks import beside
from tenants.folder import TenantFolder
from tenants.following import OUTAGES
from tenants.revisions import ChangeFeed

PAUSE_S: Final = 1.0

log = structlog.get_logger()


class Removals:
    """Of the process whose folder says which tenants there are."""

    def __init__(self, feed: ChangeFeed, alone: Callable[[], Awaitable[bool]]) -> None:
        """`alone` says whether the database is this node's: another's tenants have no files here, and are not gone."""
        self._feed = feed
        self._alone = alone
        self._gone: set[TenantId] = set()
        self._news = asyncio.Event()

    def gone(self, tenant_id: TenantId) -> None:
        """The tenant's file is no more. Never waits."""
        self._gone.add(tenant_id)
        self._news.set()

    @asynccontextmanager
    async def told(self, tenants: TenantFolder[Any]) -> AsyncIterator[None]:
        """While the block runs; first of those that have gone while no process looked."""
        async with beside(tell_of_tenants_that_are_gone=self._tell(tenants)):
            yield

    async def _tell(self, tenants: TenantFolder[Any]) -> None:
        looked = False
        while True:
            try:
                if not looked and await self._alone():
                    self._gone |= {one.tenant_id for one in await self._feed.changes() if not one.removed}
                elif not looked:
                    log.error("other nodes use the database, too: set ATENDE_TENANTS=database on all of them")
                looked = True
                await self._round(tenants)
            except OUTAGES as error:
                log.warning("which tenants are gone is told later", error=repr(error))
                await asyncio.sleep(PAUSE_S)
                continue
            await self._news.wait()

    async def _round(self, tenants: TenantFolder[Any]) -> None:
        self._news.clear()
        while self._gone:
            tenant_id = next(iter(self._gone))
            if tenants.owners.file_of(tenant_id) is None:  # else it is there, or there again
                await self._feed.remove(tenant_id)
            self._gone.discard(tenant_id)
