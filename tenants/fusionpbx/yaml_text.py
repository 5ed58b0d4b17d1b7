"""A tenant's spec as the text of its document.

PyYAML writes every value, and decides how it is quoted; a comment is one line of printable characters. So nothing that
somebody typed into the PBX becomes a key, a tag, an anchor or a line of its own.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import yaml
from msgspec import NODEFAULT, UNSET, Struct, structs

from tenants.fusionpbx import facts
from tenants.spec import TenantSpec

NOTE_CHARS: Final = 300
SHOWN: Final = frozenset({"language", "time_zone"})
"""Of the document itself: written although they are the defaults, since somebody will ask for them."""
HEAD: Final = (
    "Drafted from FusionPBX by `atende import fusionpbx`, which leaves the file alone once it is changed by hand.",
)


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key; no line is broken; no alias is written."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Lines as lines, and what looks like a number or a time of day in quotes; else as PyYAML would."""
    style = "|" if "\n" in text else "'" if text.strip("0123456789+*#:") == "" else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: yaml.SafeDumper, items: list[object]) -> yaml.SequenceNode:
    """Texts stand in one line, anything else below one another."""
    in_line = all(isinstance(item, str) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=in_line)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def yaml_text(spec: TenantSpec, notes: Mapping[str, Sequence[str]]) -> str:
    """The document, with what is not a default. `notes`: comments by the field that they stand above."""
    written = sparse(spec, SHOWN)
    parts = [_comments(HEAD)]
    for name in TenantSpec.__struct_fields__:
        parts.append(_comments(notes.get(name, ())))
        if name in written:
            parts.append(_dumped({name: written[name]}))
    return "".join(parts)


def sparse(value: Struct, shown: frozenset[str] = frozenset()) -> dict[str, object]:
    """The fields of a struct that are not at their defaults, those of its parts likewise."""
    found: dict[str, object] = {}
    for field in _fields(type(value)):
        own = getattr(value, field.name)
        default = field.default if field.default_factory is NODEFAULT else field.default_factory()
        if own is not UNSET and (own != default or field.name in shown):
            found[field.name] = _plain(own)
    return found


# msgspec looks at all annotations anew each time.
_fields = cache(structs.fields)


def _plain(value: object) -> object:
    match value:
        case Struct():
            return sparse(value)
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _comments(lines: Sequence[str]) -> str:
    return "".join(f"# {facts.line(one, NOTE_CHARS)}\n" for one in lines)


def _dumped(value: Mapping[str, object]) -> str:
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000)
