"""From YAML nodes to a typed spec, field by field, so that every mistake is told and not only the first.

What is here walks the types beside the nodes, knows where each node stands, and takes a plain scalar as
text where text is wanted: the extension `1000` need not be quoted, and `0123` keeps its zero. What cannot
be converted is told and left at its default, so that the rest can be looked at all the same. msgspec
checks the whole at the end.
"""

import re
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, inspect

from base import converting
from base.converting import type_info
from pipelines.expectation import bare, choices, expectation, shown
from tenants.errors import did_you_mean, nearest
from tenants.nodes import Mapping, Node, Scalar, Sequence, plain
from tenants.report import Report, member

S = TypeVar("S", bound=Struct)

_FIELD = re.compile(r"\$\.(\w+)")
_AT = re.compile(r" - at `[^`]*`$")
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_NOTHING: Final = object()
"""In place of a value that could not be converted."""


def convert(node: Node, spec_type: type[S], report: Report) -> S | None:
    """The spec, or None with at least one problem in the report."""
    spec = salvage(node, spec_type, report)
    return None if spec is None or report.problems else strict(spec, report)


def strict(spec: S, report: Report) -> S | None:
    """The same spec by msgspec's own rules; None, with a problem, where a rule of the whole is broken."""
    try:
        return converting.convert(msgspec.to_builtins(spec), type(spec))
    except msgspec.ValidationError as error:
        report.tell("$", _AT.sub("", str(error)))
        return None


def salvage(node: Node, spec_type: type[S], report: Report) -> S | None:
    """What could be converted, the rest at its default or empty; None where nothing could."""
    report.root = node
    wanted = type_info(spec_type)
    assert isinstance(wanted, inspect.StructType)
    found = _struct(node, wanted, "$", report)
    return found if isinstance(found, spec_type) else None


def chosen(node: Node, kinds: list[inspect.Type]) -> inspect.Type:
    """The one of a union that is meant: a mapping where a mapping is written."""
    structs = [kind for kind in kinds if isinstance(bare(kind)[0], inspect.StructType)]
    others = [kind for kind in kinds if kind not in structs]
    return (structs or others)[0] if isinstance(node, Mapping) else (others or structs)[0]


def _value(node: Node, wanted: inspect.Type, path: str, report: Report) -> Any:
    wanted, meaning = bare(wanted)
    if isinstance(wanted, inspect.UnionType):
        if isinstance(node, Scalar) and node.value is None and wanted.includes_none:
            return None
        return _value(node, chosen(node, choices(wanted)), path, report)
    match wanted:
        case inspect.StructType():
            return _struct(node, wanted, path, report)
        case inspect.VarTupleType():
            return _list(node, wanted, path, report)
        case inspect.DictType():
            return _dict(node, wanted, path, report)
        case inspect.AnyType():
            return plain(node)
        case _:
            return _leaf(node, wanted, meaning, path, report)


def _struct(node: Node, wanted: inspect.StructType, path: str, report: Report) -> Any:
    if not isinstance(node, Mapping):
        return _unexpected(node, "a mapping", path, report)
    known = fields(wanted.cls)
    values: dict[str, Any] = {}
    for key, (mark, value) in node.items.items():
        one = known.get(key)
        if one is None:
            hint = "" if report.full else did_you_mean(key, list(known))
            report.add(mark, member(path, key), "there is no such field", hint)
            continue
        found = _value(value, one.type, f"{path}.{key}", report)
        if found is not _NOTHING:
            values[key] = found
    for name, one in known.items():
        if one.required and name not in values:
            if name not in node.items:
                report.add(node.mark, f"{path}.{name}", "this field is required")
            values[name] = _blank(one.type)
    return wanted.cls(**values)


@cache
def fields(struct: Any) -> dict[str, inspect.Field]:
    """What a struct has, by name."""
    info = type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {one.encode_name: one for one in info.fields}


