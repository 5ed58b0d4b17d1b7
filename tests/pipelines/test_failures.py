"""What failed is told in few words."""

import pytest
from pipecat.frames.frames import ErrorFrame
from pipecat.utils.errors import ErrorCategory

from pipelines.failures import KINDS, REASONS, kind_of, reason_of
from processors.catalog import CATALOG
from processors.compute import LaneFullError


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (ErrorFrame("the key sk-1 of 5511 is wrong", category=ErrorCategory.AUTHENTICATION), "authentication"),
        (ErrorFrame("silent", exception=TimeoutError(), category=ErrorCategory.CONNECTIVITY), "connectivity"),
        (ErrorFrame("no room", exception=LaneFullError("9 wait"), category=ErrorCategory.UNKNOWN), "overloaded"),
        (ErrorFrame("whatever"), "unknown"),
    ],
)
def test_a_reason_is_one_of_a_few(frame: ErrorFrame, reason: str) -> None:
    assert reason_of(frame) == reason
    assert reason in REASONS


def test_a_kind_is_a_stages_and_never_a_name() -> None:
    assert {kind_of(entry.use) for entry in CATALOG} == set(KINDS) - {"none"}
    assert kind_of("filter.acme_secret") == "filter"
    assert {kind_of(use) for use in ("", "acme", "acme.stt")} == {"none"}
