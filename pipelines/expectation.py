"""What would do in place of a wrong value, in words. Pure."""

import json
from typing import Any

from msgspec import inspect


def bare(wanted: inspect.Type) -> tuple[inspect.Type, str]:
    """The type without what is said about it, and what that says in words."""
    meaning = ""
    while isinstance(wanted, inspect.Metadata):
        meaning = meaning or (wanted.extra_json_schema or {}).get("description", "")
        wanted = wanted.type
    return wanted, meaning


def known_names(wanted: inspect.Type) -> tuple[str, ...]:
    """The only texts that will do, where the type has a list of them (`Meta(extra={"known": …})`)."""
    if isinstance(wanted, inspect.Metadata):
        return tuple((wanted.extra or {}).get("known", ())) or known_names(wanted.type)
    return next(filter(None, map(known_names, choices(wanted))), ()) if isinstance(wanted, inspect.UnionType) else ()


def choices(wanted: inspect.UnionType) -> list[inspect.Type]:
    """What stands in a union beside nothing."""
    return [kind for kind in wanted.types if not isinstance(kind, inspect.NoneType)]


def expectation(wanted: inspect.Type) -> str:
    """A value of the type, in words; empty for a type with parts, of which each has words of its own."""
    wanted, meaning = bare(wanted)
    if meaning:
        return meaning
    match wanted:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return ("a whole number" if isinstance(wanted, inspect.IntType) else "a number") + _range(wanted)
        case inspect.LiteralType():
            return "one of " + ", ".join(map(str, wanted.values))
        case inspect.StrType():
            return "text"
        case inspect.StructType() if len(wanted.fields) == 1 and wanted.fields[0].required:
            return f"{{{wanted.fields[0].encode_name}: name}}"
        case inspect.UnionType():
            return " or ".join(filter(None, map(expectation, choices(wanted))))
    return ""


def _range(wanted: inspect.IntType | inspect.FloatType) -> str:
    low = f" above {wanted.gt:.10g}" if wanted.gt is not None else ""
    low = low or ("" if wanted.ge is None else f" from {wanted.ge:.10g}")
    return low + ("" if wanted.le is None else f" to {wanted.le:.10g}")


def shown(value: Any) -> str:
    """A value as a message shows it, of bounded length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
