"""A tenant's document as an operator puts it, where documents are kept in the database alone: no file is written.

Whoever puts it loads it first, so that what cannot be loaded is never stored; every other process takes it up from the
database (`tenants/following.py`).
"""

from functools import partial
from typing import Generic, TypeVar

import structlog
from msgspec import structs

from base.ids import TenantId
from pipelines.supervisor import Swap
from tenants.directory import Directory
from tenants.document import TenantDocument
from tenants.folder import TenantFolder
from tenants.publishing import Keeper
from tenants.put_checks import PutChecks, expect
from tenants.put_errors import Current, Expected, Published
from tenants.revisions import ChangeFeed, RevisionStore
from tenants.texts import StoredTexts

L = TypeVar("L")

log = structlog.get_logger()


class StoredPuts(Generic[L]):
    """As `DocumentPuts`; what is stored counts, whoever has stored it."""

    def __init__(
        self,
        tenants: TenantFolder[L],
        revisions: RevisionStore,
        feed: ChangeFeed,
        supervisor: Keeper[L],
        directory: Directory,
        texts: StoredTexts,
        *,
        swap: Swap = "turn",
    ) -> None:
        """`tenants` are of `texts`, and open; `revisions` and `feed` are the database's own. `swap`: where nobody says
        what becomes of live calls.
        """
        self._swap: Swap = swap
        self._tenants = tenants
        self._owners = tenants.owners
        self._revisions = revisions
        self._feed = feed
        self._directory = directory
        self._texts = texts
        self._checks = PutChecks(tenants.reader, revisions, supervisor)
        self.turn = self._checks.turn
        self.parsed = self._checks.parsed

    async def current(self, tenant_id: TenantId) -> Current | None:
        """The newest text; None for a tenant of which there is none, or that was removed."""
        newest = await self._revisions.current(tenant_id)
        if newest is None or self._texts.row(tenant_id) is None:
            return None
        file = self._texts.file(tenant_id)
        return Current(number=newest.number, digest=newest.digest, document=newest.document, file=file)

    async def look(self, tenant_id: TenantId) -> None:
        """What is stored is read when it is asked for: there is nothing to look at first."""

    async def put(
        self,
        tenant_id: TenantId,
        raw: bytes,
        *,
        expected: Expected | None,
        create: bool = False,
        dry_run: bool = False,
        swap: Swap | None = None,
    ) -> Published:
        """See `DocumentPuts`; `swap` is for every process that takes it up. Raises no FileTakenError."""
        replace, lock = partial(self._put, dry_run=dry_run, swap=swap), self._tenants.locks[tenant_id]
        return await self._checks.put(tenant_id, raw, lock, self.current, replace, expected=expected, create=create)

    async def remove(self, tenant_id: TenantId, *, expected: Expected | None) -> None:
        """No process takes a further call of the tenant; live ones end on what they have. Its revisions stay."""
        async with self._tenants.locks[tenant_id]:
            current = await self.current(tenant_id)
            expect(current, expected, create=False)
            await self._feed.remove(tenant_id)
            self._texts.drop(tenant_id)
            await self._tenants.forget(self._texts.file(tenant_id), tenant_id)

    async def _put(
        self, document: TenantDocument, current: Current | None, *, dry_run: bool, swap: Swap | None
    ) -> Published:
        file = self._texts.file(document.tenant_id)
        status = self._owners.status_of(file)
        well = status is not None and not status.problems
        if current is not None and current.number is not None and current.digest == document.digest and well:
            return Published(number=current.number, digest=document.digest, changed=False)
        if dry_run:
            async with self._tenants.room:
                return await self._checks.tried(document, self._directory)
        document = structs.replace(document, file=str(file))
        async with self._checks.placed(document):
            number, told = await self._tenants.put(document, swap or self._swap, revisions=self._revisions)
        if (row := await self._revisions.get(document.tenant_id, number)) is not None:
            self._texts.keep(document.tenant_id, row)
        self._owners.put(file, document.digest)
        await self._tenants.settle(document, told)
        changed = current is None or current.number != number
        log.info("document put", tenant=document.tenant_id, revision=number, changed=changed)
        return Published(number=number, digest=document.digest, changed=changed, problems=told.told)
