"""`atende audit`, as an operator runs it: beside a service, without one, and on a server's PostgreSQL."""

import asyncio
import json
import logging
import os
import pwd
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from click.testing import CliRunner, Result

from base.ids import TenantId
from base.processes import PROGRAM
from base.secret import Secret
from control.cli.audit import audit_command
from control.cli.context import Program
from control.cli.keys import keys_command
from control.settings import Settings
from tenants.audit import AuditEntry, State
from tenants.audit_store import PostgresAuditLog
from tenants.database import open_database
from tenants.embedded import EmbeddedPostgres
from tenants.migrate import connect
from tenants.visit import visited_postgres
from tests.tenants.changes import SOMEONE, against_the_rules, change_of
from tests.tenants.conftest import cluster_folder, postgres

__all__ = ["cluster_folder", "postgres"]

ROOT = Path(__file__).parents[3]
FALA, OI = (TenantId(str(uuid.uuid4())) for _ in range(2))
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The program logs to standard error; without its `configure`, structlog would print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(tmp_path: Path, postgres: Secret) -> Iterator[Settings]:
    """Of a server's PostgreSQL; no entries are left in the end."""
    for slug, tenant_id in (("fala", FALA), ("oi", OI)):
        (tmp_path / f"{slug}.yaml").write_text(f"slug: {slug}\nid: {tenant_id}\n")
    yield Settings(data_dir=tmp_path / "data", tenants_dir=tmp_path, database_url=postgres)
    asyncio.run(against_the_rules(postgres, "DELETE FROM atende.audit"))


def run(settings: Settings, *arguments: str, command: click.Command = audit_command) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(command, arguments, obj=program)


def written(settings: Settings, tenant_id: TenantId | None, length: int) -> Sequence[AuditEntry]:
    async def write() -> Sequence[AuditEntry]:
        async with open_database(settings.data_dir, settings.database_url) as database:
            audit = PostgresAuditLog(database)
            return [await audit.append(tenant_id, change_of(revision)) for revision in range(1, length + 1)]

    return asyncio.run(write())


def altered(settings: Settings, statement: str) -> None:
    assert settings.database_url is not None
    assert asyncio.run(against_the_rules(settings.database_url, statement)).endswith(" 1")


@pytest.mark.postgres
def test_the_list_has_the_newest_first_and_goes_back(settings: Settings) -> None:
    written(settings, FALA, 3)
    done = run(settings, "list", "--tenant", "fala")
    assert (done.exit_code, done.stderr) == (0, "")
    header, newest, *_, oldest = done.stdout.splitlines()
    assert header.split() == ["number", "at", "action", "outcome", "by", "what"]
    assert newest.split()[:7] == ["3", "2026-03-01", "12:03:00", "document.put", "done", "key", SOMEONE.id]
    assert newest.rstrip().endswith(f" -> revision=3 digest={'a' * 12}")
    assert oldest.split()[0] == "1"
    numbers = [
        line.split()[0] for line in run(settings, "list", "--tenant-id", FALA, "--limit", "1").stdout.splitlines()
    ]
    assert numbers == ["number", "3"]
    before = run(settings, "list", "--tenant", "fala", "--before", "3", "--limit", "1").stdout.splitlines()
    assert [line.split()[0] for line in before] == ["number", "2"]
    for other in (("--tenant", "oi"), ()):
        nothing = run(settings, "list", *other)
        assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "there are no entries\n")


@pytest.mark.postgres
def test_as_json_an_entry_is_whole(settings: Settings) -> None:
    [entry] = written(settings, FALA, 1)
    [listed] = json.loads(run(settings, "list", "--tenant", "fala", "--json").stdout)
    assert (listed["tenant_id"], listed["number"], listed["digest"]) == (FALA, 1, entry.digest)
    assert listed["actor"]["request_id"] == SOMEONE.request_id
    assert json.loads(run(settings, "list", "--json").stdout) == []


