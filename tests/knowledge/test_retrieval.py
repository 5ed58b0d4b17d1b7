"""The library as the pipeline sees it, over the real embedder and the example documents."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from base.ids import TenantId
from knowledge.documents import DocumentError
from knowledge.embedder import UseEmbedder, Vectors
from knowledge.passages import KnowledgeError, Retrieval
from knowledge.retrieval import MAX_WAITING, TenantLibrary
from knowledge.stores.chroma import ChromaStore
from knowledge.stores.memory import MemoryStore

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "knowledge"
DATA = ROOT / "tests" / "data"
CLINIC = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
TWIN = TenantId("0a6be2bb-91fd-4b34-8ba5-3d8f2ad63a9f")
SHOP = TenantId("c2a5b8e4-90d3-4c1f-8e26-7b3f4a6d5e21")


@pytest.fixture(scope="module")
def embedder() -> UseEmbedder:
    return UseEmbedder()


@pytest.fixture
async def library(embedder: UseEmbedder) -> AsyncIterator[TenantLibrary]:
    made = TenantLibrary(MemoryStore(embedder.dimension), embedder)
    yield made
    await made.close()


async def ask(library: TenantLibrary, tenant: TenantId, question: str, top_k: int = 3) -> Retrieval:
    return await library.retrieve(tenant, question, top_k=top_k, min_score=0.0, budget_s=5.0)


async def test_the_near_identical_documents_of_a_second_tenant_are_never_retrieved(
    tmp_path: Path, embedder: UseEmbedder
) -> None:
    store = ChromaStore(tmp_path, embedder.name, embedder.dimension)
    library = TenantLibrary(store, embedder)
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    await library.sync(TWIN, DATA / "knowledge" / "clinica-riso")
    own = {p.text for p in await library.passages(CLINIC)}
    foreign = {p.text for p in await library.passages(TWIN)} - own
    assert len(foreign) >= 20
    # Each question of the twin, and each of its answers word for word, put to the first tenant.
    for passage in await library.passages(TWIN):
        for query in (passage.question, passage.text):
            found = await ask(library, CLINIC, query, top_k=50)
            assert {p.text for p in found.passages} <= own
            twin = await ask(library, TWIN, query, top_k=1)
            assert twin.passages[0].text == passage.text or query == passage.question
    await library.close()
    await store.close()


@pytest.mark.parametrize(
    ("slug", "tenant", "at_once", "in_all", "invented"),
    [("clinica-sorriso", CLINIC, 0.72, 0.88, 0.24), ("harbor-books", SHOP, 0.76, 0.92, 0.18)],
)
async def test_the_paraphrases_that_are_not_in_the_documents(
    library: TenantLibrary, slug: str, tenant: TenantId, at_once: float, in_all: float, invented: float
) -> None:
    """A guard against losing what was reached, not a proof: the judge's weights were fitted on some of these.

    `in_all`: with those that are asked back. Nearly all of the unanswerable ones were written as close to an entry
    as can be.
    """
    await library.sync(tenant, CONFIGS / slug)
    questions = json.loads((DATA / "questions_dev" / f"{slug}.json").read_text(encoding="utf-8"))
    sure, likely = 0, 0
    for asked in questions["answerable"]:
        found = await ask(library, tenant, asked["question"])
        assert not (found.sure and found.likely)
        if found.passages and found.passages[0].heading == asked["heading"]:
            sure += found.sure
            likely += found.likely
    made_up = sum([(await ask(library, tenant, question)).sure for question in questions["unanswerable"]])
    every = len(questions["answerable"])
    reached = (sure / every, (sure + likely) / every, made_up / len(questions["unanswerable"]))
    assert reached[0] >= at_once, reached
    assert reached[1] >= in_all, reached
    assert reached[2] <= invented, reached


async def test_while_documents_are_read_again_the_former_are_found_and_unchanged_ones_cost_nothing(
    library: TenantLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "d.md"
    document.write_text("## Quando abrem?\nÀs nove.\n")
    assert (await library.sync(CLINIC, tmp_path)).news
    built = library._indexed
    found: list[str] = []

    async def asked_meanwhile(tenant_id: TenantId) -> Any:
        found.append((await ask(library, CLINIC, "quando abrem?")).passages[0].text)
        return await built(tenant_id)

    monkeypatch.setattr(library, "_indexed", asked_meanwhile)
    document.write_text("## Quando abrem?\nÀs dez.\n")
    await library.sync(CLINIC, tmp_path)
    assert found == ["Às nove."]
    assert (await ask(library, CLINIC, "quando abrem?")).passages[0].text == "Às dez."
    assert not (await library.sync(CLINIC, tmp_path)).news
    assert len(found) == 1, "there was nothing to index"


async def test_a_variant_finds_its_passage_and_is_never_told(library: TenantLibrary, tmp_path: Path) -> None:
    (tmp_path / "loja.md").write_text(
        "## Vocês fazem clareamento dental?\nSim, a laser.\n\n> queria os dentes mais branquinhos\n\n"
        "## Quanto custa a limpeza?\nCento e oitenta reais.\n"
    )
    await library.sync(CLINIC, tmp_path)

    found = await ask(library, CLINIC, "vou casar e queria os dentes mais branquinhos", top_k=5)

    assert (found.passages[0].id, found.passages[0].question) == ("loja#1", "Vocês fazem clareamento dental?")
    assert len({p.id for p in found.passages}) == len(found.passages), "each passage once"
    assert [p.id for p in await library.passages(CLINIC)] == ["loja#1", "loja#2"]


async def test_what_nobody_answers_here_is_not_answered(library: TenantLibrary, tmp_path: Path) -> None:
    page = "## Quanto custa a limpeza?\nCento e oitenta reais.\n"
    (tmp_path / "loja.md").write_text(page)
    await library.sync(CLINIC, tmp_path)
    assert (await ask(library, CLINIC, "quanto custa a limpeza do carpete?")).likely

    (tmp_path / "loja.md").write_text(page + "\n## Não respondemos\n> quanto custa a limpeza de carpete ou sofá?\n")
    await library.sync(CLINIC, tmp_path)
    found = await ask(library, CLINIC, "quanto custa a limpeza do carpete?", top_k=5)

    assert not found.sure
    assert not found.likely
    assert all(p.text for p in found.passages), "what has no text is never told"
    assert (await ask(library, CLINIC, "quanto custa a limpeza?")).sure


async def test_every_question_as_it_is_written_is_surely_answered_by_its_own_passage(library: TenantLibrary) -> None:
    for slug, tenant in (("clinica-sorriso", CLINIC), ("harbor-books", SHOP)):
        await library.sync(tenant, CONFIGS / slug)
        for passage in await library.passages(tenant):
            found = await ask(library, tenant, passage.question)
            assert (found.passages[0].id, found.sure) == (passage.id, True), passage.question


async def test_a_retrieval_costs_a_few_milliseconds(library: TenantLibrary) -> None:
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    questions = json.loads((DATA / "questions_dev" / "clinica-sorriso.json").read_text(encoding="utf-8"))
    await ask(library, CLINIC, "qual é o horário?")
    before = time.process_time()
    for asked in questions["answerable"]:
        await ask(library, CLINIC, asked["question"])
    each_ms = (time.process_time() - before) * 1000 / len(questions["answerable"])
    assert each_ms < 20, f"{each_ms:.1f} ms of CPU"


async def test_min_score_and_top_k_bound_what_is_returned(library: TenantLibrary) -> None:
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    many = await ask(library, CLINIC, "tem estacionamento?", top_k=5)
    assert len(many.passages) == 5
    scores = [p.score for p in many.passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    line = (scores[0] + scores[1]) / 2
    few = await library.retrieve(CLINIC, "tem estacionamento?", top_k=5, min_score=line, budget_s=5.0)
    assert [p.score for p in few.passages] == scores[:1]
    none = await library.retrieve(CLINIC, "tem estacionamento?", top_k=5, min_score=1.0, budget_s=5.0)
    assert (none.passages, none.sure) == ((), False)


@pytest.mark.parametrize("query", ["", "   ", "ééé ¿?", "x" * 5000])
async def test_a_query_that_says_nothing_is_not_answered(library: TenantLibrary, query: str) -> None:
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    assert not (await ask(library, CLINIC, query)).sure


async def test_of_a_very_long_speech_the_end_counts(library: TenantLibrary) -> None:
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    found = await ask(library, CLINIC, "deixa eu contar uma coisa, " * 200 + "tem estacionamento?")
    assert found.passages[0].question == "Tem estacionamento no local?"
    assert found.sure


async def test_a_tenant_without_documents_finds_nothing(library: TenantLibrary) -> None:
    assert await library.passages(TWIN) == []
    found = await ask(library, TWIN, "tem estacionamento?")
    assert (found.passages, found.sure) == ((), False)


async def test_sync_embeds_only_what_changed_and_forgets_what_is_gone(tmp_path: Path, embedder: UseEmbedder) -> None:
    counting = CountingEmbedder(embedder)
    library = TenantLibrary(MemoryStore(embedder.dimension), counting)
    (tmp_path / "a.md").write_text("## Tem vaga?\nSim.", encoding="utf-8")
    (tmp_path / "b.md").write_text("## Aceitam Pix?\nSim, aceitamos.", encoding="utf-8")
    first = await library.sync(CLINIC, tmp_path)
    assert (first.added, first.changed, first.removed, first.unchanged) == (("a", "b"), (), (), ())
    counting.sentences.clear()
    (tmp_path / "b.md").write_text("## Aceitam Pix?\nAgora não.", encoding="utf-8")
    second = await library.sync(CLINIC, tmp_path)
    assert (second.added, second.changed, second.removed, second.unchanged) == ((), ("b",), (), ("a",))
    assert "Agora não." in counting.sentences
    assert "Sim." not in counting.sentences
    assert [p.text for p in await library.passages(CLINIC)] == ["Sim.", "Agora não."]
    (tmp_path / "a.md").unlink()
    assert (await library.sync(CLINIC, tmp_path)).removed == ("a",)
    assert [p.text for p in await library.passages(CLINIC)] == ["Agora não."]
    (tmp_path / "b.md").unlink()
    assert (await library.sync(CLINIC, tmp_path)).removed == ("b",)
    assert await library.passages(CLINIC) == []
    await library.close()


async def test_a_node_without_the_folder_leaves_what_another_has_read(tmp_path: Path, embedder: UseEmbedder) -> None:
    store = MemoryStore(embedder.dimension)
    here, there = TenantLibrary(store, embedder), TenantLibrary(store, embedder)
    for name in ("b", "a"):
        (tmp_path / f"{name}.md").write_text(f"## Tem {name}?\nSim.", encoding="utf-8")
    read = await there.sync(CLINIC, tmp_path)
    report = await here.sync(CLINIC, tmp_path / "absent")
    assert (report.news, report.unchanged, report.stored) == (False, ("a", "b"), read.stored)
    assert [p.document for p in await here.passages(CLINIC)] == ["a", "b"]
    await here.close()
    await there.close()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
async def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, library: TenantLibrary, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    (tmp_path / "a.md").write_text("## Tem vaga?\nSim.", encoding="utf-8")
    await library.sync(CLINIC, tmp_path)

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("os.listdir", refuse)
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DocumentError, match=f"the folder cannot be read .{error.strerror}"):
        await library.sync(CLINIC, tmp_path)
    assert [p.text for p in await library.passages(CLINIC)] == ["Sim."]


async def test_a_bad_document_changes_nothing(tmp_path: Path, library: TenantLibrary) -> None:
    (tmp_path / "a.md").write_text("## Tem vaga?\nSim.", encoding="utf-8")
    await library.sync(CLINIC, tmp_path)
    (tmp_path / "a.md").write_text("## Tem vaga?\nNão.", encoding="utf-8")
    (tmp_path / "b.md").write_bytes(b"## Ol\xe1?\nSim.")
    with pytest.raises(DocumentError, match=r"b\.md: not UTF-8"):
        await library.sync(CLINIC, tmp_path)
    assert [p.text for p in await library.passages(CLINIC)] == ["Sim."]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path.with_name("gone"))])
async def test_a_document_that_cannot_be_read_is_named(
    tmp_path: Path, library: TenantLibrary, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a.md")
    with pytest.raises(DocumentError, match=r"a\.md: cannot be read \("):
        await library.sync(CLINIC, tmp_path)


class CountingEmbedder:
    def __init__(self, inner: UseEmbedder) -> None:
        self.name, self.dimension, self._inner = inner.name, inner.dimension, inner
        self.sentences: list[str] = []

    def encode(self, sentences: Sequence[str]) -> Vectors:
        self.sentences += sentences
        return self._inner.encode(sentences)


class StuckEmbedder:
    """Waits until it is let go, from the given sentence on."""

    name, dimension = "stuck", 4

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.stuck = False

    def encode(self, sentences: Sequence[str]) -> Vectors:
        if self.stuck:
            self.let_go.wait(10)
        return np.full((len(sentences), 4), 0.5, dtype=np.float32)


async def test_a_spent_budget_is_a_timeout_and_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("## Tem vaga?\nSim.", encoding="utf-8")
    stuck = StuckEmbedder()
    library = TenantLibrary(MemoryStore(4), stuck)
    await library.sync(CLINIC, tmp_path)
    stuck.stuck = True
    with pytest.raises(TimeoutError):
        await library.retrieve(CLINIC, "vaga?", top_k=1, min_score=0, budget_s=0.01)
    assert (library.late, library.failed) == (1, 0)
    stuck.let_go.set()
    await library.close()


async def test_more_retrievals_than_can_be_served_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("## Tem vaga?\nSim.", encoding="utf-8")
    stuck = StuckEmbedder()
    library = TenantLibrary(MemoryStore(4), stuck)
    await library.sync(CLINIC, tmp_path)
    stuck.stuck = True
    crowd = [
        asyncio.create_task(library.retrieve(CLINIC, "vaga?", top_k=1, min_score=0, budget_s=10))
        for _ in range(MAX_WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(KnowledgeError, match="waiting"):
        await library.retrieve(CLINIC, "vaga?", top_k=1, min_score=0, budget_s=10)
    stuck.let_go.set()
    assert len(await asyncio.gather(*crowd)) == MAX_WAITING
    assert library.failed == 1
    await library.close()


async def test_many_passages_are_searched_by_the_store_with_the_same_result(
    embedder: UseEmbedder, tmp_path: Path
) -> None:
    store = ChromaStore(tmp_path / "store", embedder.name, embedder.dimension)
    one_by_one, by_the_store = TenantLibrary(store, embedder), TenantLibrary(store, embedder, exact_passages=10)
    await one_by_one.sync(CLINIC, CONFIGS / "clinica-sorriso")
    for question in ("até que horas vocês ficam abertos?", "quanto sai um implante?", "vocês têm piscina?"):
        mine, theirs = await ask(one_by_one, CLINIC, question), await ask(by_the_store, CLINIC, question)
        assert [(p.id, p.score) for p in mine.passages] == [(p.id, pytest.approx(p.score)) for p in theirs.passages]
        assert (mine.sure, mine.likely) == (theirs.sure, theirs.likely)
    await one_by_one.close()
    await by_the_store.close()
    await store.close()


async def test_a_store_that_fails_costs_no_answer_where_the_vectors_are_in_memory(
    embedder: UseEmbedder, tmp_path: Path
) -> None:
    store = ChromaStore(tmp_path / "store", embedder.name, embedder.dimension)
    library = TenantLibrary(store, embedder)
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    await store.close()
    assert (await ask(library, CLINIC, "tem estacionamento?")).sure
    await library.close()


async def test_a_failing_store_is_raised_and_counted(embedder: UseEmbedder, tmp_path: Path) -> None:
    store = ChromaStore(tmp_path / "store", embedder.name, embedder.dimension)
    library = TenantLibrary(store, embedder, exact_passages=10)
    await library.sync(CLINIC, CONFIGS / "clinica-sorriso")
    await store.close()
    with pytest.raises(KnowledgeError):
        await ask(library, CLINIC, "tem estacionamento?")
    assert (library.late, library.failed) == (0, 1)
    await library.close()
