"""What two texts of a tenant differ in. Pure."""

import difflib
from typing import Final

MAX_LINES: Final = 5_000
"""Of one text. What is compared takes the square of it in time, and more for texts that repeat themselves."""


class TooLongError(Exception):
    """A text has more lines than are compared."""

    def __init__(self, lines: int) -> None:
        super().__init__(f"a text of {lines} lines is not compared; {MAX_LINES} are the most")
        self.lines = lines


def unified(before: bytes, after: bytes, before_name: str, after_name: str) -> str:
    """As `diff -u` has it, empty for equal texts. A line feed that only one text ends with is told as an empty line.

    Blocks for up to seconds. Raises TooLongError.
    """
    former, latter = _lines(before), _lines(after)
    told = difflib.unified_diff(former, latter, before_name, after_name, lineterm="")
    return "".join(f"{line}\n" for line in told)


def _lines(text: bytes) -> list[str]:
    # Not `splitlines`: a carriage return is a difference, too.
    lines = text.decode("utf-8", "replace").split("\n")
    if len(lines) > MAX_LINES:
        raise TooLongError(len(lines))
    return lines
