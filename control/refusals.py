"""Calls that are not let in: counted by door and reason; of many that are refused alike, some are logged."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from base.ids import CallId
from control.admission import RefusedError, Why
from transports.freeswitch.words import DoorName

LOG_EVERY_S: Final = 10.0
"""One line for a reason; those of callers who find no room come by the hundred."""

log = structlog.get_logger()


class Refusals:
    """Of one process, since its start."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a monotonic clock in seconds."""
        self._now = now
        self._logged: dict[Why, float] = {}
        self._unlogged: Counter[Why] = Counter()
        self.counts: Counter[tuple[str, str]] = Counter()
        """By the door at which their dialplans went on, and by reason."""
        self.latest: tuple[CallId, str] | None = None
        """The last call that was refused, and why."""

    def note(self, call_id: CallId, refusal: RefusedError) -> None:
        """A call is being refused."""
        self.latest = call_id, str(refusal)
        self.counts[refusal.door.value, refusal.why] += 1
        if refusal.door is DoorName.BUSY and self._now() < self._logged.get(refusal.why, -LOG_EVERY_S) + LOG_EVERY_S:
            self._unlogged[refusal.why] += 1
            return
        self._logged[refusal.why] = self._now()
        log.warning(
            "call refused",
            call=call_id,
            reason=str(refusal),
            why=refusal.why,
            door=refusal.door.value,
            not_logged=self._unlogged.pop(refusal.why, 0),
        )
