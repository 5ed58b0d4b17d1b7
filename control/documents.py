"""A tenant's documents are in the library before the revision that looks things up in them is loaded, and afterwards
as they are saved.
"""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Protocol

import structlog

from base.ids import TenantId
from knowledge.documents import DocumentError
from knowledge.ingest import SyncReport
from knowledge.passages import KnowledgeError, Passage
from pipelines.check import DEFAULT_GRAPH
from pipelines.loaded import LoadedRevision
from pipelines.problems import SpecError
from pipelines.revision import PipelineRevision
from pipelines.spec import AssistantSpec
from pipelines.supervisor import PipelineSupervisor, Swap
from processors.factory import PrepareError

LOOK_UP: Final = ("rag.", "realtime.")
"""Stages that may."""

log = structlog.get_logger()


class Shelves(Protocol):
    """The library, as far as documents are put into it."""

    async def sync(self, tenant_id: TenantId, folder: Path) -> SyncReport: ...

    async def passages(self, tenant_id: TenantId) -> list[Passage]: ...


class WithDocuments:
    """The supervisor as publishing sees it: loading a revision first brings in `<folder>/<slug>/*.md`."""

    def __init__(self, supervisor: PipelineSupervisor, library: Shelves, folder: Path) -> None:
        self._supervisor = supervisor
        self._library = library
        self._folder = folder
        self._folders: dict[TenantId, Path] = {}
        """Of tenants that were loaded and look things up."""
        self._answering: dict[TenantId, Path] = {}
        """Of what answers, where that looks things up."""
        self._told: dict[TenantId, str] = {}
        self.answers = supervisor.answers
        self.try_out = supervisor.try_out
        self.failed_on_trial = supervisor.failed_on_trial
        self.forget_failure = supervisor.forget_failure
        self.remove = supervisor.remove
        self.unload = supervisor.unload
        self.idle = supervisor.idle

    @property
    def weight_mb(self) -> float:
        """See `PipelineSupervisor`."""
        return self._supervisor.weight_mb

    @property
    def problems(self) -> Mapping[TenantId, str]:
        """Of tenants whose documents are not as they should be, what is wrong."""
        return self._told

    async def load(self, revision: PipelineRevision) -> LoadedRevision:
        """Raises SpecError or PrepareError, the latter also for documents that cannot be read, if there are no former.

        They are read for a revision of which some assistant looks things up.
        """
        if not looks_up(revision.assistants):
            return await self._supervisor.load(revision)
        tenant_id, folder = revision.tenant_id, self._folder / revision.slug
        try:
            report = await self._library.sync(tenant_id, folder)
        except DocumentError as error:
            if not await self._former(tenant_id):
                raise PrepareError(f"{folder}: {error}") from error
            self._cannot_be_read(tenant_id, folder, error)
        except KnowledgeError as error:
            raise PrepareError(f"{folder}: {error}") from error
        else:
            await self._all_read(tenant_id, folder, report)
        self._folders[tenant_id] = folder
        try:
            return await self._supervisor.load(revision)
        except (SpecError, PrepareError):
            await self._back(tenant_id)
            raise

    def activate(self, loaded: LoadedRevision, *, swap: Swap = "drain") -> None:
        """See `PipelineSupervisor`."""
        self._supervisor.activate(loaded, swap=swap)
        revision = loaded.revision
        if looks_up(revision.assistants):
            self._answering[revision.tenant_id] = self._folder / revision.slug

    async def discard(self, loaded: LoadedRevision) -> None:
        """See `PipelineSupervisor`."""
        await self._supervisor.discard(loaded)
        await self._back(loaded.revision.tenant_id)

    async def _back(self, tenant_id: TenantId) -> None:
        """What was loaded does not answer: if it has another slug, the documents of what does are read again."""
        folder = self._answering.get(tenant_id)
        if folder is not None and self._supervisor.answers(tenant_id) and self._folders[tenant_id] != folder:
            self._folders[tenant_id] = folder
            await self._read_again(tenant_id, folder)

    async def refresh(self, files: Collection[Path]) -> None:
        """Documents, or folders of them, were saved, made or removed: read them, of tenants that answer."""
        slugs = {file.relative_to(self._folder).parts[0] for file in files if file != self._folder}
        for tenant_id, folder in list(self._folders.items()):
            if folder.name in slugs and self._supervisor.answers(tenant_id):
                await self._read_again(tenant_id, folder)

    async def look_again(self) -> None:
        """At the documents of every tenant that answers."""
        await self.refresh(list(self._folders.values()))

    async def _read_again(self, tenant_id: TenantId, folder: Path) -> None:
        """What cannot be read is told; what was found before is found then."""
        try:
            report = await self._library.sync(tenant_id, folder)
        except (DocumentError, KnowledgeError) as error:
            self._cannot_be_read(tenant_id, folder, error)
            return
        await self._all_read(tenant_id, folder, report)
        if report.news:
            self._supervisor.rehearse_again(tenant_id)
            log.info(
                "documents were read again",
                tenant=tenant_id,
                slug=folder.name,
                added=len(report.added),
                changed=len(report.changed),
                removed=len(report.removed),
                unchanged=len(report.unchanged),
                passages=report.passages,
            )

    async def _former(self, tenant_id: TenantId) -> bool:
        """Raises PrepareError."""
        try:
            return bool(await self._library.passages(tenant_id))
        except KnowledgeError as error:
            raise PrepareError(str(error)) from error

    def _cannot_be_read(self, tenant_id: TenantId, folder: Path, error: Exception) -> None:
        self._told[tenant_id] = f"{folder}: {error}; what was read before is looked up"
        log.error("documents cannot be read", tenant=tenant_id, slug=folder.name, problem=self._told[tenant_id])

    async def _all_read(self, tenant_id: TenantId, folder: Path, report: SyncReport) -> None:
        lack = await asyncio.to_thread(lacking, folder)
        if lack is not None and report.stored:
            lack = f"there is no folder {folder}; what was read before, here or by another node, is looked up"
        if lack is None:
            self._told.pop(tenant_id, None)
        elif self._told.get(tenant_id) != lack:
            self._told[tenant_id] = lack
            log.warning("documents are lacking", tenant=tenant_id, slug=folder.name, problem=lack)


def looks_up(assistants: Collection[AssistantSpec]) -> bool:
    """Whether some stage may look something up in the tenant's documents."""
    nodes = (node for one in assistants for node in one.pipeline or DEFAULT_GRAPH)
    return any(node.use.startswith(LOOK_UP) and node.config.get("passages") != 0 for node in nodes)


def lacking(folder: Path) -> str | None:
    """Why there is nothing to look things up in; None when there is. Blocks."""
    if not folder.is_dir():
        return f"nothing can be looked up: there is no folder {folder}"
    return None if any(folder.glob("*.md")) else f"nothing can be looked up: there is no *.md in {folder}"
