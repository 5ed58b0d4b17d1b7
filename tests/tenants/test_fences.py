"""What the database itself holds to about every table: whoever asks, and however wrongly.

In every table there is a row of somebody else's: those of `tests/data/upgrades`, where who makes a table writes one.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio
from msgspec import Struct

from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect
from tests.tenants.steps import ROWS, TENANT, grown

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

OURS = TenantId("0f0f0f0f-0000-4000-8000-00000000fe01")
OPEN = {"migrations"}
"""What holds nothing of a tenant and nothing of the platform's."""


class Table(Struct, frozen=True):
    """One table as the catalog tells it; `owner` is the column that says whose a row is, where there is one."""

    name: str
    owner: str | None
    closed: bool
    """Row-level security holds, for the table's owner too."""
    columns: tuple[str, ...]
    """What an INSERT may name."""

    def of_tenant(self) -> str:
        """Which rows are TENANT's."""
        return "true" if self.owner is None else f"{self.owner} = '{TENANT}'"


class Filled:
    """A database in which TENANT and the platform have rows, and OURS has none."""

    def __init__(self, owner: Any, service: Database, tables: list[Table]) -> None:
        self.owner = owner
        self.service = service
        self.tables = tables

    @property
    def closed(self) -> list[Table]:
        return [table for table in self.tables if table.name not in OPEN]

    async def rows(self) -> dict[str, list[str]]:
        """Everything that is kept, as its owner sees it."""
        return {
            table.name: [
                row[0]
                for row in await self.owner.fetch(f"SELECT to_jsonb(t)::text FROM atende.{table.name} t ORDER BY 1")
            ]
            for table in self.closed
        }


CATALOG = """
    SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS closed,
        array_agg(a.attname::text ORDER BY a.attnum)
            FILTER (WHERE a.attgenerated = '' AND a.attidentity <> 'a') AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'atende'::regnamespace AND c.relkind IN ('r', 'p')
    GROUP BY c.oid ORDER BY c.relname
"""


def table_of(row: Mapping[str, Any]) -> Table:
    columns = tuple(row["columns"])
    owner = "id" if row["name"] == "tenants" else "tenant_id" if "tenant_id" in columns else None
    return Table(row["name"], owner, row["closed"], columns)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(postgres: Secret, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Filled]:
    """Every grant is given, so that it is the policies that are tried, and no missing grant stands in for them."""
    server = await connect(postgres)
    await server.execute("CREATE DATABASE fences")
    url = Secret(postgres.reveal().replace("/postgres?", "/fences?"))
    folder: Path = tmp_path_factory.mktemp("steps")
    steps = [step async for step in grown(url, folder)]
    assert steps
    owner = await connect(url)
    service = await connect_app(url, None, PoolBounds(max_connections=1))
    try:
        await owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA atende TO atende_app")
        yield Filled(owner, service, [table_of(row) for row in await owner.fetch(CATALOG)])
    finally:
        await service.close()
        await owner.close()
        await server.execute("DROP DATABASE fences WITH (FORCE)")
        await server.close()


async def test_every_table_is_under_policies_that_hold_for_its_owner_too(filled: Filled) -> None:
    assert {table.name for table in filled.tables if not table.closed} == OPEN


async def test_every_table_has_a_row_of_somebody_else(filled: Filled) -> None:
    """And its tenant sees it: where OURS sees none, it is not for want of a row or of a policy that shows one."""
    for table in filled.closed:
        look = f"SELECT count(*) FROM atende.{table.name} WHERE {table.of_tenant()}"
        assert await filled.owner.fetchval(look) > 0, f"write a row of {table.name} into a file of {ROWS}"
        if table.owner is not None:
            async with filled.service.tenant(TENANT) as connection:
                assert await connection.fetchval(look) > 0, table.name


LOOKS: Final[Mapping[str, Callable[[Database], AbstractAsyncContextManager[Any]]]] = {
    "another tenant": lambda database: database.tenant(OURS),
    "nobody": lambda database: database._pool.acquire(),
    "a key": lambda database: database.key_holder(ApiKeyId("aaaaaaaaaaaa")),
    "the platform": lambda database: database.platform(),
    "who hands events on": lambda database: database.all_events(),
}
SEEN: Final[Mapping[str, set[str]]] = {
    "another tenant": set(),
    "nobody": set(),
    "a key": {"api_keys"},
    "the platform": {
        *("audit", "changes", "idempotency", "live_calls", "processes", "secrets"),
        *("jobs", "job_log", "job_schedules", "job_statistics"),
    },
    "who hands events on": {"events"},
}
"""What each may read of TENANT's; a table that has to be read so is added here by who decides it. Of `idempotency` it
is what is over, to be taken away.
"""


@pytest.mark.parametrize("look", LOOKS)
async def test_a_query_that_forgets_the_tenant_sees_nothing_of_others(filled: Filled, look: str) -> None:
    seen = set()
    for table in filled.closed:
        async with LOOKS[look](filled.service) as connection:
            if await connection.fetchval(f"SELECT count(*) FROM atende.{table.name} WHERE {table.of_tenant()}"):
                seen.add(table.name)
            if look in ("another tenant", "nobody"):
                assert await connection.fetch(f"SELECT * FROM atende.{table.name}") == [], "the platform's neither"
    assert seen == SEEN[look]


async def count_of(connection: Any, statement: str, *facts: Any) -> int:
    """How many rows it changed; none where it is refused."""
    try:
        return int((await connection.execute(statement, *facts)).rpartition(" ")[2])
    except asyncpg.InsufficientPrivilegeError:
        return 0


@pytest.mark.parametrize("look", ["another tenant", "nobody"])
async def test_a_wrong_statement_changes_nothing_of_others(filled: Filled, look: str) -> None:
    before, tried = await filled.rows(), 0
    for table in filled.closed:
        column = table.owner or table.columns[0]
        names = ", ".join(table.columns)
        copy = f"SELECT {names} FROM jsonb_populate_record(NULL::atende.{table.name}, $1::text::jsonb)"
        wrong: list[tuple[str, tuple[Any, ...]]] = [
            (f"DELETE FROM atende.{table.name}", ()),
            (f"UPDATE atende.{table.name} SET {column} = {column}", ()),
            *((f"INSERT INTO atende.{table.name} ({names}) {copy}", (row,)) for row in before[table.name]),
        ]
        if table.owner is not None:
            wrong.append((f"UPDATE atende.{table.name} SET {column} = '{OURS}'", ()))
        for statement, facts in wrong:
            async with LOOKS[look](filled.service) as connection:
                assert await count_of(connection, statement, *facts) == 0, statement
            tried += 1
    assert tried >= 4 * len(filled.closed) - 1
    assert await filled.rows() == before


async def test_nobody_gives_a_row_away(filled: Filled) -> None:
    """Nor to the platform."""
    before = await filled.rows()
    for table in filled.closed:
        for to in (f"'{OURS}'", "NULL") if table.owner else ():
            async with filled.service.tenant(TENANT) as connection:
                statement = f"UPDATE atende.{table.name} SET {table.owner} = {to}"
                assert await count_of(connection, statement) == 0, statement
    assert await filled.rows() == before


async def test_nothing_is_granted_that_no_policy_holds(filled: Filled) -> None:
    """TRUNCATE, REFERENCES and TRIGGER go past the policies."""
    granted = await filled.owner.fetch(
        "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE table_schema = 'atende' "
        "AND grantee IN ('atende_app', 'PUBLIC') AND privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')"
    )
    assert granted == []
