"""Datagrams of real calls, nonsense, and the ports that they travel on."""

import random

import numpy as np
import pytest

from tests.transports.freeswitch.captures import load
from transports.audio import decode_mulaw
from transports.freeswitch.errors import LocalProtocolError, MediaUnavailableError
from transports.freeswitch.unicast import UnicastCodec
from transports.freeswitch.unicast_guard import NoDatagrams, UnicastGuard
from transports.freeswitch.unicast_ports import PortPair, UnicastPorts


def level(pcm: bytes) -> float:
    """Root mean square of S16LE."""
    return float(np.sqrt(np.mean(np.frombuffer(pcm, "<i2").astype(float) ** 2)))


def uplink(name: str) -> list[bytes]:
    return [row.data for row in load(name) if row.by_switch]


def test_a_recorded_l16_stream_is_read_whole_and_its_filler_is_silence() -> None:
    codec = UnicastCodec(8000)
    datagrams = uplink("unicast_l16_8k.udp")
    frames = [codec.decode(d) for d in datagrams]
    assert len(frames) == 459 + 194
    assert all(frame is not None and len(frame) == 320 for frame in frames)
    filler = [f for d, f in zip(datagrams, frames, strict=True) if d == b"\xff" * 320]
    assert len(filler) > 70
    assert set(filler) == {bytes(320)}
    speech = b"".join(f for f in frames if f is not None)
    swapped = np.frombuffer(speech, ">i2").astype("<i2").tobytes()
    assert level(speech) < level(swapped) / 4  # little-endian: in the other order it is noise


def test_the_same_caller_over_g711_has_the_same_level() -> None:
    l16 = b"".join(d for d in uplink("unicast_l16_8k.udp") if d != b"\xff" * 320)
    pcmu = b"".join(decode_mulaw(d) for d in uplink("unicast_pcmu.udp") if len(d) == 160)
    assert 0.9 < level(l16) / level(pcmu) < 1.1


def test_what_is_not_of_the_calls_size_is_dropped() -> None:
    codec = UnicastCodec(16000)
    assert codec.decode(bytes(640)) == bytes(640)
    for size in (0, 1, 320, 639, 641, 1280, 65507):
        assert codec.decode(bytes(size)) is None


def test_twenty_thousand_random_datagrams() -> None:
    chance, codec = random.Random(7), UnicastCodec(8000)
    taken = 0
    for _ in range(20_000):
        data = chance.randbytes(chance.choice([0, 1, 160, 319, 320, 320, 321, 640, 1500]))
        frame = codec.decode(data)
        assert (frame is not None) is (len(data) == 320)
        taken += frame is not None
    assert 2_000 < taken < 8_000


class TestPorts:
    def test_pairs_are_lent_once(self) -> None:
        ports = UnicastPorts(40001, 40010, seed=1)
        pairs = [ports.take() for _ in range(4)]
        assert sorted(p.ours for p in pairs) == [40002, 40004, 40006, 40008]
        assert all(p.switch == p.ours + 1 for p in pairs)
        with pytest.raises(MediaUnavailableError, match="widen"):
            ports.take()
        ports.give_back(pairs[2])
        assert ports.take() == pairs[2]

    def test_a_retired_pair_never_comes_back(self) -> None:
        ports = UnicastPorts(40000, 40003, seed=1)
        gone = ports.take()
        ports.retire(gone)
        kept = ports.take()
        for _ in range(50):
            ports.give_back(kept)
            kept = ports.take()
            assert kept != gone
        assert (ports.retired, ports.free) == (1, 0)

    def test_ports_are_not_taken_in_order(self) -> None:
        first = [UnicastPorts(seed=s).take().ours for s in range(20)]
        assert len(set(first)) > 15

    @pytest.mark.parametrize(
        ("first", "last"), [(0, 100), (50000, 40000), (20000, 21000), (32768, 40000), (60000, 70000)]
    )
    def test_a_bad_range_is_refused(self, first: int, last: int) -> None:
        with pytest.raises(ValueError, match="unicast ports"):
            UnicastPorts(first, last)

    def test_a_range_around_the_switchs_own_is_refused(self) -> None:
        with pytest.raises(ValueError, match="overlap"):
            UnicastPorts(10000, 50000)

    def test_a_pair(self) -> None:
        assert PortPair(40000).switch == 40001


def test_a_guard_says_whether_it_ended_something() -> None:
    guard = UnicastGuard()
    guard.check(40001, None)
    guard.asked(40001)
    guard.replied(ok=True)
    guard.heard()
    assert guard.spoil() is True
    assert guard.spoil() is False
    with pytest.raises(LocalProtocolError):
        guard.check(40003, NoDatagrams(40001, 9.0))
