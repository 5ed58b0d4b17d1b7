"""Nothing that a caller, a model or a document says can add a variable, an argument or a line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.freeswitch.captures import from_us
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_values import Variable, assigned, dialled, host, listed, quoted, shown, token, truth

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SPECIAL = st.text("{}[]<>'\"\\,;|^$%&=` \t\n\r\0a1é(){}@:/!", max_size=30)


def read_by_freeswitch(text: str) -> dict[str, str]:
    """`{a=1,b='x\\, y'}` as a real FreeSWITCH was seen to read it: commas end a value even inside quotes, unless
    a backslash stands before them."""
    assert text[0] == "{"
    assert text.index("}") == len(text) - 1, "the first brace ends the block"
    parts = re.split(r"(?<!\\),", text[1:-1])
    pairs = (part.split("=", 1) for part in parts)
    return {name: value.strip("'").replace("\\,", ",") for name, value in pairs}


@pytest.mark.parametrize("name", ["a:_:sofia/gateway/gw/0019005551234:_:b", "Bob :_: x", ":_:"])
def test_a_name_adds_no_dial_string(name: str) -> None:
    """`:_:` parts the dial strings of one originate, and the switch looks for it before any quoting."""
    assert ":" not in shown(name)
    for check in (quoted, token):
        with pytest.raises(LocalProtocolError):
            check(name)


def test_a_name_with_a_comma_is_quoted_as_in_the_recording() -> None:
    [originate] = [said.decode() for said in from_us("esl_inbound.plain") if b"originate" in said]
    assert f"{Variable.CALLER_NAME.value}={quoted('Clínica, Ana')}" in originate


@given(st.dictionaries(st.sampled_from(Variable), ANY | SPECIAL, min_size=1))
def test_what_is_shown_arrives_as_it_was_given_and_alone(raw: dict[Variable, str]) -> None:
    given_ = {name: shown(value) for name, value in raw.items()}
    text = assigned(given_)
    assert text.isprintable()
    assert read_by_freeswitch(text) == {name.value: value for name, value in given_.items()}


@given(ANY | SPECIAL)
def test_what_cannot_be_quoted_is_refused_or_made_harmless(value: str) -> None:
    harmless = shown(value)
    assert not set(harmless) & set("{}[]<>'\"\\;|^$%`:\t\n\r\0")
    assert shown(harmless) == harmless
    if value != harmless:
        with pytest.raises(LocalProtocolError):
            quoted(value)


@given(ANY | SPECIAL)
def test_one_argument_is_one_argument(value: str) -> None:
    for check in (token, dialled, host):
        try:
            kept = check(value)
        except LocalProtocolError:
            continue
        assert re.fullmatch(r"[!-~]+", kept)
        assert not set(kept) & set("{}[]<>'\"\\,;|^$%&=`()")


@given(st.lists(st.tuples(st.sampled_from(Variable), ANY | SPECIAL), min_size=1, max_size=4))
def test_a_list_of_variables_has_as_many_as_were_given(pairs: list[tuple[Variable, str]]) -> None:
    try:
        text = listed(tuple(pairs))
    except LocalProtocolError:
        return
    assert [part.split("=", 1) for part in text.split(";")] == [[name.value, value] for name, value in pairs]


@pytest.mark.parametrize("value", ["", "1001 XML default", "+", "12a", "1001@other", "++55", "1" * 41])
def test_no_number_is_dialled_that_is_none(value: str) -> None:
    with pytest.raises(LocalProtocolError, match="dialled"):
        dialled(value)


def test_numbers_and_hosts_as_operators_write_them() -> None:
    assert [dialled(n) for n in ("1001", "+5511999990000", "*97", "9#")] == ["1001", "+5511999990000", "*97", "9#"]
    assert [host(h) for h in ("sorriso.example.net", "127.0.0.1", "pbx")] == ["sorriso.example.net", "127.0.0.1", "pbx"]
    for bad in ("-x", "x-", "a b", "a/b", ""):
        with pytest.raises(LocalProtocolError):
            host(bad)


def test_a_variable_that_is_not_of_the_set_cannot_be_named() -> None:
    with pytest.raises(LocalProtocolError, match="not a Variable"):
        assigned({"execute_on_answer": "system"})  # type: ignore[dict-item]
    with pytest.raises(LocalProtocolError, match="no variable"):
        listed(())
    assert assigned({}) == ""


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("true", "true"),
        ("YES", "true"),
        ("on", "true"),
        ("1", "true"),
        ("-1", "true"),
        ("2.5", "true"),
        ("0", "false"),
        ("0.5", "false"),
        ("false", "false"),
        ("", "false"),
        ("no", "false"),
        ("1;door=again", "false"),
        ("²", "false"),
    ],
)
def test_a_variable_is_read_as_the_switch_reads_it(value: str, read: str) -> None:
    assert truth(value) == read
