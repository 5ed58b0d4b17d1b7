"""The files of configs/freeswitch, as the commands of its README print them. Run as a program, it writes them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner

from base.secret import Secret
from control.cli.context import Program
from control.cli.dialplan import dialplan_command
from control.settings import Settings

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "configs" / "freeswitch"
KEYS = Secret(f"example:{'A' * 43}=")
_ROW = re.compile(r"^\| \[(?P<name>[^\]]+)\]\((?P=name)\) \| `atende dialplan (?P<arguments>[^`]+)` \|$", re.MULTILINE)


def examples() -> dict[str, list[str]]:
    """Name of each file to the arguments of its command."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return {row["name"]: shlex.split(row["arguments"]) for row in _ROW.finditer(text)}


def printed(arguments: list[str]) -> str:
    """What `atende dialplan` prints for the example tenants."""
    settings = Settings(tenants_dir=ROOT / "configs" / "tenants", signing_keys=KEYS)
    unused = cast(Any, None)
    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    result = CliRunner().invoke(dialplan_command, arguments, obj=program)
    assert result.exit_code == 0, result.output
    return result.stdout


def written() -> Iterator[tuple[Path, str]]:
    """Each file, and what belongs into it."""
    for name, arguments in examples().items():
        yield FOLDER / name, printed(arguments)


if __name__ == "__main__":
    for file, text in written():
        file.write_text(text, encoding="utf-8")
