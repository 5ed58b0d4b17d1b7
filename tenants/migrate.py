"""Brings a database to this program's schema, as its owner.

Numbered files, applied in order, each in a transaction, under an advisory lock, so that several
processes may start together. History is checksummed: a file that changed after it was applied, or a
database that is newer than the program, stops the start. The role `atende_app`, with which the service
connects, is made here too; it owns nothing, and row-level security holds for it.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog
from msgspec import Struct

from base.secret import Secret
from base.tasks import beside
from knowledge.stores.pgvector import NO_PGVECTOR
from tenants.sql import queries

APP_ROLE: Final = "atende_app"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_S: Final = 6 * 3600.0
"""A step over a large table may take its time."""
LOCK_IDLE_S: Final = 60.0
"""Who has the lock and does nothing for so long stands still, or is gone without the server's knowing."""
LOCK_LOOK_S: Final = 0.25
LOCK_TELL_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 10.0
_NAME: Final = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")
_SCRAM_ROUNDS: Final = 4096

log = structlog.get_logger()


class DatabaseError(Exception):
    """The database cannot be used as it is; the message says what to do."""


class PasswordNotOursError(DatabaseError):
    """The role has another password than ours, and the owner may not set it."""


class MigrationError(DatabaseError):
    """The history in the database is not that of this program."""


