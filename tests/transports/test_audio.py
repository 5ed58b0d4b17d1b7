"""G.711 against the standard's own points and against Python's former audioop, bit by bit."""

import warnings

import numpy as np
import pytest

from transports.audio import (
    decode_alaw,
    decode_mulaw,
    encode_alaw,
    encode_mulaw,
    frame_bytes,
    seconds_of,
    silence,
)

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768, dtype="<i2").tobytes()


def samples(pcm: bytes) -> list[int]:
    return [int(s) for s in np.frombuffer(pcm, "<i2")]


def test_points_of_the_standard() -> None:
    assert samples(decode_mulaw(b"\xff\x7f\x80\x00")) == [0, 0, 32124, -32124]
    assert samples(decode_alaw(b"\xd5\x55\xaa\x2a")) == [8, -8, 32256, -32256]
    assert encode_mulaw(np.array([0, 32767, -32768], "<i2").tobytes()) == b"\xff\x80\x00"
    assert encode_alaw(np.array([0, 32767, -32768], "<i2").tobytes()) == b"\xd5\xaa\x2a"


def test_every_code_and_every_sample_as_audioop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")  # left Python in 3.13
    assert decode_mulaw(ALL_CODES) == audioop.ulaw2lin(ALL_CODES, 2)
    assert decode_alaw(ALL_CODES) == audioop.alaw2lin(ALL_CODES, 2)
    assert encode_mulaw(ALL_SAMPLES) == audioop.lin2ulaw(ALL_SAMPLES, 2)
    assert encode_alaw(ALL_SAMPLES) == audioop.lin2alaw(ALL_SAMPLES, 2)


@pytest.mark.parametrize(("encode", "decode"), [(encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)])
def test_a_decoded_value_encodes_to_itself(encode: object, decode: object) -> None:
    assert callable(encode)
    assert callable(decode)
    assert decode(encode(decode(ALL_CODES))) == decode(ALL_CODES)
    error = np.abs(np.array(samples(decode(encode(ALL_SAMPLES)))) - np.array(samples(ALL_SAMPLES)))
    assert error.max() <= 1024  # half of the widest step, and the clipping of mu-law


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError):
        encode_mulaw(b"\x00\x00\x00")


def test_sizes() -> None:
    assert [frame_bytes(r) for r in (8000, 16000, 48000)] == [320, 640, 1920]
    assert silence(8000, 100) == bytes(1600)
    assert seconds_of(bytes(640), 16000) == 0.02
    for rate in (0, -8000, 11025):
        with pytest.raises(ValueError):
            frame_bytes(rate)
