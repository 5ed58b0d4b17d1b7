"""`atende graph` and `atende schema`, as an operator runs them."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner, Result

from control.cli.context import Program
from control.cli.graph import graph_command
from control.cli.schema import schema_command
from control.settings import Settings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "configs" / "tenants" / "harbor-books.yaml"


def unused(*_: Any, **__: Any) -> Any:
    raise AssertionError("this command opens no service")


def run(*arguments: str, settings: Settings | None = None, command: click.Command = graph_command) -> Result:
    program = Program(settings=settings or Settings(), open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(command, arguments, obj=program)


def test_the_example_is_drawn_with_its_totals() -> None:
    result = run(str(EXAMPLE))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "grace (2000)",
        "  wire ► [ vad ► stt ] ► the caller's turn ► [ rag ► llm ► tts ] ► wire",
    ]
    assert lines[-2:] == [
        "  longest wait: 22.6 s (ear 10.2 s, turn 0.4 s, mind 12 s)",
        "  a turn costs at most: $0",
    ]


def test_what_a_hosted_model_costs_is_drawn(tmp_path: Path) -> None:
    pipeline = "".join(
        f"      - {{id: {kind}, use: {use}}}\n"
        for kind, use in (
            ("vad", "vad.mock"),
            ("stt", "stt.mock"),
            ("llm", "llm.openai, config: {model: gpt-4o-mini}"),
            ("tts", "tts.mock"),
        )
    )
    file = tmp_path / "a.yaml"
    file.write_text(EXAMPLE.read_text().replace("\nknowledge:", f"    pipeline:\n{pipeline}\nknowledge:"))
    told = run(str(file)).stdout
    assert "a turn costs at most: $0.00072\n" in told
    file.write_text(file.read_text().replace("gpt-4o-mini", "gpt-of-nobody"))
    assert "what llm costs, which is not known" in run(str(file)).stdout


@pytest.mark.parametrize("assistant", [(), ("--assistant", "grace")])
def test_in_every_form(assistant: tuple[str, ...]) -> None:
    assert run(str(EXAMPLE), "--format", "mermaid", *assistant).stdout.startswith("flowchart LR\n")
    assert ET.fromstring(run(str(EXAMPLE), "--format", "svg", *assistant).stdout).tag.endswith("svg")


def test_what_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    unknown = run(str(EXAMPLE), "--assistant", "grcae")
    assert unknown.exit_code == 1
    assert "did you mean 'grace'?" in unknown.stderr
    absent = run(str(tmp_path / "a.yaml"))
    assert (absent.exit_code, "No such file" in absent.stderr) == (1, True)
    bad = tmp_path / "b.yaml"
    bad.write_text(EXAMPLE.read_text().replace("slug: ", "slugg: "))
    wrong = run(str(bad))
    assert wrong.exit_code == 1
    assert f"{bad}:2:1: $.slugg: there is no such field (did you mean 'slug'?)" in wrong.stderr


def test_a_secret_that_is_not_there_is_told_and_the_picture_is_drawn(tmp_path: Path) -> None:
    head, _, rest = EXAMPLE.read_text().partition("knowledge:")
    file = tmp_path / "a.yaml"
    model = "{id: llm, use: llm.openai, config: {model: m, api_key: {secret: llm}}}"
    vad, stt, tts = (f"      - {{id: {one}, use: {one}.mock}}\n" for one in ("vad", "stt", "tts"))
    file.write_text(f"{head}    pipeline:\n{vad}{stt}      - {model}\n{tts}knowledge:{rest}")
    result = run(str(file), settings=Settings(data_dir=tmp_path))
    assert result.exit_code == 0, result.output
    assert "llm llm.openai" in result.stdout
    [notice] = result.stderr.splitlines()
    assert "notice: $.assistants[0].pipeline[2].config.api_key: the tenant has no secret 'llm'" in notice


def test_what_our_filters_cost_and_how_long_a_turn_waits_for_them_is_known(tmp_path: Path) -> None:
    head, _, rest = EXAMPLE.read_text().partition("knowledge:")
    topics = ", config: {topics: [{name: a, phrases: [b c], answer: d}]}"
    use = ["vad.mock", "stt.mock", "filter.dtmf", "filter.echo", "filter.language", "filter.redact", "filter.topics"]
    use += ["llm.mock", "filter.filler", "filter.speech_text", "tts.mock"]
    nodes = [f"      - {{id: s{n}, use: {one}{topics * one.endswith('topics')}}}\n" for n, one in enumerate(use)]
    file = tmp_path / "a.yaml"
    file.write_text(f"{head}    pipeline:\n{''.join(nodes)}knowledge:{rest}")
    result = run(str(file))
    assert result.exit_code == 0, result.output
    assert "?" not in result.stdout
    assert re.search(r"s2 filter\.dtmf +≤ 2\.5 s  \$0", result.stdout)
    assert re.search(r"s5 filter\.redact +≤ 0 ms  \$0", result.stdout)


def test_the_schema_and_the_reference_are_printed() -> None:
    printed = run(command=schema_command)
    assert json.loads(printed.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    markdown = run("--markdown", command=schema_command)
    assert markdown.stdout == (ROOT / "docs" / "tenant-yaml.md").read_text(encoding="utf-8")