@pytest.mark.postgres
def test_what_is_altered_is_told_with_its_tenant_and_number(settings: Settings) -> None:
    [*_, last] = written(settings, FALA, 5)
    [*_, first] = written(settings, None, 1)
    done = run(settings, "verify", "--tenant", "fala")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"fala: holds to 5:{last.digest}\n", "")
    assert run(settings, "verify", "--tenant", "oi").stdout == "oi: has no entries\n"
    altered(settings, "UPDATE atende.audit SET change = replace(change, 'done', 'failed') WHERE number = 4")
    done = run(settings, "verify", "--tenant", "fala")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("fala: the chain does not hold at entry 4:")
    done = run(settings, "verify", "--all")
    assert (done.exit_code, done.stdout) == (1, f"platform: holds to 1:{first.digest}\n")
    assert done.stderr.startswith(f"{FALA}: the chain does not hold at entry 4:")
    assert done.stderr.count("\n") == 1
    assert run(settings, "verify").exit_code == 0, "the platform's holds"


@pytest.mark.postgres
def test_what_was_cut_off_or_written_anew_is_missed_by_what_was_kept(settings: Settings) -> None:
    entries = written(settings, FALA, 3)
    for entry in entries:
        done = run(settings, "verify", "--tenant", "fala", "--kept", f"{entry.number}:{entry.digest}")
        assert (done.exit_code, done.stdout) == (0, f"fala: holds to 3:{entries[-1].digest}\n")
    kept = ("--kept", f"3:{entries[-1].digest}")
    altered(settings, "DELETE FROM atende.audit WHERE number = 3")
    assert run(settings, "verify", "--tenant", "fala").exit_code == 0
    cut = run(settings, "verify", "--tenant", "fala", *kept)
    assert (cut.exit_code, cut.stdout) == (1, "")
    assert "entries are lacking behind 2: there were 3" in cut.stderr
    written(settings, FALA, 1)
    anew = run(settings, "verify", "--tenant", "fala", *kept)
    assert (anew.exit_code, anew.stdout) == (1, "")
    assert "written anew, at entry 3 or before it" in anew.stderr


@pytest.mark.postgres
def test_keys_that_are_made_and_revoked_are_written_down(settings: Settings) -> None:
    made = run(settings, "create", "--role", "platform-viewer", "--name", "Painel", command=keys_command)
    key_id = made.stdout.split("_")[1]
    assert run(settings, "revoke", key_id, command=keys_command).exit_code == 0
    assert run(settings, "revoke", "a" * 12, command=keys_command).exit_code == 1
    refused = run(settings, "create", "--role", "tenant-admin", "--tenant", "oi", command=keys_command)
    assert "was ever published" in refused.stderr
    entries = json.loads(run(settings, "list", "--json").stdout)[::-1]
    told = [(e["action"], e["outcome"], e["object"]) for e in entries]
    assert told == [
        ("key.create", "begun", key_id),
        ("key.create", "done", key_id),
        ("key.revoke", "begun", key_id),
        ("key.revoke", "done", key_id),
        ("key.revoke", "begun", "a" * 12),
        ("key.revoke", "failed", "a" * 12),
    ]
    assert entries[1]["after"] == {"role": "platform-viewer"}
    assert entries[0]["actor"] == {"kind": "command line", "id": ME}
    assert "Painel" not in json.dumps(entries)
    [failed, _] = json.loads(run(settings, "list", "--tenant", "oi", "--json").stdout)
    assert failed["outcome"] == "failed"


@pytest.mark.postgres
def test_a_key_that_cannot_be_written_down_is_not_made(settings: Settings) -> None:
    assert run(settings, "create", "--role", "platform-viewer", command=keys_command).exit_code == 0

    async def rename(name: str, other: str) -> None:
        assert settings.database_url is not None
        owner = await connect(settings.database_url)
        await owner.execute(f"ALTER TABLE atende.{name} RENAME TO {other}")
        await owner.close()

    keys = json.loads(run(settings, "list", "--json", command=keys_command).stdout)
    asyncio.run(rename("audit", "put_aside"))
    done = run(settings, "create", "--role", "platform-viewer", command=keys_command)
    listed = run(settings, "list")
    asyncio.run(rename("put_aside", "audit"))
    for refused in (done, listed):
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert "without an audit log: restart it" in refused.stderr
    assert json.loads(run(settings, "list", "--json", command=keys_command).stdout) == keys


