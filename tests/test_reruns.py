"""What is run again when it fails."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_rerunfailures import _matches_any_rerun_error

from tests.reruns import BY_THE_CLOCK, HEARD, NEVER, WAITED, Kinds, rerun

TESTS = Path(__file__).parent


def test_what_is_listed_is_there() -> None:
    for place in (*BY_THE_CLOCK, *NEVER):
        assert (TESTS / place).exists(), place


@pytest.mark.parametrize(
    "word", ["isolation", "nonsense", "hostile", "fence", "fuzz", "safety", "key", "secret", "audit"]
)
def test_a_fence_that_did_not_hold_once_has_failed(word: str) -> None:
    for file in TESTS.rglob("test_*.py"):
        if word in file.stem:
            assert rerun(file.relative_to(TESTS).as_posix()) is None, file


def failed(by: Any, kinds: Kinds = WAITED) -> bool:
    """Whether it is run again."""
    with pytest.raises(BaseException) as found:
        by()
    return bool(_matches_any_rerun_error(kinds, found))


def too_late() -> None:
    took_s = 0.7
    assert took_s < 0.5, "the end of a call does not wait for it"


def not_about() -> None:
    took_s = 0.7
    assert took_s == pytest.approx(0.2, abs=0.1)


def unheard() -> None:
    assert threading.Event().wait(0.0)


def other_words() -> None:
    heard = ["Welcome", "Sorry"]
    assert heard == ["Welcome"]


def other_status() -> None:
    status = 500
    assert status == 200


def bug() -> None:
    raise KeyError("a")


def raises(error: BaseException) -> Any:
    def by() -> None:
        raise error

    return by


def test_only_what_the_clock_can_cause_is_run_again() -> None:
    waited = (TimeoutError(), ConnectionResetError(), httpx.ReadTimeout(""), asyncio.IncompleteReadError(b"", 1))
    assert all(failed(by) for by in (too_late, not_about, unheard, *map(raises, waited)))
    assert not any(failed(by) for by in (other_words, other_status, bug, raises(FileNotFoundError())))
    assert failed(other_words, HEARD), "in a whole call a machine that stands still leaves something unheard"
    assert not failed(bug, HEARD)
