"""`atende check`, as an operator runs it."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from control.cli.check import check_command
from control.cli.context import Program
from control.settings import Settings
from control.switches import Switch

ROOT = Path(__file__).parents[3]


def run(settings: Settings, *arguments: str) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, create_app=unused)
    return CliRunner().invoke(check_command, arguments, obj=program)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", tenants_dir=ROOT / "configs" / "tenants")


def test_check_says_good_of_the_examples(settings: Settings) -> None:
    result = run(settings)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": good") == len(list(settings.tenants_dir.glob("*.yaml")))


def test_check_knows_the_switches_of_the_settings(settings: Settings, tmp_path: Path) -> None:
    good = (settings.tenants_dir / "harbor-books.yaml").read_text()
    file = tmp_path / "a.yaml"
    file.write_text(good.replace("language: en", "language: en\nswitch: matriz"))
    alone = run(settings, str(file))
    assert alone.exit_code == 1
    assert re.fullmatch(r".*a\.yaml:7:1: \$\.switch: .*no switch 'matriz' \(there are default\)\n", alone.stderr)
    matriz = Switch(name="matriz", host="10.77.0.1")
    assert run(replace(settings, switches=(matriz,)), str(file)).exit_code == 0


def test_check_prints_problems_as_a_compiler_does_and_fails(settings: Settings, tmp_path: Path) -> None:
    good = (settings.tenants_dir / "harbor-books.yaml").read_text()
    for name, text in {"a": good, "b": good.replace("language: en", "langage: en"), "c": good}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / f"{name}.yaml") for name in "abc"]
    result = run(settings, *files, str(tmp_path / "d.yaml"))
    assert result.exit_code == 1
    assert result.stdout == f"{files[0]}: good\n"
    lines = result.stderr.splitlines()
    assert re.fullmatch(re.escape(files[1]) + r":6:1: \$\.langage: .*\(did you mean 'language'\?\)", lines[0])
    assert lines[1] == f"{files[2]}:1:1: $.id: {files[0]} has the same id"
    assert lines[2] == f"{files[2]}:1:1: $.slug: {files[0]} has the same slug"
    assert lines[3] == f"{tmp_path}/d.yaml: No such file or directory"
