"""Passages kept in memory: the twin of the real stores for tests, and for a look at a few documents."""

from collections.abc import Sequence

from msgspec import Struct

from base.ids import TenantId
from knowledge.embedder import Vectors
from knowledge.passages import Passage
from knowledge.stores.protocol import Hit, StoredDocument, checked_query, checked_tenant, checked_vectors


class _Kept(Struct, frozen=True):
    document: StoredDocument
    passages: tuple[Passage, ...]
    vectors: Vectors


class MemoryStore:
    """Keeps everything until it is closed."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._tenants: dict[str, dict[str, _Kept]] = {}

    async def put(
        self, tenant_id: TenantId, document: StoredDocument, passages: Sequence[Passage], vectors: Vectors
    ) -> None:
        kept = _Kept(document, tuple(passages), checked_vectors(vectors, len(passages), self._dimension))
        self._of(tenant_id)[document.name] = kept

    async def remove(self, tenant_id: TenantId, document: str) -> None:
        self._of(tenant_id).pop(document, None)

    async def documents(self, tenant_id: TenantId) -> list[StoredDocument]:
        return [kept.document for _, kept in sorted(self._of(tenant_id).items())]

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        return [passage for _, kept in sorted(self._of(tenant_id).items()) for passage in kept.passages]

    async def vectors(self, tenant_id: TenantId) -> dict[str, Vectors]:
        return {
            passage.id: vectors
            for kept in self._of(tenant_id).values()
            for passage, vectors in zip(kept.passages, kept.vectors, strict=True)
        }

    async def nearest(self, tenant_id: TenantId, query: Vectors, limit: int) -> list[Hit]:
        vector = checked_query(query, self._dimension)
        hits = [
            Hit(passage.id, float((vectors @ vector).max()))
            for kept in self._of(tenant_id).values()
            for passage, vectors in zip(kept.passages, kept.vectors, strict=True)
        ]
        return sorted(hits, key=lambda hit: -hit.similarity)[:limit]

    async def close(self) -> None:
        self._tenants.clear()

    def _of(self, tenant_id: TenantId) -> dict[str, _Kept]:
        return self._tenants.setdefault(checked_tenant(tenant_id), {})
