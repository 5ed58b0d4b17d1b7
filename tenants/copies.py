"""The database in a file, and back again, by PostgreSQL's own programs: those that come with us, or the machine's.

A copy has everything of the schema `atende`: tables, rows, policies and grants, of all tenants. What it is brought back
into is kept aside until all of it is there.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from base.secret import Secret
from tenants.database import open_database
from tenants.embedded import EmbeddedError, EmbeddedInUseError, binaries
from tenants.migrate import APP_ROLE, MigrationError, connect, locked
from tenants.visit import visited_postgres

SCHEMA: Final = "atende"
ASIDE: Final = "atende_former"
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_HANDED_ON: Final = {"HOME", "PATH"}
_FENCED: Final = "row-level security"
_BYPASS: Final = (
    "the tables are closed to their owner, too: for this command let ATENDE_DATABASE_URL be of a superuser, or of a "
    "role with BYPASSRLS"
)
_LEFT: Final = (
    f"the schema {ASIDE} is what a restore that broke off has put aside: drop it, or drop {SCHEMA} and rename it back"
)
_LOOKS, _LOOK_S = 20, 0.1
"""A connection of our own may still be seen for a moment after it was closed."""
_BUSY: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1"


class CopyError(Exception):
    """There is no copy, or nothing was brought back; the message says why."""


async def copy_database(data_dir: Path, url: Secret | None, file: Path) -> None:
    """Write all of it into `file` (mode 0600), beside a service or without one. Whole, or not at all.

    `url` is that of the owner of a server's database; None: the embedded one. Raises CopyError, DatabaseError,
    EmbeddedError or OSError.
    """
    async with _owner(data_dir, url) as owner:
        program = await _program("pg_dump", owner)
        draft = file.with_name(f"{file.name}.part")
        draft.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                await _run(owner, program, "--format=custom", f"--schema={SCHEMA}", output=opened)
                opened.flush()
                os.fsync(opened.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


async def restore_database(data_dir: Path, url: Secret | None, file: Path, password: Secret | None = None) -> None:
    """Put what a copy has in the place of what is there, while no service runs. All of it, or nothing is changed.

    `password` as `open_database` has it: the role of the service is made before. Raises CopyError, DatabaseError,
    EmbeddedError or OSError.
    """
    with file.open("rb") as opened:
        if opened.read(5) != b"PGDMP":
            raise CopyError(f"{file} is no copy of a database")
    try:
        with suppress(MigrationError):  # what a newer program made is what is to go; the role is there by then
            async with open_database(data_dir, url, password=password):
                pass
    except EmbeddedInUseError as error:
        raise CopyError(f"{error}: a copy is brought back while no service runs") from error
    async with _owner(data_dir, url) as owner, locked(owner):
        program = await _program("pg_restore", owner)
        connection = await connect(owner)
        try:
            await _nobody_else(connection)
            await connection.execute(f"ALTER SCHEMA {SCHEMA} RENAME TO {ASIDE}")
            try:
                await _run(owner, program, "--no-owner", "--single-transaction", "--exit-on-error", file)
            except BaseException as error:
                try:
                    await connection.execute(f"ALTER SCHEMA {ASIDE} RENAME TO {SCHEMA}")
                except asyncpg.PostgresError:
                    raise CopyError(f"{error}\n{_LEFT}") from error
                raise
            await connection.execute(f"DROP SCHEMA {ASIDE} CASCADE")
        finally:
            await connection.close(timeout=10)


async def _nobody_else(connection: Any) -> None:
    """Raises CopyError where a service works with the database, or a former restore broke off."""
    if await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", ASIDE):
        raise CopyError(_LEFT)
    for _ in range(_LOOKS):
        if not await connection.fetchval(_BUSY, APP_ROLE):
            return
        await asyncio.sleep(_LOOK_S)
    raise CopyError("a service works with this database: stop it (that of every node) first")


@asynccontextmanager
async def _owner(data_dir: Path, url: Secret | None) -> AsyncIterator[Secret]:
    if url is not None:
        yield url
        return
    async with visited_postgres(data_dir) as found:
        if found is None:
            raise CopyError(f"there is no database in {data_dir} yet")
        yield found


async def _program(name: str, owner: Secret) -> Path:
    """The machine's, which knows the server as its packager wished, or ours; one that is not older than the server."""
    connection = await connect(owner)
    try:
        wanted = connection.get_server_version().major
    finally:
        await connection.close(timeout=10)
    places = [Path(found)] if (found := shutil.which(name)) else []
    with suppress(EmbeddedError):
        places.append(binaries() / name)
    for place in places:
        if await _major(place) >= wanted:
            return place
    raise CopyError(f"the server is PostgreSQL {wanted}, and no {name} here is: install postgresql-client-{wanted}")


async def _major(program: Path) -> int:
    asked = await asyncio.create_subprocess_exec(
        program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    told, _ = await asked.communicate()
    found = _VERSION.search(told.decode(errors="replace"))
    return int(found[1]) if found else 0


async def _run(owner: Secret, program: Path, *arguments: str | Path, output: Any = asyncio.subprocess.DEVNULL) -> None:
    """The password is in no argument, which everybody on the machine can read."""
    shown, password = _parted(owner)
    ours = {name: value for name, value in os.environ.items() if name in _HANDED_ON or name.startswith("PG")}
    environment = {**ours, "LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})
    running = await asyncio.create_subprocess_exec(
        program, "--dbname", shown, *arguments, env=environment, stdout=output, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, told = await running.communicate()
    except BaseException:
        running.kill()
        await running.wait()
        raise
    if running.returncode:
        reason = told.decode(errors="replace").strip()
        raise CopyError(f"{program.name}: {reason}" + (f"\n{_BYPASS}" if _FENCED in reason else ""))


def _parted(owner: Secret) -> tuple[str, str]:
    """A URL without its password, and that."""
    parts = urlsplit(owner.reveal())
    asked = parse_qsl(parts.query, keep_blank_values=True)
    login, at, host = parts.netloc.rpartition("@")
    user, _, inside = login.partition(":")
    password = unquote(inside) or dict(asked).get("password", "")
    query = urlencode([one for one in asked if one[0] != "password"], quote_via=quote)
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}", query=query)), password
