"""Tenants' secrets as a command sees them that only looks: nothing is made, migrated or taken over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from msgspec import Struct

from base.ids import TenantId
from control.settings import Settings
from tenants.database import Database, derived_password
from tenants.embedded import EmbeddedError
from tenants.keys import KeyFileError
from tenants.master_keys import MasterKeySource, read_ring
from tenants.migrate import DatabaseError
from tenants.sealing import new_ring, parse_ring
from tenants.secret_files import secret_files
from tenants.secret_rows import SecretsUnavailableError
from tenants.secret_store import MemorySecrets, PostgresSecrets
from tenants.secrets import TenantSecrets
from tenants.visit import visited_database

NOT_TOLD: Final = (EmbeddedError, DatabaseError, KeyFileError, SecretsUnavailableError, OSError)


def ring_source(found: Settings) -> MasterKeySource:
    """What the settings say of the master keys."""
    return MasterKeySource(
        data_dir=found.data_dir,
        keys=found.secrets_keys,
        file=found.secrets_keys_file,
        command=found.secrets_keys_command,
    )


@asynccontextmanager
async def visited_secrets(found: Settings) -> AsyncIterator[TenantSecrets]:
    """The service's secrets; none where no database is made yet. Raises one of NOT_TOLD."""
    async with _visited(found) as database:
        if database is None:
            yield TenantSecrets(MemorySecrets(), parse_ring(new_ring().reveal()))
            return
        secrets = TenantSecrets(PostgresSecrets(database), await read_ring(ring_source(found), make=False))
        await secrets.open()
        yield secrets


def _visited(found: Settings) -> AbstractAsyncContextManager[Database | None]:
    password = derived_password(found.api_key_secret)
    return visited_database(found.data_dir, found.database_url, password=password)


class KnownSecrets(Struct, frozen=True, kw_only=True):
    """Which secrets there are, as far as that can be told."""

    has: Callable[[TenantId, str], bool] | None
    """None: it cannot be."""
    why: str = ""
    """Why not."""


async def known_secrets(found: Settings, texts: Iterable[bytes]) -> KnownSecrets:
    """Those that these documents may name: where none names one nobody is asked. What fails is told in `why`."""
    if not any(b"secret" in text for text in texts):
        return KnownSecrets(has=lambda _tenant, _name: False)
    if not await asyncio.to_thread(found.data_dir.is_dir):
        return KnownSecrets(has=None, why=f"there is no data directory {found.data_dir} in which they would be")
    files = await asyncio.to_thread(lambda: {(tenant, name) for tenant, name, _ in secret_files(found.data_dir)})
    try:
        versions = await _versions(found)
    except NOT_TOLD as error:
        return KnownSecrets(has=None, why=f"the database does not tell of them: {error}")
    return KnownSecrets(has=lambda tenant, name: name in versions.get(tenant, {}) or (tenant, name) in files)


async def _versions(found: Settings) -> Mapping[TenantId, Mapping[str, int]]:
    async with _visited(found) as database:
        versions: dict[TenantId, dict[str, int]] = {}
        for one in [] if database is None else await PostgresSecrets(database).changes(None):
            versions.setdefault(one.tenant_id, {})[one.name] = one.version
        return versions
