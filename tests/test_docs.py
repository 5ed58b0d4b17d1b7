"""What docs/freeswitch.md and docs/live-change.md tell an operator to type, to set and to look for is there."""

import inspect
import re
import textwrap
from pathlib import Path
from typing import get_args

import click
import pytest

from control import switches
from control.cli.call import call_command
from control.cli.check import check_command
from control.cli.database import database_command
from control.cli.dialplan import dialplan_command
from control.cli.doctor import doctor_command
from control.cli.serve import serve_command
from control.dialplan.fusionpbx import ORDER
from control.dialplan.plan import ANY_DOOR
from control.findings import WEAKNESSES
from control.health import TenantHealth
from control.line import TALKING
from control.peer import Write, load_script
from control.peer.esl import CommandReader
from control.settings import _PARSERS as PARSERS
from control.settings import Settings
from pipelines import changeover, supervisor
from pipelines.calls import CallRecord
from processors.catalog import CATALOG
from processors.factory import Role
from tenants import folder, retries
from tenants.document import parse_document
from tenants.errors import DocumentError
from tenants.statuses import Retry
from transports.freeswitch.esl_commands import EventClass
from transports.freeswitch.esl_encoding import TEXT_OUT
from transports.freeswitch.text import message_of
from transports.freeswitch.words import DoorName, Note

ROOT = Path(__file__).parents[1]
FOLDERS = ("control", "pipelines", "tenants", "transports")
COMMANDS: dict[str, click.Command] = {
    "call": call_command,
    "check": check_command,
    "database": database_command,
    "dialplan": dialplan_command,
    "doctor": doctor_command,
    "serve": serve_command,
}
END_REASONS = inspect.getsource(CallRecord).partition("end_reason: str")[2].partition("hangup_cause: str")[0]
TEXTS = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("freeswitch.md", "freeswitch.pt-BR.md")}
languages = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@languages
def test_every_command_and_option_exists(text: str) -> None:
    used = re.findall(r"\.venv/bin/atende (\w+)([^#\n|>]*)", text)
    assert {name for name, _ in used} == set(COMMANDS)
    for name, rest in [*used, *re.findall(r"`atende (\w+)([^`]*)`", text)]:
        options = {option for param in COMMANDS[name].params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (name, rest)
    dialplan_options = {option for param in dialplan_command.params for option in param.opts}
    assert set(re.findall(r"`(--[a-z-]+)[ `]", text)) <= dialplan_options


@languages
def test_every_variable_exists(text: str) -> None:
    [named] = re.findall(r"^ATENDE_SWITCHES=(\S+)$", text, re.MULTILINE)
    known = {f"ATENDE_{field.upper()}" for field in PARSERS} | set(switches.variables(switches.names(named)))
    assert set(re.findall(r"ATENDE_[A-Z_]+[A-Z]", text)) <= known


@languages
def test_every_log_line_to_look_for_is_written_somewhere(text: str) -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql"}
    )
    symptoms = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    told = [symptom for symptom in symptoms if "log" in symptom or "psql" in symptom]
    lines = [line for symptom in told for line in re.findall(r"\*(.+?)\*", symptom)]
    assert len(lines) >= 10
    for line in lines:
        pattern = re.escape(line).replace("…", ".{1,40}").replace("48000", ".{1,40}")
        assert re.search(pattern, source), line


@languages
def test_the_example_document_is_right(text: str) -> None:
    [document] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    spec = parse_document(document.encode(), "docs").spec
    assert (spec.slug, spec.assistants[0].numbers) == ("empresa", ("7000",))


@languages
def test_what_writes_into_a_call_is_right(text: str, tmp_path: Path) -> None:
    [example] = re.findall(r"```\n(sendevent .*?)\n```", text, re.DOTALL)
    [command] = CommandReader().feed(example.encode())
    assert (command.line, command.headers["event-subclass"]) == ("sendevent CUSTOM", EventClass.TEXT.value)
    assert example.endswith(f"\n\n{command.body}"), "Content-Length is that of the words"
    (tmp_path / "call.yaml").write_text(*re.findall(r"`(steps: .*?)`", text), encoding="utf-8")
    assert Write(command.body) in load_script(tmp_path / "call.yaml").steps
    for told in (message_of("…"), f"CUSTOM {TEXT_OUT}", f"uuid_audio_stream CALL send_text '{command.body}'"):
        assert f"`{told}`" in text


@languages
def test_every_link_leads_somewhere(text: str) -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (ROOT / "docs" / target.partition("#")[0]).is_file(), target


@languages
def test_every_door_and_every_vulnerability_is_told(text: str) -> None:
    assert {ANY_DOOR, *(f"door_{door.value}" for door in DoorName)} <= set(re.findall(r"door_[a-z]+", text))
    assert {weakness.cve for weakness in WEAKNESSES} == set(re.findall(r"CVE-\d+-\d+", text))
    assert f"{ORDER} (`{ANY_DOOR}`: {ORDER + 1})" in text


@languages
def test_every_variable_that_we_leave_on_a_channel_is_told(text: str) -> None:
    assert {note.value for note in Note} <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    [outcomes] = re.findall(r"^\| `atende_outcome` \| (.*) \|$", text, re.MULTILINE)
    told = set(re.findall(r"`([a-z_]+)`", outcomes)) - {"blind", "door_operator", "door_failed"}
    reasons = set(re.findall(r"`([a-z_]+)`", END_REASONS)) - {"crash", "caller_hangup", "hangup", "hangup_cause"}
    assert told == reasons | {TALKING}


