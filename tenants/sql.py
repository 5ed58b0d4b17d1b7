"""SQL lives in `.sql` files: named blocks, each under a line `-- name --`."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_HEADING: Final = re.compile(r"^-- ([a-z][a-z0-9_]*) --[ \t]*$", re.MULTILINE)
_FOLDER: Final = Path(__file__).parent / "queries"


class SqlFileError(Exception):
    """A file of queries is not made of named blocks."""


def parse_blocks(text: str) -> Mapping[str, str]:
    """Name to statement. Raises SqlFileError for text before the first name, an empty or a repeated block."""
    before, *rest = _HEADING.split(text)
    if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
        raise SqlFileError("there is SQL before the first `-- name --`")
    blocks: dict[str, str] = {}
    for name, statement in zip(rest[::2], rest[1::2], strict=True):
        if name in blocks or not statement.strip():
            raise SqlFileError(f"the block {name!r} is empty or repeated")
        blocks[name] = statement.strip().removesuffix(";")
    return blocks


@cache
def queries(name: str) -> Mapping[str, str]:
    """The blocks of `queries/<name>.sql`."""
    return parse_blocks((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
