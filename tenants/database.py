"""The database as the service uses it: a bounded pool of `atende_app`, one tenant per transaction.

Beside tenants' rows there are the platform's own, and an API key that says whose it is; each has a transaction that
sees it and nothing else.

Opening order: the embedded server (when no URL is given), migrations as owner, the pool. Closing goes
the other way and has limits: connections that do not end in `close_timeout_s` are cut.
"""

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog
from msgspec import Struct

from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from tenants.embedded import embedded_postgres
from tenants.keys import kept_secret
from tenants.migrate import APP_ROLE, PasswordNotOursError, entering, migrate

PASSWORD_FILE: Final = "database.password"  # noqa: S105 (a file name)

log = structlog.get_logger()


class PoolBounds(Struct, frozen=True, kw_only=True):
    """Bounds of the connections to the database."""

    max_connections: int = 8
    connect_timeout_s: float = 10.0
    statement_timeout_s: float = 15.0
    acquire_timeout_s: float = 10.0
    """How long a caller waits for a free connection."""
    close_timeout_s: float = 5.0


class Database:
    """Connections of `atende_app`. Nothing can be read or written but inside `tenant`, `platform`, `key_holder` and
    `all_events`.

    Each raises TimeoutError when no connection is free in `acquire_timeout_s`.
    """

    def __init__(self, pool: Any, bounds: PoolBounds) -> None:
        self._pool = pool
        self._bounds = bounds

    def tenant(self, tenant_id: TenantId) -> AbstractAsyncContextManager[Any]:
        """A transaction that sees this tenant's rows alone (the queries say so, and the policies too)."""
        return self._seeing("app.tenant_id", tenant_id)

    def platform(self) -> AbstractAsyncContextManager[Any]:
        """A transaction that sees the rows that belong to no tenant."""
        return self._seeing("app.platform", "on")

    def key_holder(self, key_id: ApiKeyId) -> AbstractAsyncContextManager[Any]:
        """A transaction that may read the one API key of this id, whosever it is."""
        return self._seeing("app.api_key_id", key_id)

    def all_events(self) -> AbstractAsyncContextManager[Any]:
        """A transaction that sees everybody's events, and may take old ones away."""
        return self._seeing("app.all_events", "on")

    @asynccontextmanager
    async def _seeing(self, variable: str, value: str) -> AsyncIterator[Any]:
        """The policies of the migrations read the variable, which ends with the transaction."""
        acquired = self._pool.acquire(timeout=self._bounds.acquire_timeout_s)
        try:
            async with acquired as connection, connection.transaction():
                await connection.execute("SELECT set_config($1, $2, true)", variable, value)
                yield connection
        except asyncpg.InternalClientError as error:
            # The server was killed: what is left of the connection cannot even be given back.
            raise asyncpg.InterfaceError("the connection was cut") from error

    def of(self, tenant_id: TenantId | None) -> AbstractAsyncContextManager[Any]:
        """A transaction of this tenant's, or of the platform's."""
        return self.platform() if tenant_id is None else self.tenant(tenant_id)

    async def ping(self, timeout_s: float = 2.0) -> bool:
        """Whether the database answers."""
        try:
            async with asyncio.timeout(timeout_s), self._pool.acquire() as connection:
                return bool(await connection.fetchval("SELECT true"))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return False

    async def now(self) -> datetime:
        """The server's clock. Raises what a transaction raises."""
        async with self.platform() as connection:
            at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return at

    async def close(self) -> None:
        """Let statements that run end, then cut what is left. Idempotent."""
        try:
            async with asyncio.timeout(self._bounds.close_timeout_s):
                await self._pool.close()
        except TimeoutError:
            log.warning("database connections were cut")
            self._pool.terminate()


async def seeing_too(connection: Any, tenant_id: TenantId) -> None:
    """From now on a transaction of the platform sees this tenant's rows beside its own, and no other tenant's."""
    await connection.execute("SELECT set_config('app.tenant_id', $1, true)", tenant_id)


@contextmanager
def answering(unavailable: type[Exception], what: str) -> Iterator[None]:
    """What a database that is away, or not as it should be, raises becomes an `unavailable`, with what it does not."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unavailable(f"the database does not {what} ({type(error).__name__})") from error


@asynccontextmanager
async def open_database(
    data_dir: Path,
    url: Secret | None,
    bounds: PoolBounds | None = None,
    *,
    vectors: bool = False,
    password: Secret | None = None,
) -> AsyncIterator[Database]:
    """A migrated database: that of `url` (of its owner), or the embedded one in the data directory.

    `vectors`: it has the extension pgvector. `password` is for the role with which the service connects to the server
    of `url`, all nodes' alike: the one in the data directory's file counts only where the owner may not set it. Without
    it that file's counts, which is made where there is none.

    Raises DatabaseError, MigrationError or EmbeddedError.
    """
    bounds = bounds or PoolBounds()
    async with AsyncExitStack() as stack:
        if url is None:
            password = None
            url = await stack.enter_async_context(embedded_postgres(data_dir))
        elif password is None:
            password = kept_secret(data_dir / PASSWORD_FILE, Secret(secrets.token_urlsafe(32)))
        try:
            await migrate(url, password, vectors=vectors)
        except PasswordNotOursError:
            if (given := kept_password(data_dir)) is None:
                raise
            password = given
            await migrate(url, password, vectors=vectors)
        database = await connect_app(url, password, bounds)
        stack.push_async_callback(database.close)
        yield database


def kept_password(data_dir: Path) -> Secret | None:
    """What the data directory's file holds; None where there is none. Raises KeyFileError."""
    file = data_dir / PASSWORD_FILE
    return kept_secret(file, Secret("")) if file.is_file() else None


def derived_password(secret: Secret | None) -> Secret | None:
    """The same in every node that has the same secret, of which it tells nothing; None where there is none."""
    if secret is None:
        return None
    return Secret(hmac.new(secret.reveal().encode(), b"atende: the database's role", "sha256").hexdigest())


async def connect_app(url: Secret, password: Secret | None, bounds: PoolBounds) -> Database:
    """The pool of `atende_app` on the server of `url`. Raises DatabaseError."""
    with entering(APP_ROLE):
        pool = await asyncpg.create_pool(
            url.reveal(),
            user=APP_ROLE,
            password=password.reveal() if password else None,
            min_size=1,
            max_size=bounds.max_connections,
            timeout=bounds.connect_timeout_s,
            command_timeout=bounds.statement_timeout_s,
            max_inactive_connection_lifetime=300.0,
        )
    return Database(pool, bounds)
