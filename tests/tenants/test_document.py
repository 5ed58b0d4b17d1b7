"""Documents: what is refused, with all mistakes at their places, and what becomes of a good one."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, inspect

from processors.catalog import AnyFactory
from tenants.convert import convert
from tenants.document import TenantDocument, parse_document, to_revision
from tenants.errors import DocumentError
from tenants.nodes import YamlError, plain
from tenants.report import Report
from tenants.spec import TenantSpec
from tenants.yaml_nodes import compose

Stages = Mapping[str, AnyFactory]

HEAD = """\
slug: acme
id: 6F1D2C0A-4b7e-4f7b-9a53-1c9e5d7a2b10
domain: acme.example.net
name: Acme
"""
BODY = """\
assistants:
  - name: ana
    numbers: [1000]
"""


def parse(text: str, stages: Stages) -> TenantDocument:
    return parse_document(text.encode(), "acme.yaml", stages)


def problems(text: str, stages: Stages) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text, stages)
    return [str(problem) for problem in caught.value.problems]


def test_a_short_document_has_the_defaults_of_the_house(stages: Stages) -> None:
    document = parse(HEAD + BODY, stages)
    assert document.digest == hashlib.sha256((HEAD + BODY).encode()).hexdigest()
    assert document.tenant_id == "6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"
    assert (document.spec.language, document.spec.time_zone) == ("pt-BR", "America/Sao_Paulo")
    assert document.spec.enabled


def test_the_examples_are_good(stages: Stages, configs: Path) -> None:
    files = sorted((configs / "tenants").glob("*.yaml"))
    documents = [parse_document(file.read_bytes(), file.name, stages) for file in files]
    assert len({document.tenant_id for document in documents}) == len(files) >= 2


def test_a_switch_has_to_be_one_of_the_servers_where_these_are_known(stages: Stages) -> None:
    raw = (HEAD + "switch: matris\n" + BODY).encode()
    assert parse_document(raw, "acme.yaml", stages).spec.switch == "matris"
    assert parse_document(raw, "acme.yaml", stages, ("matris", "default")).spec.switch == "matris"
    for known, hint in ((("matriz", "default"), "did you mean 'matriz'?"), (("default",), "there are default")):
        with pytest.raises(DocumentError) as caught:
            parse_document(raw, "acme.yaml", stages, known)
        told = f"acme.yaml:5:1: $.switch: the server's settings have no switch 'matris' ({hint})"
        assert list(map(str, caught.value.problems)) == [told]


def test_what_hangs_on_what_is_right_is_told_with_what_is_wrong(stages: Stages) -> None:
    """A misspelt field hid a switch that is not there, a zone that is none, and a pipeline that cannot work."""
    head = HEAD.replace("slug: acme", "slog: acme") + "switch: matris\ntime_zone: Mars/Base\n"
    body = BODY + "    pipeline:\n      - {id: ear, use: stt.whispr}\n"

    def told(text: str) -> set[str]:
        with pytest.raises(DocumentError) as caught:
            parse_document(text.encode(), "acme.yaml", stages, switches=("default", "matriz"))
        return {problem.path for problem in caught.value.problems}

    stage, rest = "$.assistants[0].pipeline[0].use", {"$.slog", "$.slug", "$.time_zone", "$.switch"}
    assert told(head + body) == rest | {stage}
    assert told(head + body + "language: 7x\n") == rest | {"$.language", stage}
    unnamed = body.replace("name: ana", "name: ana\n    nome: x")
    assert told(head + unnamed) == rest | {"$.assistants[0].nome", stage}
    assert told(head + body + "knowledge: {top_k: 0}\n") == rest | {"$.knowledge.top_k", stage}
    assert told("[]") == {"$"}


def test_numbers_are_what_was_written_whether_quoted_or_not(stages: Stages) -> None:
    text = HEAD + 'assistants:\n  - {name: ana, numbers: [1000, 0123, "0124", +5511999, *9, "#1"]}\n'
    assert "alias" in problems(text, stages)[0]
    numbers = parse(text.replace("*9", '"*9"'), stages).spec.assistants[0].numbers
    assert numbers == ("1000", "0123", "0124", "+5511999", "*9", "#1")


def test_every_mistake_is_told_at_once_where_it_stands(stages: Stages) -> None:
    text = """\
