"""Connections that have not told their call yet: who of them has to go when there are too many. Pure.

FreeSWITCH answers `connect` within milliseconds, however many calls it sends at once from its one address. Who is
silent for longer holds a place that a call may need: it is taken from him, not from the one who comes.
"""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

MAX_SILENT: Final = 100
"""Of one address: beyond, the longest silent goes, if it has been so for `PATIENCE_S`."""
PATIENCE_S: Final = 1.0
"""A switch has told its call by then, also when hundreds of its calls come at once."""

C = TypeVar("C", bound=Hashable)


class SilentConnections(Generic[C]):
    """By address, the longest silent first. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float], *, max_silent: int = MAX_SILENT) -> None:
        self._now = now
        self._max_silent = max_silent
        self._since: dict[str, dict[C, float]] = {}

    def came(self, host: str, connection: C) -> None:
        """A connection from `host`, which is still to tell its call; `heard` follows."""
        self._since.setdefault(host, {})[connection] = self._now()

    def heard(self, host: str, connection: C) -> None:
        """It has told its call, or has ended. Idempotent."""
        own = self._since.get(host, {})
        own.pop(connection, None)
        if not own:
            self._since.pop(host, None)

    def makes_room(self, host: str, *, full: bool) -> C | None:
        """Who has to go for another from `host`; None where nobody has to, or nobody who should.

        With `full` there is no place left at all: then it may be one of any address.
        """
        own = self._since.get(host, {})
        if len(own) >= self._max_silent and self._waited(own):
            return next(iter(own))
        if not full:
            return None
        crowds = [
            of_one
            for address, of_one in self._since.items()
            # Those of a crowd go at once, but not for one of their own: a switch in a rush would close its own calls.
            if self._waited(of_one) or (address != host and len(of_one) >= self._max_silent)
        ]
        if not crowds:
            return None
        largest = max(crowds, key=len)
        return next(iter(largest))

    def _waited(self, of_one: dict[C, float]) -> bool:
        """Whether the longest silent one has had its time."""
        return bool(of_one) and self._now() - next(iter(of_one.values())) >= PATIENCE_S
