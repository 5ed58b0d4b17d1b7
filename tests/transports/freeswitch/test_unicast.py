"""Datagrams of real calls, nonsense, and the ports that they travel on."""

import random

import numpy as np
import pytest

from tests.transports.freeswitch.captures import load
from transports.audio import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from transports.freeswitch.errors import LocalProtocolError, MediaUnavailableError
from transports.freeswitch.unicast import Law, UnicastCodec, native_law
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


def test_a_recorded_native_stream_is_read_whole_and_its_filler_is_silence() -> None:
    codec = UnicastCodec(8000, "PCMU")
    datagrams = uplink("unicast_pcmu.udp")
    frames = [codec.decode(d) for d in datagrams]
    assert [f for d, f in zip(datagrams, frames, strict=True) if len(d) == 160] == [
        decode_mulaw(d) for d in datagrams if len(d) == 160
    ]
    filler = [d for d in datagrams if codec.is_filler(d)]
    assert (len(filler), {len(d) for d in filler}) == (100, {320})
    assert {f for d, f in zip(datagrams, frames, strict=True) if codec.is_filler(d)} == {bytes(320)}


def test_what_was_said_to_a_real_switch_in_native_is_what_we_would_say() -> None:
    codec = UnicastCodec(8000, "PCMU")
    said = [row.data for row in load("unicast_pcmu.udp") if not row.by_switch]
    assert len(said) == 171 + 126
    # Negative zero has no sample of its own.
    assert [codec.encode(decode_mulaw(d)) for d in said] == [d.replace(b"\x7f", b"\xff") for d in said]


LAWS: list[Law] = ["PCMU", "PCMA"]


@pytest.mark.parametrize("law", LAWS)
def test_a_native_stream_keeps_to_its_law_and_its_sizes(law: Law) -> None:
    codec = UnicastCodec(8000, law)
    decode, encode = {"PCMU": (decode_mulaw, encode_mulaw), "PCMA": (decode_alaw, encode_alaw)}[law]
    voice = bytes(range(160))
    assert codec.decode(voice) == decode(voice)
    assert codec.encode(decode(voice)) == encode(decode(voice))
    assert (codec.native, codec.sample_rate, codec.frame_bytes, codec.datagram_bytes) == (True, 8000, 320, 160)
    assert codec.decode(b"\xff" * 320) == bytes(320)
    assert codec.decode(b"\xff" * 160) == decode(b"\xff" * 160), "a voice, in either law"
    for size in (0, 1, 80, 159, 161, 240, 320, 640):
        assert codec.decode(bytes(size)) is None


@pytest.mark.parametrize(
    ("codec", "rate", "law"),
    [
        ("PCMU", 8000, "PCMU"),
        ("PCMA", 8000, "PCMA"),
        ("", 8000, None),
        ("pcmu", 8000, None),
        ("PCMU", 16000, None),
        ("G722", 16000, None),
        ("opus", 48000, None),
        ("L16", 8000, None),
    ],
)
def test_only_g711_that_says_so_may_be_had_as_it_comes(codec: str, rate: int, law: Law | None) -> None:
    assert native_law(codec, rate) == law


@pytest.mark.parametrize("rate", [12000, 24000, 32000, 44100, 48000])
def test_a_rate_that_no_ear_takes_is_carried_at_16_khz_frame_by_frame(rate: int) -> None:
    codec, size = UnicastCodec(rate), rate // 50 * 2
    assert (codec.sample_rate, codec.frame_bytes, codec.datagram_bytes) == (16000, 640, size)
    at = np.arange(rate)
    voice = (8000 * np.sin(2 * np.pi * 440 * at / rate)).astype("<i2").tobytes()
    frames = [codec.decode(voice[n : n + size]) for n in range(0, len(voice), size)]
    up = b"".join(f for f in frames if f is not None)
    down = b"".join(codec.encode(up[n : n + 640]) for n in range(0, len(up), 640))
    assert (len(up), len(down)) == (32000, len(voice))
    late = next(n for n, sample in enumerate(np.frombuffer(down, "<i2")) if abs(sample) > 400) / rate
    assert late < 0.005, "both ways, where soxr takes 75 ms and more"
    steady = slice(rate // 5, None)
    shift = round(rate * 1.0 / 440)
    heard, said = np.frombuffer(down, "<i2").astype(float)[steady], np.frombuffer(voice, "<i2").astype(float)[steady]
    best = max(np.dot(heard[n:], said[: len(said) - n]) for n in range(shift))
    assert best > 0.98 * np.dot(said, said)


def test_filler_at_48_khz_is_silence_too_and_keeps_the_beat() -> None:
    codec = UnicastCodec(48000)
    loud = codec.decode(b"\x10\x27" * 960)
    assert loud is not None
    assert any(loud)
    frames = [codec.decode(b"\xff" * 1920) for _ in range(3)]
    assert [len(f or b"") for f in frames] == [640] * 3
    assert not any(frames[1] or b"x"), "but for what the filter still held"


@pytest.mark.parametrize("codec", [UnicastCodec(8000), UnicastCodec(8000, "PCMA"), UnicastCodec(48000)])
def test_what_is_no_frame_is_not_sent(codec: UnicastCodec) -> None:
    with pytest.raises(ValueError, match="no frame"):
        codec.encode(bytes(codec.frame_bytes - 2))
    assert len(codec.encode(bytes(codec.frame_bytes))) == codec.datagram_bytes


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
