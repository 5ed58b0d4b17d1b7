"""Finding the passage that answers: `TenantLibrary`, the `Library` of the running service."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import structlog
from msgspec import Struct
from msgspec.structs import replace

from base.ids import TenantId
from knowledge.documents import VARIANT, base_id
from knowledge.embedder import Embedder, Vectors
from knowledge.ingest import SyncReport, sync
from knowledge.judge import FULL_SCORE, LIKELY_FROM, SURE_FROM, Grounds, confidence, fuse
from knowledge.keywords import KeywordIndex, Scores
from knowledge.lexicons import lexicon_for, lexicon_language
from knowledge.passages import KnowledgeError, Passage, Retrieval
from knowledge.stores.protocol import Hit, StoredDocument, VectorStore, checked_tenant

log = structlog.get_logger()

MAX_WAITING = 64
"""Retrievals at once in the whole process; at 5 ms each more would miss any budget."""

MAX_QUERY_CHARS = 600
"""Of a longer query its end is used: a minute of speech, in which the question comes last."""

EXACT_PASSAGES = 2000
"""Up to so many passages of a tenant are compared one by one: 0.3 ms, where the store's index takes 20. Their vectors
(2 KB each) stay in memory."""

DENSE_CANDIDATES = 400
"""Of more passages, the nearest whose sentence vectors count; those farther away count as far as the last of them."""


class _Index(Struct, frozen=True):
    """One tenant's passages, ready to search."""

    documents: tuple[StoredDocument, ...]
    """That the store had before the passages were read."""
    passages: tuple[Passage, ...]
    positions: dict[str, int]
    bases: tuple[int, ...]
    """For each passage the place of the one that it is a variant of; its own when it is none."""
    keywords: KeywordIndex
    vectors: Vectors | None
    """[passages, kinds, dimension]; None where the store is to be asked."""


