"""`atende secret`, as an operator runs it."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from base.ids import TenantId
from control.cli.context import Program
from control.cli.secret import secret_command
from control.settings import Settings
from tenants.secrets import FileSecrets

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


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    (tmp_path / "fala.yaml").write_text(DOCUMENT)
    return Settings(data_dir=tmp_path / "data", tenants_dir=tmp_path, endpoints={"gpu": "http://10.0.0.7:8000/v1"})


def run(settings: Settings, *arguments: str, value: str = "") -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(secret_command, arguments, obj=program, input=value)


def test_a_secret_that_the_document_names_already_is_kept(settings: Settings) -> None:
    """Also where the document names endpoints of the settings: one of both has to come first."""
    done = run(settings, "--tenant", "fala", "openai", value="sk-1\n")
    assert done.exit_code == 0, done.output
    assert "{secret: openai}" in done.output
    assert "sk-1" not in done.output
    assert FileSecrets(settings.data_dir).read(TENANT, "openai").reveal() == "sk-1"


def test_a_tenant_whose_file_is_elsewhere_is_named_by_its_id(settings: Settings, tmp_path: Path) -> None:
    elsewhere = replace(settings, tenants_dir=tmp_path / "data")
    done = run(elsewhere, "--tenant-id", TENANT.upper(), "openai", value="sk-1\n")
    assert done.exit_code == 0, done.output
    assert FileSecrets(settings.data_dir).read(TENANT, "openai").reveal() == "sk-1"
    for arguments in ((), ("--tenant", "fala", "--tenant-id", TENANT), ("--tenant-id", "../fala")):
        assert run(settings, *arguments, "openai", value="x\n").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "value", "told"),
    [
        (("--tenant", "nobody", "openai"), "x\n", "no tenant document of 'nobody'"),
        (("--tenant", "fala", "openai"), "\n", "empty"),
        (("--tenant", "fala", "../key"), "x\n", "../key"),
    ],
)
def test_what_cannot_be_kept_says_why(settings: Settings, arguments: tuple[str, ...], value: str, told: str) -> None:
    done = run(settings, *arguments, value=value)
    assert done.exit_code == 1
    assert told in done.output
