"""What the benchmark of several nodes counts as a call that went well."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.parts.nodes import Crowd, ending
from control.peer import CallResult


def ended(by: str, *, door: str | None = None, greeting_ms: float | None = 50.0) -> CallResult:
    return cast(CallResult, SimpleNamespace(ended_by=by, door=door, greeting_ms=greeting_ms))


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ended("caller"), "caller"),
        (ended("caller", greeting_ms=None), "caller, never greeted"),
        (ended("service"), "service"),
        (ended("dialplan", door="failed"), "door_failed"),
        (ended("dialplan", door="busy", greeting_ms=None), "door_busy"),
    ],
)
def test_only_a_caller_who_was_greeted_and_hung_up_ended_well(end: CallResult, told: str) -> None:
    assert ending(end) == told


def test_ends_are_counted_from_a_moment_on() -> None:
    crowd = Crowd(cast(Any, None), callers=1, talk_s=1.0)
    crowd.results = [("a", 1.0, ended("service")), ("b", 2.0, ended("caller")), ("b", 3.0, ended("caller"))]
    assert crowd.endings(2.0) == {"caller": 2}
    assert crowd.endings() == {"caller": 2, "service": 1}
