"""The JSON Schema and the reference: made of the types, and true of every document that is accepted."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import Struct

from base.converting import type_info
from control.cli.check import check_command
from control.cli.graph import graph_command
from control.cli.schema import schema_command
from control.cli.secret import secret_command
from processors.catalog import AnyFactory, Stages
from tenants.convert import fields
from tenants.document import parse_document
from tenants.errors import DocumentError
from tenants.field_docs import acted_on, field_docs, first_line
from tenants.nodes import plain
from tenants.reference import reference
from tenants.schema import _structs, json_schema
from tenants.spec import TenantSpec
from tenants.yaml_nodes import compose
from tests.tenants.test_document import BODY
from tests.tenants.test_document import HEAD as SHORT
from tests.tenants.test_references import FULL, HEAD, MODEL, PROVIDERS, SERVER

DOCS = Path(__file__).parents[2] / "docs"
PIPELINE = """\
    pipeline:
      - {id: vad, use: vad.silero, config: {confidence: 0.6}}
      - {id: stt, use: stt.whisper}
      - {id: llm, use: llm.openai, config: {model: 4, base_url: {endpoint: gpu}, api_key: {secret: k}}}
      - {id: tts, use: tts.kokoro, after: [llm], config: {voice: pf_dora}}
"""
GOOD = {
    "short": SHORT + BODY,
    "unquoted": SHORT.replace("name: Acme", "name: 1984") + "assistants: [{name: true, numbers: [1000, 0123, '*9']}]\n",
    "full": HEAD + FULL,
    "providers": HEAD + PROVIDERS,
    "model": HEAD + MODEL.replace("URL", '"https://models.example.com/v1"'),
    "pipeline": HEAD + PIPELINE.replace("model: 4", "model: m"),
    "own time": HEAD + "language: en\ntime_zone: Europe/Lisbon\nenabled: false\nswitch: null\n",
}
BAD = {
    "unknown field": ("language: en", "langage: en"),
    "truth": ("enabled: false", "enabled: no"),
    "slug": ("slug: acme", "slug: Acme"),
    "id": ("1c9e5d7a2b10", "1c9e5d7a2b1"),
    "number": ("numbers: [1000]", "numbers: [x]"),
    "not a list": ("numbers: [1000]", "numbers: 1000"),
    "no name": ("name: Acme\n", ""),
    "stage": ("use: tts.kokoro, after", "use: tts.Kokoro, after"),
    "setting": ("voice: pf_dora", "vioce: pf_dora"),
    "range": ("confidence: 0.6", "confidence: 6"),
    "kind": ("confidence: 0.6", "confidence: high"),
    "secret": ("{secret: k}", "sk-123"),
    "required": ("{model: m, ", "{"),
    "after": ("after: [llm]", "after: llm"),
}


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema(Stages())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def valid(validator: Any, text: str) -> bool:
    return not list(validator.iter_errors(plain(compose(text.encode()))))


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_is_accepted_is_valid(text: str, validator: Any) -> None:
    assert parse_document(text.encode(), "acme.yaml", server=SERVER)
    assert [error.message for error in validator.iter_errors(plain(compose(text.encode())))] == []


def test_the_examples_are_valid(validator: Any, configs: Path) -> None:
    assert all(valid(validator, file.read_text("utf-8")) for file in (configs / "tenants").glob("*.yaml"))


@pytest.mark.parametrize(("written", "instead"), BAD.values(), ids=BAD)
def test_what_one_place_shows_to_be_wrong_is_invalid(written: str, instead: str, validator: Any) -> None:
    text = GOOD["pipeline"] + GOOD["own time"].removeprefix(HEAD)
    assert valid(validator, text)
    bad = text.replace(written, instead, 1)
    assert bad != text
    with pytest.raises(DocumentError):
        parse_document(bad.encode(), "acme.yaml", server=SERVER)
    assert not valid(validator, bad)


def test_the_schema_names_every_stage_and_says_what_each_field_means() -> None:
    schema = json_schema(Stages())
    node = schema["$defs"]["ProcessorSpec"]
    assert node["properties"]["use"]["anyOf"][0]["enum"] == list(Stages())
    assert [case["if"]["properties"]["use"]["const"] for case in node["allOf"]] == list(Stages())
    limits = schema["$defs"]["LimitsSpec"]["properties"]
    turn = schema["$defs"]["TurnSpec"]["properties"]
    assert turn["min_words"]["description"].endswith("interrupt. Checked and kept; nothing acts on it yet.")
    assert limits["idle_s"]["description"].endswith(" In s.")
    assert (limits["idle_s"]["anyOf"][0]["minimum"], limits["idle_s"]["anyOf"][0]["maximum"]) == (5, 3600)
    assert r"\Z" not in str(schema), "no editor knows it"


def _every_struct(struct: type[Struct] = TenantSpec) -> dict[type[Struct], Mapping[str, Any]]:
    return {kind: fields(kind) for kind in _structs([type_info(struct)])}


def test_every_field_of_a_document_is_told() -> None:
    for struct, known in _every_struct().items():
        assert first_line(struct), struct
        for name, one in known.items():
            inner = [other for other in _every_struct() if other.__name__ in str(one.type)]
            assert field_docs(struct).get(name) or inner, f"{struct.__name__}.{name} has no meaning"


def test_the_committed_reference_is_what_the_types_say() -> None:
    written = (DOCS / "tenant-yaml.md").read_text(encoding="utf-8")
    assert written == reference(Stages()), "run: atende schema --markdown > docs/tenant-yaml.md"


def test_the_reference_has_every_field_and_stage_and_marks_what_nothing_acts_on() -> None:
    written = reference(Stages())
    for struct, known in _every_struct().items():
        if struct.__name__.endswith("Ref"):
            continue
        for name, one in known.items():
            [*rows] = [line for line in written.splitlines() if line.startswith(f"| `{name}` |")]
            marked = [row for row in rows if "nothing acts on it yet" in row]
            assert rows, name
            assert acted_on(one.type) or marked, name
    assert all(f"### `{use}`" in written for use in Stages())


def test_the_references_example_is_a_document(stages: Mapping[str, AnyFactory]) -> None:
    example = (DOCS / "tenant-yaml.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert parse_document(example.encode(), "docs", stages).spec.slug == "empresa"


def test_the_references_links_commands_and_options_lead_somewhere() -> None:
    written = (DOCS / "tenant-yaml.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", written, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", written)
    assert len(links) > 20
    assert set(links) <= anchors
    commands = {"check": check_command, "graph": graph_command, "schema": schema_command, "secret": secret_command}
    told = [(name, rest) for name, rest in re.findall(r"`atende (\w+)([^`]*)`", written) if name in commands]
    assert {name for name, _ in told} == set(commands)
    for name, rest in told:
        verbs = getattr(commands[name], "commands", {})
        command = verbs[rest.split()[0]] if verbs else commands[name]
        options = {option for param in command.params for option in param.opts}
        assert set(re.findall(r"--[a-z]+", rest)) <= options
