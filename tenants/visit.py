"""The database for a command, beside a service or without one: a server that serves is left to serve."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from base.secret import Secret
from tenants.database import Database, PoolBounds, connect_app, kept_password, open_database
from tenants.embedded import DATABASE, EmbeddedInUseError, EmbeddedPostgres, to_its_end
from tenants.migrate import is_made, lets_in


@asynccontextmanager
async def visited_postgres(data_dir: Path) -> AsyncIterator[Secret | None]:
    """The URL of the embedded PostgreSQL's owner for a look at it, which is run for the block unless another runs it.

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


@asynccontextmanager
async def shared_database(
    data_dir: Path, url: Secret | None, bounds: PoolBounds | None = None, *, password: Secret | None = None
) -> AsyncIterator[Database]:
    """The database as `open_database` opens it; where a service runs the embedded one, that one as it is.

    Raises DatabaseError, MigrationError or EmbeddedError.
    """
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(open_database(data_dir, url, bounds, password=password))
        except EmbeddedInUseError:
            server = EmbeddedPostgres(data_dir)
            await to_its_end(server.join)
            database = await connect_app(server.url(DATABASE), None, bounds or PoolBounds())
            stack.push_async_callback(database.close)
        yield database


@asynccontextmanager
async def visited_database(
    data_dir: Path, url: Secret | None, *, password: Secret | None = None
) -> AsyncIterator[Database | None]:
    """The database as it is, for a look at it as the service sees it; None where it was not made yet.

    `password` as `open_database` has it. Raises DatabaseError, EmbeddedError or KeyFileError.
    """
    async with AsyncExitStack() as stack:
        if url is None:
            url, password = await stack.enter_async_context(visited_postgres(data_dir)), None
        elif (password := await _password(data_dir, url, password)) is None:
            url = None  # no service was ever started with it
        if url is None:
            yield None
            return
        database = await connect_app(url, password, PoolBounds(max_connections=1))
        stack.push_async_callback(database.close)
        yield database


async def _password(data_dir: Path, url: Secret, shared: Secret | None) -> Secret | None:
    """With which a service that was started here connects to a server; None where none ever was."""
    kept = kept_password(data_dir)
    if shared is None:
        return kept
    if not await is_made(url):
        return None
    return shared if kept is None or await lets_in(url, shared) else kept
