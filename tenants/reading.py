"""A folder's documents as they are read, and what is wrong with those that cannot be used."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import structlog

from processors.catalog import AnyFactory
from tenants.document import TenantDocument, parse_document
from tenants.errors import DocumentError
from tenants.named import ServerFacts
from tenants.placing import placed_at
from tenants.statuses import Statuses
from tenants.texts import Texts

log = structlog.get_logger()


class DocumentReader:
    """Reads files, as many at the same time as there is `room` for; problems go to `statuses`."""

    def __init__(
        self,
        statuses: Statuses,
        room: asyncio.Semaphore,
        stages: Mapping[str, AnyFactory] | None,
        switches: Collection[str] | None,
        server: ServerFacts | None,
        texts: Texts,
    ) -> None:
        self._statuses = statuses
        self._room = room
        self._stages = stages
        self._switches = switches
        self._server = server
        self._texts = texts

    async def read(self, file: Path) -> TenantDocument | None:
        """The document, or None with its problems in the file's status."""
        try:
            async with self._room:
                # On a thread: parsing imports the stages that the document names.
                return await asyncio.to_thread(self._parse, file)
        except DocumentError as error:
            self._statuses.failed(file, tuple(map(str, error.problems)))
        except OSError as error:
            self._statuses.failed(file, (f"{file}: {error.strerror}",))
        except Exception as error:
            # A stage's own bug while its settings were read: this tenant's failure, and no other's.
            log.exception("a document could not be read", file=str(file))
            self._statuses.failed(file, (f"{file}: {error!r}",))
        return None

    async def parse(self, raw: bytes, file: str = "stored") -> TenantDocument:
        """A document of no file, for who has room already. Raises DocumentError."""
        return await asyncio.to_thread(self._parsed, raw, file)

    def _parse(self, file: Path) -> TenantDocument:
        return self._parsed(self._texts.read(file), str(file))

    def _parsed(self, raw: bytes, file: str) -> TenantDocument:
        return parse_document(raw, file, self._stages, self._switches, server=self._server)

    def without_rivals(self, documents: Sequence[TenantDocument]) -> list[TenantDocument]:
        """Those whose slug and domain no file before them has: what is published at once cannot see the others."""
        slugs: dict[str, TenantDocument] = {}
        domains: dict[str, TenantDocument] = {}
        alone: list[TenantDocument] = []
        for document in documents:
            spec = document.spec
            for what, taken, mine in (("slug", slugs, spec.slug), ("domain", domains, spec.domain.lower())):
                if (other := taken.setdefault(mine, document)) is not document:
                    told = f"the {what} {mine} belongs to tenant {other.tenant_id}: {other.file}"
                    problem = str(placed_at(document, f"$.{what}", told))
                    self._statuses.failed(Path(document.file), (problem,), slug=spec.slug, tenant_id=spec.tenant_id)
                    break
            else:
                alone.append(document)
        return alone
