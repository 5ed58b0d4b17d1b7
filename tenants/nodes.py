"""A document as nodes with their places, whichever way it was written."""

from dataclasses import dataclass
from typing import Any, Final

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 16
MAX_EVENTS: Final = 30_000
"""Beginnings and ends of collections, keys and values: reading them takes time from the calls beside."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text, counted from 1."""

    line: int
    column: int


START: Final = Mark(1, 1)


class YamlError(Exception):
    """The text is not YAML, or JSON, that we read."""

    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value; `text` is as written, `value` as read (`str`, `int`, `float`, `bool` or None)."""

    mark: Mark
    text: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sequence:
    mark: Mark
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys as written, each with the place of the key; insertion order."""

    mark: Mark
    items: dict[str, tuple[Mark, "Node"]]


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The node as dicts, lists and values."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, (_, value) in node.items.items()}
