"""Retrieval for companies that nothing was tuned on, measured beside BM25.

    python -m benchmarks.strangers [--quick] [--check]

Every question of `tests/data/questions_strangers` against its own company's entries: 1,960 that an entry answers, 1,176
near an entry that nobody answers, 420 others that nobody answers. Full run: about a minute. `--quick`: four companies,
one third of their questions, looser bounds. `--check`: exit 1 when a bound does not hold. The last line is one JSON
object of all figures.
"""

import asyncio
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct
from rich.console import Console

from base.ids import TenantId
from benchmarks.parts.callers import DATA
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report
from benchmarks.parts.lookup import best_by_keywords
from knowledge.documents import base_id, read_document
from knowledge.embedder import UseEmbedder
from knowledge.passages import Retrieval
from knowledge.retrieval import TenantLibrary
from knowledge.stores.memory import MemoryStore

QUICK = ("auto-center", "oak-vet", "hotel-mirador", "lab-vida")
LANGUAGES = ("pt-BR", "en", "es")


class Entry(Struct, frozen=True):
    """One entry and what was asked about it."""

    heading: str
    answer: str
    also: tuple[str, ...]
    asked: tuple[str, ...]
    missed: tuple[str, ...]


class Company(Struct, frozen=True):
    """A stranger."""

    language: str
    company: str
    entries: tuple[Entry, ...]
    unanswered: tuple[str, ...]

    def document(self) -> str:
        """As its operator would write it."""
        parts = (f"## {e.heading}\n{e.answer}\n\n" + "".join(f"> {other}\n" for other in e.also) for e in self.entries)
        return "# FAQ\n\n" + "\n".join(parts)


@dataclass(frozen=True)
class Tried:
    """One question and what was found."""

    language: str
    kind: str
    """`asked`, `missed` or `unanswered`."""
    right: bool
    """The first passage is the entry that answers."""
    sure: bool
    likely: bool
    right_by_bm25: bool


def main() -> int:
    """Measure; the exit code."""
    options = options_of(__doc__).parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))

    def work(report: Report, _: Console) -> None:
        judge(report, asyncio.run(measure(options.quick)), quick=options.quick)

    return judged("strangers", options, work)


async def measure(quick: bool) -> list[Tried]:
    """Every question of every company."""
    tried: list[Tried] = []
    embedder = UseEmbedder(cache_entries=200_000)
    for path in sorted((DATA / "questions_strangers").glob("*.json")):
        if not quick or path.stem in QUICK:
            company = msgspec.json.decode(path.read_bytes(), type=Company)
            tried += await _ask(company, embedder, every=3 if quick else 1)
    return tried


async def _ask(company: Company, embedder: UseEmbedder, every: int) -> list[Tried]:
    library, tenant = TenantLibrary(MemoryStore(embedder.dimension), embedder), TenantId(str(uuid.uuid4()))
    passages = read_document("faq", company.document())
    entries: dict[str, str] = {}
    for passage in passages:
        place = base_id(passage.id)
        entries[place] = f"{entries.get(place, passage.text)} {passage.question}"
    homes = {passage.question: base_id(passage.id) for passage in passages}
    try:
        with tempfile.TemporaryDirectory() as folder:
            await asyncio.to_thread(Path(folder, "faq.md").write_text, company.document(), encoding="utf-8")
            await library.sync(tenant, Path(folder))
        tried = []
        for question, kind, heading in _questions(company)[::every]:
            found = await library.retrieve(tenant, question, top_k=1, min_score=0.0, budget_s=5.0)
            home = homes.get(heading, "")
            tried.append(_tried(company, kind, found, home, best_by_keywords(question, entries)))
        return tried
    finally:
        await library.close()


def _questions(company: Company) -> list[tuple[str, str, str]]:
    """(question, kind, heading of the entry that answers)."""
    asked = [(question, "asked", entry.heading) for entry in company.entries for question in entry.asked]
    missed = [(question, "missed", "") for entry in company.entries for question in entry.missed]
    return asked + missed + [(question, "unanswered", "") for question in company.unanswered]


def _tried(company: Company, kind: str, found: Retrieval, home: str, by_bm25: str) -> Tried:
    first = found.passages[0].id if found.passages else None
    return Tried(company.language, kind, bool(home) and first == home, found.sure, found.likely, by_bm25 == home)


def judge(report: Report, tried: Sequence[Tried], *, quick: bool) -> None:
    """Shares of the questions. The bounds guard what was reached; they promise nothing."""
    for language in LANGUAGES:
        asked = [t for t in tried if t.kind == "asked" and t.language == language]
        report.add(f"first_{language}", _share(asked, [t.right for t in asked]))
        report.add(f"first_by_bm25_{language}", _share(asked, [t.right_by_bm25 for t in asked]))
    asked = [t for t in tried if t.kind == "asked"]
    first = _share(asked, [t.right for t in asked])
    report.add("first", first, least=0.4 if quick else 0.5)
    report.add("first_ratio_to_bm25", first / max(0.01, _share(asked, [t.right_by_bm25 for t in asked])), least=1.0)
    report.add("sure_and_right", _share(asked, [t.sure and t.right for t in asked]))
    report.add("likely_and_right", _share(asked, [t.likely and t.right for t in asked]))
    report.add("sure_and_wrong", _share(asked, [t.sure and not t.right for t in asked]), most=0.2 if quick else 0.12)
    for kind, most in (("missed", 0.35), ("unanswered", 0.15)):
        own = [t for t in tried if t.kind == kind]
        report.add(f"{kind}_answered", _share(own, [t.sure for t in own]), most=most + 0.1 * quick)
        report.add(f"{kind}_asked_back", _share(own, [t.likely for t in own]))


def _share(of: Sequence[Tried], hits: Sequence[bool]) -> float:
    return sum(hits) / max(1, len(of))


if __name__ == "__main__":
    sys.exit(main())
