"""The embedded PostgreSQL for a look at it: nothing is made, and a server that serves is left to serve."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from base.secret import Secret
from tenants.embedded import DATABASE, EmbeddedInUseError, EmbeddedPostgres, to_its_end


@asynccontextmanager
async def visited_postgres(data_dir: Path) -> AsyncIterator[Secret | None]:
    """The URL of its owner for a look at it: it is run for the block unless another process runs it.

    None where it has not been made yet. Raises EmbeddedError.
    """
    server = EmbeddedPostgres(data_dir)
    if not server.is_made:
        yield None
        return
    try:
        try:
            await to_its_end(server.start)
        except EmbeddedInUseError:
            await to_its_end(server.join)
        yield server.url(DATABASE)
    finally:
        await to_its_end(server.stop)
