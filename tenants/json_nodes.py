"""JSON (RFC 8259) as nodes with their places. It is no YAML: that knows no `\\ud83d\\ude00` and no tab that indents.

Refused beside what is no JSON: a key that is set twice, half of a character (`\\ud83d` alone), a number that no
number of ours holds, depth and size without bound.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, Never

import msgspec

from tenants.nodes import MAX_DEPTH, MAX_EVENTS, Mapping, Mark, Node, Scalar, Sequence, YamlError

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_HALF: Final = re.compile(r"[\ud800-\udfff]")
_FEED: Final = re.compile(r"\n")
_WHOLE_MAX: Final = 2**63
_FAULTS: Final = {
    "Expecting value": "a value is expected here",
    "Unterminated string starting at": "a text in quotes begins here and never ends",
    "Invalid control character at": "a control character stands in a text: write \\n, \\t or \\u and four digits",
    "Invalid \\escape": "what follows the \\ is no escape of JSON",
    "Invalid \\uXXXX escape": "four hexadecimal digits follow a \\u",
}
"""What the decoder of Python objects to, in our words."""


class JsonError(YamlError):
    """The text is not JSON that we read."""


def is_object(text: str) -> bool:
    """Whether it begins as an object of JSON does: it may still be YAML in braces."""
    return text.startswith("{", _space(text, 0))


def has_quoted_key(text: str) -> bool:
    """Of a text that begins as an object: whether its first key is in double quotes, as nobody writes them in YAML."""
    return text.startswith('"', _space(text, _space(text, 0) + 1))


def is_json(raw: bytes) -> bool:
    """Whether a document that was read once is JSON, and not YAML. Quick; a text with a byte order mark is not."""
    try:
        return isinstance(msgspec.json.decode(raw), dict)
    except msgspec.DecodeError:
        return False


def compose_json(text: str) -> Node:
    """The one value of `text`. Raises JsonError at the first place that is not well formed."""
    reading = _Reading(text)
    node, end = reading.value(_space(text, 0), 1)
    if (rest := _space(text, end)) < len(text):
        raise reading.fault(rest, "something follows the document", "one file, one tenant")
    return node


class _Reading:
    """One text. What reads a part of it takes where that begins, and gives where it has ended."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(found.end() for found in _FEED.finditer(text))]
        self._events = 0
        self._end = 0
        self._decoder = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, parse_constant=_constant)

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        match self._text[at : at + 1]:
            case "{" | "[" if depth > MAX_DEPTH:
                raise self.fault(at, f"nested more than {MAX_DEPTH} deep")
            case "{":
                self._count(at, 2)
                return self._mapping(at, depth)
            case "[":
                self._count(at, 2)
                return self._sequence(at, depth)
            case _:
                return self._scalar(at)

    def fault(self, at: int, message: str, hint: str = "") -> JsonError:
        return JsonError(self._mark(at), message, hint)

    def _count(self, at: int, events: int) -> None:
        self._events += events
        if self._events > MAX_EVENTS:
            raise self.fault(at, f"more than {MAX_EVENTS} keys and values come before this")

    def _mapping(self, at: int, depth: int) -> tuple[Node, int]:
        items: dict[str, tuple[Mark, Node]] = {}
        for key_at in self._parts(at, "}"):
            if not self._text.startswith('"', key_at):
                raise self.fault(key_at, "a key in double quotes is expected here")
            key, end = self._scalar(key_at)
            if key.text in items:
                hint = f"the first is in line {items[key.text][0].line}"
                raise self.fault(key_at, f"{key.text!r} is set twice", hint)
            colon = _space(self._text, end)
            if not self._text.startswith(":", colon):
                raise self.fault(colon, "':' is expected here")
            value, self._end = self.value(_space(self._text, colon + 1), depth + 1)
            items[key.text] = (key.mark, value)
        return Mapping(self._mark(at), items), self._end

    def _sequence(self, at: int, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        for item_at in self._parts(at, "]"):
            item, self._end = self.value(item_at, depth + 1)
            items.append(item)
        return Sequence(self._mark(at), tuple(items)), self._end

    def _parts(self, at: int, closing: str) -> Iterator[int]:
        """Where each part of a collection begins; whoever reads one leaves in `_end` where it has ended.

        At last `_end` is behind the closing bracket.
        """
        here = _space(self._text, at + 1)
        while not self._text.startswith(closing, here):
            yield here
            here = _space(self._text, self._end)
            if self._text.startswith(closing, here):
                break
            if not self._text.startswith(",", here):
                opened = self._mark(at)
                hint = f"the {self._text[at]} is opened in line {opened.line}, column {opened.column}"
                raise self.fault(here, f"',' or '{closing}' is expected here", hint)
            here = _space(self._text, here + 1)
            if self._text.startswith(closing, here):
                raise self.fault(here, f"after a ',' something has to follow before the '{closing}'")
        self._end = here + 1

    def _scalar(self, at: int) -> tuple[Scalar, int]:
        self._count(at, 1)
        try:
            value, end = self._decoder.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            raise self.fault(error.pos, _FAULTS.get(error.msg.strip(": "), "this is no JSON")) from error
        except _NumberError as error:
            raise self.fault(at, str(error)) from error
        if isinstance(value, str) and _HALF.search(value):
            raise self.fault(at, "the text has half of a character: \\ud800 to \\udfff stand in pairs")
        return Scalar(self._mark(at), value if isinstance(value, str) else self._text[at:end], value), end

    def _mark(self, at: int) -> Mark:
        line = bisect_right(self._lines, at)
        return Mark(line, at - self._lines[line - 1] + 1)


class _NumberError(Exception):
    """A number that is none of ours."""


def _whole(written: str) -> int | float:
    if len(written) <= len(f"-{_WHOLE_MAX}") and -_WHOLE_MAX <= (value := int(written)) < _WHOLE_MAX:
        return value
    return _fraction(written)


def _fraction(written: str) -> float:
    if (value := float(written)) in (float("inf"), float("-inf")):
        raise _NumberError("this number is too large")
    return value


def _constant(written: str) -> Never:
    raise _NumberError(f"{written} is no number of JSON")


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