def _blank(wanted: inspect.Type) -> Any:
    """Something of the type that means nothing: an empty text, an empty list, the lowest number."""
    wanted, _ = bare(wanted)
    match wanted:
        case inspect.UnionType():
            return None if wanted.includes_none else _blank(choices(wanted)[0])
        case inspect.StructType():
            return wanted.cls(**{one.name: _blank(one.type) for one in wanted.fields if one.required})
        case inspect.VarTupleType():
            return ()
        case inspect.DictType():
            return {}
        case inspect.LiteralType():
            return wanted.values[0]
        case inspect.IntType() | inspect.FloatType():
            return wanted.ge or 0
        case _:
            return False if isinstance(wanted, inspect.BoolType) else ""


def _list(node: Node, wanted: inspect.VarTupleType, path: str, report: Report) -> Any:
    if not isinstance(node, Sequence):
        return _unexpected(node, "a list", path, report)
    _count(node, wanted, path, report)
    # What is more than there may be is not looked at: some checks take the square of the time.
    allowed = node.items[: wanted.max_length]
    items = [_value(item, wanted.item_type, f"{path}[{index}]", report) for index, item in enumerate(allowed)]
    return tuple(_blank(wanted.item_type) if item is _NOTHING else item for item in items)


def _dict(node: Node, wanted: inspect.DictType, path: str, report: Report) -> Any:
    if not isinstance(node, Mapping):
        return _unexpected(node, "a mapping", path, report)
    _count(node, wanted, path, report)
    key_type, meaning = bare(wanted.key_type)
    found: dict[str, Any] = {}
    for key, (mark, value) in node.items.items():
        if not _fits(key, key_type):
            report.add(mark, member(path, key), f"expected {meaning or expectation(key_type)}, not {shown(key)}")
        one = _value(value, wanted.value_type, member(path, key), report)
        if one is not _NOTHING:
            found[key] = one
    return found


def _count(
    node: Sequence | Mapping, wanted: inspect.VarTupleType | inspect.DictType, path: str, report: Report
) -> None:
    low, high = wanted.min_length or 0, wanted.max_length
    if len(node.items) < low or (high is not None and len(node.items) > high):
        report.add(node.mark, path, f"{len(node.items)} items; expected {low} to {high if high is not None else '…'}")


def _leaf(node: Node, wanted: inspect.Type, meaning: str, path: str, report: Report) -> Any:
    expected = meaning or expectation(wanted)
    if not isinstance(node, Scalar):
        return _unexpected(node, expected, path, report)
    textual = isinstance(wanted, inspect.StrType | inspect.LiteralType)
    value = node.text if textual and node.value is not None else node.value
    if _fits(value, wanted):
        return value
    # What stands where a secret's name should is not shown: it may be the secret.
    told = f"expected {expected}" if path.endswith(".secret") else f"expected {expected}, not {shown(value)}"
    report.add(node.mark, path, told, _meant(node.text, wanted))
    # A misspelt name is still the name that others may refer to.
    return value if isinstance(value, str) and isinstance(wanted, inspect.StrType) else _NOTHING


def _meant(text: str, wanted: inspect.Type) -> str:
    if isinstance(wanted, inspect.LiteralType):
        return nearest(text, [str(value) for value in wanted.values])
    truth = _TRUTHS.get(text.lower()) if isinstance(wanted, inspect.BoolType) else None
    return f"write {truth}" if truth else ""


def _unexpected(node: Node, expected: str, path: str, report: Report) -> object:
    found = {Mapping: "a mapping", Sequence: "a list", Scalar: "a single value"}[type(node)]
    empty = isinstance(node, Scalar) and node.value is None
    report.add(node.mark, path, f"expected {expected}, not {'nothing' if empty else found}")
    return _NOTHING


def _fits(value: Any, wanted: inspect.Type) -> bool:
    match wanted:
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.LiteralType():
            return value in wanted.values
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _within(value, wanted)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool) and _within(value, wanted)
        case inspect.StrType():
            return (
                isinstance(value, str)
                and len(value) >= (wanted.min_length or 0)
                and (wanted.max_length is None or len(value) <= wanted.max_length)
                and (wanted.pattern is None or _pattern(wanted.pattern).search(value) is not None)
            )
    raise TypeError(f"there is no rule for {wanted}; tenants/convert.py needs one")


_pattern = cache(re.compile)


def _within(value: float, wanted: inspect.IntType | inspect.FloatType) -> bool:
    return (wanted.ge is None or value >= wanted.ge) and (wanted.le is None or value <= wanted.le)
