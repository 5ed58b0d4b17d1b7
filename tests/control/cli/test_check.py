"""`atende check`, as an operator runs it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

import app
from base.ids import TenantId
from control.cli.check import check_command
from control.cli.context import Program
from control.settings import Settings
from control.switches import Switch
from tests.tenants.kept_secrets import former_file

ROOT = Path(__file__).parents[3]


def run(settings: Settings, *arguments: str, trial: Any = None) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=trial or unused, create_app=unused)
    return CliRunner().invoke(check_command, arguments, obj=program)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return Settings(data_dir=tmp_path / "data", tenants_dir=ROOT / "configs" / "tenants")


GOOD = (ROOT / "configs" / "tenants" / "harbor-books.yaml").read_text()
MODEL = """\
    pipeline:
      - {id: vad, use: vad.mock}
      - {id: stt, use: stt.mock}
      - {id: llm, use: llm.openai, config: {model: m, base_url: {endpoint: gpu}, api_key: {secret: llm}}}
      - {id: tts, use: tts.mock}
"""


def mistakes(result: Result) -> list[str]:
    return [line for line in result.stderr.splitlines() if ": notice: " not in line and "not checked: " not in line]


def test_check_says_good_of_the_examples_and_what_acts_on_nothing(settings: Settings) -> None:
    result = run(settings)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": good") == len(list(settings.tenants_dir.glob("*.yaml")))
    assert mistakes(result) == []
    assert re.search(r"harbor-books\.yaml:12:5: notice: \$\.assistants\[0\]\.instructions: a language", result.stderr)


PAID = """\
    limits: {daily_cost: 2}
    pipeline:
      - {id: vad, use: vad.mock}
      - {id: stt, use: stt.mock}
      - {id: mind, use: llm.openai, config: {model: gpt-of-nobody}}
      - {id: tts, use: tts.mock}
