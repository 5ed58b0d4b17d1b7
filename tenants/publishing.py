"""From files to tenants that answer: check, load, store, activate, in this order.

Loading comes before storing, so that the database never names as current what could not be loaded; a bad
document marks its own tenant as failed, and all others answer.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
from msgspec import Struct, structs

from base.ids import TenantId
from pipelines.problems import SpecError
from pipelines.revision import PipelineRevision
from processors.catalog import AnyFactory
from processors.factory import PrepareError
from tenants.directory import Directory, NumberConflictError, TenantEntry, numbers_of
from tenants.document import TenantDocument, parse_document, to_revision
from tenants.errors import DocumentError
from tenants.named import ServerFacts
from tenants.revisions import RevisionStore, SlugTakenError, TenantRow

L = TypeVar("L")

log = structlog.get_logger()


class Supervisor(Protocol[L]):
    """What publishing asks of the pipelines."""

    async def load(self, revision: PipelineRevision) -> L:
        """Raises SpecError or PrepareError."""
        ...

    def activate(self, loaded: L) -> None: ...

    async def discard(self, loaded: L) -> None: ...


class TenantStatus(Struct, frozen=True, kw_only=True):
    """How one document fared. Without problems it answers with `revision` (or is disabled)."""

    file: str
    slug: str
    """The file's name without its ending, when the document could not be read."""
    tenant_id: TenantId | None = None
    revision: int | None = None
    enabled: bool = True
    problems: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """All problems in one text; empty when there are none."""
        return "\n".join(self.problems)


class RaceLostError(Exception):
    """Another process has published another document of this tenant meanwhile."""


async def publish_folder(
    folder: Path,
    revisions: RevisionStore,
    supervisor: Supervisor[L],
    directory: Directory,
    stages: Mapping[str, AnyFactory] | None = None,
    switches: Collection[str] | None = None,
    server: ServerFacts | None = None,
) -> list[TenantStatus]:
    """Publish every `*.yaml` of a folder, in the order of their names; one status each.

    A document that names another switch than these is refused; None: it may name any. `server` is what else
    of the server it may name.
    Raises what the database raises: without it nothing is published.
    """
    statuses: list[TenantStatus] = []
    for file in await asyncio.to_thread(_files, folder):
        status = await _publish_file(
            file, revisions, supervisor, directory, lambda file: _parse_file(file, stages, switches, server)
        )
        if status.problems:
            log.error("tenant not published", file=status.file, tenant=status.tenant_id, problems=status.problems)
        statuses.append(status)
    if not statuses:
        log.warning("no tenant documents", folder=str(folder))
    return statuses


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def _parse_file(
    file: Path,
    stages: Mapping[str, AnyFactory] | None,
    switches: Collection[str] | None,
    server: ServerFacts | None,
) -> TenantDocument:
    return parse_document(file.read_bytes(), str(file), stages, switches, server=server)


async def _publish_file(
    file: Path,
    revisions: RevisionStore,
    supervisor: Supervisor[L],
    directory: Directory,
    parse: Callable[[Path], TenantDocument],
) -> TenantStatus:
    failed = TenantStatus(file=str(file), slug=file.stem)
    try:
        # On a thread: parsing imports the stages that the document names.
        document = await asyncio.to_thread(parse, file)
    except DocumentError as error:
        return structs.replace(failed, problems=tuple(map(str, error.problems)))
    except OSError as error:
        return structs.replace(failed, problems=(f"{file}: {error.strerror}",))
    spec = document.spec
    failed = structs.replace(failed, slug=spec.slug, tenant_id=spec.tenant_id, enabled=spec.enabled)
    if any(entry.tenant_id == spec.tenant_id for entry in directory.tenants()):
        return structs.replace(failed, problems=(f"{file}: another file has the tenant id {spec.tenant_id}",))
    try:
        number = await publish(document, revisions, supervisor, directory)
    except (SpecError, PrepareError, SlugTakenError, NumberConflictError, RaceLostError) as error:
        return structs.replace(failed, problems=(f"{file}: {error}",))
    return structs.replace(failed, revision=number)


async def publish(
    document: TenantDocument, revisions: RevisionStore, supervisor: Supervisor[L], directory: Directory
) -> int:
    """The number under which the document answers from now on; that of the newest when it is the same.

    What answered before goes on answering when anything fails. A disabled tenant is stored, not loaded.
    Raises SpecError, PrepareError, SlugTakenError, NumberConflictError, RaceLostError.
    """
    spec = document.spec
    newest = await revisions.current(spec.tenant_id)
    number = 1 if newest is None else newest.number + (newest.digest != document.digest)
    entry = _entry(document, number)
    directory.admit(entry)
    if not spec.enabled:
        await _store(document, number, revisions)
        directory.replace(entry)
        return number
    loaded = await supervisor.load(to_revision(spec, number, document.digest))
    try:
        await _store(document, number, revisions)
    except BaseException:
        await supervisor.discard(loaded)
        raise
    supervisor.activate(loaded)
    directory.replace(entry)
    return number


async def _store(document: TenantDocument, number: int, revisions: RevisionStore) -> None:
    spec = document.spec
    row = TenantRow(slug=spec.slug, domain=spec.domain, name=spec.name)
    stored = await revisions.put(spec.tenant_id, row, document.digest, document.raw)
    if stored.number != number:
        raise RaceLostError(f"revision {number} was published by another process; publish again")


def _entry(document: TenantDocument, number: int) -> TenantEntry:
    spec = document.spec
    return TenantEntry(
        tenant_id=spec.tenant_id,
        slug=spec.slug,
        domain=spec.domain,
        revision=number,
        enabled=spec.enabled,
        numbers=numbers_of(spec.assistants),
        switch=spec.switch,
    )
