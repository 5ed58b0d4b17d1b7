"""Looks up: the retriever on the questions as written, against plain keyword search; and tenants that stay apart."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from base.ids import TenantId
from benchmarks.parts.answer import KNOWLEDGE, passage_of
from benchmarks.parts.callers import DATA, Question
from benchmarks.parts.words import folded, normal
from knowledge.documents import base_id, read_document
from knowledge.embedder import UseEmbedder
from knowledge.retrieval import TenantLibrary
from knowledge.stores.memory import MemoryStore

TENANTS = {
    "clinica-sorriso": TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"),
    "harbor-books": TenantId("c2a5b8e4-90d3-4c1f-8e26-7b3f4a6d5e21"),
    "clinica-riso": TenantId("11111111-2222-4333-8444-555555555555"),
}
TWIN = "clinica-riso"
"""A second company with the same questions and other answers."""


@dataclass
class LookedUp:
    """What became of the written questions."""

    asked: int = 0
    answerable: int = 0
    right: int = 0
    wrong: int = 0
    asked_back: int = 0
    """Answerable ones whose own entry is asked back."""
    invented: int = 0
    """Unanswerable ones that are answered."""
    invented_back: int = 0
    """Unanswerable ones at which an entry is asked back."""
    first_by_keywords: int = 0
    foreign: int = 0
    """Passages of another tenant's documents."""
    elapsed_ms: list[float] = field(default_factory=list)


async def look_up(questions: Sequence[Question]) -> LookedUp:
    """Retrieve for every question with the near twin's documents in the same library."""
    embedder = UseEmbedder()
    library = TenantLibrary(MemoryStore(embedder.dimension), embedder)
    try:
        for slug, tenant_id in TENANTS.items():
            await library.sync(tenant_id, _folder(slug))
        found = LookedUp()
        for question in questions:
            await _one(library, question, found)
        return found
    finally:
        await library.close()


def _folder(slug: str) -> Path:
    return DATA / "knowledge" / slug if slug == TWIN else KNOWLEDGE / slug


async def _one(library: TenantLibrary, question: Question, found: LookedUp) -> None:
    tenant_id = TENANTS[question.tenant]
    own = {passage.id: passage for passage in await library.passages(tenant_id)}
    got = await library.retrieve(tenant_id, question.text, top_k=3, min_score=0.2, budget_s=5.0)
    wanted = passage_of(question)
    found.asked += 1
    found.answerable += wanted is not None
    found.elapsed_ms.append(got.elapsed_ms)
    found.foreign += sum(own.get(p.id) is None or own[p.id].text != p.text for p in got.passages)
    if got.sure:
        first = got.passages[0].id
        found.right += first == wanted
        found.wrong += wanted is not None and first != wanted
        found.invented += wanted is None
    if got.likely:
        found.asked_back += got.passages[0].id == wanted
        found.invented_back += wanted is None
    found.first_by_keywords += (
        wanted is not None and best_by_keywords(question.text, _entries(question.tenant)) == wanted
    )


@cache
def _entries(slug: str) -> dict[str, str]:
    """Id → all that an entry says: its question, other ways of asking and its answer."""
    entries: dict[str, str] = {}
    for path in sorted(_folder(slug).glob("*.md")):
        for passage in read_document(path.stem, path.read_text(encoding="utf-8")):
            if passage.text:
                place = base_id(passage.id)
                entries[place] = f"{entries.get(place, passage.text)} {passage.question}"
    return entries


def best_by_keywords(query: str, entries: dict[str, str]) -> str:
    """The id that Okapi BM25 puts first (k1 = 1.2, b = 0.75), over folded words."""
    ids, documents = list(entries), [Counter(normal(folded(text))) for text in entries.values()]
    lengths = [d.total() for d in documents]
    mean = sum(lengths) / len(lengths)
    score = [0.0] * len(documents)
    for word in set(normal(folded(query))):
        holding = sum(word in d for d in documents)
        weight = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for at, document in enumerate(documents):
            frequency = document[word]
            score[at] += weight * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * lengths[at] / mean))
    return ids[max(range(len(score)), key=score.__getitem__)]
