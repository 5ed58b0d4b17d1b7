"""Bytes made wrong, and cut anywhere. Everything is drawn from the `Random` that is given."""

import re
from collections.abc import Sequence
from random import Random
from typing import Final

TOKENS: Final = (
    b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b"\x00", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b":", b": ", b"%", b"%00",
    b"%0A%0A", b"%C3", b"{", b'"', b"\\ud800", b"Content-Length: ", b"Content-Type: ", b"\xe2\x80\xa8",
)  # fmt: skip
"""Ends of lines and what some take for one, NULs, broken UTF-8, and the words of the framing itself."""
NUMBERS: Final = (
    b"0", b"-1", b"+1", b"1_0", b"1e9", b"0x10", b" 7", b"7 ", b"", b"65536", b"2097152", b"2097153", b"4294967296",
    b"99999999999999999999", b"9" * 400, "١".encode(),
)  # fmt: skip
_NUMBER: Final = re.compile(rb"\d+")


def mutated(chance: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """`data` with one to four things wrong; `others` is what may be spliced in."""
    wrong = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _MUTATIONS[int(chance.random() * len(_MUTATIONS))](chance, wrong, others)
    return bytes(wrong)


def chunks(chance: Random, data: bytes) -> list[bytes]:
    """The same bytes in pieces: whole, in two, in some, or one by one."""
    luck, size = chance.random(), len(data)
    if luck < 0.5 or size < 2:
        return [data]
    if luck > 0.995 and size <= 300:
        return [data[at : at + 1] for at in range(size)]
    pieces = 1 if luck < 0.85 else int(chance.random() * 8) + 2
    edges = [0, *sorted(int(chance.random() * size) for _ in range(pieces)), size]
    return [data[edges[n] : edges[n + 1]] for n in range(len(edges) - 1)]


def _flip_a_bit(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[int(chance.random() * len(data))] ^= 1 << int(chance.random() * 8)


def _replace_a_byte(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[int(chance.random() * len(data))] = int(chance.random() * 256)


def _put_in_a_token(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = int(chance.random() * (len(data) + 1))
    data[at:at] = chance.choice(TOKENS)


def _change_a_number(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    found = _NUMBER.search(data, int(chance.random() * (len(data) + 1)))
    if found is not None:
        data[found.start() : found.end()] = chance.choice(NUMBERS)


def _cut_out(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = int(chance.random() * (len(data) + 1))
    del data[at : at + int(chance.random() * 40) + 1]


def _cut_short(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[int(chance.random() * (len(data) + 1)) :]


def _say_twice(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, to = int(chance.random() * (len(data) + 1)), int(chance.random() * (len(data) + 1))
    data[at:at] = data[at : at + int(chance.random() * 60) + 1]
    data[to:to] = data[:20]


def _splice(chance: Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    data[int(chance.random() * (len(data) + 1)) :] = other[int(chance.random() * (len(other) + 1)) :]


def _interleave(chance: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """Two senders at once: pieces of another's bytes between ours."""
    other, at = chance.choice(others)[:200], 0
    for _ in range(3):
        at = min(len(data), at + int(chance.random() * 60))
        piece, other = other[:30], other[30:]
        data[at:at] = piece
        at += len(piece)


def _random_bytes(chance: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = int(chance.random() * (len(data) + 1))
    data[at:at] = chance.randbytes(int(chance.random() * 24) + 1)


_MUTATIONS: Final = (
    _flip_a_bit, _replace_a_byte, _put_in_a_token, _change_a_number, _cut_out, _cut_short, _say_twice, _splice,
    _interleave, _random_bytes,
)  # fmt: skip