def test_both_languages_tell_the_same() -> None:
    english, portuguese = (
        sorted(re.findall(r"ATENDE_[A-Z_]+|--[a-z-]+|door_[a-z]+|CVE-[\d-]+|\b\d[\d.,-]*\b", text.replace(",", ".")))
        for text in TEXTS.values()
    )
    assert english == portuguese
    headings, cabecalhos = (re.findall(r"^(#+) ", text, re.MULTILINE) for text in TEXTS.values())
    assert headings == cabecalhos
    rows, linhas = (len(re.findall(r"^\|", text, re.MULTILINE)) for text in TEXTS.values())
    assert rows == linhas


def test_the_filters_example_is_a_pipeline_that_can_be_used_and_names_every_filter() -> None:
    text = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    document = (ROOT / "configs" / "tenants" / "harbor-books.yaml").read_text(encoding="utf-8")
    indented = "".join(f"    {line}\n" for line in example.splitlines())
    written = re.sub(r"\n  - name: (.*)\n", rf"\n  - name: \1\n{indented}", document, count=1)
    spec = parse_document(written.encode(), "filters.md").spec
    filters = {entry.use for entry in CATALOG if entry.role is Role.FILTER}
    assert {node.use for node in spec.assistants[0].pipeline or () if node.use.startswith("filter.")} == filters
    assert set(re.findall(r"^\| `(filter\.\w+)`", text, re.MULTILINE)) == filters


LIVE_CHANGE = (ROOT / "docs" / "live-change.md").read_text(encoding="utf-8")
CLINIC = (ROOT / "configs" / "tenants" / "clinica-sorriso.yaml").read_text(encoding="utf-8")


def test_what_the_guide_to_live_changes_has_typed_is_there() -> None:
    used = re.findall(r"(?:\.venv/bin/|`)atende (\w+)([^#\n`]*)", LIVE_CHANGE)
    assert {name for name, _ in used} == {"call", "check"}
    for name, rest in used:
        options = {option for param in COMMANDS[name].params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (name, rest)
    [(tenant, script)] = re.findall(r"atende call --tenant (\S+) --script (\S+)", LIVE_CHANGE)
    assert parse_document(CLINIC.encode(), "docs").spec.slug == tenant
    assert load_script(ROOT / script).steps
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "run"} == set(re.findall(r"(?:^|`)make (\w+)", LIVE_CHANGE, re.MULTILINE)) <= set(targets)
    for path in re.findall(r"\bconfigs/[\w./-]+\w/?", LIVE_CHANGE):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"\]\(([^)]+)\)", LIVE_CHANGE):
        assert (ROOT / "docs" / target.partition("#")[0]).is_file(), target


def test_the_guide_to_live_changes_names_variables_and_numbers_as_they_are() -> None:
    told = set(re.findall(r"ATENDE_[A-Z_]+[A-Z]", LIVE_CHANGE))
    assert told == {f"ATENDE_{name}" for name in ("WATCH", "SWAP", "EAGER_TENANTS", "MODELS_BUDGET_MB")}
    for variable, written in re.findall(r"`(ATENDE_[A-Z_]+)=(\w+)`", LIVE_CHANGE):
        PARSERS[variable.removeprefix("ATENDE_").lower()](written)
    assert f"`ATENDE_SWAP={Settings().swap}`, the default" in LIVE_CHANGE
    assert f"The first {Settings().eager_tenants} (`ATENDE_EAGER_TENANTS`)" in LIVE_CHANGE
    assert f"changes over after {changeover.DEADLINE_S:.0f} s" in LIVE_CHANGE
    assert f"ring for up to {folder.WARM_TIMEOUT_S:.0f} s" in LIVE_CHANGE
    assert f"after {retries.FIRST_S:.0f} s, then" in LIVE_CHANGE
    assert f"every {retries.MOST_S / 60:.0f} minutes in the end" in LIVE_CHANGE
    assert {"state", "retry", "next_try"} <= set(TenantHealth.__struct_fields__)
    assert all(f"`{state}`" in LIVE_CHANGE for state in get_args(Retry))
    assert '"revision rolled back"' in inspect.getsource(supervisor)


def test_what_the_guide_to_live_changes_has_saved_is_a_good_document_and_its_mistake_is_told() -> None:
    sentence, canary = (textwrap.dedent(text) for text in re.findall(r"```yaml\n(.*?)```", LIVE_CHANGE, re.DOTALL))
    [words] = re.findall(r"unanswerable: (.*)", sentence)
    saved, changed = re.subn(r"\n    texts:\n", f"\n    texts:\n      unanswerable: {words}\n", CLINIC)
    assert changed == 1
    spec = parse_document(saved.encode(), "docs").spec
    assert spec.assistants[0].texts.unanswerable == words
    with pytest.raises(DocumentError) as told:
        parse_document(saved.replace("    texts:", "    textos:").encode(), "docs")
    assert [problem.hint for problem in told.value.problems] == ["did you mean 'texts'?"]
    [short] = re.findall(r"```yaml\n(.*?)```", TEXTS["freeswitch.md"], re.DOTALL)
    tried = re.sub(r"\n  - name: \w+\n", "\n  - name: vendas\n", short, count=1) + canary
    found = parse_document(tried.encode(), "docs").spec.canary
    assert found is not None
    assert (found.share, found.shares, found.max_failed) == (10, {"vendas": 50}, 0.05)
