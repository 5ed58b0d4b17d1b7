"""Who may open a media socket: one URL for each call, good once and not for long. Pure.

FreeSWITCH's modules identify themselves by nothing but the URL that we gave them over the event socket. So its path is
a random number of 192 bits that stands for one call; a second visit, a late one and a wrong one look the same.
"""

import secrets
from collections.abc import Callable
from typing import Final

from base.ids import CallId

PREFIX: Final = "/media/"
LIFE_S: Final = 30.0
MAX_TICKETS: Final = 2000


class TooManyTicketsError(Exception):
    """More media sockets are expected than this process may have."""


class Tickets:
    """The calls whose media sockets are expected. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float], *, life_s: float = LIFE_S, max_tickets: int = MAX_TICKETS) -> None:
        self._now = now
        self._life_s = life_s
        self._max_tickets = max_tickets
        self._open: dict[str, tuple[CallId, float]] = {}

    def __len__(self) -> int:
        self._forget_the_late()
        return len(self._open)

    def mint(self, call_id: CallId) -> str:
        """The path at which this call's socket may come, once. Raises TooManyTicketsError."""
        self._forget_the_late()
        if len(self._open) >= self._max_tickets:
            raise TooManyTicketsError(f"{self._max_tickets} media sockets are expected already")
        path = PREFIX + secrets.token_urlsafe(24)
        self._open[path] = (call_id, self._now() + self._life_s)
        return path

    def redeem(self, path: str) -> CallId | None:
        """The call that this path stands for; None for one that is unknown, late or was used."""
        call_id, until = self._open.pop(path, (None, 0.0))
        return call_id if call_id is not None and self._now() < until else None

    def withdraw(self, path: str) -> None:
        """Nobody waits for this socket any more."""
        self._open.pop(path, None)

    def _forget_the_late(self) -> None:
        now = self._now()
        for path in [path for path, (_, until) in self._open.items() if until <= now]:
            del self._open[path]
