"""The secrets of former versions are taken over into the store, once, and nothing is lost on the way."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from tenants.audit import State
from tenants.audit_store import MemoryAuditLog
from tenants.secret_files import forget_file, take_over
from tenants.secret_rows import SecretRow, SecretsUnavailableError
from tenants.secret_store import MemorySecrets
from tenants.secrets import TenantSecrets
from tests.tenants.kept_secrets import OURS, RING, THEIRS, files_in, former_file, row_of


async def taken(data_dir: Path, store: MemorySecrets, audit: MemoryAuditLog | None = None) -> list[dict[str, Any]]:
    """What is logged of it."""
    secrets = TenantSecrets(store, RING)
    await secrets.open()
    with structlog.testing.capture_logs() as told:
        await take_over(data_dir, secrets, audit or MemoryAuditLog(), SystemClock())
    assert "hush" not in str(told)
    return [dict(one) for one in told if "file" in one["event"]]


async def values(store: MemorySecrets, *places: tuple[TenantId, str]) -> list[str]:
    return [(await TenantSecrets(store, RING).read(*place)).reveal() for place in places]


async def test_each_file_is_taken_over_told_by_name_and_removed(tmp_path: Path) -> None:
    former_file(tmp_path, OURS, "openai", "hush-1")
    former_file(tmp_path, OURS, "crm", "hush-2")
    former_file(tmp_path, THEIRS, "openai", "hush-3")
    store, audit = MemorySecrets(), MemoryAuditLog()
    told = await taken(tmp_path, store, audit)
    assert {(one["tenant"], one["name"], one["log_level"]) for one in told} == {
        (OURS, "openai", "info"),
        (OURS, "crm", "info"),
        (THEIRS, "openai", "info"),
    }
    assert await values(store, (OURS, "openai"), (OURS, "crm"), (THEIRS, "openai")) == ["hush-1", "hush-2", "hush-3"]
    assert files_in(tmp_path) == []
    [done, _] = await audit.list(THEIRS, 10)
    assert (done.change.action, done.change.object, done.change.after) == ("secret.put", "openai", State(version=1))
    assert "hush" not in str(await audit.list(OURS, 10))
    assert await taken(tmp_path, store) == []


async def test_a_file_whose_value_was_kept_before_the_power_went_is_removed(tmp_path: Path) -> None:
    former_file(tmp_path, OURS, "openai", "sk-1")
    store = MemorySecrets()
    await store.add(OURS, row_of(OURS, "openai"))
    await taken(tmp_path, store)
    assert files_in(tmp_path) == []
    assert len(await store.history(OURS, "openai", 10)) == 1


async def test_a_file_that_says_something_else_than_what_counts_stays_and_is_told(tmp_path: Path) -> None:
    file = former_file(tmp_path, OURS, "openai", "hush-old")
    store = MemorySecrets()
    await store.add(OURS, row_of(OURS, "openai"))
    [told] = await taken(tmp_path, store)
    assert (told["log_level"], told["name"]) == ("error", "openai")
    assert "another value, which counts" in told["why"]
    assert file.exists()
    assert await values(store, (OURS, "openai")) == ["sk-1"]
    forget_file(tmp_path, OURS, "openai")
    forget_file(tmp_path, OURS, "openai")
    assert files_in(tmp_path) == []


async def test_a_file_goes_only_when_its_value_comes_back(tmp_path: Path) -> None:
    class Forgetful(MemorySecrets):
        async def newest(self, tenant_id: TenantId, name: str) -> SecretRow | None:
            found = await super().newest(tenant_id, name)
            return None if found is None else row_of(tenant_id, name, found.info.version, "something else")

    file = former_file(tmp_path, OURS, "openai", "hush-1")
    [told] = await taken(tmp_path, Forgetful())
    assert told["log_level"] == "error"
    assert file.read_text() == "hush-1\n"


@pytest.mark.parametrize(
    ("value", "mode", "why"), [("hush", 0o640, "chmod 600"), ("", 0o600, "empty"), ("hush" * 10_000, 0o600, "the most")]
)
async def test_what_cannot_be_taken_over_stays_and_hinders_no_other(
    tmp_path: Path, value: str, mode: int, why: str
) -> None:
    file = former_file(tmp_path, OURS, "bad", value, mode)
    former_file(tmp_path, OURS, "good", "hush-1")
    store = MemorySecrets()
    told = {one["name"]: one for one in await taken(tmp_path, store)}
    assert why in told["bad"]["why"]
    assert file.exists()
    assert await values(store, (OURS, "good")) == ["hush-1"]


async def test_what_is_no_secrets_file_is_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / "secrets" / "README" / "x", tmp_path / "secrets" / OURS / "Not-a-name"]
    for file in others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    former_file(tmp_path, OURS, "openai", "hush-1")
    await taken(tmp_path, MemorySecrets())
    assert all(file.exists() for file in others)


async def test_a_database_that_goes_meanwhile_stops_it_with_the_files_in_their_place(tmp_path: Path) -> None:
    class Goes(MemorySecrets):
        async def add(self, tenant_id: TenantId, row: SecretRow) -> None:
            raise SecretsUnavailableError("gone")

    file = former_file(tmp_path, OURS, "openai", "hush-1")
    with pytest.raises(SecretsUnavailableError):
        await taken(tmp_path, Goes())
    assert Secret(file.read_text().strip()) == Secret("hush-1")
