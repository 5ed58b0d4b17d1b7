"""What commands read and write in the service's database, beside a service that runs or without one."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
import click
from msgspec import Struct

from base.ids import TenantId
from control.settings import Settings
from tenants.api_key_store import (
    ApiKeyStore,
    KeysUnavailableError,
    MemoryApiKeys,
    PostgresApiKeys,
    TenantUnpublishedError,
    TooManyKeysError,
)
from tenants.api_keys import KeyInvalidError
from tenants.audit import AuditBrokenError
from tenants.audit_store import AuditLog, AuditUnavailableError, MemoryAuditLog, PostgresAuditLog
from tenants.copies import CopyError
from tenants.database import Database, derived_password
from tenants.embedded import EmbeddedError, EmbeddedPostgres
from tenants.keys import KeyFileError
from tenants.migrate import DatabaseError
from tenants.revisions import PostgresRevisions, RevisionRow
from tenants.secret_rows import SecretNameError, SecretsUnavailableError, TooManySecretsError, VersionTakenError
from tenants.secret_store import MemorySecrets, PostgresSecrets, SecretStore
from tenants.secrets import SecretValueError
from tenants.visit import shared_database

T = TypeVar("T")

_TOLD: Final = (
    OSError,
    CopyError,
    EmbeddedError,
    DatabaseError,
    KeyFileError,
    KeyInvalidError,
    TooManyKeysError,
    AuditBrokenError,
    SecretNameError,
    SecretValueError,
    TooManySecretsError,
    VersionTakenError,
)
_LACKS: Final[dict[type[Exception], str]] = {
    KeysUnavailableError: "API keys",
    AuditUnavailableError: "an audit log",
    SecretsUnavailableError: "secrets in its database",
}
_UNAVAILABLE: Final = (KeysUnavailableError, AuditUnavailableError, SecretsUnavailableError)


class Stores(Struct, frozen=True):
    """What of the service's a command works on."""

    keys: ApiKeyStore
    secrets: SecretStore
    audit: AuditLog


def has_database(settings: Settings) -> bool:
    """Whether there is one: a server's, or the embedded one that a service has made."""
    return settings.database_url is not None or EmbeddedPostgres(settings.data_dir).is_made


@asynccontextmanager
async def stores(settings: Settings, *, make: bool = False) -> AsyncIterator[Stores]:
    """Those of the service; empty where no database is made yet, unless it is to be."""
    if not make and not has_database(settings):
        yield Stores(MemoryApiKeys(), MemorySecrets(), MemoryAuditLog())
        return
    async with _database(settings) as database:
        yield Stores(PostgresApiKeys(database), PostgresSecrets(database), PostgresAuditLog(database))


async def stored_texts(settings: Settings) -> list[tuple[TenantId, RevisionRow]]:
    """The newest revision of every tenant that was not removed, where documents are kept in the database."""
    async with _database(settings) as database:
        revisions = PostgresRevisions(database)
        found = [(one.tenant_id, await revisions.current(one.tenant_id)) for one in await revisions.changes()
                  if not one.removed]  # fmt: skip
    return [(tenant_id, row) for tenant_id, row in found if row is not None]


def _database(settings: Settings) -> AbstractAsyncContextManager[Database]:
    password = derived_password(settings.api_key_secret)
    return shared_database(settings.data_dir, settings.database_url, password=password)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Raises ClickException, in a line, for what an operator can act on."""
    try:
        return asyncio.run(work)
    except TenantUnpublishedError as error:
        fix = "start `atende serve` with its document once, then make the key"
        raise click.ClickException(
            f"{error}: there is nothing in the database that a key could be of; {fix}"
        ) from error
    except _UNAVAILABLE as error:
        if isinstance(error.__cause__, asyncpg.UndefinedTableError):
            lacks = _LACKS[type(error)]
            raise click.ClickException(f"the service that runs is of a version without {lacks}: restart it") from error
        raise click.ClickException(f"{error}; is the database being stopped or started?") from error
    except _TOLD as error:
        raise click.ClickException(str(error)) from error
