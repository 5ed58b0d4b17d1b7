"""`atende serve` where it cannot begin: one line with the fix, and no traceback."""

import fcntl
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from app import create_app
from base.secret import Secret
from control.cli.context import Program
from control.cli.serve import serve_command
from control.settings import Settings


def run(settings: Settings) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command makes its service in the application")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=create_app)
    return CliRunner().invoke(serve_command, [], obj=program)


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Of a service on free ports. The folder is one that the database's user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="atende-test-"))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    yield Settings(data_dir=folder / "data", esl_port=0, http_port=0, tenants_dir=folder, knowledge_dir=folder)
    shutil.rmtree(folder)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_busy_http_port_is_one_line(settings: Settings, taken: int) -> None:
    result = run(replace(settings, http_port=taken))
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: 127.0.0.1:{taken} (ATENDE_HTTP_PORT) is taken")
    assert "another Atende" in line


@pytest.mark.parametrize(
    ("ring", "told"),
    [
        ({"secrets_keys": Secret("hush")}, "ATENDE_SECRETS_KEYS: master key 1 is not id:base64"),
        ({"secrets_keys_file": Path("/absent")}, "ATENDE_SECRETS_KEYS_FILE: /absent: No such file or directory"),
        ({"secrets_keys_command": "false"}, "ATENDE_SECRETS_KEYS_COMMAND ended with status 1"),
    ],
)
def test_master_keys_that_cannot_be_used_are_one_line(settings: Settings, ring: dict[str, Any], told: str) -> None:
    result = run(replace(settings, **ring))
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert result.stderr.splitlines()[-1].startswith(f"Error: {told}")
    assert "hush" not in result.output


@pytest.mark.postgres
def test_a_busy_phone_port_is_one_line(settings: Settings, taken: int) -> None:
    result = run(replace(settings, esl_port=taken))
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert result.stderr.splitlines()[-1].startswith(f"Error: 127.0.0.1:{taken} (ATENDE_ESL_PORT) is taken")


def test_a_second_service_of_one_data_directory_is_one_line(settings: Settings) -> None:
    with (settings.data_dir / "postgres.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run(settings)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert result.stderr.splitlines()[-1].startswith("Error: another process uses the embedded PostgreSQL in ")
