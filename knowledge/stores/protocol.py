"""Where passages and their vectors are kept."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from base.ids import TenantId
from knowledge.embedder import Vectors
from knowledge.passages import KnowledgeError, Passage


class StoredDocument(Struct, frozen=True):
    """A document as it is stored; `digest` is the SHA-256 of what it was made from, in hex."""

    name: str
    digest: str


class Hit(Struct, frozen=True):
    """A passage near a query; `similarity` is the largest dot product of its vectors with the query's."""

    passage_id: str
    similarity: float


class VectorStore(Protocol):
    """Every tenant's passages with their vectors, apart from each other.

    One collection per tenant and embedder, opened by tenant id alone: no call can name two tenants, and
    no search crosses from one into another. A collection remembers its embedder and its dimension.
    Every method raises KnowledgeError when the store fails or a collection was made by another embedder.
    """

    async def put(
        self, tenant_id: TenantId, document: StoredDocument, passages: Sequence[Passage], vectors: Vectors
    ) -> None:
        """Replace a document. `vectors` is [passages, kinds, dimension]: each passage has as many as it has kinds."""
        ...

    async def remove(self, tenant_id: TenantId, document: str) -> None:
        """Forget a document; nothing happens when it is not there."""
        ...

    async def documents(self, tenant_id: TenantId) -> list[StoredDocument]:
        """What is stored, by name."""
        ...

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        """All passages: documents by name, each in its own order."""
        ...

    async def vectors(self, tenant_id: TenantId) -> dict[str, Vectors]:
        """Each passage's vectors, [kinds, dimension], by its id."""
        ...

    async def nearest(self, tenant_id: TenantId, query: Vectors, limit: int) -> list[Hit]:
        """The passages nearest to one vector [dimension], nearest first, each once, `limit` at most."""
        ...

    async def close(self) -> None:
        """Let go of files and threads. Idempotent."""
        ...


def checked_tenant(tenant_id: TenantId) -> str:
    """The tenant's UUID as 32 hex digits, fit for a name. Raises KnowledgeError for anything else."""
    try:
        return UUID(tenant_id).hex
    except ValueError as error:
        raise KnowledgeError("a tenant's id must be a UUID") from error


def checked_vectors(vectors: Vectors, passages: int, dimension: int) -> Vectors:
    """`vectors` if they are [passages, kinds, dimension]. Raises KnowledgeError otherwise."""
    if vectors.ndim != 3 or vectors.shape[0] != passages or vectors.shape[2] != dimension:
        raise KnowledgeError(f"vectors of shape {vectors.shape} do not fit {passages} passages of {dimension} numbers")
    return vectors


def checked_query(query: Vectors, dimension: int) -> Vectors:
    """`query` if it is one vector of that dimension. Raises KnowledgeError otherwise."""
    if query.shape != (dimension,):
        raise KnowledgeError(f"queries of shape {query.shape} do not fit vectors of {dimension} numbers")
    return query