@pytest.mark.postgres
def test_an_entry_that_cannot_be_read_is_a_line(settings: Settings) -> None:
    written(settings, FALA, 2)
    altered(settings, "UPDATE atende.audit SET change = '{}' WHERE number = 2")
    done = run(settings, "list", "--tenant", "fala")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: entry 2 of the audit log was altered, or written by a newer version\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("list", "--tenant", "fala", "--tenant-id", FALA), 2, "one of the two"),
        (("list", "--tenant", "fola"), 1, "(did you mean 'fala'?)"),
        (("list", "--limit", "0"), 2, "1<=x<=1000"),
        (("list", "--before", str(2**63)), 2, "is not in the range"),
        (("verify", "--all", "--tenant", "fala"), 2, "--all goes with none"),
        (("verify", "--all", "--kept", f"3:{'a' * 64}"), 2, "--all goes with none"),
        (("verify", "--kept", "3"), 2, "64 digits of hex"),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    (tmp_path / "fala.yaml").write_text(f"slug: fala\nid: {FALA}\n")
    done = run(Settings(data_dir=tmp_path / "data", tenants_dir=tmp_path), *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_server_that_is_not_there_is_a_line(tmp_path: Path) -> None:
    url = Secret("postgresql://owner:hunter2@127.0.0.1:1/x")
    for arguments in (("list",), ("verify",), ("verify", "--all")):
        done = run(Settings(data_dir=tmp_path / "data", tenants_dir=tmp_path, database_url=url), *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: the database does not let us in")
        assert "hunter2" not in line


@pytest.mark.postgres
def test_with_the_embedded_database_without_a_service_and_beside_one(cluster_folder: Path) -> None:
    settings = Settings(data_dir=cluster_folder / "data", tenants_dir=cluster_folder)
    for arguments in (("list",), ("verify", "--all")):
        looked = run(settings, *arguments)
        assert (looked.exit_code, looked.stdout, looked.stderr) == (0, "", "there are no entries\n")
    assert run(settings, "verify", "--kept", f"1:{'a' * 64}").exit_code == 1
    assert not settings.data_dir.exists(), "nothing is made by looking"
    written(settings, None, 2)
    assert run(settings, "verify").stdout.startswith("platform: holds to 2:")
    asyncio.run(_beside(settings))
    again = EmbeddedPostgres(settings.data_dir)
    again.start()  # Raises where a command has left its lock behind.
    again.stop()


async def _beside(settings: Settings) -> None:
    async with open_database(settings.data_dir, None) as serving:
        await PostgresAuditLog(serving).append(None, change_of(3, after=State(calls=7)))
        listed = await asyncio.to_thread(run, settings, "list", "--limit", "1")
        assert listed.stdout.splitlines()[1].rstrip().endswith(" -> calls=7")
        assert (await asyncio.to_thread(run, settings, "verify")).stdout.startswith("platform: holds to 3:")
        async with visited_postgres(settings.data_dir) as url:
            assert url is not None
            await against_the_rules(url, "UPDATE atende.audit SET digest = sha256('') WHERE number = 2")
        broken = await asyncio.to_thread(run, settings, "verify")
        assert (broken.exit_code, "at entry 2" in broken.stderr) == (1, True)
        assert await serving.ping(), "the command leaves it to serve"


@pytest.mark.postgres
def test_the_program_has_the_command(settings: Settings) -> None:
    [entry] = written(settings, None, 1)
    assert settings.database_url is not None
    environ = {
        "PATH": os.environ["PATH"],
        "ATENDE_DATA_DIR": str(settings.data_dir),
        "ATENDE_DATABASE_URL": settings.database_url.reveal(),
        "ATENDE_LOG_LEVEL": "debug",
    }
    command = [*PROGRAM, "audit", "verify", "--all"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == f"platform: holds to 1:{entry.digest}\n"
