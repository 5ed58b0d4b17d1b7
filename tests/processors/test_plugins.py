"""Stages of other distributions: used when an operator names them, untouched otherwise, refused when they are wrong."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from pipecat.frames.frames import LLMTextFrame

from control.checking import check_files
from control.cli.context import Program
from control.cli.graph import graph_command
from control.cli.schema import schema_command
from control.cli.serve import serve_command
from control.secret_access import KnownSecrets
from control.settings import Settings
from pipelines.check import check
from pipelines.spec import AssistantSpec, ProcessorSpec
from processors.catalog import Stages
from processors.plugins import PluginError, stages_with
from tests.processors.filters.making import turn
from tests.processors.stages import answer, call_of, persona, played

PLUGIN = Path(__file__).parents[1] / "data" / "plugin"
DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"
USE = "filter.acme_brand"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLUGIN)


def install(folder: Path, entry: str, source: str = "", name: str = "acme-odd") -> None:
    """A distribution with one entry point."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[atende.stages]\n{entry}\n")
    (folder / "acme_odd.py").write_text(source)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["acme-stages", "Acme_Stages", USE])
async def test_a_named_plugin_is_a_stage_like_any_other(name: str) -> None:
    stages = stages_with([name])
    assert set(stages) - set(Stages()) == {USE}
    nodes = [
        ProcessorSpec(id=f"s{n}", use=use)
        for n, use in enumerate(["vad.mock", "stt.mock", "llm.mock", USE, "tts.mock"])
    ]
    assistant = AssistantSpec(name="front", numbers=("1",), pipeline=tuple(nodes))
    (checked,) = check([assistant], stages)
    brand = checked.stages[3]
    stage = brand.factory.create(brand.config, brand.config, call_of(persona()))
    assert stage is not None
    behind, _ = await played(stage, [turn("oi"), *answer("A ACME ", "abre.")])
    assert behind.texts(LLMTextFrame) == ["A Ácme ", "abre."]


@pytest.mark.usefixtures("installed")
def test_a_plugin_that_is_not_named_is_neither_imported_nor_a_stage() -> None:
    assert USE not in stages_with([])
    assert USE not in stages_with(())
    assert "acme_stages" not in sys.modules
    stages_with([USE])
    assert "acme_stages" in sys.modules


@pytest.mark.usefixtures("installed")
def test_a_name_that_nobody_has_is_refused_and_the_nearest_told() -> None:
    with pytest.raises(PluginError, match=r"no installed distribution or stage is called 'acme-stage'.*'acme-stages'"):
        stages_with(["acme-stage"])
    with pytest.raises(PluginError, match="take 'zzz' out of ATENDE_PLUGINS"):
        stages_with(["zzz"])


BASE = """
from msgspec import Struct
from processors.factory import ProcessorFactory, Role
class C(Struct, frozen=True, forbid_unknown_fields=True):
    pass
class F(ProcessorFactory[C, C]):
    use = "filter.acme_odd"
    role = Role.FILTER
    config_type = C
"""


@pytest.mark.parametrize(
    ("entry", "source", "told"),
    [
        ("llm.openai = acme_odd:F", BASE, r"'acme-odd': there is a stage 'llm\.openai' already"),
        ("brand = acme_odd:F", BASE, r"'brand' is not `role\.name` with one of the roles vad, stt"),
        ("filter.Acme = acme_odd:F", BASE, "is not `role"),
        ("filter.acme_odd = acme_odd", BASE, "which is not `module:Factory`"),
        ("filter.acme_odd = acme_odd:F", "import no_such_module_of_theirs", "cannot be imported: ModuleNotFoundError"),
        ("filter.acme_odd = acme_odd:F", "raise SystemError('boo')", "cannot be imported: SystemError"),
        ("filter.acme_odd = acme_odd:G", BASE, "cannot be imported: AttributeError"),
        ("filter.acme_odd = acme_odd:C", BASE, "is no ProcessorFactory"),
        ("filter.acme_other = acme_odd:F", BASE, r"says use='filter\.acme_odd'"),
        ("tts.acme_odd = acme_odd:F", BASE.replace("filter.", "tts."), "set `use` and `role` to fit"),
        (
            "filter.acme_odd = acme_odd:F",
            BASE.replace(", forbid_unknown_fields=True", ""),
            "has to be a frozen msgspec",
        ),
    ],
)
def test_a_plugin_that_is_wrong_is_refused_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entry: str, source: str, told: str
) -> None:
    install(tmp_path, entry, source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=told):
        stages_with(["acme-odd"])


@pytest.mark.usefixtures("installed")
def test_two_plugins_cannot_claim_one_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path, f"{USE} = acme_odd:F", BASE.replace("filter.acme_odd", USE))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"there is a stage 'filter\.acme_brand' already"):
        stages_with(["acme-odd", "acme-stages"])


def run(command: click.Command, *arguments: str, named: str) -> Result:
    def unused(*_: object, **__: object) -> Any:
        raise AssertionError("must not be made")

    found = Settings(plugins=(named,))
    program = Program(settings=found, open_service=unused, create_app=unused, open_trial=unused)
    return CliRunner().invoke(command, arguments, obj=program)


@pytest.mark.usefixtures("installed")
def test_commands_know_named_plugins_and_serve_refuses_to_start_without_one(tmp_path: Path) -> None:
    good = (Path(__file__).parents[2] / "configs" / "tenants" / "harbor-books.yaml").read_text()
    use = ["vad.silero", "stt.whisper", "rag.retrieve", "llm.grounded", USE, "tts.kokoro"]
    pipeline = "".join(f"\n      - {{id: s{n}, use: {name}}}" for n, name in enumerate(use))
    file = tmp_path / "a.yaml"
    written = re.sub(r"\n  - name: (.*)", rf"\n  - name: \1\n    pipeline:{pipeline}", good, count=1)
    assert written != good
    file.write_text(written)
    (one,) = check_files((file,), Settings(), KnownSecrets(has=None))
    assert f"there is no stage '{USE}'" in str(one.problems[0])
    (one,) = check_files((file,), Settings(plugins=("acme-stages",)), KnownSecrets(has=None))
    assert one.problems == ()
    with pytest.raises(PluginError, match="no installed distribution"):
        check_files((file,), Settings(plugins=("acme-stage",)), KnownSecrets(has=None))

    for command, arguments in ((graph_command, [str(file)]), (schema_command, [])):
        result = run(command, *arguments, named="acme-stages")
        assert (result.exit_code, USE in result.stdout) == (0, True), result.output
    for command, arguments in ((serve_command, []), (graph_command, [str(file)]), (schema_command, [])):
        result = run(command, *arguments, named="nobody")
        assert result.exit_code == 1
        assert "ATENDE_PLUGINS: no installed distribution or stage is called 'nobody'" in result.output


def test_the_documentations_example_is_the_plugin_that_is_tested() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert (PLUGIN / "acme_stages.py").read_text(encoding="utf-8") in text
    assert f'"{USE}" = "acme_stages:BrandFilter"' in text
