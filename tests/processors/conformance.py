"""What every stage promises, as checks that run over any factory: the catalog's and a plugin's."""

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

import msgspec
from msgspec import Struct, structs

from processors.catalog import AnyFactory
from processors.factory import Persona, PrepareError, StageContext, Weight, Workshop

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


class _Nobodys:
    """In place of a context, a library or a way to secrets: whoever looks at a tenant's things here is found out."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        self.looked_at: list[str] = []

    def __getattr__(self, name: str) -> NoReturn:
        self.looked_at.append(name)
        raise PrepareError(f"{name}: what is shared is made for no tenant")

    def secret(self, *_: object) -> NoReturn:
        self.__getattr__("secret")


async def scope_faults(factory: AnyFactory, config: Struct, persona: Persona, lent: Workshop) -> list[str]:
    """What of a tenant gets into what its `scope` has all tenants share. It may fail for want of what is not `lent`."""
    if factory.scope not in ("process", "tenant"):
        return [f"scope is {factory.scope!r}"]
    if factory.scope == "tenant":
        return []
    nobodys = _Nobodys(persona)
    own = replace(lent, library=cast(Any, nobodys), secret=nobodys.secret)
    try:
        closing = factory.close(await factory.prepare(config, cast(StageContext, nobodys), own))
    except PrepareError:
        pass
    else:
        if closing is not None:
            await closing
    return [f"what tenants share is prepared with {name}" for name in nobodys.looked_at]


def weight_faults(factory: AnyFactory, config: Struct, *, needs_models: bool) -> list[str]:
    """What is wrong with the memory that a stage says it takes: it decides which tenants are unloaded."""
    weight: object = factory.weight(config)
    if weight is None:
        return ["it loads a model and weighs nothing"] if needs_models else []
    if not isinstance(weight, Weight):
        return [f"its weight is {weight!r}"]
    faults = [] if weight.name.strip() else ["its weight has no name by which it is counted once"]
    if not (math.isfinite(weight.mb) and weight.mb > 0):
        faults.append(f"it weighs {weight.mb} MB")
    if factory.weight(structs.replace(config)) != weight:
        faults.append("it weighs another time something else")
    return faults
