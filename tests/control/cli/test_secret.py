"""`atende secret`, as an operator runs it: beside a service or without one."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from msgspec.structs import replace

import app
from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from control.cli.check import check_command
from control.cli.context import Program
from control.cli.secret import secret_command
from control.doctor import LOOKS
from control.parts import open_secrets
from control.secret_access import known_secrets, visited_secrets
from control.settings import Settings
from control.workers.seat import ALL
from processors.factory import PrepareError
from tenants import resealing
from tenants.audit_store import PostgresAuditLog
from tenants.database import PASSWORD_FILE, open_database
from tenants.migrate import connect
from tenants.sealing import parse_ring
from tests.tenants.conftest import cluster_folder, postgres
from tests.tenants.kept_secrets import FIRST, SECOND, former_file, key_id

__all__ = ["cluster_folder", "postgres"]

pytestmark = pytest.mark.postgres

TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b99")
DOCUMENT = f"""\
slug: fala
id: {TENANT}
domain: fala.example.net
name: Fala
assistants:
  - name: ana
    numbers: [7100]
    pipeline:
      - {{id: vad, use: vad.mock}}
      - {{id: mind, use: realtime.openai, config: {{base_url: {{endpoint: gpu}}, api_key: {{secret: openai}}}}}}
"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The program logs to standard error; without its `configure`, structlog would print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(tmp_path: Path, postgres: Secret) -> Iterator[Settings]:
    """Of a server's PostgreSQL, in which there are no secrets."""
    (tmp_path / "data").mkdir()
    (tmp_path / "fala.yaml").write_text(DOCUMENT)
    yield Settings(
        data_dir=tmp_path / "data",
        tenants_dir=tmp_path,
        database_url=postgres,
        endpoints={"gpu": "http://10.0.0.7:8000/v1"},
    )
    asyncio.run(_emptied(postgres))


async def _emptied(postgres: Secret) -> None:
    owner = await connect(postgres)
    if await owner.fetchval("SELECT to_regclass('atende.secrets') IS NOT NULL"):
        await owner.execute("DELETE FROM atende.secrets")
    await owner.close()


def run(settings: Settings, *arguments: str, value: str = "") -> Result:
    """`atende secret`."""

    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(secret_command, arguments, obj=program, input=value)


def kept(settings: Settings, name: str = "openai") -> str:
    async def read() -> str:
        async with visited_secrets(settings) as secrets:
            return (await secrets.read(TENANT, name)).reveal()

    return asyncio.run(read())


def found(settings: Settings) -> list[dict[str, Any]]:
    done = run(settings, "list", "--tenant", "fala", "--json")
    assert done.exit_code == 0, done.output
    listed: list[dict[str, Any]] = json.loads(done.stdout)
    return listed


@pytest.mark.parametrize("verb", [("set",), ()], ids=["set", "as it was called before"])
def test_a_secret_that_the_document_names_already_is_kept(settings: Settings, verb: tuple[str, ...]) -> None:
    """Also where the document names endpoints of the settings: one of both has to come first."""
    former = former_file(settings.data_dir, TENANT, "openai", "sk-former")
    done = run(settings, *verb, "--tenant", "fala", "openai", value="sk-hush\n")
    assert done.exit_code == 0, done.output
    assert "version 1; write {secret: openai}" in done.output
    assert kept(settings) == "sk-hush"
    assert not former.exists(), "what is set here counts"
    again = run(settings, *verb, "--tenant-id", TENANT.upper(), "openai", value="sk-hush")
    assert "version 1 has this value: nothing changes" in again.output
    assert "version 2" in run(settings, *verb, "openai", "--tenant", "fala", value="sk-hush-2\n").output
    assert kept(settings) == "sk-hush-2"
    [one] = found(settings)
    assert (one["name"], one["version"], one["created_by"].partition(" ")[0]) == ("openai", 2, "command")
    for told in (done, again, run(settings, "list", "--tenant", "fala")):
        assert "hush" not in told.output


