"""One contract, every store."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from base.ids import TenantId
from knowledge.embedder import Vectors
from knowledge.passages import KnowledgeError, Passage
from knowledge.stores.chroma import ChromaStore
from knowledge.stores.memory import MemoryStore
from knowledge.stores.protocol import StoredDocument, VectorStore

ONE = TenantId("11111111-1111-4111-8111-111111111111")
TWO = TenantId("22222222-2222-4222-8222-222222222222")
DIMENSION = 4

STORES: dict[str, Callable[[Path], VectorStore]] = {
    "memory": lambda folder: MemoryStore(DIMENSION),
    "chroma": lambda folder: ChromaStore(folder, "test-embedder", DIMENSION),
}


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    made = STORES[request.param](tmp_path / "store")
    yield made
    await made.close()


def passages(document: str, *texts: str) -> list[Passage]:
    return [
        Passage(id=f"{document}#{n}", document=document, heading=f"H{n}", text=text, question=f"Q{n}?")
        for n, text in enumerate(texts, start=1)
    ]


def axes(*which: tuple[int, ...]) -> Vectors:
    """For each passage, unit vectors along the given axes."""
    return np.stack([np.eye(DIMENSION, dtype=np.float32)[list(kinds)] for kinds in which])


async def put(store: VectorStore, tenant: TenantId, name: str, digest: str, *texts: str, at: int = 0) -> None:
    vectors = axes(*[((at + n) % DIMENSION,) * 2 for n in range(len(texts))])
    await store.put(tenant, StoredDocument(name, digest), passages(name, *texts), vectors)


async def test_what_was_put_comes_back_in_document_order(store: VectorStore) -> None:
    await put(store, ONE, "b", "d2", *[f"texto {n}" for n in range(12)])
    await put(store, ONE, "a", "d1", "olá")
    assert await store.documents(ONE) == [StoredDocument("a", "d1"), StoredDocument("b", "d2")]
    assert await store.passages(ONE) == passages("a", "olá") + passages("b", *[f"texto {n}" for n in range(12)])


async def test_an_unknown_tenant_has_nothing(store: VectorStore) -> None:
    assert await store.documents(ONE) == []
    assert await store.passages(ONE) == []
    assert await store.nearest(ONE, axes((0,))[0, 0], 3) == []
    await store.remove(ONE, "nothing")


async def test_nearest_counts_the_best_vector_of_a_passage_and_names_it_once(store: VectorStore) -> None:
    vectors = axes((0, 1, 2), (3, 3, 3))
    await store.put(ONE, StoredDocument("d", "x"), passages("d", "um", "dois"), vectors)
    query = np.array([0, 0, 0.8, 0.6], dtype=np.float32)
    hits = await store.nearest(ONE, query, 5)
    assert [hit.passage_id for hit in hits] == ["d#1", "d#2"]
    assert [hit.similarity for hit in hits] == pytest.approx([0.8, 0.6])
    assert [hit.passage_id for hit in await store.nearest(ONE, query, 1)] == ["d#1"]


async def test_every_vector_comes_back_by_passage_and_kind(store: VectorStore) -> None:
    vectors = axes((0, 1, 2), (3, 2, 3))
    await store.put(ONE, StoredDocument("d", "x"), passages("d", "um", "dois"), vectors)
    await put(store, TWO, "d", "x", "seu")
    found = await store.vectors(ONE)
    assert sorted(found) == ["d#1", "d#2"]
    assert found["d#1"] == pytest.approx(vectors[0])
    assert found["d#2"] == pytest.approx(vectors[1])
    assert await store.vectors(TenantId("33333333-3333-4333-8333-333333333333")) == {}


async def test_putting_a_document_again_replaces_it_whole(store: VectorStore) -> None:
    await put(store, ONE, "d", "old", "um", "dois", "três")
    await put(store, ONE, "d", "new", "outro", at=3)
    assert await store.documents(ONE) == [StoredDocument("d", "new")]
    assert [p.text for p in await store.passages(ONE)] == ["outro"]
    assert len(await store.nearest(ONE, axes((3,))[0, 0], 5)) == 1


async def test_remove_forgets_one_document(store: VectorStore) -> None:
    await put(store, ONE, "a", "x", "um")
    await put(store, ONE, "b", "y", "dois")
    await store.remove(ONE, "a")
    assert [document.name for document in await store.documents(ONE)] == ["b"]
    assert [p.text for p in await store.passages(ONE)] == ["dois"]


async def test_tenants_never_see_each_other(store: VectorStore) -> None:
    await put(store, ONE, "d", "x", "meu")
    await put(store, TWO, "d", "x", "seu")
    assert [p.text for p in await store.passages(ONE)] == ["meu"]
    await store.remove(TWO, "d")
    assert [p.text for p in await store.passages(ONE)] == ["meu"]
    assert await store.nearest(TWO, axes((0,))[0, 0], 5) == []


@pytest.mark.parametrize("bad", ["", "not-a-uuid", "*", "../x"])
async def test_a_tenant_id_that_is_no_uuid_is_refused(store: VectorStore, bad: str) -> None:
    with pytest.raises(KnowledgeError, match="UUID"):
        await store.passages(TenantId(bad))


async def test_vectors_of_another_dimension_are_refused(store: VectorStore) -> None:
    with pytest.raises(KnowledgeError, match="do not fit"):
        await store.put(ONE, StoredDocument("d", "x"), passages("d", "um"), np.zeros((1, 2, 3), dtype=np.float32))
    with pytest.raises(KnowledgeError, match="do not fit"):
        await store.nearest(ONE, np.zeros(3, dtype=np.float32), 1)


async def test_closing_twice_is_fine(store: VectorStore) -> None:
    await put(store, ONE, "d", "x", "um")
    await store.close()
    await store.close()


async def test_chroma_keeps_what_it_had_over_a_restart(tmp_path: Path) -> None:
    first = ChromaStore(tmp_path, "e", DIMENSION)
    await put(first, ONE, "d", "x", "um")
    await first.close()
    second = ChromaStore(tmp_path, "e", DIMENSION)
    assert [p.text for p in await second.passages(ONE)] == ["um"]
    await second.close()


async def test_chroma_gives_each_embedder_its_own_collection(tmp_path: Path) -> None:
    one = ChromaStore(tmp_path, "e", DIMENSION)
    await put(one, ONE, "d", "x", "um")
    await one.close()
    other = ChromaStore(tmp_path, "another", DIMENSION)
    assert await other.passages(ONE) == []
    await other.close()


async def test_chroma_refuses_a_collection_that_another_embedder_made(tmp_path: Path) -> None:
    # Two names that give the same collection name: only the remembered model tells them apart.
    one = ChromaStore(tmp_path, "model/a", DIMENSION)
    await put(one, ONE, "d", "x", "um")
    await one.close()
    other = ChromaStore(tmp_path, "model a", DIMENSION)
    with pytest.raises(KnowledgeError, match="made with embedder 'model/a', not 'model a'"):
        await other.nearest(ONE, axes((0,))[0, 0], 1)
    await other.close()


async def test_a_closed_chroma_says_so(tmp_path: Path) -> None:
    store = ChromaStore(tmp_path, "e", DIMENSION)
    await store.close()
    with pytest.raises(KnowledgeError, match="closed"):
        await store.passages(ONE)


async def test_a_document_cut_short_counts_as_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ChromaStore(tmp_path, "e", DIMENSION)
    monkeypatch.setattr("knowledge.stores.chroma._BATCH_ROWS", 3)
    await put(store, ONE, "d", "x", "um", "dois", "três")
    from chromadb.api.models.Collection import Collection

    calls = 0
    add = Collection.add

    def breaks_at_the_second(self: Collection, **rows: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("disk full")
        add(self, **rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Collection, "add", breaks_at_the_second)
    with pytest.raises(KnowledgeError, match="OSError"):
        await put(store, ONE, "d", "y", "um", "dois", "três", "quatro")
    assert await store.documents(ONE) == []
    await store.close()
