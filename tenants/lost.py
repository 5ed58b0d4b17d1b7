"""Which processes are lost: judged by whoever reads their leases, and by nothing but what was read. Pure.

A process is lost when the database has answered for ten seconds on end and the process has not renewed in them. While
the database is away nobody is: who cannot renew then is not to blame.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from tenants.leases import ProcessRow

LOST_AFTER_S: Final = 10.0
GAP_S: Final = 3.0
"""Answers that came further apart do not follow on each other: who waited for them may have stood still himself."""


class LostProcesses:
    """What one reader knows. `now` is its own monotonic clock in seconds."""

    def __init__(self, *, lost_after_s: float = LOST_AFTER_S, gap_s: float = GAP_S) -> None:
        self._lost_after_s = lost_after_s
        self._gap_s = gap_s
        self._answered_at: float | None = None
        self._silent_s: dict[str, tuple[datetime, float]] = {}
        """By process, when it renewed last, and for how long the database has answered since that was seen."""

    def answered(self, now: float, processes: Iterable[ProcessRow]) -> list[ProcessRow]:
        """The database told of these; those that are lost."""
        since_s = 0.0 if self._answered_at is None else now - self._answered_at
        if since_s > self._gap_s:
            self.silent()
            since_s = 0.0
        self._answered_at = now
        before, self._silent_s = self._silent_s, {}
        lost = []
        for process in processes:
            renewed_at, silent_s = before.get(process.id, (None, 0.0))
            silent_s = silent_s + since_s if renewed_at == process.renewed_at else 0.0
            self._silent_s[process.id] = process.renewed_at, silent_s
            if silent_s >= self._lost_after_s:
                lost.append(process)
        return lost

    def silent(self) -> None:
        """The database did not answer: everybody's time begins anew."""
        self._answered_at = None
        self._silent_s.clear()
