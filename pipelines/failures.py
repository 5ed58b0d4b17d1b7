"""What failed, in words of which there are few: for counting. Pure."""

from typing import Final

from pipecat.frames.frames import ErrorFrame
from pipecat.utils.errors import ErrorCategory

from processors.compute import LaneFullError
from processors.factory import Role
from processors.metering import RateReachedError

OVERLOADED: Final = "overloaded"
"""Our own threads had no room for it."""
REASONS: Final = (*(category.value for category in ErrorCategory), OVERLOADED)
KINDS: Final = (*(role.value for role in Role), "none")
"""Of stages; `none`: what failed is no stage."""


def reason_of(frame: ErrorFrame) -> str:
    """One of `REASONS`. What was silent for too long counts as one that could not be reached (`connectivity`)."""
    if isinstance(frame.exception, LaneFullError):
        return OVERLOADED
    return (frame.category or ErrorCategory.UNKNOWN).value


def held_back(frame: ErrorFrame) -> bool:
    """Whether nothing failed: the assistant's own `limits.provider_rpm` was reached, and no provider was asked."""
    return isinstance(frame.exception, RateReachedError)


def kind_of(use: str) -> str:
    """One of `KINDS`, of a stage's `use`."""
    kind = use.partition(".")[0]
    return kind if kind in KINDS else "none"
