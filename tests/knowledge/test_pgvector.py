"""What the database itself holds to about passages: whoever asks, and however wrongly."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from base.ids import TenantId
from base.secret import Secret
from knowledge.embedder import UseEmbedder
from knowledge.passages import KnowledgeError, Passage
from knowledge.retrieval import TenantLibrary
from knowledge.stores.pgvector import PgVectorStore
from knowledge.stores.protocol import StoredDocument
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect, migrate
from tests.knowledge.vector_database import vector_database
from tests.tenants.conftest import postgres

__all__ = ["postgres", "vector_database"]

pytestmark = pytest.mark.postgres

OURS, THEIRS = (TenantId(str(uuid.uuid4())) for _ in range(2))
CONFIGS = Path(__file__).parents[2] / "configs" / "knowledge"
TABLES = ("passage_documents", "passages", "passage_vectors")
LOOKS: dict[str, Callable[[Database], AbstractAsyncContextManager[Any]]] = {
    "another tenant": lambda database: database.tenant(THEIRS),
    "the platform": lambda database: database.platform(),
    "nobody": lambda database: database._pool.acquire(),
}


async def one_passage(database: Database) -> PgVectorStore:
    store = PgVectorStore(database.tenant, f"e-{uuid.uuid4()}", 4)
    vectors = np.eye(4, dtype=np.float32)[:1].reshape(1, 1, 4)
    await store.put(
        OURS, StoredDocument("d", "x"), [Passage(id="d#1", document="d", heading="", text="nosso")], vectors
    )
    return store


@pytest.mark.parametrize("look", LOOKS)
async def test_a_wrong_query_sees_and_removes_nothing_of_others(vector_database: Database, look: str) -> None:
    store = await one_passage(vector_database)
    async with LOOKS[look](vector_database) as connection:
        for table in TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM atende.{table}") == 0
            asked = f"SELECT count(*) FROM atende.{table} WHERE tenant_id = $1 OR true"
            assert await connection.fetchval(asked, OURS) == 0
            assert await connection.execute(f"DELETE FROM atende.{table}") == "DELETE 0"
        nearest = "SELECT count(*) FROM atende.passage_vectors WHERE vector::vector <#> '[1,0,0,0]'::vector < 1"
        assert await connection.fetchval(nearest) == 0
    assert [passage.text for passage in await store.passages(OURS)] == ["nosso"]


@pytest.mark.parametrize("look", LOOKS)
async def test_nobody_writes_what_belongs_to_others(vector_database: Database, look: str) -> None:
    store = await one_passage(vector_database)
    forged = "INSERT INTO atende.passage_documents (tenant_id, collection, name, digest) VALUES ($1, $2, 'e', 'x')"
    passage = "INSERT INTO atende.passages VALUES ($1, $2, 'd#2', 'd', 1, '', '', 'forged')"
    for statement in (forged, passage):
        async with LOOKS[look](vector_database) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement, OURS, store._collection)
    async with vector_database.tenant(OURS) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE atende.passages SET text = 'changed'")


async def test_the_policies_hold_for_the_owner_too(vector_database: Database, postgres: Secret) -> None:
    owner = await connect(postgres)
    asked = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass"
    assert [await owner.fetchval(asked, f"atende.{table}") for table in TABLES] == [True, True, True]
    await owner.close()


async def test_a_vector_of_another_dimension_is_refused_by_the_table_too(vector_database: Database) -> None:
    store = await one_passage(vector_database)
    statement = "INSERT INTO atende.passage_vectors VALUES ($1, $2, 'd#1', 1, $3)"
    for bad in ([1.0, 0.0, 0.0], []):
        async with vector_database.tenant(OURS) as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(statement, OURS, store._collection, bad)


async def test_a_database_without_pgvector_tells_what_to_do(postgres: Secret) -> None:
    owner = await connect(postgres)
    await owner.execute("CREATE DATABASE bare")
    url = Secret(postgres.reveal().replace("/postgres?", "/bare?"))
    await migrate(url)
    database = await connect_app(url, None, PoolBounds(max_connections=1))
    store = PgVectorStore(database.tenant, "e", 4)
    with pytest.raises(KnowledgeError, match="CREATE EXTENSION vector"):
        await store.nearest(OURS, np.ones(4, dtype=np.float32), 1)
    await migrate(url, vectors=True)
    assert await store.nearest(OURS, np.ones(4, dtype=np.float32), 1) == []
    await database.close()
    with pytest.raises(KnowledgeError, match="the vector store failed"):
        await store.passages(OURS)
    await owner.execute("DROP DATABASE bare WITH (FORCE)")
    await owner.close()


async def test_what_another_process_brought_in_is_found_after_the_next_look(
    vector_database: Database, tmp_path: Path
) -> None:
    embedder, tenant = UseEmbedder(), TenantId(str(uuid.uuid4()))
    stores = [PgVectorStore(vector_database.tenant, embedder.name, embedder.dimension) for _ in range(2)]
    mine, theirs = (TenantLibrary(store, embedder) for store in stores)
    (tmp_path / "a.md").write_text("## Tem vaga?\nSim.", encoding="utf-8")
    await asyncio.gather(mine.sync(tenant, tmp_path), theirs.sync(tenant, tmp_path))
    (tmp_path / "a.md").write_text("## Tem vaga?\nNão mais.", encoding="utf-8")
    assert (await mine.sync(tenant, tmp_path)).changed == ("a",)
    assert [passage.text for passage in await theirs.passages(tenant)] == ["Sim."]
    assert not (await theirs.sync(tenant, tmp_path)).news, "the other one has embedded it"
    assert [passage.text for passage in await theirs.passages(tenant)] == ["Não mais."]
    for library in (mine, theirs):
        await library.close()


async def test_many_passages_are_searched_by_the_database_with_the_same_result(vector_database: Database) -> None:
    embedder, tenant = UseEmbedder(), TenantId(str(uuid.uuid4()))
    store = PgVectorStore(vector_database.tenant, embedder.name, embedder.dimension)
    one_by_one, by_the_store = TenantLibrary(store, embedder), TenantLibrary(store, embedder, exact_passages=10)
    await one_by_one.sync(tenant, CONFIGS / "clinica-sorriso")
    for question in ("até que horas vocês ficam abertos?", "quanto sai um implante?", "vocês têm piscina?"):
        mine, other = [
            await library.retrieve(tenant, question, top_k=3, min_score=0.0, budget_s=5.0)
            for library in (one_by_one, by_the_store)
        ]
        assert [(p.id, p.score) for p in mine.passages] == [(p.id, pytest.approx(p.score)) for p in other.passages]
        assert (mine.sure, mine.likely) == (other.sure, other.likely)
    for library in (one_by_one, by_the_store):
        await library.close()
