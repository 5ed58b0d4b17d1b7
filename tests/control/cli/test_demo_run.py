"""`atende demo` where the machine is busy or the service runs already: it goes on, or says in one line what to do."""

import asyncio
import fcntl
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from rich.console import Console

from app import create_app, open_service, open_trial
from control.cli import demo
from control.cli.context import Program
from control.cli.rendering import FixedTexts, lines, shown
from control.settings import Settings
from tests.pipelines.virtual import virtual

DOCUMENT = """\
slug: front-desk
id: 0f0f0f0f-0000-4000-8000-000000000001
domain: desk.example.net
name: Desk
language: en
assistants:
  - name: ana
    numbers: ["100"]
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.mock}
      - {id: llm, use: llm.mock, config: {answers: [We open at nine]}}
      - {id: tts, use: tts.mock}
"""
SCRIPT = "steps: [{wait_for: speech_end}, hang_up]\n"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of a demo with one company. The folder is one that the database's user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="atende-test-"))
    folder.chmod(0o755)
    for name in ("data", "scripts", "tenants"):
        (folder / name).mkdir()
    (folder / "tenants" / "front-desk.yaml").write_text(DOCUMENT)
    (folder / "scripts" / "front-desk.yaml").write_text(SCRIPT)
    monkeypatch.setattr(demo, "SCRIPTS", folder / "scripts")
    yield Settings(
        data_dir=folder / "data",
        tenants_dir=folder / "tenants",
        knowledge_dir=folder,
        max_lateness_ms=1000,
        max_loop_load=1000,
    )
    shutil.rmtree(folder)


def run(settings: Settings) -> Result:
    program = Program(settings=settings, open_service=open_service, open_trial=open_trial, create_app=create_app)
    return CliRunner().invoke(demo.demo_command, [], obj=program)


def test_beside_a_running_service_it_says_so_in_one_line(settings: Settings) -> None:
    with (settings.data_dir / "postgres.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run(settings)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), "and no traceback"
    assert result.stderr.splitlines()[-1].startswith("Error: another process uses the embedded PostgreSQL in ")


@pytest.mark.postgres
def test_a_call_that_is_refused_is_told_with_its_reason(settings: Settings) -> None:
    result = run(replace(settings, max_calls=0))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), "and no traceback"
    told = result.stderr.splitlines()[-1]
    assert told.startswith("Error: the call was refused: full: 0 live, ATENDE_MAX_CALLS is 0")
    assert told.endswith("close other programs and try again")


@virtual
async def test_without_a_terminal_a_line_every_ten_seconds_tells_how_far_it_is() -> None:
    printed, fixed = io.StringIO(), FixedTexts()
    out = Console(file=printed, force_terminal=False)
    async with lines(out, fixed.told):
        await asyncio.sleep(15)
        fixed("clinic", 3, 14)
        await asyncio.sleep(10)
    await shown(out, asyncio.sleep(12), lambda: (40, 118))
    assert printed.getvalue().splitlines() == [
        "    10 s  nothing rendered yet",
        "    20 s  clinic 3 of 14 fixed sentences rendered",
        "Rendering what may be said (once) …",
        "    10 s  40 of 118 sentences",
    ]
