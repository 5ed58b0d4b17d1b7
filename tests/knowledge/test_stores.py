"""One contract, every store."""

import asyncio
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from base.ids import TenantId
from base.processes import free_port
from base.secret import Secret
from knowledge.embedder import Vectors
from knowledge.passages import KnowledgeError, Passage
from knowledge.stores.chroma import ANSWER_TIMEOUT_S, ChromaServer, ChromaStore, _sessions
from knowledge.stores.memory import MemoryStore
from knowledge.stores.pgvector import PgVectorStore
from knowledge.stores.protocol import Hit, StoredDocument, VectorStore
from tests.knowledge.servers import chroma_server, guarded_server
from tests.knowledge.vector_database import vector_database
from tests.pipelines.virtual import eventually
from tests.tenants.conftest import postgres

__all__ = ["postgres", "vector_database"]

ONE = TenantId("11111111-1111-4111-8111-111111111111")
TWO = TenantId("22222222-2222-4222-8222-222222222222")
DIMENSION = 4

Make = Callable[[str], VectorStore]
"""Of an embedder's name, a store beside others of the same database, folder or server."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    with chroma_server(tmp_path_factory.mktemp("chroma")) as running:
        yield running


@pytest.fixture(params=["chroma-server", pytest.param("pgvector", marks=pytest.mark.postgres)])
def shared(request: pytest.FixtureRequest) -> Make:
    """Stores that many processes may open."""
    if request.param == "pgvector":
        database = request.getfixturevalue("vector_database")
        return lambda embedder: PgVectorStore(database.tenant, embedder, DIMENSION)
    place = request.getfixturevalue("server")
    return lambda embedder: ChromaStore(place, embedder, DIMENSION)


@pytest.fixture(params=["memory", "chroma", "chroma-server", pytest.param("pgvector", marks=pytest.mark.postgres)])
def one_of_each(request: pytest.FixtureRequest, tmp_path: Path) -> VectorStore:
    match request.param:
        case "memory":
            return MemoryStore(DIMENSION)
        case "chroma":
            return ChromaStore(tmp_path / "store", "test-embedder", DIMENSION)
        case "chroma-server":
            return ChromaStore(request.getfixturevalue("server"), str(uuid.uuid4()), DIMENSION)
        case _:
            return PgVectorStore(request.getfixturevalue("vector_database").tenant, str(uuid.uuid4()), DIMENSION)


@pytest.fixture
async def store(one_of_each: VectorStore) -> AsyncIterator[VectorStore]:
    yield one_of_each
    await one_of_each.close()


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


async def test_closing_twice_is_fine_and_what_was_kept_is_not_told_any_more(store: VectorStore) -> None:
    await put(store, ONE, "d", "x", "um")
    for _ in range(2):
        await store.close()
        try:
            left = await store.passages(ONE)
        except KnowledgeError as error:
            assert "closed" in str(error)  # noqa: PT017 - a store in memory has nothing to refuse with
        else:
            assert left == []


def open_files(folder: Path) -> list[Path]:
    """Those of this process."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(link.readlink())
    return [target for target in found if target.is_relative_to(folder)]


async def no_file_is_open(folder: Path) -> None:
    """Chroma's core closes SQLite's files on threads of its own, behind its `close`: 35 ms later at the most, as
    measured, and there is nothing to wait for.
    """
    await eventually(lambda: not open_files(folder), limit_s=10.0)


async def test_a_closed_chroma_has_no_file_and_no_thread(tmp_path: Path) -> None:
    store = ChromaStore(tmp_path, "e", DIMENSION)
    await put(store, ONE, "d", "x", "um")
    (thread,) = store._thread._threads
    assert open_files(tmp_path)
    await store.close()
    thread.join(10)
    assert not thread.is_alive()
    await no_file_is_open(tmp_path)


