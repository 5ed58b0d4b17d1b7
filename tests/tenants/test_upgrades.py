"""From every older schema to the newest, with rows of that time; and what old and new programs do beside each other.

`tests/data/upgrades/<name of the step>.sql` has rows as a program of that step wrote them. Each step that makes a table
has such a file.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import structlog

from base.ids import ApiKeyId, CallId
from base.secret import Secret
from pipelines.calls import Waterfall
from tenants.api_key_store import PostgresApiKeys
from tenants.conversations import PostgresConversations
from tenants.database import PoolBounds, connect_app
from tenants.migrate import DatabaseError, MigrationError, connect, migrate
from tenants.revisions import PostgresRevisions
from tests.tenants.steps import ROWS, STEPS, TENANT, grown, program_of

pytestmark = pytest.mark.postgres

Rows = dict[str, list[dict[str, Any]]]


class Server:
    """Databases of ours on the server of the other tests, by their names."""

    def __init__(self, postgres: Secret, owner: Any) -> None:
        self._postgres = postgres
        self._owner = owner
        self._made: list[str] = []

    async def make(self, template: str = "template1") -> str:
        name = f"upgrade_{uuid.uuid4().hex}"
        await self._owner.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return name

    def url(self, name: str) -> Secret:
        return Secret(self._postgres.reveal().replace("/postgres?", f"/{name}?"))

    async def ask(self, statement: str, *facts: Any) -> list[Any]:
        rows: list[Any] = await self._owner.fetch(statement, *facts)
        return rows

    async def drop(self) -> None:
        for name in self._made:
            await self._owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await self._owner.close()


@pytest.fixture
async def server(postgres: Secret) -> AsyncIterator[Server]:
    server = Server(postgres, await connect(postgres))
    try:
        yield server
    finally:
        await server.drop()


async def rows_of(url: Secret) -> Rows:
    connection = await connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'atende'")
        return {
            table["tablename"]: [
                msgspec.json.decode(row[0])
                for row in await connection.fetch(f"SELECT to_jsonb(t)::text FROM atende.{table['tablename']} t")
            ]
            for table in tables
            if table["tablename"] != "migrations"
        }
    finally:
        await connection.close()


def test_every_step_that_makes_a_table_has_rows_of_its_time() -> None:
    makers = {step.name for step in STEPS if re.search(r"^CREATE TABLE", step.sql, re.MULTILINE)}
    written = {file.stem for file in ROWS.glob("*.sql")}
    assert makers - written == set(), f"write rows of that time into {ROWS}/<name>.sql"
    assert written - {step.name for step in STEPS} == set(), "no step has this name"


async def test_every_older_database_becomes_the_newest_with_its_rows_whole(server: Server, tmp_path: Path) -> None:
    filled: set[str] = set()
    older = await server.make()
    async for step in grown(server.url(older), tmp_path):
        database = await server.make(template=older)
        before = await rows_of(server.url(database))
        assert await migrate(server.url(database)) == [later.number for later in STEPS[step.number :]]
        after = await rows_of(server.url(database))
        for table, had in before.items():
            assert len(after[table]) == len(had), (step.name, table)
            for row in had:
                same = [{key: found.get(key) for key in row if key in found} for found in after[table]]
                assert {key: row[key] for key in row if key in after[table][0]} in same, (step.name, table)
        filled |= {table for table, had in before.items() if had}
        await program_reads(server.url(database), step.number)
    assert filled == set(await rows_of(server.url(older))), "a table in which no row was tried"


async def test_a_live_call_of_nobody_goes_and_every_other_stays_where_the_owner_is_no_superuser(
    server: Server, tmp_path: Path
) -> None:
    owner = f"owner_{uuid.uuid4().hex}"
    await server.ask(f"CREATE ROLE {owner} LOGIN CREATEROLE")
    name = await server.make()
    await server.ask(f"ALTER DATABASE {name} OWNER TO {owner}")
    url = Secret(server.url(name).reveal().replace("//postgres", f"//{owner}", 1))
    before = next(step.number for step in STEPS if step.name == "live_calls_of_tenants") - 1
    await migrate(url, folder=program_of(tmp_path, before))
    connection = await connect(server.url(name))
    await connection.execute((ROWS / "tenants_and_conversations.sql").read_text(encoding="utf-8"))
    await connection.execute((ROWS / "leases.sql").read_text(encoding="utf-8"))
    await connection.execute(
        "INSERT INTO atende.live_calls (tenant_id, call_id, process_id, assistant, since) "
        "SELECT $1, 'of-nobody', process_id, 'ana', since FROM atende.live_calls LIMIT 1", uuid.uuid4()
    )  # fmt: skip
    plain = await connect(url)
    assert await plain.fetchval("SELECT current_user") == owner
    assert await plain.fetchval("SELECT count(*) FROM atende.live_calls") == 0, "the policies hold for it"
    await plain.close()
    assert await migrate(url)
    assert [row["call_id"] for row in await connection.fetch("SELECT call_id FROM atende.live_calls")] == ["talks-now"]
    forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid IN ('atende.tenants'::regclass, $1::text::regclass)"
    assert [row[0] for row in await connection.fetch(forced, "atende.live_calls")] == [True, True]
    await connection.close()


async def program_reads(url: Secret, was: int) -> None:
    """What was written in the schema of step `was` is what the program of today reads."""
    database = await connect_app(url, None, PoolBounds(max_connections=1))
    names = [step.name for step in STEPS[:was]]
    try:
        record = await PostgresConversations(database).get(TENANT, CallId("first-schema"))
        assert record is not None
        assert (record.cost_usd, record.usage) == (None, ()), "nobody counted then"
        assert [turn.text for turn in record.turns] == ["Olá!", "Vocês abrem sábado?", "Sim."]
        assert record.turns[2].waterfall == Waterfall(vad_stop=210.0, first_audio=980.125)
        assert (record.call.switch, record.call.caller, record.errors) == ("default", "+5511988887777", ("stt: slow",))
        current = await PostgresRevisions(database).current(TENANT)
        assert current is not None
        assert (current.number, current.document) == (2, b"slug: clinica # 2")
        if "revisions_of_a_call" in names:
            changed = await PostgresConversations(database).get(TENANT, CallId("changed-over"))
            assert changed is not None
            assert changed.revisions == (1, 2)
        if "api_keys" in names:
            key = await PostgresApiKeys(database).find(ApiKeyId("aaaaaaaaaaaa"))
            assert key is not None
            assert (key.key.name, key.key.tenant_id) == ("Site", TENANT)
    finally:
        await database.close()


async def test_an_older_program_touches_nothing_and_says_what_to_do(server: Server, tmp_path: Path) -> None:
    url = server.url(await server.make())
    await migrate(url)
    before = await rows_of(url)
    for number in (1, len(STEPS) - 1):
        with pytest.raises(MigrationError, match=f"this program knows {number}: it is too old") as caught:
            await migrate(url, folder=program_of(tmp_path, number))
        assert "newer" in str(caught.value)
    assert await rows_of(url) == before


async def test_old_and_new_programs_that_start_together_end_at_the_newest(server: Server, tmp_path: Path) -> None:
    url, old = server.url(await server.make()), program_of(tmp_path, 3)
    starts = [migrate(url, folder=old), migrate(url), migrate(url, folder=old), migrate(url)]
    ended = await asyncio.gather(*starts, return_exceptions=True)
    applied = [number for end in ended if isinstance(end, list) for number in end]
    assert sorted(applied) == [step.number for step in STEPS]
    assert all(isinstance(end, list | MigrationError) for end in ended), ended
    assert all(isinstance(end, list) for end in ended[1::2]), "the newer ones begin whatever the others do"


async def test_who_waits_for_a_long_step_of_another_says_so_and_begins_behind_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, slow = server.url(await server.make()), tmp_path / "steps"
    slow.mkdir()
    (slow / "0001_a.sql").write_text("CREATE TABLE a (x int); SELECT pg_sleep(1.5)")
    monkeypatch.setattr("tenants.migrate.LOCK_TELL_S", 0.3)
    monkeypatch.setattr("tenants.migrate.LOCK_IDLE_S", 1.0)
    with structlog.testing.capture_logs() as logs:
        first = asyncio.create_task(migrate(url, folder=slow))
        await asyncio.sleep(0.3)
        assert await migrate(url, folder=slow) == []
    assert await first == [1]
    waits = [
        one for one in logs if one["event"] == "another process brings the database to its schema: it is waited for"
    ]
    assert 1 <= len(waits) <= 5
    assert waits[0]["process"] > 0


@pytest.mark.parametrize(("bound", "says"), [("IDLE", "does nothing"), ("TIMEOUT", "has held the migration lock for")])
async def test_who_waits_too_long_for_another_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch, bound: str, says: str
) -> None:
    url = server.url(await server.make())
    holder = await connect(url)
    await holder.execute("SELECT pg_advisory_lock(4702988131)")
    monkeypatch.setattr(f"tenants.migrate.LOCK_{bound}_S", 0.1)
    with pytest.raises(DatabaseError, match=f"{says}.*pg_terminate_backend"):
        await migrate(url)
    await holder.close()
    monkeypatch.undo()
    assert await migrate(url)


async def test_a_process_that_dies_in_a_step_leaves_nothing_half_done(server: Server, tmp_path: Path) -> None:
    url, folder = server.url(await server.make()), tmp_path / "steps"
    folder.mkdir()
    (folder / "0001_a.sql").write_text("CREATE TABLE a (x int)")
    (folder / "0002_b.sql").write_text("CREATE TABLE b (x int); SELECT pg_sleep(60)")
    dying = asyncio.create_task(migrate(url, folder=folder))
    name = url.reveal().partition("?")[0].rpartition("/")[2]
    asleep = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'"
    until = asyncio.get_running_loop().time() + 20
    while not (found := await server.ask(asleep, name)):
        assert asyncio.get_running_loop().time() < until
    await server.ask("SELECT pg_terminate_backend($1)", found[0]["pid"])
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await dying
    (folder / "0002_b.sql").write_text("CREATE TABLE b (x int)")
    assert await migrate(url, folder=folder) == [2]
