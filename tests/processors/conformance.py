"""What every stage promises, as checks that run over any factory: the catalog's and a plugin's."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

UNITS: Mapping[str, tuple[str, ...]] = {
    "s": ("_s", "_secs"),
    "ms": ("_ms",),
    "seconds": ("_s", "_secs"),
    "milliseconds": ("_ms",),
    "Hz": ("_hz",),
    "bytes": ("_bytes",),
    "tokens": ("_tokens",),
    "dBFS": ("_dbfs",),
}
"""A unit that a number's documentation begins or ends with, and how the field's name then ends."""


def documented(config_type: type[Struct]) -> dict[str, str]:
    """Of each field that is described, how: by the docstring under it, or by its `Meta(description=…)`."""
    told: dict[str, str] = {}
    for kind in reversed(config_type.__mro__):
        if issubclass(kind, Struct) and kind is not Struct:
            told |= _docstrings(kind)
    for field in structs.fields(config_type):
        for description in _descriptions(field.type):
            told.setdefault(field.name, description)
    return told


def _docstrings(kind: type[Struct]) -> dict[str, str]:
    (body,) = (node for node in ast.parse(textwrap.dedent(inspect.getsource(kind))).body)
    assert isinstance(body, ast.ClassDef)
    told: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            text = ast.literal_eval(after.value)
            told[field.target.id] = " ".join(text.split())
    return told


def _descriptions(kind: Any) -> Iterator[str]:
    for part in (kind, *getattr(kind, "__args__", ())):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.description:
                yield meta.description


def unit_faults(config_type: type[Struct]) -> list[str]:
    """Numbers that are told to have a unit which their name does not have."""
    faults: list[str] = []
    for name, text in documented(config_type).items():
        for unit, endings in UNITS.items():
            if re.match(rf"(In )?{unit}\b", text) or re.search(rf"\b[Ii]n {unit}\b", text):
                faults += [] if name.endswith(endings) else [f"{name}: is in {unit} and is not called …{endings[0]}"]
    return faults


def schema_of(config_type: type[Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """msgspec's JSON Schema of a config: the object itself, and the definitions it refers to."""
    whole = msgspec.json.schema(config_type)
    definitions: dict[str, Any] = whole.get("$defs", {})
    return definitions[whole["$ref"].rpartition("/")[2]], definitions


def probes(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Values at and beyond the limits that a field's schema states, and whether it allows them."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for option in schema.get("anyOf", ()):
        yield from ((value, True) for value, allowed in probes(option, definitions) if allowed)
    kind = schema.get("type")
    if "enum" in schema:
        yield from ((value, True) for value in schema["enum"])
        yield "no such value", False
    elif kind in ("integer", "number"):
        yield from _numbers(schema)
    elif kind == "string" and "maxLength" in schema:
        yield "a" * (schema["maxLength"] + 1), False
    yield from _KINDS.get(str(kind), ())


_KINDS: Mapping[str, tuple[tuple[Any, bool], ...]] = {
    "null": ((None, True),),
    "boolean": ((True, True), (False, True), ("yes", False)),
    "string": ((5, False),),
    "array": (("no array", False),),
    "object": (("no object", False),),
}


def _numbers(schema: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    yield "no number", False
    for limit, beyond in (("minimum", -1), ("maximum", 1)):
        if limit in schema:
            yield schema[limit], True
            yield schema[limit] + beyond, False
    for limit, inside in (("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        if limit in schema:
            yield schema[limit], False
            yield schema[limit] + inside * 0.001, True
