"""What the types of a document say of themselves: the text under each field, its unit, and whether it is acted on."""

import ast
import inspect as python
import textwrap
from functools import cache
from typing import Any, Final

from msgspec import Struct, inspect

UNITS: Final = {
    "_s": "s",
    "_secs": "s",
    "_ms": "ms",
    "_days": "days",
    "_minutes": "minutes",
    "_chars": "characters",
    "_tokens": "tokens",
    "_dbfs": "dBFS",
    "_rpm": "requests a minute",
    "_cost": "US dollars",
}
"""By the end of a field's name."""
KEPT_TEXT: Final = "Checked and kept; nothing acts on it yet."


@cache
def field_docs(struct: Any) -> dict[str, str]:
    """The text under each field of a struct and of those it inherits from, in one line each."""
    found: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if issubclass(kind, Struct) and kind.__struct_fields__:
            found |= _docs_of(kind)
    return found


def _docs_of(struct: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(python.getsource(struct))).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for one, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(following, ast.Expr):
            value = following.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[one.target.id] = " ".join(value.value.split())
    return found


def acted_on(wanted: inspect.Type) -> bool:
    """Whether something acts on a field of this type."""
    if isinstance(wanted, inspect.UnionType):
        return all(map(acted_on, wanted.types))
    if isinstance(wanted, inspect.Metadata):
        return (wanted.extra or {}).get("acted_on") is not False and acted_on(wanted.type)
    return True


def unit(name: str) -> str:
    """The unit of a field, by its name; empty when it has none."""
    return next((unit for ending, unit in UNITS.items() if f"_{name}".endswith(ending)), "")


def first_line(thing: Any) -> str:
    """A docstring's first paragraph, in one line."""
    return " ".join((python.getdoc(thing) or "").split("\n\n")[0].split())
