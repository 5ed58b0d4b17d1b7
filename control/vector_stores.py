"""Where the vectors of tenants' documents are kept, by the settings: what may be set, what is opened, what it tells."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from base.ids import TenantId
from control.findings import Finding
from control.settings import Settings
from knowledge.embedder import Embedder
from knowledge.passages import KnowledgeError
from knowledge.stores.chroma import ChromaServer, ChromaStore, look
from knowledge.stores.pgvector import NO_PGVECTOR, PgVectorStore
from knowledge.stores.protocol import VectorStore
from tenants.embedded import EmbeddedError
from tenants.migrate import DatabaseError, connect
from tenants.sql import queries
from tenants.visit import visited_postgres

NAME: Final = "vectors"
LOOK_TIMEOUT_S: Final = 5.0

OfTenant = Callable[[TenantId], AbstractAsyncContextManager[Any]]


def vector_store(found: Settings, embedder: Embedder, of_tenant: OfTenant | None = None) -> VectorStore:
    """The store of `ATENDE_VECTORS`; whoever opens it closes it. `of_tenant`: the database's `tenant`, for pgvector."""
    if found.vectors == "pgvector":
        if of_tenant is None:
            raise ValueError("pgvector needs a database")
        return PgVectorStore(of_tenant, embedder.name, embedder.dimension)
    place = _server(found) if found.vectors == "chroma-server" else found.data_dir / "chroma"
    return ChromaStore(place, embedder.name, embedder.dimension)


async def vectors(found: Settings) -> list[Finding]:
    """Which store it is, and whether it answers."""
    if found.vectors == "pgvector":
        return [await _pgvector(found)]
    if found.vectors == "chroma-server":
        return [await _chroma_server(found)]
    return [Finding(name=NAME, level="ok", text=f"chroma, in {found.data_dir / 'chroma'}, for this one process")]


def _server(found: Settings) -> ChromaServer:
    return ChromaServer(found.chroma_url or "", found.chroma_token)


async def _chroma_server(found: Settings) -> Finding:
    server = _server(found)
    where = urlsplit(server.url).netloc
    try:
        version = await asyncio.to_thread(look, server, LOOK_TIMEOUT_S)
    except KnowledgeError as error:
        fix = "check ATENDE_CHROMA_URL and ATENDE_CHROMA_TOKEN, and that the server and its proxy run"
        return Finding(name=NAME, level="fail", text=f"chroma-server at {where}: {error}", fix=fix)
    return Finding(name=NAME, level="ok", text=f"chroma-server {version} at {where}")


async def _pgvector(found: Settings) -> Finding:
    async with AsyncExitStack() as stack:
        try:
            url = found.database_url or await stack.enter_async_context(visited_postgres(found.data_dir))
            if url is None:
                return Finding(name=NAME, level="ok", text="pgvector, in the embedded PostgreSQL")
            connection = await connect(url)
            stack.push_async_callback(connection.close, timeout=2)
            version = await connection.fetchval(queries("migrations")["vector_version"])
        except (EmbeddedError, DatabaseError, asyncpg.PostgresError) as error:
            kind = type(error.__cause__ or error).__name__
            fix = "see what is said of the database"
            return Finding(name=NAME, level="fail", text=f"pgvector: its database cannot be asked ({kind})", fix=fix)
    if version is None:
        return Finding(name=NAME, level="fail", text="pgvector is not in the database", fix=NO_PGVECTOR)
    return Finding(name=NAME, level="ok", text=f"pgvector {version}")
