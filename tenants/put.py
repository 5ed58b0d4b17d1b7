"""A tenant's document as an operator puts it: checked, loaded, stored, answering, and written into the tenant's file.

The folder stays the place where the current text lies. The answer comes when the file is on the disk, so that a restart
and an editor see what was accepted; whoever watches the folder finds nothing new in it.
"""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from msgspec import structs

from base.ids import TenantId
from pipelines.supervisor import Swap
from tenants.directory import Directory
from tenants.document import TenantDocument
from tenants.files import ENDINGS
from tenants.folder import TenantFolder
from tenants.known_files import written_id
from tenants.next_text import NotWrittenError, beside, delete, digest_of
from tenants.publishing import Keeper
from tenants.put_checks import PutChecks, expect
from tenants.put_errors import Current, Expected, FileTakenError, Published, StaleError
from tenants.revisions import RevisionStore

L = TypeVar("L")

log = structlog.get_logger()


class DocumentPuts(Generic[L]):
    """The documents of a folder's tenants are put and removed. Errors leave what answered answering.

    Every method that changes something raises TenantUnknownError where there is no such tenant, StaleError when
    `expected` is not the digest of its current text, and ReadOnlyFolderError before anything is changed; where that is
    found out last of all (NotWrittenError) what the file says is published once more.
    """

    def __init__(
        self, tenants: TenantFolder[L], revisions: RevisionStore, supervisor: Keeper[L], directory: Directory
    ) -> None:
        """The folder, which is open, and what it was given."""
        self._tenants = tenants
        self._owners = tenants.owners
        self._revisions = revisions
        self._supervisor = supervisor
        self._directory = directory
        self._checks = PutChecks(tenants.reader, revisions, supervisor)
        self.turn = self._checks.turn
        self.parsed = self._checks.parsed

    async def current(self, tenant_id: TenantId) -> Current | None:
        """The text that counts; None for a tenant that has no file, or of which nothing was ever accepted."""
        newest = await self._revisions.current(tenant_id)  # first: what follows waits for nothing, and is of one moment
        if (file := self._owners.file_of(tenant_id)) is None:
            return None
        if (known := self._tenants.known(tenant_id)) is None:
            # Its file cannot be used, and nothing may stand in for it: the newest was taken off the air, say.
            if newest is None:
                return None
            return Current(number=newest.number, digest=newest.digest, document=newest.document, file=file)
        status = self._owners.status_of(file)
        number = status.revision if status is not None else None
        if newest is not None and newest.digest == known.digest:
            number = newest.number
        return Current(number=number, digest=known.digest, document=known.raw, file=file)

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
        """This text is the tenant's from now on, in place of the one that is `expected`.

        A new tenant needs `create` and no `expected`. A dry run stops when everything is ready; what it cannot tell is
        that the database has another tenant of the slug. `swap` None: as for a file that is saved.
        Raises TooLargeError, DocumentError (all mistakes), NotReadyError (names the stage), FileTakenError.
        """
        await self.look(tenant_id)
        replace, lock = partial(self._put, dry_run=dry_run, swap=swap), self._tenants.locks[tenant_id]
        try:
            return await self._checks.put(tenant_id, raw, lock, self.current, replace, expected=expected, create=create)
        except NotWrittenError as error:
            await self._tenants.refresh([error.file])  # what it says counts
            raise

    async def remove(self, tenant_id: TenantId, *, expected: Expected | None) -> None:
        """The tenant's file is deleted, and no further call is taken; live ones end on what they have.

        Its revisions stay stored.
        """
        await self.look(tenant_id)
        async with self._tenants.locks[tenant_id]:
            current = await self.current(tenant_id)
            expect(current, expected, create=False)
            assert current is not None
            await delete(current.file)
            await self._tenants.forget(current.file, tenant_id)

    async def look(self, tenant_id: TenantId) -> None:
        """What was saved in the tenant's file, or became of it, a moment ago goes before what is put."""
        file, known = self._owners.file_of(tenant_id), self._tenants.known(tenant_id)
        if file is None or known is None or (status := self._owners.status_of(file)) is None or status.problems:
            return
        if (said := await digest_of(file)) is None:
            await self._tenants.look_again()  # it may have another name now
        elif said != known.digest:
            await self._tenants.refresh([file])

    async def _put(
        self, document: TenantDocument, current: Current | None, *, dry_run: bool, swap: Swap | None
    ) -> Published:
        file = await self._file_for(document)
        said, status = await digest_of(file), self._owners.status_of(file)
        well = status is not None and not status.problems
        if current is not None and said != current.digest and (status is None or well):
            raise StaleError(said)  # it may count, and was not looked at yet
        if current is not None and current.number is not None and current.digest == document.digest == said and well:
            return Published(number=current.number, digest=said, changed=False)
        if dry_run:
            return await self._tried(document, file)
        return await self._replaced(document, file, said, swap)

    async def _file_for(self, document: TenantDocument) -> Path:
        """The tenant's own; of a new one the file that is called as its slug. Raises FileTakenError, StaleError."""
        if (own := self._owners.file_of(document.tenant_id)) is not None:
            status = self._owners.status_of(own)
            if status is not None and status.tenant_id not in {None, document.tenant_id}:
                raise FileTakenError(own, status.tenant_id)  # somebody makes it this one's just now
            return own
        files = [self._tenants.folder / (document.spec.slug + ending) for ending in ENDINGS]
        for file in files:
            if not await asyncio.to_thread(os.path.lexists, file):
                continue
            if (owner := await asyncio.to_thread(written_id, file)) != document.tenant_id:
                raise FileTakenError(file, owner)
            if self._owners.status_of(file) is None:
                raise StaleError(await digest_of(file))  # somebody saves the tenant's first text just now
            return file
        return files[0]

    async def _replaced(self, document: TenantDocument, file: Path, said: str | None, swap: Swap | None) -> Published:
        tenant_id = document.tenant_id
        newest = await self._revisions.current(tenant_id)

        async def nobody_saved_it() -> None:
            if (now := await digest_of(file)) != said:
                raise StaleError(now)

        async with beside(file, document.raw, tenant_id) as text:
            of_file = structs.replace(document, file=str(file))
            async with self._checks.placed(document):
                number, told = await self._tenants.put(of_file, swap, nobody_saved_it)
            self._owners.put(file, document.digest)
            await text.take_place()
        await self._tenants.settle(of_file, told)
        changed = newest is None or newest.number != number
        log.info("document put", tenant=tenant_id, revision=number, changed=changed)
        return Published(number=number, digest=document.digest, changed=changed, problems=told.told)

    async def _tried(self, document: TenantDocument, file: Path) -> Published:
        async with beside(file, document.raw, document.tenant_id), self._tenants.room:
            return await self._checks.tried(document, self._directory)
