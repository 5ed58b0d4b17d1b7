"""What cannot be looked for is refused before a store is asked."""

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from tenants.call_search import CallFilter

NAIVE = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - what is refused
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"text": "ab"}, "text"),
    ({"text": "a" * 101}, "text"),
    ({"text": "abc\x00"}, "text"),
    ({"text": "ab\ud83d"}, "text"),
    ({"assistant": "a\x00"}, "assistant"),
    ({"caller": "\ud83d"}, "caller"),
    ({"number": "ç" * 129}, "number"),
    ({"end_reason": "x" * 257}, "end_reason"),
    ({"revision": 0}, "revision"),
    ({"revision": 2**31}, "revision"),
    ({"opened_from": NAIVE}, "opened_from"),
    ({"opened_to": NAIVE}, "opened_to"),
    ({"opened_from": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, "opened_from"),
]


@pytest.mark.parametrize(("wanted", "name"), FAULTS)
def test_what_cannot_be_looked_for_is_refused_by_name(wanted: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: ") as caught:
        CallFilter(**wanted)
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OverflowError)


def test_a_filter_from_outside_is_refused_in_the_same_words() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"^text: expected 3 to 100 characters"):
        msgspec.convert({"text": "ab"}, CallFilter)
