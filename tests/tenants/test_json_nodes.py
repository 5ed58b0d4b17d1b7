"""JSON is read as JSON, however it is written, and what is none is told with its place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.nodes import MAX_DEPTH, MAX_EVENTS, Mapping, Mark, YamlError, plain
from tenants.yaml_nodes import compose

CHARACTERS = st.characters(exclude_categories=("Cs",))
WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBERS = WHOLE | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(CHARACTERS)
TREES = st.dictionaries(
    st.text(CHARACTERS),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(CHARACTERS), inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)  # fmt: skip
INDENTS = st.sampled_from([None, 0, 2, "\t", " \t"])


@given(TREES, st.booleans(), INDENTS, st.sampled_from([None, (",", ":"), (" ,", "\t:\t")]))
def test_whatever_json_is_written_is_read_as_it_says(
    tree: dict[str, Any], escaped: bool, indent: int | str | None, separators: tuple[str, str] | None
) -> None:
    text = json.dumps(tree, ensure_ascii=escaped, indent=indent, separators=separators)
    read = plain(compose(text.encode()))
    assert read == tree
    assert json.dumps(read) == json.dumps(tree), "with whole numbers whole, and keys in their order"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        ('\ufeff \r\n\t{\t"a"\t:\t1\t}\t\r\n', {"a": 1}),
        (r'{"a": "\/\b\f"}', {"a": "/\b\f"}),
        ('{"a": "\x7f\u0085\u2028"}', {"a": "\x7f\u0085\u2028"}),
        ('{"' + "k" * 2000 + '": 1}', {"k" * 2000: 1}),
        ('{"a":1,"b":[],"c":{}}', {"a": 1, "b": [], "c": {}}),
        ('{"a": 0.00012345678901234567}', {"a": 0.00012345678901234567}),
        ('{"a": 1E400}', {"a": "1E400"}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": 18446744073709551616}', {"a": 18446744073709551616.0}),
        ('{"<<": 1, "*a": "&b", "? c": "!d"}', {"<<": 1, "*a": "&b", "? c": "!d"}),
        ("{a: 1, b: yes}", {"a": 1, "b": "yes"}),
    ],
)
def test_json_that_yaml_reads_otherwise_or_not_at_all(text: str, read: dict[str, Any]) -> None:
    assert plain(compose(text.encode())) == read


def test_places_are_those_of_an_editor() -> None:
    node = compose('{\n\t"ção": "\U0001f600", "b": [\n\t\t{"c": 1}\n\t]\n}'.encode())
    assert isinstance(node, Mapping)
    assert (node.items["ção"][0], node.items["ção"][1].mark) == (Mark(2, 2), Mark(2, 9))
    key, listed = node.items["b"]
    assert (key, listed.mark) == (Mark(2, 14), Mark(2, 19))


@pytest.mark.parametrize(
    ("text", "line", "column", "told"),
    [
        ('{"a": 1,\n\t"a": 2}', 2, 2, "'a' is set twice (the first is in line 1)"),
        ('{\n\t"a": 1\n\t"b": 2\n}', 3, 2, "',' or '}' is expected here (the { is opened in line 1, column 1)"),
        ('{\n\t"a": ["1" 2]\n}', 2, 12, "',' or ']' is expected here"),
        ('{\n\t"a": "\\ud83d"\n}', 2, 7, "half of a character"),
        ('{\n\t"a": "\\ud83dx", "b": {}\n}', 2, 7, "half of a character"),
        ('{\n\t"a": NaN, "b": "\\/" 1\n}', 2, 7, "NaN is no number of JSON"),
        ('{\n\t"a": -Infinity, "b": "\\/" 1\n}', 2, 7, "-Infinity is no number of JSON"),
        ('{\n\t"a": 1E400, "b": "\\/" 1\n}', 2, 7, "this number is too large"),
        ('{\n\t"a": nothing, "b": "\\/" 1\n}', 2, 7, "a value is expected here"),
        ('{\n\t"a": "x\x07y"\n}', 2, 9, "a control character stands in a text"),
        ('{\n\t"a": "x\n}', 2, 9, "a control character stands in a text"),
        ('{\n\t"a": "x', 2, 7, "begins here and never ends"),
        ('{\n\t"a": "\\q"\n}', 2, 8, "no escape of JSON"),
        ('{\n\t"a": "\\u12"\n}', 2, 9, "four hexadecimal digits"),
        ('{\n\t"a" 1\n}', 2, 6, "':' is expected here"),
        ('{\n\t"a": 1,\n\tb: "1" 2\n}', 3, 2, "a key in double quotes"),
        ('{\n\t"a": {"b": "1" 2},\n}', 2, 17, "',' or '}' is expected here"),
        ('{\n\t"a": [1,], "b": "1" 2\n}', 2, 10, "something has to follow"),
        ("{\n a: 'x\n}", 2, 5, "close the '"),
        ('{\n\t"a": 1\n}\n{}', 4, 1, "something follows the document"),
        ('{\n\t"a": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", 2, 6 + MAX_DEPTH, "deep"),
    ],
)
def test_what_is_no_json_is_told_where_it_is(text: str, line: int, column: int, told: str) -> None:
    with pytest.raises(YamlError) as caught:
        compose(text.encode())
    assert told in f"{caught.value.message} ({caught.value.hint})"
    assert caught.value.mark == Mark(line, column)


def test_more_than_anybody_writes_is_refused() -> None:
    with pytest.raises(YamlError, match=f"more than {MAX_EVENTS}"):
        compose(('{"a":[' + "\t0," * MAX_EVENTS + "0]}").encode())
    with pytest.raises(YamlError):
        compose(b'{"a":' * 50_000)


@given(st.text(alphabet=st.sampled_from('{}[]":,\\u\t\n d8-01.eE+trufalsn'), max_size=60))
def test_any_text_in_braces_is_read_or_refused(text: str) -> None:
    try:
        plain(compose(f"{{{text}".encode()))
    except YamlError:
        return
