"""What is written to an operator's terminal: what callers and documents say cannot command it."""

from rich.console import Console
from rich.markup import escape


def plain(text: str) -> str:
    """As one line that is only shown: without control characters, and no markup of ours."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def console() -> Console:
    """Standard output; tables are as wide as they are where it is no terminal, for `grep`."""
    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, width=500)