class TenantLibrary:
    """Every tenant's knowledge over one store and one embedder.

    A tenant's index is built at its first use, and again after a `sync` that finds other documents in the store. All
    computing happens on threads of ours. `failed` and `late` count retrievals that found out nothing since the start.
    Close it to end the threads; the store is closed by whoever made it.
    """

    def __init__(self, store: VectorStore, embedder: Embedder, *, exact_passages: int = EXACT_PASSAGES) -> None:
        self._exact_passages = exact_passages
        self._store = store
        self._embedder = embedder
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="retrieval")
        self._indexes: dict[TenantId, _Index] = {}
        self._building: dict[TenantId, asyncio.Lock] = {}
        self._waiting = 0
        self.failed = 0
        self.late = 0

    async def sync(self, tenant_id: TenantId, folder: Path) -> SyncReport:
        """Make the tenant's passages those of the Markdown files in `folder`; only what changed is embedded.

        Until that is done the former passages are found. Raises KnowledgeError, DocumentError.
        """
        async with self._lock(tenant_id):
            report = await sync(self._store, self._embedder, tenant_id, folder)
            index = self._indexes.get(tenant_id)
            # Where many processes share the store, another one may have brought in what is no news to it any more.
            if report.news or index is None or index.documents != report.stored:
                self._indexes[tenant_id] = await self._indexed(tenant_id)
        return report

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        index = await self._index(tenant_id)
        return [passage for passage in index.passages if passage.text and VARIANT not in passage.id]

    async def retrieve(
        self, tenant_id: TenantId, query: str, *, top_k: int, min_score: float, budget_s: float
    ) -> Retrieval:
        if self._waiting >= MAX_WAITING:
            self.failed += 1
            raise KnowledgeError(f"{MAX_WAITING} retrievals are waiting already")
        started = time.perf_counter()
        self._waiting += 1
        try:
            async with asyncio.timeout(budget_s):
                found, certainty = await self._retrieve(tenant_id, query[-MAX_QUERY_CHARS:], top_k, min_score)
        except TimeoutError:
            self.late += 1
            raise
        except KnowledgeError:
            self.failed += 1
            raise
        finally:
            self._waiting -= 1
        return Retrieval(
            found,
            sure=certainty >= SURE_FROM,
            likely=LIKELY_FROM <= certainty < SURE_FROM,
            elapsed_ms=(time.perf_counter() - started) * 1000,
        )

    async def close(self) -> None:
        """End the threads; a retrieval under way is let finish. Idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._indexes.clear()

    async def _retrieve(
        self, tenant_id: TenantId, query: str, top_k: int, min_score: float
    ) -> tuple[tuple[Passage, ...], float]:
        """The best passages, and how likely the first of them answers."""
        index = await self._index(tenant_id)
        if not index.passages or not query.strip():
            return (), 0.0
        run = asyncio.get_running_loop().run_in_executor
        vector = await run(self._threads, self._embedder.encode, [query])
        if index.vectors is not None:
            dense = (index.vectors @ vector[0]).max(axis=1)
        else:
            dense = _dense(index, await self._store.nearest(tenant_id, vector[0], DENSE_CANDIDATES))
        return await run(self._threads, _rank, index, query, dense, top_k, min_score)

    async def _index(self, tenant_id: TenantId) -> _Index:
        found = self._indexes.get(tenant_id)
        if found is not None:
            return found
        async with self._lock(tenant_id):
            found = self._indexes.get(tenant_id)
            if found is None:
                found = self._indexes[tenant_id] = await self._indexed(tenant_id)
        return found

    async def _indexed(self, tenant_id: TenantId) -> _Index:
        """Of what the store has now."""
        documents = tuple(await self._store.documents(tenant_id))
        passages = await self._store.passages(tenant_id)
        exact = len(passages) <= self._exact_passages
        vectors = await self._store.vectors(tenant_id) if exact else {}
        run = asyncio.get_running_loop().run_in_executor
        found = await run(None, _build, documents, passages, vectors, self._embedder)
        log.info("knowledge indexed", tenant=tenant_id, passages=len(passages))
        return found

    def _lock(self, tenant_id: TenantId) -> asyncio.Lock:
        checked_tenant(tenant_id)
        return self._building.setdefault(tenant_id, asyncio.Lock())


def _build(
    documents: tuple[StoredDocument, ...],
    passages: Sequence[Passage],
    vectors: Mapping[str, Vectors],
    embedder: Embedder,
) -> _Index:
    language = lexicon_language(f"{passage.question} {passage.text}" for passage in passages)
    keywords = KeywordIndex(passages, lexicon_for(language), embedder)
    positions = {passage.id: at for at, passage in enumerate(passages)}
    bases = tuple(positions[base_id(passage.id)] for passage in passages)
    every = [vectors[passage.id] for passage in passages if passage.id in vectors]
    exact = np.stack(every) if every and len(every) == len(passages) else None
    return _Index(documents, tuple(passages), positions, bases, keywords, exact)


def _rank(index: _Index, query: str, dense: Scores, top_k: int, min_score: float) -> tuple[tuple[Passage, ...], float]:
    coverage = index.keywords.coverage(query)
    scores = fuse(coverage.covered, coverage.asked, dense)
    order = _one_of_each(index, np.argsort(-scores, kind="stable"))
    first = order[0]
    second = float(scores[order[1]]) if len(order) > 1 else 0.0
    grounds = Grounds(
        covered=float(coverage.covered[first]),
        asked=float(coverage.asked[first]),
        matched=float(coverage.matched[first]),
        missed=float(coverage.missed[first]),
        foreign=coverage.foreign,
        lead=(float(scores[first]) - second) * FULL_SCORE,
    )
    best = tuple(
        replace(index.passages[index.bases[at]], score=round(float(scores[at]), 4))
        for at in order
        if scores[at] >= min_score and index.passages[at].text
    )[:top_k]
    answered = bool(index.passages[first].text) and bool(best)
    return best, confidence(grounds) if answered else 0.0


def _one_of_each(index: _Index, order: Iterable[int]) -> list[int]:
    """Of each passage's variants the best one, in order."""
    best: dict[int, int] = {}
    for at in order:
        best.setdefault(index.bases[int(at)], int(at))
    return list(best.values())


def _dense(index: _Index, hits: Sequence[Hit]) -> Scores:
    """Similarity of each passage; one that is not among the nearest is taken to be as far as the last of them."""
    floor = min((hit.similarity for hit in hits), default=0.0)
    dense = np.full(len(index.passages), floor, dtype=np.float32)
    for hit in hits:
        at = index.positions.get(hit.passage_id)
        if at is not None:
            dense[at] = hit.similarity
    return dense
