"""What is wrong with a document, said so that its author can mend it."""

from collections.abc import Sequence

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One mistake. `path` is where it is (`$.assistants[0].pipeline[2].config.speed`)."""

    path: str
    message: str
    hint: str = ""

    def under(self, prefix: str) -> "Problem":
        """The same problem, seen from further out."""
        return Problem(prefix + self.path, self.message, self.hint)

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.path}: {self.message}{hint}"


class SpecError(Exception):
    """A document cannot be used. `problems` holds everything that is wrong with it, in document order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))
