"""The document's reference in Markdown, made of the types: every field with its type, unit, default and meaning."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import NODEFAULT, UNSET, Struct, inspect

from base.secret import SecretRef
from pipelines.expectation import bare, choices, expectation
from processors.catalog import AnyFactory
from tenants.convert import fields
from tenants.field_docs import KEPT_TEXT, acted_on, field_docs, first_line, unit
from tenants.spec import TenantSpec
from tenants.spec_outward import EndpointRef

_HEAD: Final = Path(__file__).with_name("reference_head.md")
_NAMED: Final = (SecretRef, EndpointRef)
_COLUMNS: Final = "| field | type | default | meaning |\n|---|---|---|---|"


def reference(stages: Mapping[str, AnyFactory]) -> str:
    """All of `docs/tenant-yaml.md`."""
    places = _places(TenantSpec)
    parts = [_HEAD.read_text(encoding="utf-8").rstrip(), "## Fields", _words(places)]
    parts += [_section(struct, place, places) for struct, place in places.items()]
    parts.append("## Stages\n\nWhat stands in the `config` of a stage, or of a provider, that uses it.")
    inner = _of_stages(stages)
    parts += [_stage(use, stages[use], inner) for use in stages]
    parts += [_section(struct, place, inner) for struct, place in inner.items()]
    return "\n\n".join(parts) + "\n"


def _words(structs: Iterable[type[Struct]]) -> str:
    """What the types are called, and what that means."""
    meanings = {text for struct in structs for one in fields(struct).values() for text in _meanings(one.type)}
    return "\n".join(f"- *{name}*: {text}" for name, _, text in (m.partition(": ") for m in sorted(meanings)) if text)


def _meanings(wanted: inspect.Type) -> Iterator[str]:
    wanted, meaning = bare(wanted)
    yield meaning
    match wanted:
        case inspect.UnionType():
            for kind in choices(wanted):
                yield from _meanings(kind)
        case inspect.VarTupleType():
            yield from _meanings(wanted.item_type)
        case inspect.DictType():
            yield from _meanings(wanted.key_type)
            yield from _meanings(wanted.value_type)


def _places(root: type[Struct]) -> dict[type[Struct], str]:
    """Every struct with the first path at which it stands; the document itself is `$`."""
    places: dict[type[Struct], str] = {}
    todo = [(root, "$")]
    while todo:
        struct, path = todo.pop(0)
        if struct in places:
            continue
        places[struct] = path
        for name, one in fields(struct).items():
            inner = name if path == "$" else f"{path}.{name}"
            todo += [(kind.cls, inner + suffix) for kind, suffix in _structs(one.type)]
    order = sorted(places, key=lambda struct: places[struct].split("."))
    return {struct: places[struct] for struct in sorted(order, key=lambda struct: places[struct] != "$")}


def _structs(wanted: inspect.Type) -> Iterator[tuple[inspect.StructType, str]]:
    """The structs of a field's type, with what its path has behind the name."""
    wanted, _ = bare(wanted)
    match wanted:
        case inspect.StructType() if wanted.cls not in _NAMED:
            yield wanted, ""
        case inspect.UnionType():
            for kind in choices(wanted):
                yield from _structs(kind)
        case inspect.VarTupleType():
            yield from ((kind, "[]" + suffix) for kind, suffix in _structs(wanted.item_type))
        case inspect.DictType():
            yield from ((kind, ".*" + suffix) for kind, suffix in _structs(wanted.value_type))


def _section(struct: type[Struct], place: str, places: Mapping[type[Struct], str]) -> str:
    return f"### {_heading(place)}\n\n{first_line(struct)}\n\n{_table(struct, places)}"


def _heading(place: str) -> str:
    return "The document" if place == "$" else f"`{place}`"


def _anchor(place: str) -> str:
    """As GitHub makes it of the heading."""
    kept = (letter for letter in _heading(place).lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")


def _of_stages(stages: Mapping[str, AnyFactory]) -> dict[type[Struct], str]:
    """Every struct that stands in a stage's config, with the name of the first setting that has it."""
    found: dict[type[Struct], str] = {}
    for use in stages:
        config: Any = stages[use].config_type
        for name, one in fields(config).items():
            for kind, suffix in _structs(one.type):
                found.setdefault(kind.cls, name + suffix)
    return found


def _stage(use: str, factory: AnyFactory, inner: Mapping[type[Struct], str]) -> str:
    config: Any = factory.config_type
    head = f"### `{use}`\n\n{first_line(config)}"
    return f"{head}\n\n{_table(config, inner)}" if fields(config) else f"{head}\n\nNo settings."


def _table(struct: type[Struct], places: Mapping[type[Struct], str]) -> str:
    docs = field_docs(struct)
    rows = [_COLUMNS]
    for name, one in fields(struct).items():
        about = [docs.get(name, ""), "" if acted_on(one.type) else f"*{KEPT_TEXT}*"]
        if not about[0] and (inner := next(_structs(one.type), None)):
            about[0] = str(first_line(inner[0].cls))
        cells = (f"`{name}`", _type(one.type, name, places), _default(one), " ".join(filter(None, about)))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _type(wanted: inspect.Type, name: str, places: Mapping[type[Struct], str]) -> str:
    wanted, meaning = bare(wanted)
    if meaning:
        return meaning.partition(": ")[0]
    match wanted:
        case inspect.StructType():
            place = places.get(wanted.cls)
            inner = ", ".join(f"{key}: name" for key in fields(wanted.cls))
            return f"`{{{inner}}}`" if place is None else f"[`{place}`](#{_anchor(place)})"
        case inspect.UnionType():
            return " or ".join(_type(kind, name, places) for kind in choices(wanted))
        case inspect.VarTupleType():
            return f"list{_count(wanted)} of {_type(wanted.item_type, name, places)}"
        case inspect.DictType():
            key, value = _type(wanted.key_type, "", places), _type(wanted.value_type, name, places)
            return (
                "mapping" if isinstance(bare(wanted.value_type)[0], inspect.AnyType) else f"mapping of {key} to {value}"
            )
        case inspect.LiteralType():
            return " ".join(f"`{value}`" for value in wanted.values)
        case _:
            return " ".join(filter(None, (_bounds(wanted), unit(name))))


def _bounds(wanted: inspect.Type) -> str:
    text = expectation(wanted)
    if isinstance(wanted, inspect.StrType) and wanted.pattern is not None:
        text += f" like `{wanted.pattern}`".replace(r"\Z", "$")
    return text


def _count(wanted: inspect.VarTupleType) -> str:
    low, high = wanted.min_length, wanted.max_length
    if low is None and high is None:
        return ""
    return f" ({low or 0} to {high})" if high is not None else f" (at least {low})"


def _default(one: inspect.Field) -> str:
    if one.required:
        return "**required**"
    value: Any = one.default
    if value is NODEFAULT:
        value = UNSET if one.default_factory is NODEFAULT else one.default_factory()
    if value is None or value is UNSET:
        return "none"
    if isinstance(value, Struct):
        return "as there"
    shown = {(): "`[]`", "": "none"}.get(value) if isinstance(value, tuple | str) else None
    return shown or ("`{}`" if value == {} else f"`{value if isinstance(value, str) else json.dumps(value)}`")
