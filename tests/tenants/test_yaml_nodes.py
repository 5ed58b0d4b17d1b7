"""YAML that is read as written, and a refusal with a place for all other YAML."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tenants import yaml_nodes
from tenants.nodes import MAX_BYTES, MAX_DEPTH, Mapping, Mark, Scalar, YamlError, plain
from tenants.yaml_nodes import compose


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1000", 1000), ("-3", -3), ("0", 0), ("0.5", 0.5), ("1e3", 1000.0), ("true", True), ("FALSE", False),
        ("~", None), ("null", None), ("", None),
        ("0123", "0123"), ("+5511999", "+5511999"), ("0x1F", "0x1F"), ("0o17", "0o17"), ("1_000", "1_000"),
        ("12:30:45", "12:30:45"), ("2026-01-02", "2026-01-02"), (".5", ".5"), (".inf", ".inf"), ("1.", "1."),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("'true'", "true"), ('"1"', "1"),
        ("99999999999999999999", "99999999999999999999"), ("*99", None),
    ],
)  # fmt: skip
def test_scalars_are_read_as_written(written: str, read: object) -> None:
    if written.startswith("*"):
        with pytest.raises(YamlError, match="alias"):
            compose(f"a: {written}\n".encode())
        return
    found = plain(compose(f"a: {written}\n".encode()))["a"]
    assert (type(found), found) == (type(read), read)


def test_places_are_those_of_an_editor() -> None:
    node = compose("# a comment\nção: é\nlist:\n  - x\n  - {k: v}\n".encode())
    assert isinstance(node, Mapping)
    mark, value = node.items["ção"]
    assert (mark, value.mark) == (Mark(2, 1), Mark(2, 6))
    assert isinstance(value, Scalar)
    assert plain(node) == {"ção": "é", "list": ["x", {"k": "v"}]}


@pytest.mark.parametrize(
    ("text", "line", "column", "fault"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' is set twice"),
        ("a: {b: 1, b: 2}\n", 1, 11, "'b' is set twice"),
        ("a: &x 1\n", 1, 4, "anchor &x"),
        ("a: 1\nb: *x\n", 2, 4, r"alias \*x"),
        ("a: !!python/object:os.system 1\n", 1, 4, "tag"),
        ("a: !!str 1\n", 1, 4, "tag"),
        ("a:\n  <<: {b: 1}\n", 2, 3, "merge"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("? [a]\n: 1\n", 1, 3, "plain name"),
        ("", 1, 1, "empty"),
        ("# nothing\n", 1, 1, "empty"),
        ("a: [1\nb: 2\n", 1, 4, "expected ',' or ']'"),
        ("a: b: c\n", 1, 5, "not allowed"),
        ("\ta: 1\n", 1, 1, "cannot start"),
        ("a: 'x\n", 1, 4, "end of stream"),
        ("a: 1\nb: x\x07y\n", 2, 5, "does not allow"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, MAX_DEPTH + 1, "deep"),
    ],
)
def test_other_yaml_is_refused_where_it_stands(text: str, line: int, column: int, fault: str) -> None:
    with pytest.raises(YamlError, match=fault) as caught:
        compose(text.encode())
    assert caught.value.mark == Mark(line, column)


def test_bytes_that_are_no_text_and_too_much_text_are_refused() -> None:
    with pytest.raises(YamlError, match="UTF-8") as caught:
        compose(b"a: 1\nname: Cl\xednica\n")
    assert caught.value.mark == Mark(2, 9)
    with pytest.raises(YamlError, match="UTF-8"):
        compose("a: 1".encode("utf-16"))
    with pytest.raises(YamlError, match=str(MAX_BYTES)):
        compose(b"#" * (MAX_BYTES + 1))
    assert plain(compose(b"\xef\xbb\xbfa: 1")) == {"a": 1}


def test_a_thousand_open_brackets_do_not_exhaust_the_stack() -> None:
    with pytest.raises(YamlError):
        compose(b"[" * 100_000)
    with pytest.raises(YamlError):
        compose(b"{a: " * 50_000)


@given(st.text(alphabet=st.sampled_from("ab:- \n\t[]{}&*!|>'\"#%@`,?~01.\\\x00é"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = plain(compose(text.encode()))
    except YamlError:
        return
    assert read is None or isinstance(read, str | int | float | bool | list | dict)


QUOTES = "put the text in quotes"
ENDS = "the quotes that end before this were opened in line 1"


@pytest.mark.parametrize("loader", [yaml_nodes._LOADER, yaml.SafeLoader], ids=["of the machine", "of Python"])
@pytest.mark.parametrize(
    ("text", "line", "column", "told"),
    [
        ("greeting: Bom dia: aqui fala\n", 1, 18, QUOTES),
        ("greeting: Bom dia:\n  aqui fala\n", 1, 18, QUOTES),
        ("a: {greeting: Bom dia: aqui}\n", 1, 22, QUOTES),
        ("a: @x\n", 1, 4, QUOTES),
        ('a: "Bom" dia\n', 1, 10, QUOTES),
        ("a: {b: 'it's'}\n", 1, 12, QUOTES),
        ("a: b\n  c: d\n", 2, 4, "indented too far"),
        ("a:\n\tb: 1\n", 2, 1, "use spaces"),
        ("a: 1\n\tb: 2\n", 2, 1, "use spaces"),
        ("ção: {x: 1\nb: 2\nc: 3\n", 1, 6, "{ is opened here and not closed before line 2"),
        ("a: {x: 1\n", 1, 4, "close it with }"),
        ("a:\n  - b\n  - [1, 2\nb: 3\n", 3, 5, "[ is opened here and not closed before line 4"),
        ("a: [x, {y: 1]\nb: 1\n", 1, 13, "the { of column 8 is not closed"),
        ('a: "hello\nb: 1\n', 1, 4, "a text in quotes begins here and never ends"),
        ("a: {x: 'y: 1}\nb: 2\n", 1, 8, "close the '"),
        ("a: 'it\nb: 1\nc: it's\n", 3, 7, ENDS),
        ("a: 'Bom dia\nb: 'x'\n", 2, 5, ENDS),
    ],
)
def test_what_is_wrong_is_told_where_it_is_mended_and_how(
    text: str, line: int, column: int, told: str, loader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_nodes, "_LOADER", loader)
    with pytest.raises(YamlError) as caught:
        compose(text.encode())
    assert told in f"{caught.value.message} ({caught.value.hint})"
    assert caught.value.mark == Mark(line, column)
