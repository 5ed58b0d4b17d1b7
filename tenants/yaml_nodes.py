"""YAML as nodes with their places, and only the YAML that says what it seems to say.

Refused: aliases, anchors, tags, merge keys, a second document, a key that is set twice, control
characters, depth and size without bound. A plain scalar is read by the core schema of YAML 1.2
(section 10.3.2), narrower still where reading would change what was written: `0123`, `+5511999`, `0x1F`,
`1_000` and `12:30` stay text, and so do the `yes`, `no`, `on` and `off` of YAML 1.1.

A text that is an object of JSON is read as JSON, whoever sends it and however it is called.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tenants.json_nodes import JsonError, compose_json, has_quoted_key, is_object
from tenants.nodes import MAX_BYTES, MAX_DEPTH, MAX_EVENTS, START, Mapping, Mark, Node, Scalar, Sequence, YamlError
from tenants.yaml_faults import fault_of

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FRACTION: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17}(?:[eE][-+]?[0-9]{1,2})?|[eE][-+]?[0-9]{1,2})")
_WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def compose(raw: bytes) -> Node:
    """The one document of `raw`. Raises YamlError at the first place that is not well formed."""
    if len(raw) > MAX_BYTES:
        raise YamlError(START, f"the document has {len(raw)} bytes; {MAX_BYTES} are the most")
    text = _decode(raw)
    if not is_object(text):
        return _compose_yaml(text)
    try:
        return compose_json(text)
    except JsonError as no_json:
        return _in_braces(text, no_json)


def _in_braces(text: str, no_json: JsonError) -> Node:
    """What begins like JSON and is none: YAML, or else told as what its first key makes it."""
    try:
        return _compose_yaml(text)
    except YamlError as no_yaml:
        raise (no_json if has_quoted_key(text) else no_yaml) from None


def _compose_yaml(text: str) -> Node:
    events = _events(text)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            break
    else:
        raise YamlError(START, "the document is empty")
    node = _node(next(events), events, 1)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            raise YamlError(_mark(event.start_mark), "a second document begins here", "one file, one tenant")
    return node


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        raise YamlError(_place(before), "this is not UTF-8", "save the file as UTF-8") from error


def _events(text: str) -> Iterator[Any]:
    last: Any = None
    try:
        for number, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            if number > MAX_EVENTS:
                raise YamlError(_mark(event.start_mark), f"more than {MAX_EVENTS} keys and values come before this")
            last = event
            yield event
    except yaml.MarkedYAMLError as error:
        fault = fault_of(error, text, last)
        raise YamlError(_mark(fault.place), fault.message, fault.hint) from error
    except yaml.reader.ReaderError as error:
        raise YamlError(_place(text[: error.position]), "a character that YAML does not allow") from error


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    mark = _mark(event.start_mark)
    if isinstance(event, yaml.AliasEvent):
        raise YamlError(mark, f"the alias *{event.anchor} is not allowed", "write the value out")
    if event.anchor is not None:
        raise YamlError(mark, f"the anchor &{event.anchor} is not allowed", "write the value out where it is needed")
    if event.tag is not None:
        raise YamlError(mark, f"the tag {event.tag} is not allowed", "quote a value that is text")
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(mark, event.value, _read(event.value) if event.implicit[0] else event.value)
    if depth > MAX_DEPTH:
        raise YamlError(mark, f"nested more than {MAX_DEPTH} deep")
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(mark, tuple(_items(events, depth)))
    return Mapping(mark, _entries(events, depth))


def _items(events: Iterator[Any], depth: int) -> Iterator[Node]:
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        yield _node(event, events, depth + 1)


def _entries(events: Iterator[Any], depth: int) -> dict[str, tuple[Mark, Node]]:
    entries: dict[str, tuple[Mark, Node]] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events, depth + 1)
        if not isinstance(key, Scalar):
            raise YamlError(key.mark, "a key must be a plain name")
        if key.text in entries:
            first = entries[key.text][0]
            raise YamlError(key.mark, f"{key.text!r} is set twice", f"the first is in line {first.line}")
        if key.text == "<<":
            raise YamlError(key.mark, "merge keys are not allowed", "write the values out")
        entries[key.text] = (key.mark, _node(next(events), events, depth + 1))
    return entries


def _read(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _mark(mark: Any) -> Mark:
    return START if mark is None else Mark(mark.line + 1, mark.column + 1)


def _place(before: str) -> Mark:
    """The place that follows a text."""
    return Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
