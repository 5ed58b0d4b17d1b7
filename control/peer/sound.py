"""Sounds of a call: files, sample rates, where speech begins and ends, and G.711."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import soxr

Samples = npt.NDArray[np.int16]

MAX_SOUND_S = 600


class SoundError(ValueError):
    """A sound file cannot be used; the message names the file."""


@dataclass(frozen=True)
class Sound:
    """Mono signed 16-bit samples at one rate (Hz), and where the speech in them lies."""

    samples: Samples
    rate: int
    name: str = ""
    speech: tuple[int, int] = field(init=False)
    """First speech sample and one past the last; (0, 0) when there is none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "speech", speech_edges(self.samples, self.rate))

    def at(self, rate: int) -> Sound:
        """The same sound at another rate (soxr, high quality)."""
        if rate == self.rate:
            return self
        import soxr

        floats = soxr.resample(self.samples.astype(np.float32) / 32768.0, self.rate, rate, quality="HQ")
        return Sound(to_int16(np.asarray(floats)), rate, self.name)


class Resampler:
    """A live stream brought to another rate, as a media module does; what comes out is in pieces of any size.

    The quickest of soxr's: it is not late, and a voice of a telephone has nothing that it could fold.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._stream: soxr.ResampleStream | None = None
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="int16", quality="QQ")

    def take(self, samples: Samples) -> Samples:
        """What the samples give; may be nothing."""
        return samples if self._stream is None else np.asarray(self._stream.resample_chunk(samples), np.int16)


def load_sound(path: Path) -> Sound:
    """Reads any file that libsndfile knows; several channels become their mean.

    Raises:
        SoundError: missing, unreadable, empty or longer than `MAX_SOUND_S`.
    """
    import soundfile

    try:
        floats, rate = soundfile.read(path, dtype="float32", always_2d=True, frames=MAX_SOUND_S * 192_000)
    except (OSError, soundfile.SoundFileError) as error:
        raise SoundError(f"{path}: {error}") from error
    if not len(floats):
        raise SoundError(f"{path}: holds no samples")
    if len(floats) > MAX_SOUND_S * rate:
        raise SoundError(f"{path}: longer than {MAX_SOUND_S} s")
    return Sound(to_int16(floats.mean(axis=1)), int(rate), path.name)


def to_int16(floats: npt.NDArray[np.float32]) -> Samples:
    """Full scale ±1 to signed 16 bit, clipped."""
    clipped: Samples = np.clip(np.rint(floats * 32768.0), -32768, 32767).astype(np.int16)
    return clipped


def speech_edges(samples: Samples, rate: int) -> tuple[int, int]:
    """First speech sample and one past the last, by the energy of 10 ms blocks.

    A block is speech when it is 6 dB above the recording's own noise (its quietest tenth) and not 32 dB below its
    loudest block: the unvoiced end of a word counts, the line's noise does not.
    """
    block = rate // 100
    count = len(samples) // block
    if not count:
        return 0, 0
    blocks = samples[: count * block].astype(np.float32).reshape(count, block)
    rms = np.sqrt(np.mean(blocks * blocks, axis=1))
    peak = float(rms.max())
    if peak < 1.0:
        return 0, 0
    # A recording without pauses has no noise to go by: then the loudest block alone decides.
    noise = min(float(np.quantile(rms, 0.1)), peak / 40)
    loud = np.flatnonzero(rms >= max(2 * noise, peak / 40))
    return int(loud[0]) * block, (int(loud[-1]) + 1) * block


G711 = Literal["PCMU", "PCMA"]


@cache
def g711_decode_table(law: G711) -> Samples:
    """Byte → sample, 256 entries (ITU-T G.711)."""
    code = np.arange(256, dtype=np.int32) ^ (0xFF if law == "PCMU" else 0x55)
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    if law == "PCMU":
        magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
        return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)
    low = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, low, (low + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def g711_encode_table(law: G711) -> npt.NDArray[np.uint8]:
    """Sample (as uint16) → byte, 65536 entries (ITU-T G.711)."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    if law == "PCMU":
        biased = np.minimum(np.abs(sample), 32635) + 0x84
        exponent = np.frexp(biased.astype(np.float64))[1].astype(np.int32) - 8
        code = (exponent << 4) | ((biased >> (exponent + 3)) & 0x0F)
        return ((code | np.where(sample < 0, 0x80, 0)) ^ 0xFF).astype(np.uint8)
    step = np.where(sample < 0, ~sample, sample) >> 4
    exponent = np.maximum(np.frexp(step.astype(np.float64))[1].astype(np.int32) - 4, 0)
    mantissa = np.where(exponent == 0, step, (step >> np.maximum(exponent - 1, 0)) & 0x0F)
    code = (exponent << 4) | (mantissa & 0x0F)
    return ((code | np.where(sample >= 0, 0x80, 0)) ^ 0x55).astype(np.uint8)


def g711_encode(samples: Samples, law: G711) -> bytes:
    """Samples → G.711 bytes."""
    return g711_encode_table(law)[samples.view(np.uint16)].tobytes()


def g711_decode(data: bytes, law: G711) -> Samples:
    """G.711 bytes → samples."""
    return g711_decode_table(law)[np.frombuffer(data, dtype=np.uint8)]


def through_g711(samples: Samples, law: G711) -> Samples:
    """What is left of samples after a G.711 wire."""
    return g711_decode_table(law)[g711_encode_table(law)[samples.view(np.uint16)]]


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Writes a 16-bit WAV: one-dimensional = mono, (n, 2) = stereo.

    Raises:
        SoundError: the file cannot be written.
    """
    import soundfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, subtype="PCM_16", format="WAV")
    except (OSError, soundfile.SoundFileError) as error:
        raise SoundError(f"{path}: {error}") from error
