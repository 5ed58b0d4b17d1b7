"""What others have stored is taken up: a process's tenants are kept equal to the database's.

The database is asked four times a second what has changed since, by one query of an index. What is new is loaded beside
what answers and takes its place when it is ready; where it cannot be loaded the former goes on, the tenant's status
says why, and it is tried again. A tenant that was removed takes no further call. While the database is away everything
stays as it is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import asyncpg
import structlog
from msgspec import structs

from base.ids import TenantId
from base.tasks import given_up
from pipelines.events import Event, Tell, event
from tenants.folder import TenantFolder
from tenants.revisions import ChangeFeed, RevisionStore, TenantChange
from tenants.texts import StoredTexts

PERIOD_S: Final = 0.25
OVERLAP: Final = timedelta(seconds=60)
"""A transaction that began earlier may be seen later: what changed so long before is looked at again. None lasts as
long."""
AT_ONCE: Final = 4
"""Texts that are fetched at the same time."""
FIRST_PAUSE_S: Final = 1.0
MOST_S: Final = 60.0
"""What could not be taken up, for the sake of another tenant, say, is tried again after a pause between the two."""
OUTAGES: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

log = structlog.get_logger()


def told_once(texts: StoredTexts, tell: Tell) -> Tell:
    """What a folder of stored texts tells, as one event for all processes that find the same mistakes in a revision."""

    def once(told: Event) -> None:
        # A text that cannot be read is named by its tenant's id.
        tenant_id = told.tenant_id or TenantId(told.subject)
        if (row := texts.row(tenant_id)) is not None:
            what = f"{row.number} {told.data.problems}"
            key = event(tenant_id, told.at, told.kind, what, once=True).key
            tell(structs.replace(told, tenant_id=tenant_id, key=key))

    return once


class Follower:
    """One process's. `begin` before the tenants are opened, `following` once they are."""

    def __init__(
        self, feed: ChangeFeed, revisions: RevisionStore, texts: StoredTexts, *, period_s: float = PERIOD_S
    ) -> None:
        self._feed = feed
        self._revisions = revisions
        self._texts = texts
        self._period_s = period_s
        self._room = asyncio.Semaphore(AT_ONCE)
        self._since: datetime | None = None
        self._seen: dict[TenantId, datetime] = {}
        self._busy: dict[TenantId, asyncio.Task[None]] = {}
        self._away = False

    async def begin(self) -> None:
        """Read what is stored of every tenant. Raises what the database raises."""
        changes = await self._feed.changes()
        await asyncio.gather(*(self._fetch(change.tenant_id) for change in changes if not change.removed))
        self._note(changes)

    @asynccontextmanager
    async def following(self, tenants: TenantFolder[Any]) -> AsyncIterator[None]:
        """While the block runs. What is being loaded when it ends is given up."""
        task = asyncio.create_task(self._follow(tenants), name="follow the database")
        try:
            yield
        finally:
            await given_up([task, *self._busy.values()])

    async def _follow(self, tenants: TenantFolder[Any]) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            try:
                await self._look(tenants)
            except OUTAGES as error:
                if not self._away:
                    log.warning("what has changed cannot be asked: everything stays as it is", error=repr(error))
                self._away = True
            except Exception:
                log.exception("the database could not be followed")
            else:
                self._away = False

    async def _look(self, tenants: TenantFolder[Any]) -> None:
        since = None if self._since is None else self._since - OVERLAP
        changes = await self._feed.changes(since)
        news = [change for change in changes if self._seen.get(change.tenant_id) != change.changed_at]
        self._note(changes)
        for change in news:
            if change.removed:
                self._texts.drop(change.tenant_id)
            former = self._busy.get(change.tenant_id)
            taking = self._take_up(tenants, change, former)
            task = asyncio.create_task(taking, name=f"take up {change.tenant_id}")
            self._busy[change.tenant_id] = task
            task.add_done_callback(partial(self._ended, change.tenant_id))

    def _note(self, changes: Iterable[TenantChange]) -> None:
        for change in changes:
            self._seen[change.tenant_id] = change.changed_at
            self._since = max(self._since or change.changed_at, change.changed_at)

    def _ended(self, tenant_id: TenantId, task: asyncio.Task[None]) -> None:
        if self._busy.get(tenant_id) is task:
            del self._busy[tenant_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a tenant could not be taken up", tenant=tenant_id, error=repr(error), exc_info=error)

    async def _take_up(
        self, tenants: TenantFolder[Any], change: TenantChange, former: asyncio.Task[None] | None
    ) -> None:
        """Until it is done; a later change of the tenant ends it."""
        if former is not None:
            former.cancel()
            await asyncio.wait({former})
        tenant_id, pause_s = change.tenant_id, FIRST_PAUSE_S
        while True:
            try:
                if not change.removed:
                    await self._fetch(tenant_id)
                if await tenants.take_up(self._texts.file(tenant_id)):
                    return
            except OUTAGES as error:
                log.warning("a tenant is taken up later", tenant=tenant_id, error=repr(error))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MOST_S)

    async def _fetch(self, tenant_id: TenantId) -> None:
        async with self._room:
            row = await self._revisions.current(tenant_id)
        if row is not None:
            self._texts.keep(tenant_id, row)