class Migration(Struct, frozen=True):
    """One step of the schema. `checksum` is the SHA-256 of the file's bytes, in hex."""

    number: int
    name: str
    sql: str
    checksum: str


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All steps, in order. Raises MigrationError when their numbers are not 1, 2, 3 …"""
    steps: list[Migration] = []
    for file in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(file.name)
        if match is None or int(match[1]) != len(steps) + 1:
            raise MigrationError(f"{file.name}: expected {len(steps) + 1:04}_name.sql")
        raw = file.read_bytes()
        steps.append(Migration(int(match[1]), match[2], raw.decode(), hashlib.sha256(raw).hexdigest()))
    return steps


async def migrate(
    owner: Secret, password: Secret | None = None, folder: Path = MIGRATIONS, *, vectors: bool = False
) -> list[int]:
    """The numbers of the steps that were applied now. `owner`: URL of the owner; `password`: of `atende_app`.

    Without a password the role gets none: for a server that trusts who reaches its socket. `vectors`: the extension
    pgvector is made, too, where it is not there yet.
    Raises DatabaseError, of which PasswordNotOursError and MigrationError are.
    """
    steps = read_migrations(folder)
    connection = await connect(owner)
    try:
        await _lock(connection)
        await _ensure_role(connection, owner, password)
        if vectors:
            await _ensure_pgvector(connection)
        return await _apply(connection, steps)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


@asynccontextmanager
async def locked(owner: Secret) -> AsyncIterator[None]:
    """Nobody migrates while the block runs: a service that starts meanwhile waits for its end. Raises DatabaseError."""
    connection = await connect(owner)

    async def is_seen_to_work() -> None:
        while True:
            await asyncio.sleep(LOCK_IDLE_S / 4)
            await connection.execute("SELECT 1")

    try:
        await _lock(connection)
        async with beside(hold_the_migration_lock=is_seen_to_work()):
            yield
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def is_made(owner: Secret) -> bool:
    """Whether a service has ever been started with this database. Raises DatabaseError."""
    connection = await connect(owner)
    try:
        return bool(await connection.fetchval(queries("migrations")["made"]))
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _lock(connection: Any) -> None:
    """Held until the connection closes. Who has it is waited for as long as it works, and told of."""
    sql, began = queries("migrations"), time.monotonic()
    tell_at = began + LOCK_TELL_S
    while not await connection.fetchval(sql["lock"]):
        holder, now = await connection.fetchrow(sql["holder"]), time.monotonic()
        if holder is not None:
            who = f"process {holder['pid']} of the database, from {holder['address'] or 'its own machine'},"
            end_it = f"end that one, or as an administrator: SELECT pg_terminate_backend({holder['pid']})"
            if (holder["idle_s"] or 0.0) > LOCK_IDLE_S:
                raise DatabaseError(f"{who} holds the migration lock and does nothing: {end_it}")
            if now > began + LOCK_TIMEOUT_S:
                raise DatabaseError(f"{who} has held the migration lock for {holder['for_s']:.0f} s: {end_it}")
            if now > tell_at:
                tell_at = now + LOCK_TELL_S
                log.warning(
                    "another process brings the database to its schema: it is waited for",
                    address=holder["address"], process=holder["pid"], for_s=round(holder["for_s"]),
                )  # fmt: skip
        await asyncio.sleep(LOCK_LOOK_S)


async def connect(url: Secret, **login: Any) -> Any:
    """A connection. Raises DatabaseError, which never shows the URL."""
    with entering("us"):
        return await asyncpg.connect(url.reveal(), timeout=CONNECT_TIMEOUT_S, **login)


@contextmanager
def entering(who: str) -> Iterator[None]:
    """What can go wrong at the door of a server becomes a DatabaseError."""
    try:
        yield
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseError(f"the database does not let {who} in: {type(error).__name__}: {error}") from error
    except (ValueError, asyncpg.InterfaceError) as error:
        # Not chained: the message may quote the URL, and the URL holds a password.
        raise DatabaseError(f"ATENDE_DATABASE_URL cannot be used as it is written ({type(error).__name__})") from None


async def _apply(connection: Any, steps: list[Migration]) -> list[int]:
    sql = queries("migrations")
    await connection.execute(sql["history"])
    applied = await connection.fetch(sql["applied"])
    if len(applied) > len(steps):
        raise MigrationError(
            f"the database is at step {len(applied)}, this program knows {len(steps)}: it is too old; "
            "install the newer one that was here before, or load a dump from before that one"
        )
    for row, step in zip(applied, steps, strict=False):
        if (row["number"], row["checksum"]) != (step.number, step.checksum):
            raise MigrationError(
                f"step {step.number:04}_{step.name} was changed after it was applied; restore it and add a new step"
            )
    for step in steps[len(applied) :]:
        async with connection.transaction():
            await connection.execute(step.sql)
            await connection.execute(sql["note"], step.number, step.name, step.checksum)
        log.info("migration applied", number=step.number, name=step.name)
    return [step.number for step in steps[len(applied) :]]


async def _ensure_pgvector(connection: Any) -> None:
    sql = queries("migrations")
    if await connection.fetchval(sql["has_vector"]):
        return
    try:
        await connection.execute(sql["create_vector"])
    except asyncpg.PostgresError as error:
        raise DatabaseError(NO_PGVECTOR) from error
    if not await connection.fetchval(sql["has_vector"]):
        raise DatabaseError("the extension pgvector is in a schema that is not on the search path; move it to public")


async def _ensure_role(connection: Any, owner: Secret, password: Secret | None) -> None:
    sql = queries("migrations")
    role = await connection.fetchrow(sql["role"])
    if role is None:
        try:
            await connection.execute(sql["create_role"])
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            pass  # Another database of the same server is being set up.
        except asyncpg.InsufficientPrivilegeError as error:
            raise DatabaseError(
                "the owner may not create the role atende_app; as an administrator of the server run: "
                "CREATE ROLE atende_app LOGIN PASSWORD '…'; and write that password to database.password "
                "in the data directory (mode 0600)"
            ) from error
    elif role["rolsuper"] or role["rolbypassrls"] or role["is_owner"]:
        raise DatabaseError(
            "the role atende_app may go round row-level security; "
            "run: ALTER ROLE atende_app NOSUPERUSER NOBYPASSRLS; and take it out of the owner's role"
        )
    elif owned := [row["name"] for row in await connection.fetch(sql["tables"]) if row["owned"]]:
        raise DatabaseError(
            f"the role atende_app owns {', '.join(owned)}, and who owns a table may take its policies away; "
            f"run: ALTER TABLE atende.{owned[0]} OWNER TO the owner of the others; for each"
        )
    if password is not None and not await lets_in(owner, password):
        await _set_password(connection, password)


async def lets_in(url: Secret, password: Secret) -> bool:
    """Whether `atende_app` may connect with it. Raises DatabaseError for any other reason why it may not."""
    try:
        with entering(APP_ROLE):
            connection = await asyncpg.connect(
                url.reveal(), user=APP_ROLE, password=password.reveal(), timeout=CONNECT_TIMEOUT_S
            )
    except DatabaseError as error:
        if isinstance(error.__cause__, asyncpg.InvalidAuthorizationSpecificationError):
            return False
        raise
    await connection.close(timeout=CONNECT_TIMEOUT_S)
    return True


async def _set_password(connection: Any, password: Secret) -> None:
    """As a SCRAM verifier: the password itself never reaches the server or its log."""
    verifier = scram_verifier(password, secrets.token_bytes(16))
    statement = await connection.fetchval(queries("migrations")["password_statement"], verifier)
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise PasswordNotOursError(
            "the owner may not set the password of atende_app; write the role's password to "
            "database.password in the data directory (mode 0600)"
        ) from error


def scram_verifier(password: Secret, salt: bytes) -> str:
    """What PostgreSQL keeps of a password (RFC 5803; `SCRAM-SHA-256$rounds:salt$stored:server`)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, _SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{text[0]}${text[1]}:{text[2]}"
