"""Reads FusionPBX's database: SELECTs of named columns in one READ ONLY transaction, with short limits.

FusionPBX has no row-level security and no foreign keys: each query says whose rows it wants, and a row of a domain
that is gone is nobody's.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from base.secret import Secret
from tenants.fusionpbx import facts
from tenants.fusionpbx.rows import DOMAINS, MAX_CHARS, OF_DOMAINS, TABLES, DomainRow, DomainRows, Table

CONNECT_TIMEOUT_S: Final = 10.0
STATEMENT_TIMEOUT_S: Final = 20.0
CLOSE_TIMEOUT_S: Final = 5.0
_BEGIN: Final = (
    "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S:.0f}s'; SET LOCAL lock_timeout = '2s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'"
)
_FOUND: Final = """
SELECT wanted.name, a.attname AS column, has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
FROM unnest($1::text[]) AS wanted (name)
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(wanted.name) AND a.attnum > 0 AND NOT a.attisdropped
"""
_LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_FLAG: Final = frozenset({"enabled", "is_enabled"})
_ROLE: Final = "SELECT quote_ident(current_user)"


class PbxError(Exception):
    """FusionPBX's database cannot be read; the message says why and what to do, and never shows the URL."""


class Readable(Struct, frozen=True):
    """What there is to read: columns by table. `notes` tell of what is not there."""

    columns: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


class Pbx:
    """The database as it was at the first look at it. Both methods raise PbxError."""

    def __init__(self, connection: Any, readable: Readable) -> None:
        self._connection = connection
        self._readable = readable

    @property
    def notes(self) -> tuple[str, ...]:
        """Tables and columns that this FusionPBX does not have, and that are read as empty."""
        return self._readable.notes

    async def domains(self) -> tuple[DomainRow, ...]:
        """All of them, by name."""
        return tuple(msgspec.convert(await self._fetch(DOMAINS, None), list[DomainRow]))

    async def rows_of(self, domains: Sequence[DomainRow]) -> list[DomainRows]:
        """All that is read of these domains, in their order."""
        of: dict[str, dict[str, Any]] = {one.domain_uuid: {"domain": one} for one in domains}
        for table in OF_DOMAINS:
            if table.name in self._readable.columns:
                for row in await self._fetch(table, list(of)):
                    of[row["domain_uuid"]].setdefault(table.place, []).append(row)
        return [msgspec.convert(found, DomainRows, from_attributes=True) for found in of.values()]

    async def _fetch(self, table: Table, domains: list[str] | None) -> list[dict[str, str]]:
        statement = select(table, self._readable.columns[table.name], of_all=domains is None)
        with _reading():
            found = await self._connection.fetch(statement, *([] if domains is None else [domains]))
        return [{name: facts.cleaned(value) for name, value in row.items()} for row in found]


@asynccontextmanager
async def open_pbx(url: Secret) -> AsyncIterator[Pbx]:
    """Raises PbxError: where the server does not let us in, is no FusionPBX's, or the role may not read all."""
    with _connecting():
        connection = await asyncpg.connect(
            url.reveal(), timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S + 5
        )
    try:
        with _reading():
            # It ends with the connection: there is nothing to commit.
            await connection.execute(_BEGIN)
            found = await connection.fetch(_FOUND, [table.name for table in TABLES])
            role = await connection.fetchval(_ROLE)
        yield Pbx(connection, readable([tuple(row) for row in found], role))
    finally:
        with suppress(TimeoutError, *_LOST):
            await connection.close(timeout=CLOSE_TIMEOUT_S)


def readable(found: Collection[tuple[str, str, bool]], role: str) -> Readable:
    """Of what was found: table, column, and whether the role may read it. Raises PbxError with the GRANTs it lacks."""
    rights: dict[str, dict[str, bool]] = {}
    for name, column, may in found:
        rights.setdefault(name, {})[column] = may
    columns: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for table in TABLES:
        there = rights.get(table.name, {})
        lacking = [column for column in table.needed if column not in there]
        if lacking and table is DOMAINS:
            raise PbxError(
                "there is no table v_domains: is this FusionPBX's database, and may the role use its schema?"
            )
        if lacking:
            why = f"it has no {', '.join(lacking)}" if there else "there is none"
            notes.append(f"{table.name} is not read: {why}")
            continue
        columns[table.name] = tuple(column for column in table.columns if column in there)
        absent = [column for column in table.columns if column not in there and not _twins(column) & there.keys()]
        if absent:
            notes.append(f"{table.name} has no {', '.join(absent)}: read as empty")
    _check_rights(columns, rights, role)
    return Readable(columns, tuple(notes))


def _twins(column: str) -> frozenset[str]:
    """Both names of the one flag that has two."""
    return _FLAG if column in _FLAG else frozenset()


def _check_rights(columns: Mapping[str, tuple[str, ...]], rights: Mapping[str, Mapping[str, bool]], role: str) -> None:
    grants = [
        f"  {grant(table, wanted, role)}"
        for table, wanted in columns.items()
        if not all(rights[table][name] for name in wanted)
    ]
    if grants:
        told = "the role may not read all that is needed; as the owner of FusionPBX's database run:"
        raise PbxError("\n".join([told, *grants]))


def grant(table: str, columns: Sequence[str], role: str) -> str:
    """The statement that lets a role, whose name is quoted where it has to be, read these columns and no others."""
    return f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {role};"


def select(table: Table, columns: Sequence[str], *, of_all: bool = False) -> str:
    """The SELECT of these columns as text, of the domains in $1. Every word of it is our own (see `rows`)."""
    values = ", ".join(f"left({name}::text, {MAX_CHARS}) AS {name}" for name in columns)
    whose = "true" if of_all else f"domain_uuid = ANY($1::uuid[]) AND {table.only}"
    order = ", ".join(f"{name}::text" for name in (*table.order.split(", "), *columns))
    return f"SELECT {values} FROM {table.name} WHERE {whose} ORDER BY {order}"  # noqa: S608


@contextmanager
def _connecting() -> Iterator[None]:
    """What can go wrong at the door of a server becomes a PbxError."""
    try:
        with _reading():
            yield
    except ValueError as error:
        # Not chained: the message may quote the URL, and the URL holds a password.
        told = "the URL of FusionPBX's database cannot be used as it is written"
        raise PbxError(f"{told} ({type(error).__name__})") from None


@contextmanager
def _reading() -> Iterator[None]:
    """What can go wrong with a connection becomes a PbxError."""
    try:
        yield
    except TimeoutError as error:
        raise PbxError("FusionPBX's database does not answer in time") from error
    except _LOST as error:
        if isinstance(error, ValueError):  # of the URL
            raise
        raise PbxError(f"FusionPBX's database cannot be read: {type(error).__name__}: {error}") from error
