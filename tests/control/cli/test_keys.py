"""`atende keys`, as an operator runs it: beside a service, without one, and on a server's PostgreSQL."""

import asyncio
import json
import logging
import os
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from msgspec.structs import replace

from base.clock import SystemClock
from base.ids import TenantId
from base.processes import PROGRAM
from base.secret import Secret
from control.cli.context import Program
from control.cli.keys import keys_command
from control.settings import Settings
from tenants.api_key_store import PostgresApiKeys
from tenants.api_keys import ApiKey
from tenants.database import PoolBounds, connect_app, open_database
from tenants.embedded import EmbeddedPostgres
from tenants.key_checker import KeyChecker, KeyRefusedError
from tenants.keys import API_KEY_FILE, api_key_pepper
from tenants.migrate import connect
from tenants.revisions import PostgresRevisions, TenantRow
from tenants.visit import visited_postgres
from tests.tenants.conftest import cluster_folder, postgres

__all__ = ["cluster_folder", "postgres"]

ROOT = Path(__file__).parents[3]
FALA, OI = (TenantId(str(uuid.uuid4())) for _ in range(2))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The program logs to standard error; without its `configure`, structlog would print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for slug, tenant_id in (("fala", FALA), ("oi", OI), ("broken", "no-uuid")):
        (tmp_path / f"{slug}.yaml").write_text(f"slug: {slug}\nid: {tenant_id}\n")
    return tmp_path


@pytest.fixture
def settings(folder: Path, postgres: Secret) -> Settings:
    """Of a server's PostgreSQL, in which `fala` was published."""
    found = Settings(data_dir=folder / "data", tenants_dir=folder, database_url=postgres)

    async def publish() -> None:
        async with open_database(found.data_dir, postgres) as database:
            row = TenantRow(slug=f"t-{FALA[:13]}", domain="t.example.net", name="T")
            await PostgresRevisions(database).put(FALA, row, "a" * 64, b"a")

    asyncio.run(publish())
    return found


def run(settings: Settings, *arguments: str) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(keys_command, arguments, obj=program)


