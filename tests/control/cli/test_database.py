"""`atende database` on a server's PostgreSQL; test_copies.py has the embedded one, beside its service."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from base.ids import TenantId
from base.secret import Secret
from control.cli.context import Program
from control.cli.database import database_command
from control.settings import Settings
from tenants import copies
from tenants.copies import _parted
from tenants.database import PoolBounds, connect_app
from tenants.migrate import connect, migrate
from tenants.revisions import PostgresRevisions, TenantRow
from tenants.sql import queries
from tests.tenants.conftest import postgres

__all__ = ["postgres"]

pytestmark = pytest.mark.postgres

FALA = TenantId(str(uuid.uuid4()))
COPIED = "SELECT convert_from(document, 'utf8') FROM atende.revisions ORDER BY number"


@pytest.fixture
def settings(tmp_path: Path, postgres: Secret) -> Iterator[Settings]:
    """A database of its own, with one document of `fala`'s."""
    name = f"copies_{uuid.uuid4().hex[:8]}"
    sql(postgres, f"CREATE DATABASE {name}")
    found = Settings(
        data_dir=tmp_path / "data", database_url=Secret(postgres.reveal().replace("/postgres?", f"/{name}?"))
    )
    put(found, "first")
    yield found
    sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def sql(url: Secret | None, *statements: str) -> list[Any]:
    """The first column of what the last one gives, as the owner."""
    assert url is not None

    async def ask() -> list[Any]:
        connection = await connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return [row[0] for row in await connection.fetch(statements[-1])]
        finally:
            await connection.close()

    return asyncio.run(ask())


def put(settings: Settings, text: str) -> None:
    async def publish() -> None:
        assert settings.database_url is not None
        await migrate(settings.database_url)
        database = await connect_app(settings.database_url, None, PoolBounds(max_connections=1))
        try:
            row = TenantRow(slug="fala", domain="fala.example.net", name="Fala")
            await PostgresRevisions(database).put(FALA, row, text.encode().hex().ljust(64, "0"), text.encode())
        finally:
            await database.close()

    asyncio.run(publish())


def run(settings: Settings, *arguments: str | Path, typed: str | None = None) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(database_command, [str(one) for one in arguments], obj=program, input=typed)


def copied(settings: Settings, file: Path) -> None:
    done = run(settings, "copy", file)
    assert done.exit_code == 0, done.output


def test_what_was_written_since_the_copy_is_gone_and_so_are_a_newer_programs_tables(
    settings: Settings, tmp_path: Path
) -> None:
    copied(settings, tmp_path / "a.dump")
    put(settings, "second")
    newer = "INSERT INTO atende.migrations (number, name, checksum) VALUES (9999, 'of a newer program', 'x')"
    sql(settings.database_url, "CREATE TABLE atende.of_a_newer_program ()", newer, "SELECT 1")
    done = run(settings, "restore", tmp_path / "a.dump", typed="y\n")
    assert done.exit_code == 0, done.output
    assert sql(settings.database_url, COPIED) == ["first"]
    assert sql(settings.database_url, "SELECT to_regclass('atende.of_a_newer_program')") == [None]
    assert sql(settings.database_url, "SELECT to_regnamespace('atende_former')") == [None]
    put(settings, "third")


def test_a_copy_that_is_cut_off_leaves_what_is_there(settings: Settings, tmp_path: Path) -> None:
    copied(settings, tmp_path / "a.dump")
    put(settings, "second")
    raw = (tmp_path / "a.dump").read_bytes()
    # Half of it has the tables and not all rows; what is behind is not read.
    bad = {"empty": b"", "head": raw[:1000], "half": raw[: len(raw) // 2], "other": b"SELECT 1;"}
    for name, written in bad.items():
        (tmp_path / name).write_bytes(written)
        done = run(settings, "restore", "--yes", tmp_path / name)
        assert (done.exit_code, "Traceback" in done.output) == (1, False), done.output
        assert sql(settings.database_url, COPIED) == ["first", "second"]
    assert "is no copy of a database" in done.output


def test_nobody_brings_the_database_to_a_schema_while_a_copy_is_brought_back(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(settings, tmp_path / "a.dump")
    bring_back, locked = copies._run, list[bool]()

    async def meanwhile(owner: Secret, *how: Any, **more: Any) -> None:
        connection = await connect(owner)
        locked.append(not await connection.fetchval(queries("migrations")["lock"]))
        await connection.close()
        await bring_back(owner, *how, **more)

    monkeypatch.setattr(copies, "_run", meanwhile)
    assert run(settings, "restore", "--yes", tmp_path / "a.dump").exit_code == 0
    assert locked == [True], "a service that starts waits"


def test_nothing_is_brought_back_unasked_or_under_a_service(settings: Settings, tmp_path: Path) -> None:
    copied(settings, tmp_path / "a.dump")
    put(settings, "second")
    assert run(settings, "restore", tmp_path / "a.dump", typed="n\n").exit_code == 1

    async def beside() -> Result:
        assert settings.database_url is not None
        service = await connect_app(settings.database_url, None, PoolBounds(max_connections=1))
        try:
            return await asyncio.to_thread(run, settings, "restore", "--yes", tmp_path / "a.dump")
        finally:
            await service.close()

    done = asyncio.run(beside())
    assert (done.exit_code, "a service works with this database" in done.output) == (1, True), done.output
    assert sql(settings.database_url, COPIED) == ["first", "second"]


def test_an_owner_who_does_not_see_everything_makes_no_copy(settings: Settings, tmp_path: Path) -> None:
    role = f"owner_{uuid.uuid4().hex[:8]}"
    assert settings.database_url is not None
    sql(
        settings.database_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA atende TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA atende TO {role}",
        f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA atende TO {role}",
        "SELECT 1",
    )
    (tmp_path / "a.dump").write_bytes(b"the one of yesterday")
    plain = Secret(settings.database_url.reveal().replace("postgres@", f"{role}@"))
    done = run(Settings(data_dir=settings.data_dir, database_url=plain), "copy", tmp_path / "a.dump")
    sql(settings.database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}", "SELECT 1")
    assert (done.exit_code, "BYPASSRLS" in done.output) == (1, True), done.output
    assert [file.read_bytes() for file in tmp_path.glob("a.dump*")] == [b"the one of yesterday"]


def test_without_a_database_there_is_nothing_to_copy(tmp_path: Path) -> None:
    done = run(Settings(data_dir=tmp_path / "data"), "copy", tmp_path / "a.dump")
    assert (done.exit_code, "there is no database in" in done.output) == (1, True), done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("postgresql://a:p%40s@db:5433/x?sslmode=require", "postgresql://a@db:5433/x?sslmode=require", "p@s"),
        ("postgresql://a@/x?host=%2Frun%2Fa&password=q%26r", "postgresql://a@/x?host=%2Frun%2Fa", "q&r"),
        ("postgresql://a@/x?host=%2Fsrv%2FMy%20Data", "postgresql://a@/x?host=%2Fsrv%2FMy%20Data", ""),
        ("postgresql://db/x", "postgresql://db/x", ""),
    ],
)
def test_no_password_is_in_an_argument(url: str, shown: str, password: str) -> None:
    assert _parted(Secret(url)) == (shown, password)
