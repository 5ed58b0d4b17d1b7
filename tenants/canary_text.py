"""A document's text without its `canary`, with everything else as its author wrote it. Pure."""

from typing import Final

from tenants.yaml_nodes import Mapping, YamlError, compose, plain

KEY: Final = "canary"


class CanaryTextError(Exception):
    """The `canary` cannot be taken out of the text line by line: its author has to do it."""


def without_canary(raw: bytes) -> bytes:
    """The text without the lines of its top-level `canary`; comments that stand before the next key stay.

    Raises CanaryTextError when it has none, or when the lines hold, or end, something else too (JSON in one line).
    """
    root = compose(raw)
    if not isinstance(root, Mapping) or KEY not in root.items:
        raise CanaryTextError("the document has no `canary`")
    lines = raw.decode().splitlines(keepends=True)
    first = root.items[KEY][0].line - 1
    after = [mark.line - 1 for mark, _ in root.items.values() if mark.line - 1 > first]
    last = min(after, default=len(lines))
    while last > first + 1 and _belongs_to_what_follows(lines[last - 1]):
        last -= 1
    rest = "".join(lines[:first] + lines[last:]).encode()
    wanted = {key: value for key, value in plain(root).items() if key != KEY}
    try:
        found = plain(compose(rest))
    except YamlError:
        found = None
    if found != wanted:
        raise CanaryTextError("the `canary` does not stand in lines of its own: take it out of the text and put that")
    return rest


def _belongs_to_what_follows(line: str) -> bool:
    return not line.strip() or line.startswith("#")
