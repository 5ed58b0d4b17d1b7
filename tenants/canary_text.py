"""A document's text without its `canary`, with everything else as its author wrote it. Pure."""

from typing import Final

from tenants.json_nodes import is_json
from tenants.nodes import Mapping, YamlError, plain
from tenants.yaml_nodes import compose

KEY: Final = "canary"


class CanaryTextError(Exception):
    """The `canary` cannot be taken out of the text line by line: its author has to do it."""


def without_canary(raw: bytes) -> bytes:
    """The text without the lines of its top-level `canary`; comments that stand before the next key stay.

    JSON stays JSON. Raises CanaryTextError when it has none, or when lines of YAML hold, or end, something else too.
    """
    root = compose(raw)
    if not isinstance(root, Mapping) or KEY not in root.items:
        raise CanaryTextError("the document has no `canary`")
    rest = _without_member(raw, root) if is_json(raw) else _without_lines(raw, root)
    wanted = {key: value for key, value in plain(root).items() if key != KEY}
    try:
        found = plain(compose(rest))
    except YamlError:
        found = None
    if found != wanted:
        raise CanaryTextError("the `canary` does not stand in lines of its own: take it out of the text and put that")
    return rest


def _without_member(raw: bytes, root: Mapping) -> bytes:
    """Up to the key that follows; of the last one from the comma before it, up to the white space of the end."""
    text = raw.decode()
    lines = text.split("\n")
    begins = {
        key: sum(len(line) + 1 for line in lines[: mark.line - 1]) + mark.column - 1
        for key, (mark, _) in root.items.items()
    }
    after = [at for at in begins.values() if at > begins[KEY]]
    if after:
        return (text[: begins[KEY]] + text[min(after) :]).encode()
    before, end = text[: begins[KEY]].rstrip().removesuffix(","), text.rindex("}")
    return (before + text[len(text[:end].rstrip()) :]).encode()


def _without_lines(raw: bytes, root: Mapping) -> bytes:
    lines = raw.decode().splitlines(keepends=True)
    first = root.items[KEY][0].line - 1
    after = [mark.line - 1 for mark, _ in root.items.values() if mark.line - 1 > first]
    last = min(after, default=len(lines))
    while last > first + 1 and _belongs_to_what_follows(lines[last - 1]):
        last -= 1
    return "".join(lines[:first] + lines[last:]).encode()


def _belongs_to_what_follows(line: str) -> bool:
    return not line.strip() or line.startswith("#")
