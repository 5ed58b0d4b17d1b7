"""The doctor's look at the database: a server's, or the embedded one, which is run for the look when nobody runs it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import asyncpg
from msgspec import Struct

from control.findings import Finding
from control.settings import Settings
from tenants.embedded import VERSION, EmbeddedError
from tenants.migrate import APP_ROLE, DatabaseError, connect
from tenants.sql import queries
from tenants.visit import visited_postgres

NAME: Final = "database"


class AppRole(Struct, frozen=True):
    """What could let the role with which the service connects go round row-level security."""

    superuser: bool = False
    bypasses: bool = False
    owns_as_member: bool = False
    """It is a member of the owner's role, or of one that goes round the policies."""


class Table(Struct, frozen=True):
    """A table of tenants' rows."""

    name: str
    guarded: bool
    """By row-level security."""
    owned: bool
    """By the service's role, which could take the policies away."""


async def database(found: Settings) -> list[Finding]:
    """Whether it answers, and keeps tenants apart."""
    url, where = found.database_url, "PostgreSQL"
    async with AsyncExitStack() as stack:
        if url is None:
            where = "the embedded PostgreSQL"
            try:
                url = await stack.enter_async_context(visited_postgres(found.data_dir))
            except EmbeddedError as error:
                fix = "look at postgres.log in the data directory"
                return [Finding(name=NAME, level="fail", text=f"{where}: {error}", fix=fix)]
            if url is None:
                return [Finding(name=NAME, level="ok", text=f"{where} {VERSION}, made at the first start")]
        try:
            connection = await connect(url)
        except DatabaseError as error:
            kind = type(error.__cause__ or error).__name__
            fix = "check ATENDE_DATABASE_URL and that PostgreSQL listens" if found.database_url else "start Atende once"
            return [Finding(name=NAME, level="fail", text=f"{where} cannot be reached ({kind})", fix=fix)]
        stack.push_async_callback(connection.close, timeout=2)
        return [await _looked_at(connection, where)]


async def _looked_at(connection: Any, where: str) -> Finding:
    sql = queries("migrations")
    try:
        version = (await connection.fetchval("SHOW server_version")).split()[0]
        role = await connection.fetchrow(sql["role"])
        tables = [Table(**row) for row in await connection.fetch(sql["tables"])]
    except asyncpg.PostgresError as error:
        fix = "is ATENDE_DATABASE_URL that of the owner?"
        return Finding(name=NAME, level="fail", text=f"{where} does not tell ({type(error).__name__})", fix=fix)
    return of_database(f"{where} {version}", None if role is None else AppRole(*role.values()), tables)


def of_database(where: str, role: AppRole | None, tables: Sequence[Table]) -> Finding:
    """Whether row-level security holds for the role with which the service connects."""
    if role is None or not tables:
        lacking = f"no role {APP_ROLE} yet" if role is None else "no tables yet"
        fix = f"start Atende once with a role that may create roles, or create {APP_ROLE} by hand"
        return Finding(name=NAME, level="warn", text=f"{where}, {lacking}", fix=fix)
    unguarded = [table.name for table in tables if not table.guarded]
    owned = [table.name for table in tables if table.owned]
    for wrong, fix in (
        (role.superuser or role.bypasses, f"ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS"),
        (role.owns_as_member, f"take {APP_ROLE} out of the owner's role: REVOKE owner FROM {APP_ROLE}"),
        (owned, f"ALTER TABLE {', '.join(f'atende.{name}' for name in owned)} OWNER TO the owner"),
        (unguarded, f"ALTER TABLE {', '.join(f'atende.{name}' for name in unguarded)} ENABLE ROW LEVEL SECURITY"),
    ):
        if wrong:
            return Finding(name=NAME, level="fail", text=f"{APP_ROLE} sees every tenant's rows ({where})", fix=fix)
    return Finding(name=NAME, level="ok", text=f"{where}, {APP_ROLE} is held by row-level security")
