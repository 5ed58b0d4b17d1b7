"""Cursors: opaque, ours, and nobody else's."""

from datetime import UTC, datetime

import pytest

from base.ids import CallId
from control.api.pages import read, written
from control.api.problems import Refusal
from tenants.call_search import Cursor

PLACE = Cursor(datetime(2026, 11, 26, 9, 30, 0, 123456, UTC), CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"))


def test_a_cursor_comes_back_as_it_went() -> None:
    text = written(PLACE)
    assert text.replace("-", "").replace("_", "").isalnum(), "it needs no quoting in a URL"
    assert read(text, Cursor) == PLACE
    assert read(None, Cursor) is None


@pytest.mark.parametrize("text", ["", "x", "a b", "****", written(PLACE)[:-5], "e30", "bnVsbA", "é"])
def test_what_is_none_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(text, Cursor)
    assert refused.value.status_code == 400
    assert isinstance(refused.value.extra, dict)
    assert [error["path"] for error in refused.value.extra["errors"]] == ["cursor"]
