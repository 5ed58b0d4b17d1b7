"""What stood before, in a process that starts: it answers beside a document on trial, or for what cannot be used."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog
from msgspec import Struct, structs

from base.ids import TenantId
from pipelines.problems import SpecError
from processors.factory import PrepareError
from tenants.directory import Directory, NumberConflictError, TenantEntry
from tenants.document import TenantDocument, to_revision
from tenants.errors import DocumentError
from tenants.publishing import Supervisor, entry_of
from tenants.revisions import RevisionStore

L = TypeVar("L")

MAX_LOOKED_AT: Final = 100
"""Stored documents, the newest first; who tried so many in a row has none that stood."""
MAX_LOADED: Final = 2
"""Of those that stood, until one can be made ready: each may take minutes to fail, and the start waits for it."""

log = structlog.get_logger()


class Former(Struct, frozen=True, kw_only=True):
    """A stored document that stood: it has no `canary`, and is enabled."""

    document: TenantDocument
    number: int


class Beside(Struct, frozen=True):
    """How it went to have something answer beside a document on trial."""

    told: tuple[str, ...] = ()
    """What does not answer as it should, for the operator."""
    again: bool = False
    """Something better may be ready another time: `stand` is to be asked again."""

    def problems(self, file: Path) -> tuple[str, ...]:
        """For the status of the document's file."""
        return tuple(f"{file}: {told}" for told in self.told)


class _Lack(Struct, frozen=True, kw_only=True):
    """What should answer beside a document, and does not."""

    digest: str
    """Of the document on trial."""
    told: tuple[str, ...]
    unready: Former | None
    """What may be ready another time, and why it is not."""
    why: str


class Formers(Generic[L]):
    """What stood before, of the tenants of this process."""

    def __init__(
        self,
        revisions: RevisionStore,
        supervisor: Supervisor[L],
        directory: Directory,
        read: Callable[[bytes], Awaitable[TenantDocument]],
    ) -> None:
        """`read` raises DocumentError."""
        self._revisions = revisions
        self._supervisor = supervisor
        self._directory = directory
        self._read = read
        self._lacking: dict[TenantId, _Lack] = {}

    async def entry(self, document: TenantDocument) -> TenantEntry:
        """Whose calls are taken until the document is loaded: what it says, or on trial what stood before it."""
        if document.spec.canary is not None and document.spec.enabled:
            async with aclosing(self._stood(document.tenant_id, [], document.digest)) as stood:
                if (former := await anext(stood, None)) is not None:
                    return entry_of(former.document, former.number)
        newest = await self._revisions.current(document.tenant_id)
        return entry_of(document, newest.number if newest is not None else 0)

    async def stand(self, document: TenantDocument) -> Beside:
        """Have something answer, beside which this document can be tried; nothing happens for one without a `canary`.

        That is the newest document that stood and can be made ready. Where there is none the document is to answer
        alone: a tenant on trial is not off the air for what cannot answer any more. Asked again with the same document
        it tries to have what could not be made ready before. Raises PrepareError when that fails again.
        """
        spec = document.spec
        if spec.canary is None or not spec.enabled:
            self.forget(spec.tenant_id)
            return Beside()
        if not self._supervisor.answers(spec.tenant_id):
            return await self._first(document)
        lack = self._lacking.get(spec.tenant_id)
        if lack is None:
            return Beside()
        if lack.unready is None:
            return Beside(lack.told if lack.digest == document.digest else ())
        if lack.digest != document.digest:
            # Another text: it does not wait for that.
            self._lacking[spec.tenant_id] = structs.replace(lack, digest=document.digest, told=(lack.why,))
            return Beside((lack.why,), again=True)
        return await self._put_right(lack.unready)

    def forget(self, tenant_id: TenantId) -> None:
        """Nothing of the tenant is on trial any more. Idempotent."""
        self._lacking.pop(tenant_id, None)

    async def _first(self, document: TenantDocument) -> Beside:
        told: list[str] = []
        unready: Former | None = None
        why = ""
        async with aclosing(self._stood(document.tenant_id, told, document.digest)) as stood:
            for _ in range(MAX_LOADED):
                if (former := await anext(stood, None)) is None:
                    break
                try:
                    await self.answer(former)
                    break
                except (SpecError, PrepareError, NumberConflictError) as error:
                    told.append(_cannot_answer(former, error))
                    if unready is None and isinstance(error, PrepareError):
                        unready, why = former, told[-1]
        self.forget(document.tenant_id)
        if not self._supervisor.answers(document.tenant_id):
            told += ["so what is on trial answers alone"] if told else []
            log.warning("nothing stands beside what is on trial: it answers alone", tenant=document.tenant_id)
        if told:
            self._lacking[document.tenant_id] = _Lack(
                digest=document.digest, told=tuple(told), unready=unready, why=why
            )
        return Beside(tuple(told), again=unready is not None)

    async def _put_right(self, former: Former) -> Beside:
        try:
            await self.answer(former)
        except PrepareError as error:
            raise PrepareError(_cannot_answer(former, error)) from error
        except (SpecError, NumberConflictError) as error:
            self.forget(former.document.tenant_id)
            return Beside((_cannot_answer(former, error),))
        self.forget(former.document.tenant_id)
        return Beside()

    async def answer(self, former: Former) -> None:
        """It answers, and nothing is stored. Raises SpecError, PrepareError, NumberConflictError."""
        document, number = former.document, former.number
        entry = entry_of(document, number)
        self._directory.admit(entry)
        self._supervisor.activate(await self._supervisor.load(to_revision(document.spec, number, document.digest)))
        self._directory.replace(entry)

    async def newest(self, tenant_id: TenantId, told: list[str]) -> Former | None:
        """The newest that stood; None also when the tenant was taken off the air. Adds what cannot be read any more."""
        async with aclosing(self._stood(tenant_id, told)) as stood:
            return await anext(stood, None)

    async def _stood(self, tenant_id: TenantId, told: list[str], but: str = "") -> AsyncGenerator[Former, None]:
        """The newest first, but one digest; none that is older than one that took the tenant off the air.

        Adds what cannot be read.
        """
        newest = await self._revisions.current(tenant_id)
        last = newest.number if newest is not None else 0
        for number in range(last, max(0, last - MAX_LOOKED_AT), -1):
            row = await self._revisions.get(tenant_id, number)
            if row is None or row.digest == but:
                continue
            try:
                former = await self._read(row.document)
            except Exception as error:
                # No DocumentError: a stage's own bug while its settings were read, which is no other tenant's failure.
                if not isinstance(error, DocumentError):
                    log.exception("a stored document could not be read", tenant=tenant_id, revision=number)
                told.append(f"revision {number}, which was before it, cannot be read any more: {error}")
                continue
            if former.spec.canary is not None:
                continue
            if not former.spec.enabled:
                return
            yield Former(document=former, number=number)


def _cannot_answer(former: Former, error: Exception) -> str:
    return f"revision {former.number}, beside which it is to be tried, cannot answer: {error}"