def made(settings: Settings, *arguments: str) -> str:
    done = run(settings, "create", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.removesuffix("\n")


def listed(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    done = run(settings, "list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def checked(settings: Settings, text: str) -> ApiKey:
    async def check() -> ApiKey:
        assert settings.database_url is not None
        database = await connect_app(settings.database_url, None, PoolBounds(max_connections=1))
        try:
            pepper = api_key_pepper(settings.data_dir, settings.api_key_secret)
            return await KeyChecker(PostgresApiKeys(database), pepper, SystemClock()).check(text)
        finally:
            await database.close()

    return asyncio.run(check())


@pytest.mark.postgres
def test_a_key_is_printed_alone_and_once_and_opens(settings: Settings) -> None:
    done = run(settings, "create", "--role", "tenant-viewer", "--tenant", "fala", "--name", "Site")
    assert done.exit_code == 0, done.output
    [text] = done.stdout.splitlines()
    key = checked(settings, text)
    assert (key.tenant_id, key.role, key.name, key.expires_at) == (FALA, "tenant-viewer", "Site", None)
    assert key.id in done.stderr
    assert text not in done.stderr
    for again in (run(settings, "list", "--tenant", "fala"), run(settings, "list", "--tenant", "fala", "--json")):
        assert key.id in again.stdout
        assert text.rpartition(f"{key.id}_")[2] not in again.output
    assert [key["name"] for key in listed(settings, "--tenant-id", FALA.upper())] == ["Site"]


@pytest.mark.postgres
def test_the_platforms_keys_and_each_tenants_are_apart(settings: Settings) -> None:
    platform = made(settings, "--role", "platform-admin", "--name", "Painel")
    tenants = made(settings, "--role", "tenant-admin", "--tenant-id", FALA)
    assert checked(settings, platform).tenant_id is None
    key_id = checked(settings, tenants).id
    assert key_id not in {key["key"] for key in listed(settings)}
    assert key_id in {key["key"] for key in listed(settings, "--tenant", "fala")}
    assert listed(settings, "--tenant", "oi") == []
    for arguments in ((), ("--tenant", "oi")):
        done = run(settings, "revoke", key_id, *arguments)
        assert done.exit_code == 1
        assert f"has no key {key_id}" in done.stderr
    assert checked(settings, tenants).id == key_id


@pytest.mark.postgres
def test_a_revoked_key_opens_nothing_and_the_list_tells(settings: Settings) -> None:
    text = made(settings, "--role", "tenant-admin", "--tenant", "fala", "--expires-days", "7", "--name", "Só hoje")
    key = checked(settings, text)
    assert key.expires_at is not None
    assert timedelta(days=6, hours=23) < key.expires_at - datetime.now(UTC) < timedelta(days=7)
    for _ in range(2):
        done = run(settings, "revoke", key.id, "--tenant", "fala")
        assert (done.exit_code, done.stdout) == (0, "")
        assert "after 5 s" in done.stderr
    with pytest.raises(KeyRefusedError) as caught:
        checked(settings, text)
    assert caught.value.reason == "revoked"
    lines = run(settings, "list", "--tenant", "fala").stdout.splitlines()
    [line] = [line for line in lines if line.startswith(key.id)]
    assert line.split()[1:3] == ["tenant-admin", "revoked"]
    assert f"{key.expires_at:%Y-%m-%d %H:%M}" in line
    assert line.rstrip().endswith("  Só hoje")


@pytest.mark.postgres
def test_a_tenant_that_was_never_published_is_told_so(settings: Settings) -> None:
    done = run(settings, "create", "--role", "tenant-admin", "--tenant", "oi")
    assert (done.exit_code, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "was ever published" in line
    assert "start `atende serve`" in line


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("create", "--role", "tenant-admin"), 2, "--role tenant-admin needs --tenant or --tenant-id"),
        (("create", "--role", "platform-admin", "--tenant", "fala"), 2, "--role platform-admin goes with no tenant"),
        (("create", "--role", "tenant-admin", "--tenant", "fala", "--tenant-id", FALA), 2, "one of the two"),
        (("create", "--role", "root"), 2, "platform-viewer"),
        (("create", "--role", "platform-admin", "--expires-days", "0"), 2, "1<=x<=3650"),
        (("create", "--role", "platform-admin", "--name", "a\x1b[2J"), 1, "printable"),
        (("create", "--role", "tenant-admin", "--tenant", "zz"), 1, "'zz' in {folder} (there are broken, fala, oi)"),
        (("list", "--tenant", "fola"), 1, "(did you mean 'fala'?)"),
        (("list", "--tenant", "broken"), 1, "an id that is no UUID"),
        (("list", "--tenant-id", "fala"), 2, "not a valid UUID"),
        (("revoke", "atende_aaaaaaaaaaaa_" + "b" * 43), 1, "that is no key's id"),
    ],
)
def test_what_cannot_be_done_says_why(folder: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = run(Settings(data_dir=folder / "data", tenants_dir=folder), *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told.format(folder=folder) in done.stderr
    assert "b" * 43 not in done.output
    assert not (folder / "data" / "postgres").exists()


def test_a_server_that_is_not_there_and_a_file_that_others_can_read_are_a_line(folder: Path) -> None:
    url = Secret("postgresql://owner:hunter2@127.0.0.1:1/x")
    away = Settings(data_dir=folder / "data", tenants_dir=folder, database_url=url)
    for arguments in (("create", "--role", "platform-admin"), ("list",), ("revoke", "a" * 12)):
        done = run(away, *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: the database does not let us in")
        assert "hunter2" not in line
    (folder / "data" / API_KEY_FILE).chmod(0o644)
    assert "chmod 600" in run(away, "create", "--role", "platform-admin").stderr


@pytest.mark.postgres
def test_with_the_embedded_database_without_a_service_and_beside_one(cluster_folder: Path) -> None:
    settings = Settings(data_dir=cluster_folder / "data", tenants_dir=cluster_folder)
    looked = run(settings, "list")
    assert (looked.exit_code, looked.stdout, looked.stderr) == (0, "", "there are no keys\n")
    assert run(settings, "revoke", "a" * 12).exit_code == 1
    assert not settings.data_dir.exists(), "nothing is made by looking"
    alone = made(settings, "--role", "platform-admin")
    assert [key["role"] for key in listed(settings)] == ["platform-admin"]
    asyncio.run(_beside(settings, alone))
    assert len(listed(settings)) == 2
    again = EmbeddedPostgres(settings.data_dir)
    again.start()  # Raises where a command has left its lock behind.
    again.stop()


async def _beside(settings: Settings, alone: str) -> None:
    pepper = api_key_pepper(settings.data_dir, None)
    async with open_database(settings.data_dir, None) as serving:
        checker = KeyChecker(PostgresApiKeys(serving), pepper, SystemClock())
        beside = await asyncio.to_thread(made, settings, "--role", "platform-viewer")
        assert [(await checker.check(text)).role for text in (alone, beside)] == ["platform-admin", "platform-viewer"]
        key_id = (await checker.check(alone)).id
        revoked = await asyncio.to_thread(run, settings, "revoke", key_id)
        assert revoked.exit_code == 0, revoked.output
        with pytest.raises(KeyRefusedError):
            await KeyChecker(PostgresApiKeys(serving), pepper, SystemClock()).check(alone)
        await _without_the_table(settings)
        assert await serving.ping(), "the command leaves it to serve"


async def _without_the_table(settings: Settings) -> None:
    """As beside a service of a former version."""
    async with visited_postgres(settings.data_dir) as url:
        assert url is not None
        owner = await connect(url)
        await owner.execute("ALTER TABLE atende.api_keys RENAME TO put_aside")
        done = await asyncio.to_thread(run, settings, "list")
        await owner.execute("ALTER TABLE atende.put_aside RENAME TO api_keys")
        await owner.close()
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "restart it" in done.stderr


@pytest.mark.postgres
def test_nothing_but_the_key_is_on_the_programs_standard_output(settings: Settings) -> None:
    assert settings.database_url is not None
    environ = {
        "PATH": os.environ["PATH"],
        "ATENDE_DATA_DIR": str(settings.data_dir),
        "ATENDE_DATABASE_URL": settings.database_url.reveal(),
        "ATENDE_API_KEY_SECRET": "k" * 32,
        "ATENDE_LOG_LEVEL": "debug",
    }
    command = [*PROGRAM, "keys", "create", "--role", "platform-viewer"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.endswith("\n")
    text = done.stdout.removesuffix("\n")
    assert checked(replace(settings, api_key_secret=Secret("k" * 32)), text).role == "platform-viewer"
    assert text not in done.stderr
    assert not (settings.data_dir / API_KEY_FILE).exists(), "the operator's own goes before"
