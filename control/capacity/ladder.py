"""How many calls are tried next: ever more until they do not hold, then between the two. Pure."""

from typing import Final

CLOSE_SHARE: Final = 0.1
"""Of what held: what failed is no further away than this when the search is over."""


class Ladder:
    """`took` tells how the number of `next` fared."""

    def __init__(self, first: int, most: int) -> None:
        """`most` is the largest number that is tried."""
        self._next: int | None = min(first, most)
        self._most = most
        self.held = 0
        """The largest number that held."""
        self.failed: int | None = None
        """The smallest that did not."""

    @property
    def next(self) -> int | None:
        """What is to be tried; None: it is known."""
        return self._next

    def took(self, *, holds: bool) -> None:
        """How it was with as many as `next` said."""
        assert self._next is not None
        if holds:
            self.held = self._next
        else:
            self.failed = self._next
        self._next = self._upwards() if self.failed is None else self._between(self.failed)

    def _upwards(self) -> int | None:
        return None if self.held >= self._most else min(self.held * 2, self._most)

    def _between(self, failed: int) -> int | None:
        if failed - self.held <= max(1, round(self.held * CLOSE_SHARE)):
            return None
        return (self.held + failed) // 2
