"""The document's JSON Schema (2020-12), for editors: what a document may say, as far as one place tells it.

It is made of the same types as the checks, and takes what they take: text may be written without quotes, so
that a number stands where text is wanted. What one part says of another (names, hours, orders) is beyond it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from pipelines.spec import ProcessorSpec
from processors.catalog import AnyFactory
from tenants.convert import fields
from tenants.field_docs import KEPT_TEXT, acted_on, field_docs, unit
from tenants.spec import ProviderSpec, TenantSpec
from tenants.spec_outward import EndpointRef

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"
_UNQUOTED: Final = {"integer": "7", "number": "1.5", "boolean": "true"}
"""What YAML makes of text without quotes, with a text that it does so with."""


def json_schema(stages: Mapping[str, AnyFactory]) -> dict[str, Any]:
    """The schema of a tenant's document with the stages that there are."""
    configs = {use: stages[use].config_type for use in stages}
    roots, defs = msgspec.json.schema_components([TenantSpec, EndpointRef, *configs.values()], ref_template=_REF)
    refs = dict(zip(configs, roots[2:], strict=True))
    for struct in _structs(inspect.multi_type_info([TenantSpec, EndpointRef, *configs.values()])):
        _describe(struct, defs)
    for config in set(configs.values()):
        _let_name_endpoints(defs[_name_of(config, defs)])
    for spec in (ProviderSpec, ProcessorSpec):
        _know_stages(defs[_name_of(spec, defs)], refs, may_name=spec is ProcessorSpec)
    _soften(defs)
    return {"$schema": DIALECT, "title": "A tenant of Atende", **roots[0], "$defs": defs}


def _structs(found: Iterable[inspect.Type]) -> list[type[Struct]]:
    """All structs that types are made of."""
    structs: dict[type[Struct], None] = {}

    def walk(kind: inspect.Type) -> None:
        match kind:
            case inspect.Metadata():
                walk(kind.type)
            case inspect.UnionType():
                for one in kind.types:
                    walk(one)
            case inspect.VarTupleType():
                walk(kind.item_type)
            case inspect.DictType():
                walk(kind.value_type)
            case inspect.StructType() if kind.cls not in structs:
                structs[kind.cls] = None
                for field in kind.fields:
                    walk(field.type)

    for kind in found:
        walk(kind)
    return list(structs)


def _name_of(struct: type[Struct], defs: Mapping[str, Any]) -> str:
    """Where msgspec has put a struct: by its name, or by its module too where two have the same."""
    full = f"{struct.__module__}.{struct.__qualname__}"
    return struct.__name__ if struct.__name__ in defs else re.sub(r"[^A-Za-z0-9.\-_]", "_", full)


def _describe(struct: type[Struct], defs: dict[str, Any]) -> None:
    schema, docs = defs[_name_of(struct, defs)], field_docs(struct)
    for name, one in fields(struct).items():
        kept = "" if acted_on(one.type) else KEPT_TEXT
        has_unit = f"In {unit(name)}." if unit(name) and not isinstance(one.type, inspect.StructType) else ""
        about = schema["properties"][name]
        expected = f"Expected: {about['description']}." if "description" in about else ""
        if text := " ".join(filter(None, (docs.get(name, ""), expected, has_unit, kept))):
            about["description"] = text


def _let_name_endpoints(config: dict[str, Any]) -> None:
    for name, about in config["properties"].items():
        if name.endswith("url"):
            text = {key: about.pop(key) for key in ("type", "minLength", "maxLength", "pattern") if key in about}
            about["anyOf"] = [text, {"$ref": _REF.format(name="EndpointRef")}]


def _know_stages(spec: dict[str, Any], configs: Mapping[str, dict[str, Any]], *, may_name: bool) -> None:
    """Which stages there are, and for each its own settings."""
    use, uses = spec["properties"]["use"], {"enum": list(configs)}
    use.pop("type")
    use |= {"anyOf": [uses, {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"}]} if may_name else uses
    spec["allOf"] = [
        {
            "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
            "then": {"properties": {"config": config}},
        }
        for name, config in configs.items()
    ]


def _soften(schema: Any) -> None:
    """Patterns that every editor reads, and text without quotes."""
    if isinstance(schema, list):
        for one in schema:
            _soften(one)
    elif isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            schema["pattern"] = pattern = pattern.replace(r"\Z", "$")
        if schema.get("type") == "string":
            fits = [kind for kind, text in _UNQUOTED.items() if re.search(pattern or "", text)]
            schema["type"] = ["string", *fits] if fits else "string"
        for key, one in schema.items():
            if key not in ("default", "enum", "const"):
                _soften(one)
