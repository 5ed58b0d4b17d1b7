"""Passages in PostgreSQL, searched with its extension pgvector: for many processes and many machines.

The tables are `atende.passage_documents`, `atende.passages` and `atende.passage_vectors`. Each transaction sees one
tenant's rows alone: the queries say whose, and row-level security does too. A search compares every vector of the
tenant, so that its result is exact; an index over all tenants' vectors would find those of others and drop them.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Final

import asyncpg
import numpy as np

from base.ids import TenantId
from knowledge.embedder import Vectors
from knowledge.passages import KnowledgeError, Passage
from knowledge.stores.protocol import Hit, StoredDocument, checked_query, checked_tenant, checked_vectors

NO_PGVECTOR: Final = (
    "the database lacks the extension pgvector: install it on PostgreSQL's machine (on Debian and Ubuntu "
    "postgresql-<version>-pgvector), and as a superuser run in Atende's database: CREATE EXTENSION vector; "
    "or choose another ATENDE_VECTORS"
)

OpenTransaction = Callable[[TenantId], AbstractAsyncContextManager[Any]]
"""A transaction on an asyncpg connection that sees one tenant's rows."""

_BATCH_ROWS: Final = 32
"""Of 512 numbers each: about 1 ms of the event loop."""

# The row of the document is locked until the transaction ends: of two that put the same document one waits for the
# other, and then finds and replaces what it put.
_DOCUMENT: Final = """
INSERT INTO atende.passage_documents (tenant_id, collection, name, digest) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, collection, name) DO UPDATE SET digest = excluded.digest, stored_at = now()
"""
_CLEAR: Final = "DELETE FROM atende.passages WHERE tenant_id = $1 AND collection = $2 AND document = $3"
_PASSAGE: Final = """
INSERT INTO atende.passages (tenant_id, collection, document, position, id, heading, question, text)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_VECTOR: Final = """
INSERT INTO atende.passage_vectors (tenant_id, collection, passage, kind, vector) VALUES ($1, $2, $3, $4, $5)
"""
_REMOVE: Final = "DELETE FROM atende.passage_documents WHERE tenant_id = $1 AND collection = $2 AND name = $3"
_DOCUMENTS: Final = """
SELECT name, digest FROM atende.passage_documents
WHERE tenant_id = $1 AND collection = $2 ORDER BY name COLLATE "C"
"""
_PASSAGES: Final = """
SELECT id, document, heading, question, text FROM atende.passages
WHERE tenant_id = $1 AND collection = $2 ORDER BY document COLLATE "C", position
"""
_VECTORS: Final = """
SELECT passage, kind, vector_send(vector::vector) AS vector FROM atende.passage_vectors
WHERE tenant_id = $1 AND collection = $2
"""
# Materialized: else PostgreSQL groups the vectors, not their likenesses, and sorts megabytes.
_NEAREST: Final = """
WITH each AS MATERIALIZED (
    SELECT passage, -(vector::vector <#> $3::real[]::vector) AS similarity FROM atende.passage_vectors
    WHERE tenant_id = $1 AND collection = $2
)
SELECT passage, max(similarity) AS similarity FROM each
GROUP BY passage ORDER BY similarity DESC, passage COLLATE "C" LIMIT $4
"""
_HEADER_BYTES: Final = 4
"""Of pgvector's own binary form: the dimension and a word that is not used; then big-endian numbers of 4 bytes."""


class PgVectorStore:
    """Over a pool of somebody else's, who closes it."""

    def __init__(self, transaction: OpenTransaction, embedder_name: str, dimension: int) -> None:
        self._transaction = transaction
        self._collection = f"{embedder_name}/{dimension}"
        self._dimension = dimension
        self._closed = False

    async def put(
        self, tenant_id: TenantId, document: StoredDocument, passages: Sequence[Passage], vectors: Vectors
    ) -> None:
        checked_vectors(vectors, len(passages), self._dimension)
        of = (checked_tenant(tenant_id), self._collection, document.name)
        rows = [(*of, at, p.id, p.heading, p.question, p.text) for at, p in enumerate(passages)]
        with self._translated():
            async with self._transaction(tenant_id) as connection:
                await connection.execute(_DOCUMENT, *of, document.digest)
                await connection.execute(_CLEAR, *of)
                await connection.executemany(_PASSAGE, rows)
                places = list(np.ndindex(*vectors.shape[:2]))
                for start in range(0, len(places), _BATCH_ROWS):
                    batch = places[start : start + _BATCH_ROWS]
                    await connection.executemany(
                        _VECTOR, [(*of[:2], passages[at].id, kind, vectors[at, kind].tolist()) for at, kind in batch]
                    )

    async def remove(self, tenant_id: TenantId, document: str) -> None:
        tenant = checked_tenant(tenant_id)
        with self._translated():
            async with self._transaction(tenant_id) as connection:
                await connection.execute(_REMOVE, tenant, self._collection, document)

    async def documents(self, tenant_id: TenantId) -> list[StoredDocument]:
        return [StoredDocument(row["name"], row["digest"]) for row in await self._rows(tenant_id, _DOCUMENTS)]

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        return [Passage(**row) for row in await self._rows(tenant_id, _PASSAGES)]

    async def vectors(self, tenant_id: TenantId) -> dict[str, Vectors]:
        return await asyncio.to_thread(_by_passage, await self._rows(tenant_id, _VECTORS))

    async def nearest(self, tenant_id: TenantId, query: Vectors, limit: int) -> list[Hit]:
        vector = checked_query(query, self._dimension).tolist()
        rows = await self._rows(tenant_id, _NEAREST, vector, limit)
        return [Hit(row["passage"], row["similarity"]) for row in rows]

    async def close(self) -> None:
        """Nothing is asked of the pool any more. Idempotent."""
        self._closed = True

    async def _rows(self, tenant_id: TenantId, statement: str, *arguments: Any) -> list[Mapping[str, Any]]:
        tenant = checked_tenant(tenant_id)
        with self._translated():
            async with self._transaction(tenant_id) as connection:
                rows: list[Mapping[str, Any]] = await connection.fetch(statement, tenant, self._collection, *arguments)
                return rows

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What the database raises becomes a KnowledgeError at this one place."""
        if self._closed:
            raise KnowledgeError("the vector store is closed")
        try:
            yield
        except (asyncpg.UndefinedObjectError, asyncpg.UndefinedFunctionError) as error:
            raise KnowledgeError(NO_PGVECTOR) from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise KnowledgeError(f"the vector store failed: {type(error).__name__}") from error


def _by_passage(rows: Sequence[Mapping[str, Any]]) -> dict[str, Vectors]:
    kinds: dict[str, dict[int, Vectors]] = {}
    for row in rows:
        vector = np.frombuffer(row["vector"], dtype=">f4", offset=_HEADER_BYTES).astype(np.float32)
        kinds.setdefault(row["passage"], {})[row["kind"]] = vector
    return {passage: np.stack([of[kind] for kind in sorted(of)]) for passage, of in kinds.items()}
