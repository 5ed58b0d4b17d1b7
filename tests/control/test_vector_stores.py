"""Which store the settings name, and what the doctor finds there."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from base.ids import TenantId
from base.processes import free_port
from base.secret import Secret
from control.settings import Settings
from control.vector_stores import vector_store, vectors
from knowledge.embedder import UseEmbedder
from knowledge.passages import Passage
from knowledge.stores.protocol import StoredDocument
from tenants.database import Database
from tenants.migrate import connect, migrate
from tests.knowledge.servers import chroma_server, guarded_server
from tests.knowledge.vector_database import vector_database
from tests.tenants.conftest import postgres

__all__ = ["postgres", "vector_database"]

TENANT = TenantId(str(uuid.uuid4()))


@pytest.fixture
async def bare(postgres: Secret) -> AsyncIterator[Secret]:
    """A migrated database without pgvector; its URL."""
    owner = await connect(postgres)
    await owner.execute("CREATE DATABASE without_pgvector")
    url = Secret(postgres.reveal().replace("/postgres?", "/without_pgvector?"))
    await migrate(url)
    yield url
    await owner.execute("DROP DATABASE without_pgvector WITH (FORCE)")
    await owner.close()


async def test_the_folder_of_one_process(tmp_path: Path) -> None:
    [finding] = await vectors(Settings(data_dir=tmp_path))
    assert (finding.level, finding.text) == ("ok", f"chroma, in {tmp_path / 'chroma'}, for this one process")


async def test_a_chroma_server_that_answers_and_one_that_does_not(tmp_path: Path) -> None:
    with chroma_server(tmp_path) as server:
        settings = Settings(data_dir=tmp_path, vectors="chroma-server", chroma_url=server.url)
        [finding] = await vectors(settings)
        assert finding.level == "ok"
        assert finding.text.startswith("chroma-server 1.")
        await _kept(settings, None)
    assert not (tmp_path / "chroma").exists()
    nobody = Settings(vectors="chroma-server", chroma_url=f"http://127.0.0.1:{free_port()}")
    [finding] = await vectors(nobody)
    assert (finding.level, "does not answer (ConnectError)" in finding.text) == ("fail", True)
    assert "ATENDE_CHROMA_URL" in finding.fix


async def test_a_token_that_is_refused_is_told_and_not_shown() -> None:
    with guarded_server("let-me-in") as (url, _):
        good = Settings(vectors="chroma-server", chroma_url=url, chroma_token=Secret("let-me-in"))
        [finding] = await vectors(good)
        assert finding.level == "ok"
        [finding] = await vectors(Settings(vectors="chroma-server", chroma_url=url, chroma_token=Secret("hush")))
        assert (finding.level, "refuses the token (401)" in finding.text) == ("fail", True)
        assert "hush" not in str(finding)


@pytest.mark.postgres
async def test_pgvector_with_and_without_its_extension(
    vector_database: Database, postgres: Secret, bare: Secret
) -> None:
    settings = Settings(vectors="pgvector", database_url=postgres)
    [finding] = await vectors(settings)
    assert finding.level == "ok"
    assert finding.text.startswith("pgvector 0.")
    await _kept(settings, vector_database)
    [finding] = await vectors(Settings(vectors="pgvector", database_url=bare))
    assert (finding.level, finding.text.endswith(", made at the next start")) == ("ok", True)
    owner = await connect(bare)
    await owner.execute("CREATE ROLE no_superuser LOGIN")
    await owner.close()
    modest = Secret(bare.reveal().replace("postgresql://postgres", "postgresql://no_superuser"))
    [finding] = await vectors(Settings(vectors="pgvector", database_url=modest))
    assert (finding.level, finding.text) == ("fail", "pgvector is not in the database")
    assert "CREATE EXTENSION vector" in finding.fix


async def test_a_database_that_is_away_shows_no_password(tmp_path: Path) -> None:
    url = Secret("postgresql://owner:hunter2@127.0.0.1:1/x")
    [finding] = await vectors(Settings(data_dir=tmp_path, vectors="pgvector", database_url=url))
    assert (finding.level, "ConnectionRefusedError" in finding.text) == ("fail", True)
    assert "hunter2" not in str(finding)


async def _kept(settings: Settings, database: Database | None) -> None:
    """What is put into the store that is opened is found in another one like it."""
    embedder = UseEmbedder()
    passage, vector = Passage(id="d#1", document="d", heading="", text="um"), np.zeros(512, dtype=np.float32)
    vector[0] = 1.0
    for _ in range(2):
        store = vector_store(settings, embedder, None if database is None else database.tenant)
        await store.put(TENANT, StoredDocument("d", "x"), [passage], vector.reshape(1, 1, 512))
        assert [hit.passage_id for hit in await store.nearest(TENANT, vector, 1)] == ["d#1"]
        await store.close()
