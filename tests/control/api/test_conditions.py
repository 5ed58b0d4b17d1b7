"""Preconditions as RFC 9110 has them, read and compared."""

import pytest

from control.api.conditions import creates, expected, is_known
from control.api.problems import Refusal
from tenants.put_errors import OneOf


def strong(*digests: str) -> OneOf:
    return OneOf(frozenset(digests))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('"a"', strong("a")),
        (' "a" ', strong("a")),
        ('"a", "b"', strong("a", "b")),
        ('"a","b" ,\t"c"', strong("a", "b", "c")),
        (', "a",, "b",', strong("a", "b")),
        ('"a,b"', strong("a,b")),
        ('""', strong("")),
        ('W/"a"', strong()),
        ('W/"a", "b"', strong("b")),
        ("*", OneOf(None)),
        (" * ", OneOf(None)),
        ('"*"', strong("*")),
        ("", strong()),
    ],
)
def test_what_may_be_replaced(written: str, found: OneOf) -> None:
    assert expected(written) == found


@pytest.mark.parametrize("written", ["a", '"a', 'a"', '"a" "b"', 'w/"a"', 'W/ "a"', '"a b"', '*, "a"', '"a"x', "'a'"])
def test_what_is_no_etag_is_told_and_replaces_nothing(written: str) -> None:
    for read in (expected, lambda text: is_known(text, "a")):
        with pytest.raises(Refusal) as refused:
            read(written)
        assert refused.value.status_code == 400


def test_what_is_to_be_replaced_has_to_be_said() -> None:
    with pytest.raises(Refusal) as refused:
        expected(None)
    assert refused.value.status_code == 428


def test_a_weak_etag_is_known_and_replaces_nothing() -> None:
    assert [is_known(text, "a") for text in (None, '"a"', 'W/"a"', '"b", W/"a"', "*")] == [
        False,
        True,
        True,
        True,
        True,
    ]
    assert [is_known(text, "a") for text in ('"b"', 'W/"b"', "")] == [False, False, False]
    assert [expected(text).has("a") for text in ('"a"', 'W/"a"', '"b", "a"', "*")] == [True, False, True, True]


def test_only_what_is_not_there_can_be_made() -> None:
    assert not creates(None, None)
    assert not creates('"a"', None)
    assert creates(None, " *")
    for if_match, if_none_match, status in ((None, '"a"', 400), ("*", "*", 412), ('"a"', "*", 412)):
        with pytest.raises(Refusal) as refused:
            creates(if_match, if_none_match)
        assert refused.value.status_code == status
