"""What the fuzzer asks of a codec under test."""

from collections.abc import Sequence
from random import Random
from typing import Final, Protocol

from benchmarks.fuzzer.mutate import chunks


class BrokenError(AssertionError):
    """A codec did what no input may make it do."""


class Reader(Protocol):
    """A codec under one input, and the other end that makes it, which may answer what the codec said."""

    def next(self) -> bytes | None:
        """The next chunk or datagram; None at the end."""
        ...

    def feed(self, data: bytes) -> int:
        """Give it to the codec. Returns how many things came out of it."""
        ...

    @property
    def buffered_bytes(self) -> int:
        """What the codec holds."""
        ...

    def finish(self, refused: Exception | None) -> str:
        """The input is over, or was `refused`. Returns how it went, in a few words. Raises BrokenError."""
        ...


class Codec(Protocol):
    """A codec, fresh for every input."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def most_buffered_bytes(self) -> int:
        """Its own bound; one feed more may be held."""
        ...

    @property
    def refuses_with(self) -> tuple[type[Exception], ...]:
        """What it may raise."""
        ...

    def start(self, chance: Random) -> Reader:
        """A fresh one, and the input that `chance` makes."""
        ...


class Pieces:
    """A stream in chunks; several messages may share a chunk, and one may lie in many."""

    def __init__(self, chance: Random, said: Sequence[bytes] = ()) -> None:
        self._chance: Final = chance
        self._pieces = [piece for data in said for piece in chunks(chance, data)]
        self._pieces.reverse()

    def put(self, data: bytes) -> None:
        """More of the stream, behind what waits."""
        made = chunks(self._chance, data)
        if self._pieces and self._chance.random() < 0.3:
            made[0] = self._pieces.pop(0) + made[0]
        self._pieces[:0] = reversed(made)

    def take(self) -> bytes | None:
        """The next piece."""
        return self._pieces.pop() if self._pieces else None


def require(holds: bool, what: str) -> None:
    """Raises BrokenError unless it holds."""
    if not holds:
        raise BrokenError(what)
