"""Plays numbered inputs against a codec, and judges each."""

import asyncio
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType
from typing import Final

from benchmarks.fuzzer.codec import BrokenError, Codec, Reader
from benchmarks.fuzzer.machines import DoorCodec, SwitchCodec
from benchmarks.fuzzer.sockets import MediaCodec
from benchmarks.fuzzer.streams import CommandCodec, DatagramCodec, EslCodec, UplinkCodec

CODECS: Final[tuple[Codec, ...]] = (
    EslCodec(), DoorCodec(), SwitchCodec(), DatagramCodec(), UplinkCodec(), MediaCodec(), CommandCodec(),
)  # fmt: skip
HANGS_AFTER_CPU_S: Final = 5.0
"""An input that takes so much CPU will never end."""
COUNTED_EVERY: Final = 16
"""Of so many inputs, one has its steps counted: counting is slow."""
STEPS_A_BYTE: Final = 40
STEPS_A_FEED: Final = 4000
"""Calls of functions that a feed may take, by its bytes and by itself. Deterministic, unlike a clock."""


@dataclass
class Tally:
    """What many inputs did."""

    inputs: int = 0
    chunks: int = 0
    octets: int = 0
    words: int = 0
    worst_buffered_bytes: int = 0
    worst_input_s: float = 0.0
    """Of CPU, the input's making included."""
    worst_steps: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


async def fuzz(codec: Codec, first: int, count: int) -> Tally:
    """`count` inputs from number `first` on. Raises BrokenError, with its number, at one that breaks the codec."""
    tally, chance = Tally(), Random()
    codec.start(Random(0))  # reads the recordings, once
    with _alarm():
        for number in range(first, first + count):
            chance.seed(number)
            began = time.process_time()
            try:
                _play(codec, codec.start(chance), tally, counted=number % COUNTED_EVERY == 0)
            except HangError:
                raise HangError(f"{codec.name}, input {number}: more than {HANGS_AFTER_CPU_S} s of CPU") from None
            except Exception as error:
                raise BrokenError(f"{codec.name}, input {number}: {type(error).__name__}: {error}") from error
            tally.worst_input_s = max(tally.worst_input_s, time.process_time() - began)
            if number % 64 == 0:
                await asyncio.sleep(0)  # timers that were cancelled are forgotten there
    return tally


def _play(codec: Codec, reader: Reader, tally: Tally, *, counted: bool) -> None:
    refused = None
    tally.inputs += 1
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_AFTER_CPU_S)
    while refused is None and (data := reader.next()) is not None:
        tally.chunks += 1
        tally.octets += len(data)
        try:
            words = _counted(reader, data, tally) if counted else reader.feed(data)
            tally.words += words
        except codec.refuses_with as error:
            refused = error
            tally.refusals[_kind(error)] += 1
        held = reader.buffered_bytes
        if held > codec.most_buffered_bytes + len(data):
            raise BrokenError(f"{held} bytes are held, {codec.most_buffered_bytes} at most")
        tally.worst_buffered_bytes = max(tally.worst_buffered_bytes, held)
    tally.outcomes[reader.finish(refused)] += 1


def _counted(reader: Reader, data: bytes, tally: Tally) -> int:
    """A feed whose calls of functions are counted. Raises BrokenError when there are too many for its size."""
    steps = 0

    def count(_frame: FrameType, what: str, _argument: object) -> None:
        nonlocal steps
        steps += what in {"call", "c_call"}

    sys.setprofile(count)
    try:
        return reader.feed(data)
    finally:
        sys.setprofile(None)
        tally.worst_steps = max(tally.worst_steps, steps)
        if steps > STEPS_A_FEED + STEPS_A_BYTE * len(data):
            raise BrokenError(f"{steps} steps for {len(data)} bytes")


def _kind(error: Exception) -> str:
    """The fixed part of a message: what was wrong, without what was sent."""
    return f"{type(error).__name__}: " + re.sub(r"\d+", "N", str(error).partition(":")[0])


class HangError(BaseException):
    """No end in sight. No Exception: a codec that catches everything must not catch it."""


@contextmanager
def _alarm() -> Iterator[None]:
    """While it is open, an input that takes too much CPU raises HangError. For the main thread."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise HangError

    former = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)
