"""docs/operations.md and docs/observability.md: what they quote, have typed and have set is there."""

import re
from pathlib import Path
from typing import Final

import click
import pytest
import yaml

from control.cli.audit import audit_command
from control.cli.check import check_command
from control.cli.database import database_command
from control.cli.dialplan import dialplan_command
from control.cli.graph import graph_command
from control.cli.jobs import jobs_command
from control.cli.keys import keys_command
from control.cli.serve import serve_command
from control.jobs.work import Workroom, kinds
from control.settings import _PARSERS as PARSERS
from tenants.job_rows import KINDS

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EYES: Final = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
FOLDERS: Final = ("base", "control", "knowledge", "pipelines", "processors", "tenants", "transports")
COMMANDS: Final[dict[str, click.Command]] = {
    "audit": audit_command,
    "check": check_command,
    "database": database_command,
    "dialplan": dialplan_command,
    "graph": graph_command,
    "jobs": jobs_command,
    "keys": keys_command,
    "serve": serve_command,
}
QUOTED: Final = re.compile(r"(?<![*\w`])\*([a-z][^*\n`|]+)\*(?![*\w])")
VALUE: Final = re.compile(r"\S*(?:…|/)\S*")
"""Of a quote: what stands there in place of a path, an address, or words that differ."""


def source() -> str:
    """All of our code, with texts that go over two lines as one."""
    files = [
        path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in {".py", ".sql"}
    ]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))


def test_every_message_to_look_for_is_written_somewhere() -> None:
    text, quotes = source(), QUOTED.findall(PAGE)
    assert len(quotes) >= 18, quotes
    for quote in quotes:
        parts = [re.escape(part.strip()) for part in VALUE.split(quote) if part.strip()]
        # A message begins where its quotes do, or behind what it is about.
        assert re.search(r".{1,80}".join(parts), text), quote
        assert any(len(part) > 3 for part in parts), quote


@pytest.mark.parametrize("page", [PAGE, EYES], ids=["operations", "observability"])
def test_every_command_and_option_exists(page: str) -> None:
    used = re.findall(r"(?:\.venv/bin/|`)atende ((?:[a-z]+ ?)+)([^#\n`]*)", page)
    assert used or page is EYES
    for words, rest in used:
        command: click.Command | None = None
        for word in words.split():
            command = command.commands.get(word) if isinstance(command, click.Group) else command or COMMANDS.get(word)
            assert command is not None, words
        assert command is not None
        options = {option for param in command.params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (words, rest)


@pytest.mark.parametrize("page", [PAGE, EYES], ids=["operations", "observability"])
def test_every_variable_exists(page: str) -> None:
    known = {f"ATENDE_{field.upper()}" for field in PARSERS}
    assert set(re.findall(r"ATENDE_[A-Z_]+[A-Z]", page)) <= known


@pytest.mark.parametrize("page", [PAGE, EYES], ids=["operations", "observability"])
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page):
        file, _, anchor = target.partition("#")
        if file.startswith("https://"):
            continue
        text = (ROOT / "docs" / file).read_text(encoding="utf-8") if file else page
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target


def test_every_job_is_told_with_its_times() -> None:
    told = dict(re.findall(r"^\| `([a-z]+)` \| `([^`]+ \* \* \*)` \|", PAGE, re.MULTILINE))
    room = Workroom.__new__(Workroom)
    object.__setattr__(room, "node", "pbx-1")
    assert told == {kind.name: kind.times for kind in kinds(room)}
    assert set(told) == set(KINDS)


def test_every_alert_is_told_and_no_other() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert re.findall(r"`(Atende[A-Z]\w+)`", EYES) == alerts
