"""Telephone audio: sizes of PCM and the G.711 laws.

PCM is mono signed 16-bit little-endian (S16LE) throughout. G.711 follows ITU-T G.711 (11/88): mu-law is 14-bit
(values up to ±32124 here, scaled to 16 bits), A-law 13-bit (up to ±32256).
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME_MS: Final = 20
"""The packet of a telephone call, and the tick of the media clock."""
FRAMES_PER_S: Final = 1000 // FRAME_MS
SAMPLE_BYTES: Final = 2

_MU_BIAS: Final = 0x84
_MU_CLIP: Final = 32635


def frame_bytes(sample_rate: int) -> int:
    """Bytes of 20 ms of S16LE at `sample_rate` Hz. Raises ValueError if 20 ms are not whole samples."""
    if sample_rate <= 0 or sample_rate % FRAMES_PER_S:
        raise ValueError(f"sample rate {sample_rate} Hz does not divide into {FRAME_MS} ms frames")
    return sample_rate // FRAMES_PER_S * SAMPLE_BYTES


def silence(sample_rate: int, milliseconds: int) -> bytes:
    """That many milliseconds of S16LE silence, rounded down to whole samples."""
    return bytes(sample_rate * milliseconds // 1000 * SAMPLE_BYTES)


def seconds_of(pcm: bytes, sample_rate: int) -> float:
    """How long S16LE audio lasts."""
    return len(pcm) / (SAMPLE_BYTES * sample_rate)


def decode_mulaw(data: bytes) -> bytes:
    """G.711 mu-law, one byte per sample, to S16LE."""
    return np.take(_mu_to_linear(), np.frombuffer(data, np.uint8)).tobytes()


def decode_alaw(data: bytes) -> bytes:
    """G.711 A-law, one byte per sample, to S16LE."""
    return np.take(_a_to_linear(), np.frombuffer(data, np.uint8)).tobytes()


def encode_mulaw(pcm: bytes) -> bytes:
    """S16LE to G.711 mu-law. Raises ValueError for half a sample."""
    return np.take(_linear_to_mu(), np.frombuffer(pcm, "<u2")).tobytes()


def encode_alaw(pcm: bytes) -> bytes:
    """S16LE to G.711 A-law. Raises ValueError for half a sample."""
    return np.take(_linear_to_a(), np.frombuffer(pcm, "<u2")).tobytes()


@cache
def _mu_to_linear() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4) & 7, (code & 0x0F).astype(np.int32)
    magnitude = ((step << 3) + _MU_BIAS << segment) - _MU_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


@cache
def _a_to_linear() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = ((code >> 4) & 7).astype(np.int32), (code & 0x0F).astype(np.int32)
    magnitude = np.where(segment == 0, (step << 4) + 8, (step << 4) + 0x108 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


def _all_samples() -> NDArray[np.int32]:
    """Every 16-bit sample, at the index of its unsigned reading."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


@cache
def _linear_to_mu() -> NDArray[np.uint8]:
    # G.711 works on 14 bits: the two lowest go first, as in the reference (ITU-T G.191, ulaw_compress).
    sample = _all_samples() >> 2
    magnitude = np.minimum(np.where(sample < 0, -sample, sample), _MU_CLIP >> 2) + (_MU_BIAS >> 2)
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    codes: NDArray[np.uint8] = (~np.where(sample < 0, code | 0x80, code)).astype(np.uint8)
    return codes


@cache
def _linear_to_a() -> NDArray[np.uint8]:
    sample = _all_samples() >> 3
    magnitude = np.where(sample < 0, ~sample, sample)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    return (np.where(sample < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)
