"""The database of the other tests, with pgvector in it."""

from collections.abc import AsyncIterator

import pytest

from base.secret import Secret
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import migrate


@pytest.fixture
async def vector_database(postgres: Secret) -> AsyncIterator[Database]:
    """The pool of `atende_app`; the tests that share the database use embedders of their own."""
    await migrate(postgres, vectors=True)
    database = await connect_app(postgres, None, PoolBounds(max_connections=6))
    try:
        yield database
    finally:
        await database.close()
