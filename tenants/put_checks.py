"""What every text that is put has to pass, wherever it is kept: reading, a dry run, and how refusals are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, Generic, TypeVar

import structlog
from msgspec import structs

from base.ids import TenantId
from pipelines.problems import SpecError
from processors.factory import PrepareError
from tenants.directory import Directory, NumberConflictError, TenantUnknownError
from tenants.document import TenantDocument
from tenants.errors import DocumentError, Located
from tenants.nodes import MAX_BYTES
from tenants.notices import notices
from tenants.placing import placed, placed_at
from tenants.publishing import Keeper, publish
from tenants.put_errors import Current, Expected, NotReadyError, OneOf, Published, StaleError, TooLargeError
from tenants.reading import DocumentReader
from tenants.revisions import RaceLostError, RevisionStore, SlugTakenError

L = TypeVar("L")

MAX_DOCUMENT_BYTES: Final = MAX_BYTES
NAME: Final = "document"
"""In the place of a file's name in what is told of a text that was put: the server's folders are nobody's business."""

log = structlog.get_logger()


class _DryRunOverError(Exception):
    """Everything was made ready, and nothing is to be stored."""


class PutChecks(Generic[L]):
    """For one process."""

    def __init__(self, reader: DocumentReader, revisions: RevisionStore, supervisor: Keeper[L]) -> None:
        self._reader = reader
        self._revisions = revisions
        self._supervisor = supervisor
        self.turn = asyncio.Semaphore(1)
        """Texts are read, and compared, one after the other: who puts many takes no more time from the calls."""

    async def parsed(self, tenant_id: TenantId, raw: bytes) -> TenantDocument:
        """The tenant's document. Raises DocumentError, also for another tenant's."""
        try:
            async with self.turn:
                document = await self._reader.parse(raw, NAME)
        except DocumentError:
            raise
        except Exception as error:
            # A stage's own bug while its settings were read.
            log.exception("a document could not be read", tenant=tenant_id)
            whole = Located(file=NAME, line=0, column=0, path="$", message=repr(error))
            raise DocumentError([whole]) from error
        if document.tenant_id != tenant_id:
            told = f"this is tenant {document.tenant_id}; the text was put as that of {tenant_id}"
            raise DocumentError([await asyncio.to_thread(placed_at, document, "$.id", told)])
        return document

    async def put(
        self,
        tenant_id: TenantId,
        raw: bytes,
        lock: AbstractAsyncContextManager[object],
        current: Callable[[TenantId], Awaitable[Current | None]],
        replace: Callable[[TenantDocument, Current | None], Awaitable[Published]],
        *,
        expected: Expected | None,
        create: bool,
    ) -> Published:
        """`replace` is told of the document and of what it is to be put in the place of, with the tenant's `lock` held.

        What is there is asked for twice: reading takes its time. Raises what `expect` and `parsed` do, TooLargeError.
        """
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise TooLargeError(len(raw), MAX_DOCUMENT_BYTES)
        expect(await current(tenant_id), expected, create=create)
        document = await self.parsed(tenant_id, raw)
        told = tuple(await asyncio.to_thread(notices, document))
        async with lock:
            now = await current(tenant_id)
            expect(now, expected, create=create)
            published = await replace(document, now)
        return structs.replace(published, notices=told)

    async def tried(self, document: TenantDocument, directory: Directory) -> Published:
        """What a dry run says: everything is made ready, and nothing kept. Raises what `placed` does."""
        newest = await self._revisions.current(document.tenant_id)

        async def over() -> None:
            raise _DryRunOverError

        async with self.placed(document):
            with suppress(_DryRunOverError):
                await publish(document, self._revisions, self._supervisor, directory, confirm=over)
        changed = newest is None or newest.digest != document.digest
        number = (newest.number if newest is not None else 0) + changed
        return Published(number=number, digest=document.digest, changed=changed)

    @asynccontextmanager
    async def placed(self, document: TenantDocument) -> AsyncIterator[None]:
        """What publishing refuses, as it is told to who put the document."""
        try:
            yield
        except (SpecError, SlugTakenError, NumberConflictError) as error:
            self._supervisor.forget_failure(document.tenant_id)
            raise DocumentError(await asyncio.to_thread(placed, document, error)) from error
        except PrepareError as error:
            self._supervisor.forget_failure(document.tenant_id)
            raise NotReadyError(await asyncio.to_thread(placed, document, error)) from error
        except RaceLostError as error:
            newest = await self._revisions.current(document.tenant_id)
            raise StaleError(newest.digest if newest is not None else None) from error


def expect(current: Current | None, expected: Expected | None, *, create: bool) -> None:
    """Raises TenantUnknownError, and StaleError when what is there is not `expected`."""
    if current is None:
        if expected is not None or not create:
            raise TenantUnknownError("no such tenant")
    elif not (expected.has(current.digest) if isinstance(expected, OneOf) else expected == current.digest):
        raise StaleError(current.digest)