slug: Acme
id: 42
name: "a\\nb"
langage: pt
enabled: yes
assistants:
  - name: ana
    numbers: [1000, x]
    limits: {max_turns: many, silence_s: 0.1}
    texts: {greting: Oi}
    turn: fast
  - numbers: 1001
  -
knowledge: {top_k: 99, min_score: 2}
"""
    told = problems(text, stages)
    places = [problem.split(": ")[:2] for problem in told]
    assert places == [
        ["acme.yaml:1:1", "$.domain"],
        ["acme.yaml:1:7", "$.slug"],
        ["acme.yaml:2:5", "$.id"],
        ["acme.yaml:3:7", "$.name"],
        ["acme.yaml:4:1", "$.langage"],
        ["acme.yaml:5:10", "$.enabled"],
        ["acme.yaml:8:21", "$.assistants[0].numbers[1]"],
        ["acme.yaml:9:25", "$.assistants[0].limits.max_turns"],
        ["acme.yaml:9:42", "$.assistants[0].limits.silence_s"],
        ["acme.yaml:10:13", "$.assistants[0].texts.greting"],
        ["acme.yaml:11:11", "$.assistants[0].turn"],
        ["acme.yaml:12:5", "$.assistants[1].name"],
        ["acme.yaml:12:14", "$.assistants[1].numbers"],
        ["acme.yaml:13:4", "$.assistants[2]"],
        ["acme.yaml:14:20", "$.knowledge.top_k"],
        ["acme.yaml:14:35", "$.knowledge.min_score"],
    ]
    assert told[4].endswith("(did you mean 'language'?)")
    assert told[5].endswith("(write true)")
    assert 'a whole number from 1 to 1000, not "many"' in told[7]


def test_languages_and_zones_are_checked_and_put_in_one_spelling(stages: Stages) -> None:
    text = HEAD + "language: pt_br\ntime_zone: Europe/Lisbon\n" + BODY + "    language: EN-us\n"
    spec = parse(text, stages).spec
    assert (spec.language, spec.assistants[0].language) == ("pt-BR", "en-US")
    told = problems(text.replace("pt_br", "de").replace("Europe/Lisbon", "../etc/passwd"), stages)
    assert [problem.split(": ")[1] for problem in told] == ["$.language", "$.time_zone"]


def test_a_pipelines_mistakes_are_told_at_their_lines(stages: Stages) -> None:
    pipeline = """\
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.wisper}
      - {id: llm, use: llm.grounded}
      - id: tts
        use: tts.kokoro
        config:
          voice: pf_dora
          sped: 1.2