@pytest.mark.parametrize(
    ("arguments", "value", "code", "told"),
    [
        (("set", "--tenant", "nobody", "openai"), "x\n", 1, "no tenant document of 'nobody'"),
        (("--tenant", "fala", "openai"), "\n", 1, "empty"),
        (("--tenant", "fala", "openai"), "hush" * 5000, 1, "16384 are the most"),
        (("--tenant", "fala", "../key"), "x\n", 1, "../key"),
        (("remove", "--tenant", "fala", "../key"), "", 1, "../key"),
        (("remove", "--tenant", "fala", "openai"), "", 1, "there is no secret 'openai'"),
        (("openai",), "x\n", 2, "--tenant or --tenant-id"),
        (("--tenant", "fala", "--tenant-id", TENANT, "openai"), "x\n", 2, "one of the two"),
        (("--tenant-id", "../fala", "openai"), "x\n", 2, "not a valid UUID"),
        (("--tenant", "fala", "openai", "sk-hush"), "x\n", 2, "unexpected extra argument"),
    ],
)
def test_what_cannot_be_done_says_why(
    settings: Settings, arguments: tuple[str, ...], value: str, code: int, told: str
) -> None:
    done = run(settings, *arguments, value=value)
    assert done.exit_code == code, done.output
    assert told in done.output
    assert "hushhush" not in done.output


def test_a_removed_one_is_gone_and_both_are_in_the_audit_log(settings: Settings) -> None:
    run(settings, "set", "--tenant", "fala", "openai", value="sk-hush\n")
    assert run(settings, "remove", "--tenant", "fala", "openai").exit_code == 0
    assert found(settings) == []
    assert "there are no secrets" in run(settings, "list", "--tenant", "fala").output

    async def audited() -> str:
        async with open_database(settings.data_dir, settings.database_url) as database:
            entries = await PostgresAuditLog(database).list(TENANT, 4)
        assert "hush" not in str(entries)
        return " ".join(f"{one.change.action}:{one.change.object}:{one.change.outcome}" for one in entries)

    removed, put = "secret.remove:openai", "secret.put:openai"
    assert asyncio.run(audited()) == f"{removed}:done {removed}:begun {put}:done {put}:begun"


