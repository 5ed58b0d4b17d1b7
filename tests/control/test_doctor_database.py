"""The doctor's look at the database, on the real embedded PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from base.secret import Secret
from control.doctor_database import AppRole, Table, database, of_database
from control.settings import Settings
from tenants.database import open_database
from tenants.embedded import EmbeddedPostgres
from tenants.migrate import connect
from tenants.visit import visited_postgres
from tests.tenants.conftest import cluster_folder, postgres

__all__ = ["cluster_folder", "postgres"]

FENCED = Table("messages", guarded=True, owned=False)
ROUND_THE_FENCE = "atende_app sees every tenant's rows (PostgreSQL 18)"


@pytest.mark.parametrize(
    ("role", "tables", "level", "fix"),
    [
        (AppRole(), [FENCED], "ok", ""),
        (None, [FENCED], "warn", "start Atende once"),
        (AppRole(), [], "warn", "start Atende once"),
        (AppRole(superuser=True), [FENCED], "fail", "ALTER ROLE atende_app NOSUPERUSER NOBYPASSRLS"),
        (AppRole(bypasses=True), [FENCED], "fail", "ALTER ROLE atende_app NOSUPERUSER NOBYPASSRLS"),
        (AppRole(owns_as_member=True), [FENCED], "fail", "REVOKE owner FROM atende_app"),
        (AppRole(), [FENCED, Table("tenants", guarded=True, owned=True)], "fail", "ALTER TABLE atende.tenants OWNER"),
        (AppRole(), [FENCED, Table("tenants", guarded=False, owned=False)], "fail", "atende.tenants ENABLE ROW LEVEL"),
    ],
)
def test_what_is_made_of_the_role_and_the_tables(
    role: AppRole | None, tables: list[Table], level: str, fix: str
) -> None:
    finding = of_database("PostgreSQL 18", role, tables)
    assert finding.level == level
    assert fix in finding.fix
    assert (finding.text == ROUND_THE_FENCE) is (level == "fail")


async def test_a_database_that_cannot_be_reached_shows_no_password(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=Secret("postgresql://owner:hunter2@127.0.0.1:1/x"))
    [finding] = await database(settings)
    assert (finding.level, "ConnectionRefusedError" in finding.text) == ("fail", True)
    assert "hunter2" not in str(finding)


async def test_an_embedded_one_that_was_never_made_is_not_made_by_looking(tmp_path: Path) -> None:
    [finding] = await database(Settings(data_dir=tmp_path / "data"))
    assert (finding.level, finding.text) == ("ok", "the embedded PostgreSQL 18, made at the first start")
    assert not (tmp_path / "data").exists()


@pytest.mark.postgres
async def test_the_embedded_one_is_really_looked_at_while_it_serves_and_while_it_does_not(cluster_folder: Path) -> None:
    data_dir = cluster_folder / "data"
    settings = Settings(data_dir=data_dir)
    async with open_database(data_dir, None) as serving:
        [beside] = await database(settings)
        for mistake, mended, fix in MISTAKES:
            async with owner(data_dir) as statement:
                await statement(mistake)
                [finding] = await database(settings)
                await statement(mended)
            assert (finding.level, fix in finding.fix) == ("fail", True), (mistake, finding)
        assert await serving.ping(), "the look leaves it to serve"
    [alone] = await database(settings)
    for finding in (beside, alone):
        assert finding.level == "ok", finding
        assert finding.text.startswith("the embedded PostgreSQL 18.")
    again = EmbeddedPostgres(data_dir)
    again.start()  # Raises where the look has left its lock behind.
    again.stop()
    (data_dir / "postgres" / "PG_VERSION").write_text("9.6\n")
    [finding] = await database(settings)
    assert (finding.level, "9.6" in finding.text) == ("fail", True)


MISTAKES = [
    ("ALTER ROLE atende_app BYPASSRLS", "ALTER ROLE atende_app NOBYPASSRLS", "NOBYPASSRLS"),
    ("ALTER ROLE atende_app SUPERUSER", "ALTER ROLE atende_app NOSUPERUSER", "NOSUPERUSER"),
    ("GRANT postgres TO atende_app", "REVOKE postgres FROM atende_app", "REVOKE owner"),
    ("CREATE ROLE high BYPASSRLS; GRANT high TO atende_app", "DROP ROLE high", "REVOKE owner"),
    (
        "ALTER TABLE atende.messages OWNER TO atende_app",
        "ALTER TABLE atende.messages OWNER TO postgres",
        "ALTER TABLE atende.messages OWNER",
    ),
    (
        "ALTER TABLE atende.revisions DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE atende.revisions ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE atende.revisions ENABLE",
    ),
    (
        "ALTER TABLE atende.api_keys DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE atende.api_keys ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE atende.api_keys ENABLE",
    ),
]


@asynccontextmanager
async def owner(data_dir: Path) -> AsyncIterator[Callable[[str], Awaitable[object]]]:
    """Runs statements in the database that serves, as its owner."""
    async with visited_postgres(data_dir) as url:
        assert url is not None
        connection = await connect(url)
        try:
            yield connection.execute
        finally:
            await connection.close()


@pytest.mark.postgres
async def test_a_database_in_which_nothing_of_ours_is_yet(postgres: Secret, tmp_path: Path) -> None:
    empty = Secret(postgres.reveal().replace("/postgres?", "/template1?"))
    [finding] = await database(Settings(data_dir=tmp_path, database_url=empty))
    assert (finding.level, "start Atende once" in finding.fix) == ("warn", True)