"""
    told = problems(HEAD + BODY + pipeline, stages)
    assert [problem.split(": ")[:2] for problem in told] == [
        ["acme.yaml:10:19", "$.assistants[0].pipeline[1].use"],
        ["acme.yaml:16:11", "$.assistants[0].pipeline[3].config.sped"],
    ]
    assert "did you mean 'stt.whisper'?" in told[0]


def test_a_problem_of_what_was_not_written_stands_at_the_nearest_place(stages: Stages) -> None:
    without_voice = {use: factory for use, factory in stages.items() if use != "tts.kokoro"}
    (told,) = problems(HEAD + BODY, without_voice)
    assert told.startswith("acme.yaml:6:5: $.assistants[0].pipeline[4].use: there is no stage 'tts.kokoro'")


def test_two_assistants_cannot_answer_one_number(stages: Stages) -> None:
    (told,) = problems(HEAD + BODY + "  - {name: bia, numbers: [1001, 1000]}\n", stages)
    assert told.startswith("acme.yaml:8:33: $.assistants[1].numbers[1]: 1000 is already answered by 'ana'")


def test_text_that_is_not_yaml_is_one_problem_with_its_place(stages: Stages) -> None:
    assert problems(HEAD + "name: again\n", stages) == [
        "acme.yaml:5:1: $: 'name' is set twice (the first is in line 4)"
    ]
    assert problems("just text", stages) == ["acme.yaml:1:1: $: expected a mapping, not a single value"]


def test_the_revision_searches_as_the_tenant_wants_unless_the_stage_says_otherwise(stages: Stages) -> None:
    with_stages = "  - name: bia\n    numbers: [2]\n    pipeline:\n" + "".join(
        f"      - {{id: {use[:3]}, use: {use}{', config: {top_k: 9}' if use == 'rag.retrieve' else ''}}}\n"
        for use in stages
    )
    spec = parse(HEAD + BODY + with_stages + "knowledge: {top_k: 2, min_score: 0.3}\n", stages).spec
    revision = to_revision(spec, 7, "abc")
    assert (revision.number, revision.digest, revision.company) == (7, "abc", "Acme")
    assert spec.assistants[0].pipeline is UNSET
    searches = [
        node.config
        for assistant in revision.assistants
        if assistant.pipeline is not UNSET
        for node in assistant.pipeline
        if node.use == "rag.retrieve"
    ]
    assert searches == [{"top_k": 2, "min_score": 0.3}, {"top_k": 9, "min_score": 0.3}]


def test_structural_and_other_mistakes_are_told_together(stages: Stages) -> None:
    text = (
        HEAD.replace("slug: acme", "slug: Acme")
        + """\
switch: matris
language: de
assistants:
  - name: ana
    numbers: [1000]
    limits: {max_turns: many}
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.wisper}
      - {id: llm, use: [llm.grounded]}
      - {id: tts, use: tts.kokoro, config: {speed: 9}}
  - name: ana
    numbers: [1000, x]
  - fast
  - numbers: [2]
    language: xx
knowledge: {top_k: 99}
destinations:
  - {name: Sales, number: 10, fallback: {do: destination, to: sale}}
