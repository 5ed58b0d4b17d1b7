"""A tenant's documents are in the library before the revision that looks things up in them is loaded."""

from pathlib import Path
from typing import Protocol

from base.ids import TenantId
from knowledge.documents import DocumentError
from knowledge.passages import KnowledgeError
from pipelines.check import DEFAULT_GRAPH
from pipelines.loaded import LoadedRevision
from pipelines.revision import PipelineRevision
from pipelines.supervisor import PipelineSupervisor
from processors.factory import PrepareError

LOOK_UP = ("rag.", "realtime.")
"""Stages that may."""


class Shelves(Protocol):
    """The library, as far as documents are put into it."""

    async def sync(self, tenant_id: TenantId, folder: Path) -> object: ...


class WithDocuments:
    """The supervisor as publishing sees it: loading a revision first brings in `<folder>/<slug>/*.md`."""

    def __init__(self, supervisor: PipelineSupervisor, library: Shelves, folder: Path) -> None:
        self._supervisor = supervisor
        self._library = library
        self._folder = folder
        self.answers = supervisor.answers
        self.activate = supervisor.activate
        self.try_out = supervisor.try_out
        self.failed_on_trial = supervisor.failed_on_trial
        self.discard = supervisor.discard
        self.remove = supervisor.remove
        self.unload = supervisor.unload
        self.idle = supervisor.idle

    @property
    def weight_mb(self) -> float:
        """See `PipelineSupervisor`."""
        return self._supervisor.weight_mb

    async def load(self, revision: PipelineRevision) -> LoadedRevision:
        """Raises SpecError or PrepareError, the latter also for documents that cannot be read.

        They are read for a revision of which some assistant looks things up.
        """
        if not any(
            node.use.startswith(LOOK_UP) for one in revision.assistants for node in one.pipeline or DEFAULT_GRAPH
        ):
            return await self._supervisor.load(revision)
        try:
            await self._library.sync(revision.tenant_id, self._folder / revision.slug)
        except (DocumentError, KnowledgeError) as error:
            raise PrepareError(f"{self._folder / revision.slug}: {error}") from error
        return await self._supervisor.load(revision)