async def test_a_search_that_goes_on_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the database would be closed under it."""
    store, looks, may_end = ChromaStore(tmp_path, "e", DIMENSION), threading.Event(), threading.Event()
    await put(store, ONE, "d", "x", "um")

    def slow(*_: object) -> list[Hit]:
        looks.set()
        may_end.wait(10)
        return []

    monkeypatch.setattr(store, "_search", slow)
    searching = asyncio.create_task(store.nearest(ONE, axes((0,))[0, 0], 1))
    assert await asyncio.to_thread(looks.wait, 10)
    closing = asyncio.create_task(store.close())
    done, _ = await asyncio.wait({closing}, timeout=0.05)
    assert not done
    assert open_files(tmp_path), "it is not closed under the search"
    may_end.set()
    assert await searching == []
    await closing
    await no_file_is_open(tmp_path)


async def test_a_closed_chroma_has_no_connection_to_its_server(server: ChromaServer) -> None:
    store = ChromaStore(server, str(uuid.uuid4()), DIMENSION)
    await put(store, ONE, "d", "x", "um")
    sessions = _sessions(store._client)  # type: ignore[arg-type]
    assert not any(session.is_closed for session in sessions)
    await store.close()
    assert all(session.is_closed for session in sessions)


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
    upsert = Collection.upsert

    def breaks_at_the_second(self: Collection, **rows: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("disk full")
        upsert(self, **rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Collection, "upsert", breaks_at_the_second)
    with pytest.raises(KnowledgeError, match="OSError"):
        await put(store, ONE, "d", "y", "um", "dois", "três", "quatro")
    assert await store.documents(ONE) == []
    assert (await store.passages(ONE), await store.vectors(ONE)) == ([], {})
    await store.close()


async def test_what_one_process_puts_the_others_find(shared: Make) -> None:
    name = str(uuid.uuid4())
    mine, theirs = shared(name), shared(name)
    await put(mine, ONE, "d", "x", "um", "dois")
    assert await theirs.passages(ONE) == passages("d", "um", "dois")
    assert [hit.passage_id for hit in await theirs.nearest(ONE, axes((1,))[0, 0], 1)] == ["d#2"]
    await theirs.remove(ONE, "d")
    assert (await mine.documents(ONE), await mine.nearest(ONE, axes((1,))[0, 0], 1)) == ([], [])
    other_model = shared(str(uuid.uuid4()))
    await put(mine, ONE, "d", "x", "um")
    assert await other_model.passages(ONE) == []
    for store in (mine, theirs, other_model):
        await store.close()


async def test_processes_that_put_the_same_documents_at_once_leave_each_of_them_whole(shared: Make) -> None:
    name = str(uuid.uuid4())
    stores = [shared(name) for _ in range(3)]
    await asyncio.gather(
        *(put(store, tenant, f"d{n}", "x", "um", "dois") for store in stores for tenant in (ONE, TWO) for n in range(3))
    )
    for store in stores:
        for tenant in (ONE, TWO):
            assert await store.documents(tenant) == [StoredDocument(f"d{n}", "x") for n in range(3)]
            assert await store.passages(tenant) == [p for n in range(3) for p in passages(f"d{n}", "um", "dois")]
            assert {len(kinds) for kinds in (await store.vectors(tenant)).values()} == {2}
        await store.close()


async def test_a_reader_never_meets_a_document_of_two_versions(shared: Make) -> None:
    name = str(uuid.uuid4())
    one, two, reader = shared(name), shared(name), shared(name)
    versions = {"x": passages("d", "um", "dois", "três"), "y": passages("d", "quatro", "cinco")}

    async def written(store: VectorStore, digest: str) -> None:
        for _ in range(8):
            await put(store, ONE, "d", digest, *[passage.text for passage in versions[digest]])

    writing = asyncio.gather(written(one, "x"), written(two, "y"))
    met = [await reader.passages(ONE)]
    while not writing.done():
        met.append(await reader.passages(ONE))
    await writing
    assert all(found in (*versions.values(), []) for found in met)
    await put(one, ONE, "d", "x", *[passage.text for passage in versions["x"]])
    assert (await reader.documents(ONE), await reader.passages(ONE)) == ([StoredDocument("d", "x")], versions["x"])
    for store in (one, two, reader):
        await store.close()


async def test_a_closed_store_that_many_share_says_so(shared: Make) -> None:
    store = shared("e")
    await store.close()
    with pytest.raises(KnowledgeError, match="closed"):
        await store.passages(ONE)


async def test_a_chroma_server_that_was_away_is_used_again(tmp_path: Path) -> None:
    port = free_port()
    with chroma_server(tmp_path, port) as place:
        store = ChromaStore(place, "e", DIMENSION)
        await put(store, ONE, "d", "x", "um")
    with pytest.raises(KnowledgeError, match="the vector store failed"):
        await store.passages(ONE)
    with chroma_server(tmp_path, port):
        assert await store.passages(ONE) == passages("d", "um")
    await store.close()


async def test_a_chroma_server_is_shown_the_token_and_nobody_else_is() -> None:
    with guarded_server("let-me-in") as (url, seen):
        store = ChromaStore(ChromaServer(url, Secret("let-me-in")), "e", DIMENSION)
        with pytest.raises(KnowledgeError):
            await store.passages(ONE)
        assert set(seen) == {"Bearer let-me-in"}
        assert len(seen) > 1, "by Chroma's own client too"
        stranger = ChromaStore(ChromaServer(url, Secret("hush")), "e", DIMENSION)
        with pytest.raises(KnowledgeError, match=r"refuses the token \(401\)") as caught:
            await stranger.passages(ONE)
        assert "hush" not in repr(caught.value)
        await store.close()
        await stranger.close()


async def test_a_chroma_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.stores.chroma.ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = ChromaStore(ChromaServer(f"http://127.0.0.1:{silent.getsockname()[1]}"), "e", DIMENSION)
        with pytest.raises(KnowledgeError, match="does not answer"):
            await store.passages(ONE)
        await store.close()


async def test_chromas_own_client_has_the_limit_too(server: ChromaServer) -> None:
    store = ChromaStore(server, "e", DIMENSION)
    await store.passages(ONE)
    assert store._client is not None
    assert {session.timeout.read for session in _sessions(store._client)} == {ANSWER_TIMEOUT_S}
    await store.close()