"""
    )
    with pytest.raises(DocumentError) as caught:
        parse_document(text.encode(), "acme.yaml", stages, ("matriz",))
    assert [problem.path for problem in caught.value.problems] == [
        "$.slug",
        "$.switch",
        "$.language",
        "$.assistants[0].limits.max_turns",
        "$.assistants[0].pipeline[1].use",
        "$.assistants[0].pipeline[2].use",
        "$.assistants[0].pipeline[3].config.speed",
        "$.assistants[1].name",
        "$.assistants[1].numbers[0]",
        "$.assistants[1].numbers[1]",
        "$.assistants[2]",
        "$.assistants[3].name",
        "$.assistants[3].language",
        "$.knowledge.top_k",
        "$.destinations[0].name",
        "$.destinations[0].fallback.to",
    ]


def test_a_document_full_of_mistakes_is_refused_in_bounded_time_and_length(stages: Stages) -> None:
    text = HEAD + BODY + "".join(f"x{number}: 1\n" for number in range(14_000))
    assert len(problems(text, stages)) == 200


def test_every_type_in_the_spec_has_a_rule() -> None:
    def leaves(kind: inspect.Type) -> set[type]:
        match kind:
            case inspect.Metadata():
                return leaves(kind.type)
            case inspect.StructType():
                return set().union(*(leaves(one.type) for one in kind.fields))
            case inspect.VarTupleType():
                return leaves(kind.item_type)
            case inspect.DictType():
                return leaves(kind.key_type) | leaves(kind.value_type)
            case inspect.UnionType():
                return set().union(*(leaves(one) for one in kind.types))
            case _:
                return {type(kind)}

    known = {inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.StrType, inspect.NoneType}
    assert leaves(inspect.type_info(TenantSpec)) == known | {inspect.LiteralType, inspect.AnyType}


LINES = st.sampled_from(
    [*HEAD.splitlines(), *BODY.splitlines(), "knowledge: 3", "  - 5", "    limits: {max_turns: -1}", "enabled: 1", "[]"]
)


@given(st.lists(LINES, max_size=14))
def test_any_shuffle_of_lines_gives_a_spec_or_problems(lines: list[str]) -> None:
    report = Report("f")
    try:
        node = compose("\n".join(lines).encode())
    except YamlError:
        return
    assert (convert(node, TenantSpec, report) is None) == bool(report.problems)


def with_transfer(configs: Path, transfer: str) -> str:
    text = (configs / "tenants" / "clinica-sorriso.yaml").read_text(encoding="utf-8")
    assert text.count('numbers: ["1000"]') == 1
    return text.replace('numbers: ["1000"]', f'numbers: ["1000"]\n    transfer: {transfer}')


@pytest.mark.parametrize(
    ("transfer", "told"),
    [
        ('{to: "+55"}', "to: expected an extension: digits, * and #, 20 at most, not '+55' (mode: blind sends"),
        (f'{{to: "{"1" * 21}"}}', "to: expected an extension: digits, * and #, 20 at most"),
        ('{to: "10 01"}', "to: expected an extension or telephone number: digits"),
        ('{to: "1001\\n"}', "to: expected an extension or telephone number: digits"),
        ('{to: "user/1001", mode: blind}', "to: expected an extension or telephone number: digits"),
        ('{to: "1001 XML default", mode: blind}', "to: expected an extension or telephone number: digits"),
        ('{to: "600", mode: warm}', 'mode: expected one of blind, ring, not "warm"'),
        ('{to: "600", mode: blind, ring_s: 20}', "ring_s: with mode: blind the dialplan says how long it rings (take"),
        ('{to: "1000", mode: blind}', "to: 1000 is answered by this assistant itself (give another number)"),
        ("{mode: blind}", "to: this field is required"),
    ],
)
def test_where_a_caller_may_be_sent(stages: Stages, configs: Path, transfer: str, told: str) -> None:
    [problem] = problems(with_transfer(configs, transfer), stages)
    place, _, rest = problem.partition(": ")
    assert rest.startswith(f"$.assistants[0].transfer.{told}")
    assert place.startswith("acme.yaml:")


@pytest.mark.parametrize(
    "transfer", ['{to: "600", mode: blind}', '{to: "+5511999990000", mode: blind}', "{to: 200, ring_s: 20}", "{to: *9}"]
)
def test_numbers_to_which_a_caller_may_be_sent(stages: Stages, configs: Path, transfer: str) -> None:
    spec = parse(with_transfer(configs, transfer.replace("*9", '"*9"')), stages).spec.assistants[0].transfer
    assert spec is not None
    assert f"to: {spec.to}" in transfer.replace('"', "")
    assert spec.mode == ("blind" if "blind" in transfer else "ring")


SHOWN = st.characters(exclude_categories=("C", "Z")) | st.sampled_from(["\U0001f600", "/", '"', "\\"])
NAMES = st.text(SHOWN, min_size=1, max_size=30)


@given(name=NAMES, greeting=NAMES, escaped=st.booleans(), indent=st.sampled_from([None, 2, "\t"]))
def test_a_document_may_be_any_json_of_it(
    stages: Stages, name: str, greeting: str, escaped: bool, indent: int | str | None
) -> None:
    """Surrogates as pairs of escapes, and tabs, were told as mistakes of YAML."""
    wished = plain(compose((HEAD + BODY).encode()))
    wished["name"] = name
    wished["assistants"][0]["texts"] = {"greeting": greeting}
    document = parse(json.dumps(wished, ensure_ascii=escaped, indent=indent), stages)
    assert (document.spec.name, document.spec.assistants[0].texts.greeting) == (name, greeting)


def test_mistakes_in_json_are_told_with_line_and_field(stages: Stages) -> None:
    text = '{\n\t"slug": "acme",\n\t"nome": "\\ud83d\\ude00"\n}'
    assert "acme.yaml:3:2: $.nome: there is no such field (did you mean 'name'?)" in problems(text, stages)
    (told,) = problems('{\n\t"slug": "acme",\n\t"name": "\\ud83d"\n}', stages)
    assert told.startswith("acme.yaml:3:10: $: the text has half of a character")
