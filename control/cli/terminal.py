"""What is written to an operator's terminal: what callers and documents say cannot command it."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

T = TypeVar("T")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


def plain(text: str) -> str:
    """As one line that is only shown: without control characters, and no markup of ours."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def console() -> Console:
    """Standard output; tables are as wide as they are where it is no terminal, for `grep`."""
    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, width=500)


def printed(items: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """As one JSON text, or as people read it."""
    if as_json:
        click.echo(msgspec.json.encode(items).decode())
    else:
        show(items)


def listed(
    items: Sequence[T], as_json: bool, columns: Sequence[str], cells: Callable[[T], Sequence[object]], none: str
) -> None:
    """As one JSON array, or as a table; `none` is said on standard error where there is nothing."""

    def show(rows: Sequence[T]) -> None:
        table = Table(*columns, box=None, pad_edge=False)
        for one in rows:
            table.add_row(*(plain(str(cell)) for cell in cells(one)))
        if rows:
            console().print(table)
        else:
            click.echo(none, err=True)

    printed(items, as_json, show)