"""


def test_check_tells_of_money_that_cannot_be_counted(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    good = GOOD.replace("\nknowledge:", PAID + "\nknowledge:")
    file.write_text(good)
    unknown = run(settings, str(file))
    assert unknown.exit_code == 1
    [told] = mistakes(unknown)
    assert re.search(
        r"a\.yaml:\d+:14: \$\.assistants\[0\]\.limits\.daily_cost: what 'mind' \(llm\.openai\) costs is not known, "
        r"and cannot be counted \(write `price` into its config or take the limit out\)",
        told,
    )
    half = "gpt-of-nobody, price: {input: 1}"
    for model, problems in (("gpt-4o-mini", 0), ("gpt-of-nobody, price: {input: 1, output: 2}", 0), (half, 1)):
        file.write_text(good.replace("gpt-of-nobody", model))
        result = run(settings, str(file))
        assert len(mistakes(result)) == problems, result.stderr
        assert "a price has `input` and `output`, or `minute`" in result.stderr or not problems


def test_check_knows_the_switches_of_the_settings(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace("language: en", "language: en\nswitch: matriz"))
    alone = run(settings, str(file))
    assert alone.exit_code == 1
    [told] = mistakes(alone)
    assert re.fullmatch(r".*a\.yaml:7:1: \$\.switch: .*no switch 'matriz' \(there are default\)", told)
    matriz = Switch(name="matriz", host="10.77.0.1")
    assert run(replace(settings, switches=(matriz,)), str(file)).exit_code == 0


def test_check_names_the_folder_in_which_nothing_can_be_looked_up(settings: Settings, tmp_path: Path) -> None:
    file, knowledge = tmp_path / "a.yaml", tmp_path / "knowledge"
    file.write_text(GOOD)
    settings = replace(settings, knowledge_dir=knowledge)
    folder = knowledge / "harbor-books"

    def told() -> list[str]:
        result = run(settings, str(file))
        assert result.exit_code == 0
        return [line for line in result.stderr.splitlines() if "looked up" in line]

    (none,) = told()
    assert re.search(rf"a\.yaml:\d+:1: notice: \$\.slug: nothing can be looked up: there is no folder {folder}", none)
    folder.mkdir(parents=True)
    (folder / "hours.txt").write_text("x")
    assert f"there is no *.md in {folder}" in told()[0]
    (folder / "hours.md").write_text("x")
    assert told() == []
    folder.rename(knowledge / "other")
    speaks = "      - {id: llm, use: llm.mock}\n      - {id: tts, use: tts.mock}\n"
    hears = "    pipeline:\n      - {id: vad, use: vad.mock}\n      - {id: stt, use: stt.mock}\n"
    file.write_text(GOOD.replace("\nknowledge:", hears + speaks + "\nknowledge:"))
    assert told() == []


def test_check_takes_both_endings_and_refuses_two_files_of_one_name(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "empresa.yml").write_text(GOOD)
    settings = replace(settings, tenants_dir=folder)
    assert f"{folder / 'empresa.yml'}: good" in run(settings).stdout
    (folder / "empresa.yaml").write_text(GOOD)
    result = run(settings)
    assert result.exit_code == 1
    assert mistakes(result) == [
        f"{folder / 'empresa.yml'}: empresa.yaml is there, too, and goes before this one: keep one of the two"
    ]


def test_check_prints_problems_as_a_compiler_does_and_fails(settings: Settings, tmp_path: Path) -> None:
    for name, text in {"a": GOOD, "b": GOOD.replace("language: en", "langage: en"), "c": GOOD}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / f"{name}.yaml") for name in "abc"]
    result = run(settings, *files, str(tmp_path / "d.yaml"))
    assert result.exit_code == 1
    assert result.stdout == f"{files[0]}: good\n"
    lines = mistakes(result)
    assert re.fullmatch(re.escape(files[1]) + r":6:1: \$\.langage: .*\(did you mean 'language'\?\)", lines[0])
    assert lines[1:] == [
        f"{files[2]}:3:1: $.id: {files[0]} has the same id",
        f"{files[2]}:2:1: $.slug: {files[0]} has the same slug",
        f"{files[2]}:4:1: $.domain: {files[0]} has the same domain",
        f"{tmp_path}/d.yaml: No such file or directory",
    ]
    absent = run(settings, str(tmp_path / "d.yaml"))
    assert absent.stderr == f"{tmp_path}/d.yaml: No such file or directory\n", "and nothing of what was not checked"


def test_check_for_programs(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace("slug: harbor-books", "slug: Harbor"))
    result = run(settings, "--json", str(file), str(tmp_path / "b.yaml"))
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [(one["file"], one["good"]) for one in told["files"]] == [(str(file), False), (f"{tmp_path}/b.yaml", False)]
    [problem] = told["files"][0]["problems"]
    assert (problem["line"], problem["column"], problem["path"]) == (2, 7, "$.slug")
    assert told["files"][1]["problems"][0]["message"] == "No such file or directory"
    assert any(line.startswith("whether models") for line in told["not_checked"])
    file.write_text(GOOD)
    good = run(settings, "--json", str(file))
    assert good.exit_code == 0
    assert [one["path"] for one in json.loads(good.stdout)["files"][0]["notices"]][-1] == "$.assistants[0].instructions"


@pytest.mark.parametrize(
    ("stage", "written", "told"),
    [
        ("tts.kokoro", "voice: xx_zzzzzz", r"\.config\.voice: there is no .xx_zzzzzz. \(there are af_alloy, "),
        ("tts.kokoro", "voice: pf_maria", r"\.config\.voice: there is no .pf_maria. \(did you mean 'pf_dora'\?\)"),
        ("stt.whisper", "model: whisper-bass", r"\.config\.model: .*\(did you mean 'whisper-base'\?\)"),
    ],
)
def test_check_knows_voices_and_models(settings: Settings, tmp_path: Path, stage: str, written: str, told: str) -> None:
    file, uses = tmp_path / "a.yaml", ["vad.mock", "stt.mock", "llm.mock", "tts.mock"]
    place = [use.partition(".")[0] for use in uses].index(stage.partition(".")[0])
    nodes = [f"      - {{id: s{n}, use: {use}}}\n" for n, use in enumerate(uses)]
    nodes[place] = f"      - {{id: s{place}, use: {stage}, config: {{{written}}}}}\n"
    head, knowledge, rest = GOOD.partition("knowledge:")
    file.write_text(f"{head}    pipeline:\n{''.join(nodes)}{knowledge}{rest}")
    [mistake] = mistakes(run(settings, str(file)))
    assert re.search(told, mistake), mistake


def test_check_knows_the_voice_that_an_assistant_names(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace("    numbers:", "    voice: pf_dorra\n    numbers:"))
    [mistake] = mistakes(run(settings, str(file)))
    assert re.search(r"\$\.assistants\[0\]\.voice: there is no .pf_dorra. \(did you mean 'pf_dora'\?\)", mistake)


def test_check_looks_for_the_secrets_and_endpoints_that_a_document_names(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    head, knowledge, rest = GOOD.partition("knowledge:")
    file.write_text(head + MODEL + knowledge + rest)
    lacking = mistakes(run(settings, str(file)))
    assert [re.findall(r"\$\.[^:]*", line)[0] for line in lacking] == [
        "$.assistants[0].pipeline[2].config.base_url",
        "$.assistants[0].pipeline[2].config.api_key",
    ]
    settings = replace(settings, endpoints={"gpu": "http://10.0.0.7:8000/v1"})
    former_file(settings.data_dir, TenantId("c2a5b8e4-90d3-4c1f-8e26-7b3f4a6d5e21"), "llm", "hush")
    assert run(settings, str(file)).exit_code == 0, "it is taken over at the next start"
    elsewhere = run(replace(settings, data_dir=tmp_path / "absent"), str(file))
    assert elsewhere.exit_code == 0
    assert f"not checked: secrets: there is no data directory {tmp_path}/absent" in elsewhere.stderr


def test_a_deep_check_makes_every_stage_ready_and_lets_go_of_it(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    head, knowledge, rest = GOOD.partition("knowledge:")
    mocks = MODEL.replace("llm.openai", "llm.mock").replace(
        "{model: m, base_url: {endpoint: gpu}, api_key: {secret: llm}}", "{failure: prepare}"
    )
    file.write_text(head + mocks + knowledge + rest)
    assert run(settings, str(file)).exit_code == 0
    deep = run(settings, "--deep", str(file), trial=app.open_trial)
    assert deep.exit_code == 1
    [told] = mistakes(deep)
    assert re.fullmatch(
        r".*a\.yaml:21:9: \$\.assistants\[0\]\.pipeline\[2\]: assistant 'grace', stage 'llm' \(llm\.mock\): .*", told
    )
    file.write_text((head + mocks + knowledge + rest).replace("failure: prepare", "failure: none"))
    good = run(settings, "--deep", str(file), trial=app.open_trial)
    assert (good.exit_code, mistakes(good)) == (0, [])
    assert "--deep looks" not in good.stderr
    assert list(settings.data_dir.iterdir()) == []