def test_rotation_that_is_killed_goes_on_when_it_is_run_again_and_tells_what_is_needed_no_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    old = replace(settings, secrets_keys=Secret(FIRST))
    for name in ("a", "b", "c"):
        run(old, "set", "--tenant", "fala", name, value=f"value of {name}")
    both = replace(settings, secrets_keys=Secret(f"{SECOND},{FIRST}"))

    def killed(*_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("control.cli.secret._progress", killed)
        assert run(both, "rotate").exit_code != 0
    half = run(old, "rotate")
    assert half.exit_code == 1, "two are under the key that this ring lacks"
    assert f"master key {key_id(SECOND)}: is still needed by 2" in half.output
    assert [kept(both, name) for name in ("a", "b", "c")] == [f"value of {name}" for name in ("a", "b", "c")]

    done = run(both, "rotate")
    assert done.exit_code == 0, done.output
    assert "1 of 1\n" in done.output
    assert f"1 encrypted anew; the master key that encrypts is {key_id(SECOND)}" in done.output
    assert f"master key {key_id(FIRST)}: is needed by nothing any more: take it out of the ring" in done.output
    new = replace(settings, secrets_keys=Secret(SECOND))
    assert [kept(new, name) for name in ("a", "b", "c")] == [f"value of {name}" for name in ("a", "b", "c")]


def test_a_new_key_is_made_in_the_file_of_ours_alone(settings: Settings) -> None:
    run(settings, "set", "--tenant", "fala", "openai", value="sk-1")
    file = settings.data_dir / "secrets.keys"
    [first] = parse_ring(file.read_text()).ids
    done = run(settings, "rotate", "--new-key")
    assert done.exit_code == 0, done.output
    assert f"master key {first}: is needed by nothing any more" in done.output
    assert parse_ring(file.read_text()).ids[1:] == (first,)
    assert kept(settings) == "sk-1"
    elsewhere = run(replace(settings, secrets_keys=Secret(FIRST)), "rotate", "--new-key")
    assert (elsewhere.exit_code, "ATENDE_SECRETS_KEYS" in elsewhere.output) == (1, True)


def test_where_no_database_was_made_there_are_none(settings: Settings) -> None:
    fresh = replace(settings, database_url=None)
    assert found(fresh) == []
    assert "no database is made yet" in run(fresh, "rotate").output
    assert "there is no secret" in run(fresh, "remove", "--tenant", "fala", "openai").output
    assert list(settings.data_dir.iterdir()) == [], "looking makes nothing"


def looked(settings: Settings) -> tuple[str, str]:
    async def look() -> tuple[str, str]:
        [finding] = await LOOKS["secrets"](settings)
        return finding.level, finding.text

    return asyncio.run(look())


def test_the_doctor_tells_whether_the_ring_opens_what_is_kept(settings: Settings) -> None:
    old = replace(settings, secrets_keys=Secret(FIRST))
    run(old, "set", "--tenant", "fala", "openai", value="sk-1")
    assert looked(old) == ("ok", f"1, encrypted with the master key {key_id(FIRST)}")
    both = replace(settings, secrets_keys=Secret(f"{SECOND},{FIRST}"))
    assert looked(both) == ("warn", "1 of 1 are under an older master key")
    lost = replace(settings, secrets_keys=Secret(SECOND))
    assert looked(lost) == ("fail", f"1 cannot be decrypted: no master key {key_id(FIRST)} in the ring")
    absent = replace(settings, secrets_keys_file=settings.data_dir / "absent")
    assert looked(absent)[0] == "fail"
    assert "ATENDE_SECRETS_KEYS_FILE" in looked(absent)[1]


def test_commands_that_check_know_what_is_kept_and_say_when_they_cannot(settings: Settings) -> None:
    run(settings, "set", "--tenant", "fala", "openai", value="sk-1")

    def known(found: Settings, text: bytes = b"{secret: openai}") -> Any:
        return asyncio.run(known_secrets(found, [text]))

    has = known(settings).has
    assert [has(TENANT, "openai"), has(TENANT, "other"), has(TenantId("x"), "openai")] == [True, False, False]
    away = replace(settings, database_url=Secret("postgresql://nobody@127.0.0.1:1/x"))
    assert known(away).has is None
    assert "the database does not tell of them" in known(away).why
    assert known(away, b"no name").has is not None, "nobody is asked"


def test_looks_see_what_a_node_keeps_that_shares_the_roles_password(settings: Settings) -> None:
    node = replace(settings, api_key_secret=Secret("s" * 32))
    run(node, "set", "--tenant", "fala", "openai", value="sk-1")
    assert not (node.data_dir / PASSWORD_FILE).exists(), "it is derived"
    has = asyncio.run(known_secrets(node, [DOCUMENT.encode()])).has
    assert has is not None
    assert has(TENANT, "openai")
    assert kept(node) == "sk-1"


def test_a_deep_check_makes_stages_ready_with_what_is_kept(settings: Settings) -> None:
    file = settings.tenants_dir / "fala.yaml"
    file.write_text(DOCUMENT.replace("{base_url", "{passages: 0, base_url"))
    program = Program(
        settings=settings, open_service=app.open_service, open_trial=app.open_trial, create_app=app.create_app
    )
    checked = []
    for value in ("", "sk hush", "sk-1"):
        if value:
            run(settings, "set", "--tenant", "fala", "openai", value=value)
        checked.append(CliRunner().invoke(check_command, ["--deep", str(file)], obj=program))
    assert [done.exit_code for done in checked] == [1, 1, 0], [done.output for done in checked]
    assert "no secret 'openai'" in checked[0].output
    assert "set it with `atende secret set --tenant fala openai`" in checked[0].output
    assert "stage 'mind' (realtime.openai): the secret 'openai' is no key" in checked[1].output
    assert "hush" not in checked[1].output


def test_a_start_without_a_master_key_that_is_needed_is_told_and_goes_on(settings: Settings) -> None:
    run(replace(settings, secrets_keys=Secret(FIRST)), "set", "--tenant", "fala", "openai", value="sk-1")
    lost = replace(settings, secrets_keys=Secret(SECOND))
    clock = SystemClock()

    async def start() -> list[Any]:
        async with open_database(lost.data_dir, lost.database_url) as database:
            with structlog.testing.capture_logs() as told:
                audit = PostgresAuditLog(database)
                secrets = await open_secrets(lost, ALL, parse_ring(SECOND), database, audit, clock)
            assert secrets.has(TENANT, "openai")
            with pytest.raises(PrepareError, match="cannot be decrypted"):
                await secrets.read(TENANT, "openai")
            return told

    structlog.reset_defaults()
    [told] = [one for one in asyncio.run(start()) if one["log_level"] == "error"]
    assert (told["ring"], told["secrets"]) == ("ATENDE_SECRETS_KEYS", {key_id(FIRST): 1})
