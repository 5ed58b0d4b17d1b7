"""The wire of a call whose media come and go."""

from typing import cast

import pytest
from msgspec import Struct

from tests.transports.freeswitch.edge import FRAME, MemoryWire
from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.renewed import Media, RenewedWire


class NoCounters(Struct):
    """Nothing counted."""


class Carrier(MemoryWire):
    """A media that tells whether it was closed."""

    lag_ms = 160
    counters = NoCounters()
    closed = False

    def close(self) -> None:
        self.closed = True


def media(carrier: Carrier) -> Media:
    return cast(Media, carrier)


PCM = b"\x01\x00" * (FRAME // 2)


def test_what_is_sent_while_there_is_none_is_dropped_and_nothing_is_heard() -> None:
    first, second, heard = Carrier(), Carrier(), list[bytes]()
    wire = RenewedWire(media(first))
    wire.listen(heard.append)
    first.say(b"one")
    wire.send(PCM)
    wire.lose()
    wire.lose()
    wire.send(PCM)
    wire.flush()
    first.say(b"late")
    assert (wire.lag_ms, first.sent, first.flushed_at, heard) == (0, [PCM], [], [b"one"])
    assert not first.closed, "who takes it away is not its own end"
    wire.renew(media(second))
    assert first.closed
    wire.send(PCM)
    wire.flush()
    second.say(b"two")
    assert (wire.lag_ms, second.sent, second.flushed_at, heard) == (160, [PCM], [1], [b"one", b"two"])
    wire.close()
    assert second.closed


def test_who_listens_later_hears_the_media_of_then() -> None:
    wire, heard, second = RenewedWire(media(Carrier())), list[bytes](), Carrier()
    wire.lose()
    wire.listen(heard.append)
    wire.renew(media(second))
    second.say(b"two")
    assert heard == [b"two"]


def test_another_rate_is_not_the_same_call() -> None:
    class Wide(Carrier):
        sample_rate = 16000

    wire, wide = RenewedWire(media(Carrier())), Wide()
    wire.lose()
    with pytest.raises(MediaUnavailableError):
        wire.renew(media(wide))
    assert wide.closed
    assert wire.lag_ms == 0, "it is still lost"
