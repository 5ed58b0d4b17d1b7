"""What is wrong with a document, where its author sees it."""

from collections.abc import Sequence
from difflib import get_close_matches

from msgspec import Struct


class Located(Struct, frozen=True, kw_only=True):
    """One mistake. Line and column count from 1 (0: of the file as such); `path` is `$.assistants[0].name`."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.worded()

    def worded(self, kind: str = "") -> str:
        """As a compiler says it; `kind` is `notice` where it is no mistake."""
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: "
        path = f"{self.path}: " if self.path else ""
        return place + (f"{kind}: " if kind else "") + path + self.message + (f" ({self.hint})" if self.hint else "")


class DocumentError(Exception):
    """A document cannot be used. `problems` are all that were found, in the order of its lines."""

    def __init__(self, problems: Sequence[Located]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(written: str, known: Sequence[str]) -> str:
    """A hint with the nearest of the known names, or all of them."""
    return nearest(written, known) or f"there are {', '.join(known) or 'none'}"


def nearest(written: str, known: Sequence[str]) -> str:
    """A hint with the nearest of the known names; empty when none is near."""
    near = get_close_matches(written, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
