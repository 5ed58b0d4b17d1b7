"""From YAML nodes to a typed spec, field by field, so that every mistake is told and not only the first.

msgspec checks each leaf (it knows patterns and bounds) and the whole at the end; what is here walks the
types beside the nodes, knows where each node stands, and takes a plain scalar as text where text is
wanted: the extension `1000` need not be quoted, and `0123` keeps its zero.
"""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, inspect

from tenants.errors import Located, did_you_mean
from tenants.yaml_nodes import Mapping, Mark, Node, Scalar, Sequence, plain

S = TypeVar("S", bound=Struct)

_FIELD = re.compile(r"\$\.(\w+)")
_AT = re.compile(r" - at `[^`]*`$")
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass
class Report:
    """Problems of one file as they are found, and where each path stands."""

    file: str
    places: dict[str, Mark] = field(default_factory=dict)
    problems: list[Located] = field(default_factory=list)

    def add(self, mark: Mark, path: str, message: str, hint: str = "") -> None:
        self.problems.append(
            Located(file=self.file, line=mark.line, column=mark.column, path=path, message=message, hint=hint)
        )


def convert(node: Node, spec_type: type[S], report: Report) -> S | None:
    """The spec, or None with at least one problem in the report."""
    remember(node, "$", report.places)
    value = _value(node, _type_info(spec_type), "$", report)
    if report.problems:
        return None
    try:
        return msgspec.convert(value, spec_type)
    except msgspec.ValidationError as error:  # A rule of the whole that no leaf shows.
        report.add(node.mark, "$", _AT.sub("", str(error)))
        return None


def convert_rest(node: Node, stand_in: S, report: Report) -> S | None:
    """The spec with `stand_in`'s values in place of what has problems, so that the rest can be judged all the same."""
    if not isinstance(node, Mapping):
        return None
    value = _value(node, _type_info(type(stand_in)), "$", Report(report.file))
    good = {name: written for name, written in value.items() if name not in faulty(report)}
    try:
        return msgspec.convert(msgspec.to_builtins(stand_in) | good, type(stand_in))
    except msgspec.ValidationError:
        return None


def faulty(report: Report) -> set[str]:
    """The fields of the document in which there are problems."""
    found = (_FIELD.match(problem.path) for problem in report.problems)
    return {match[1] for match in found if match is not None}


def remember(node: Node, path: str, places: dict[str, Mark]) -> None:
    """Note where every path of the document stands: at its key, or at the item of a list."""
    places.setdefault(path, node.mark)
    if isinstance(node, Mapping):
        for key, (mark, value) in node.items.items():
            places[member(path, key)] = mark
            remember(value, member(path, key), places)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            remember(item, f"{path}[{index}]", places)


def member(path: str, key: str) -> str:
    """The path of a key: `$.name`, or `$["odd name"]`."""
    return f"{path}.{key}" if re.fullmatch(r"[A-Za-z_][\w-]*", key) else f"{path}[{json.dumps(key)}]"


@cache
def _type_info(spec_type: type[Struct]) -> inspect.Type:
    return inspect.type_info(spec_type)


def _value(node: Node, wanted: inspect.Type, path: str, report: Report) -> Any:
    meaning = ""
    if isinstance(wanted, inspect.Metadata):
        meaning = (wanted.extra_json_schema or {}).get("description", "")
        wanted = wanted.type
    if isinstance(wanted, inspect.UnionType):
        if isinstance(node, Scalar) and node.value is None and wanted.includes_none:
            return None
        wanted = next(kind for kind in wanted.types if not isinstance(kind, inspect.NoneType))
        return _value(node, wanted, path, report)
    match wanted:
        case inspect.StructType():
            return _struct(node, wanted, path, report)
        case inspect.VarTupleType():
            return _list(node, wanted, path, report)
        case inspect.DictType():
            return _expect(node, Mapping, "a mapping", path, report) and plain(node)
        case _:
            return _leaf(node, wanted, meaning, path, report)


def _struct(node: Node, wanted: inspect.StructType, path: str, report: Report) -> dict[str, Any]:
    if not _expect(node, Mapping, "a mapping", path, report):
        return {}
    assert isinstance(node, Mapping)
    known = {one.encode_name: one for one in wanted.fields}
    values: dict[str, Any] = {}
    for key, (mark, value) in node.items.items():
        if key not in known:
            report.add(mark, member(path, key), "there is no such field", did_you_mean(key, list(known)))
        else:
            values[key] = _value(value, known[key].type, member(path, key), report)
    for name, one in known.items():
        if one.required and name not in node.items:
            report.add(node.mark, member(path, name), "this field is required")
    return values


def _list(node: Node, wanted: inspect.VarTupleType, path: str, report: Report) -> list[Any]:
    if not _expect(node, Sequence, "a list", path, report):
        return []
    assert isinstance(node, Sequence)
    low, high = wanted.min_length or 0, wanted.max_length
    if len(node.items) < low or (high is not None and len(node.items) > high):
        report.add(node.mark, path, f"{len(node.items)} items; expected {low} to {high if high is not None else '…'}")
    return [_value(item, wanted.item_type, f"{path}[{index}]", report) for index, item in enumerate(node.items)]


def _leaf(node: Node, wanted: inspect.Type, meaning: str, path: str, report: Report) -> Any:
    if isinstance(wanted, inspect.AnyType):
        return plain(node)
    expected = meaning or _expectation(wanted)
    if not _expect(node, Scalar, expected, path, report):
        return None
    assert isinstance(node, Scalar)
    value = node.text if isinstance(wanted, inspect.StrType) and node.value is not None else node.value
    if not _fits(value, wanted):
        truth = _TRUTHS.get(node.text.lower()) if isinstance(wanted, inspect.BoolType) else None
        shown = json.dumps(value, ensure_ascii=False)
        hint = f"write {truth}" if truth else ""
        report.add(node.mark, path, f"expected {expected}, not {shown if len(shown) <= 60 else shown[:57] + '…'}", hint)
    return value


def _expect(node: Node, kind: type[Node], expected: str, path: str, report: Report) -> bool:
    if isinstance(node, kind):
        return True
    found = {Mapping: "a mapping", Sequence: "a list", Scalar: "a single value"}[type(node)]
    empty = isinstance(node, Scalar) and node.value is None
    report.add(node.mark, path, f"expected {expected}, not {'nothing' if empty else found}")
    return False


def _fits(value: Any, wanted: inspect.Type) -> bool:
    match wanted:
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _within(value, wanted)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool) and _within(value, wanted)
        case inspect.StrType():
            return (
                isinstance(value, str)
                and len(value) >= (wanted.min_length or 0)
                and (wanted.max_length is None or len(value) <= wanted.max_length)
                and (wanted.pattern is None or re.search(wanted.pattern, value) is not None)
            )
        case inspect.LiteralType():
            return value in wanted.values
    raise TypeError(f"there is no rule for {wanted}; tenants/convert.py needs one")


def _within(value: float, wanted: inspect.IntType | inspect.FloatType) -> bool:
    return (wanted.ge is None or value >= wanted.ge) and (wanted.le is None or value <= wanted.le)


def _expectation(wanted: inspect.Type) -> str:
    match wanted:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            kind = "a whole number" if isinstance(wanted, inspect.IntType) else "a number"
            low = "" if wanted.ge is None else f" from {wanted.ge:g}"
            return kind + low + ("" if wanted.le is None else f" to {wanted.le:g}")
        case inspect.LiteralType():
            return " or ".join(map(str, wanted.values))
        case _:
            return "text"
