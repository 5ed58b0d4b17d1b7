"""A small catalog of stages, so that no test of a tenant waits for a model, and one database for all."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from base.secret import Secret
from processors.catalog import AnyFactory
from processors.factory import ProcessorFactory, Role
from tenants.conversations import ConversationStore, MemoryConversations, PostgresConversations
from tenants.database import Database, PoolBounds, connect_app
from tenants.embedded import EmbeddedPostgres
from tenants.migrate import migrate


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    top_k: int = 4
    min_score: float = 0.1


class Voice(Struct, frozen=True, forbid_unknown_fields=True):
    voice: str = ""
    speed: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.0


def factory(use: str, role: Role, config_type: type[Struct]) -> AnyFactory:
    made: AnyFactory = ProcessorFactory()
    made.use, made.role, made.config_type = use, role, config_type
    return made


@pytest.fixture(scope="session")
def stages() -> Mapping[str, AnyFactory]:
    kinds = [
        ("vad.silero", Role.VAD, Nothing),
        ("stt.whisper", Role.STT, Nothing),
        ("rag.retrieve", Role.RAG, Search),
        ("llm.grounded", Role.LLM, Nothing),
        ("tts.kokoro", Role.TTS, Voice),
    ]
    return {use: factory(use, role, config_type) for use, role, config_type in kinds}


@pytest.fixture(scope="session")
def configs() -> Path:
    return Path(__file__).parents[2] / "configs"


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that another user may pass. pytest's own are closed again by each session that starts as root."""
    folder = Path(tempfile.mkdtemp(prefix="atende-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def module_folder() -> Iterator[Path]:
    """For a cluster that the tests of a file share."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def cluster_folder() -> Iterator[Path]:
    """For a cluster of one test."""
    with open_folder() as folder:
        yield folder


@contextmanager
def embedded_server() -> Iterator[Secret]:
    """The URL of the owner of an embedded database."""
    with open_folder() as folder:
        server = EmbeddedPostgres(folder / "data")
        server.start()
        try:
            yield server.url("postgres")
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Secret]:
    """The tests that share it use tenants of their own."""
    with embedded_server() as url:
        yield url


@pytest.fixture
async def database(postgres: Secret) -> AsyncIterator[Database]:
    """The pool of `atende_app` on it, migrated."""
    await migrate(postgres)
    database = await connect_app(postgres, None, PoolBounds(max_connections=3))
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def conversations(request: pytest.FixtureRequest) -> ConversationStore:
    """Both stores of finished calls; an export of theirs has pages of two."""
    if request.param == "memory":
        return MemoryConversations()
    return PostgresConversations(request.getfixturevalue("database"), export_page=2)
