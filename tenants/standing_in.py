"""Files that cannot be used by a process that starts with them: what is stored of their tenants answers instead."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from base.ids import TenantId
from tenants.document import TenantDocument
from tenants.known_files import KnownFiles, written_id
from tenants.placing import placed
from tenants.revisions import RevisionStore
from tenants.statuses import Statuses
from tenants.trials import Former, Formers


class _StandIn(Struct, frozen=True):
    former: Former
    mistakes: tuple[str, ...]
    """Of the file, for which it stands in."""


class StandIns:
    """By tenant; one that was found stands in until its file can be used."""

    def __init__(
        self,
        revisions: RevisionStore,
        formers: Formers[Any],
        statuses: Statuses,
        known: KnownFiles,
    ) -> None:
        self._revisions = revisions
        self._formers = formers
        self._statuses = statuses
        self._known = known
        self._of: dict[TenantId, _StandIn] = {}

    async def find(
        self, file: Path, document: TenantDocument | None, wanted: Callable[[TenantId], bool]
    ) -> TenantDocument | None:
        """The newest stored document that is no trial, as that of a file that cannot be used; None: there is none.

        `document` is what the file says, if that can be read; `wanted` tells whether the file may speak for a tenant
        of which nothing answers. What cannot be read any more is added to the file's problems.
        """
        if document is not None and self.get(document) is not None:
            return None  # it stands in itself
        tenant_id = await self._tenant_of(file, document)
        if tenant_id is None:
            return None
        status = self._statuses.get(file)
        mistakes = status.problems if status is not None else ()
        standing = self._of.get(tenant_id)
        if standing is not None and standing.former.document.file == str(file):
            self._of[tenant_id] = structs.replace(standing, mistakes=mistakes)
        if not wanted(tenant_id):
            return None
        told: list[str] = []
        former = await self._formers.newest(tenant_id, told)
        mistakes += tuple(f"{file}: {one}" for one in told)
        self._statuses.note(file, problems=mistakes)
        if former is None or (document is not None and former.document.digest == document.digest):
            return None  # or it is what the file says, and cannot answer now
        former = structs.replace(former, document=structs.replace(former.document, file=str(file)))
        self._of[tenant_id] = _StandIn(former, mistakes)
        return former.document

    async def _tenant_of(self, file: Path, document: TenantDocument | None) -> TenantId | None:
        """What the file says, as far as something is stored of it, or else whose the file was."""
        says = document.tenant_id if document is not None else await asyncio.to_thread(written_id, file)
        if says is not None and await self._revisions.current(says) is not None:
            return says
        return self._known.tenant_of(file)

    def get(self, document: TenantDocument) -> Former | None:
        """It stands in as this document; None when it is that of a file that can be used."""
        standing = self._of.get(document.tenant_id)
        return standing.former if standing is not None and standing.former.document is document else None

    def mistakes(self, document: TenantDocument) -> tuple[str, ...]:
        """Of the file for which the document stands in; empty when it does not."""
        return self._of[document.tenant_id].mistakes if self.get(document) is not None else ()

    async def told(self, document: TenantDocument, error: Exception) -> tuple[str, ...]:
        """Why it does not answer; of a document that stands in with the mistakes of the file that it stands in for."""
        if (former := self.get(document)) is None:
            return tuple(map(str, await asyncio.to_thread(placed, document, error)))
        why = f"{document.file}: revision {former.number}, which is to stand in for it, cannot answer: {error}"
        return (*self.mistakes(document), why)

    def forget(self, tenant_id: TenantId) -> None:
        """Its file can be used, or is gone. Idempotent."""
        self._of.pop(tenant_id, None)
