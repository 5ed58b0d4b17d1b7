"""Problems of one document as they are found, each at its place."""

import json
import re
from dataclasses import dataclass, field
from typing import Final

from tenants.errors import Located
from tenants.nodes import START, Mapping, Mark, Node, Sequence

MAX_PROBLEMS: Final = 200
"""Of one document; what is found beyond is not kept."""
_LAST = re.compile(r"(\.[^.\[\]]*|\[[^\[\]]*\])$")
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


@dataclass
class Report:
    """Problems of one file as they are found, and where each path stands."""

    file: str
    root: Node | None = None
    problems: list[Located] = field(default_factory=list)
    _places: dict[str, Mark] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def full(self) -> bool:
        """Whether nobody would read more of them."""
        return len(self.problems) >= MAX_PROBLEMS

    def add(self, mark: Mark, path: str, message: str, hint: str = "") -> None:
        """A problem at a place that is known."""
        if not self.full:
            self._told.add(path)
            self.problems.append(self.located(mark, path, message, hint))

    def tell(self, path: str, message: str, hint: str = "") -> None:
        """A problem of what was converted; none where the same place, or what it is part of, was told already."""
        part = path
        while part not in self._told:
            part, former = _LAST.sub("", part), part
            if part == former:
                self.add(self.place(path), path, message, hint)
                return

    def located(self, mark: Mark, path: str, message: str, hint: str = "") -> Located:
        """A problem of this file, without keeping it."""
        return Located(file=self.file, line=mark.line, column=mark.column, path=path, message=message, hint=hint)

    def place(self, path: str) -> Mark:
        """Where a path stands, or the nearest part of it that the document has."""
        if not self._places and self.root is not None:
            _remember(self.root, "$", self._places)
        while path not in self._places:
            shorter = _LAST.sub("", path)
            if shorter == path:
                return START
            path = shorter
        return self._places[path]


def member(path: str, key: str) -> str:
    """The path of a key: `$.name`, or `$["odd name"]`."""
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{json.dumps(key)}]"


def _remember(node: Node, path: str, places: dict[str, Mark]) -> None:
    """Note where every path of the document stands: at its key, or at the item of a list."""
    places.setdefault(path, node.mark)
    if isinstance(node, Mapping):
        for key, (mark, value) in node.items.items():
            places[member(path, key)] = mark
            _remember(value, member(path, key), places)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            _remember(item, f"{path}[{index}]", places)
