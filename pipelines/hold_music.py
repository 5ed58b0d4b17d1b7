"""The operator's own music for callers who wait: one sound file, read once, played in a loop."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pipecat.frames.frames import OutputAudioRawFrame

CALL_RATES: Final = (8000, 16000)
FILE_RATES: Final = range(8000, 48_001)
MAX_S: Final = 300
"""A longer file would only cost memory: 5 minutes are 14 MB at the two rates of a call."""
PIECE_S: Final = 0.5
_WANTED: Final = f"give a WAV of 16-bit PCM, mono or stereo, 8000 to 48000 Hz, {MAX_S} s at most"


class HoldMusicError(ValueError):
    """The file cannot be played; the message tells what would do."""


class HoldMusic:
    """A sound in memory, at the rates that calls have."""

    def __init__(self, samples: NDArray[np.int16], rate: int) -> None:
        """Mono samples at `rate` Hz."""
        self._at = {wanted: _resampled(samples, rate, wanted) for wanted in CALL_RATES}

    def pieces(self, sample_rate: int) -> Iterator[OutputAudioRawFrame]:
        """`PIECE_S` at a time, mono S16LE, without an end. Raises KeyError for a rate that no call has."""
        return _looped(self._at[sample_rate], sample_rate)


def checked(path: Path) -> Path:
    """`path`, if its header says that it can be played. Raises HoldMusicError."""
    with _opened(path):
        return path


def read(path: Path) -> HoldMusic:
    """Both channels of a stereo file as one. Raises HoldMusicError."""
    with _opened(path) as file:
        channels, rate = file.getnchannels(), file.getframerate()
        data = file.readframes(file.getnframes())
    whole = len(data) // (2 * channels)
    if not whole:
        raise HoldMusicError(f"{path} ends behind its header; {_WANTED}")
    samples = np.frombuffer(data, "<i2", whole * channels).reshape(whole, channels)
    return HoldMusic(samples.mean(axis=1).astype(np.int16), rate)


@contextmanager
def _opened(path: Path) -> Iterator[wave.Wave_read]:
    try:
        with wave.open(str(path)) as file:
            if faults := _faults(file):
                raise HoldMusicError(f"{path} {' and '.join(faults)}; {_WANTED}")
            yield file
    except OSError as error:
        raise HoldMusicError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, wave.Error) as error:
        raise HoldMusicError(f"{path} is no such file ({error or 'too short'}); {_WANTED}") from error


def _faults(file: wave.Wave_read) -> list[str]:
    rate, channels, bits = file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()
    faults = [] if bits == 16 else [f"has {bits} bits a sample"]
    faults += [] if channels <= 2 else [f"has {channels} channels"]
    if rate not in FILE_RATES:
        return [*faults, f"has {rate} Hz"]
    seconds = file.getnframes() / rate
    return [*faults, *([] if 0 < seconds <= MAX_S else [f"is {seconds:.0f} s long"])]


def _resampled(samples: NDArray[np.int16], rate: int, wanted: int) -> NDArray[np.int16]:
    if rate == wanted:
        return samples
    import soxr

    resampled: NDArray[np.int16] = soxr.resample(samples, rate, wanted)
    return resampled


def _looped(samples: NDArray[np.int16], sample_rate: int) -> Iterator[OutputAudioRawFrame]:
    size, at = round(PIECE_S * sample_rate), 0
    while True:
        piece = samples.take(np.arange(at, at + size), mode="wrap").astype("<i2")
        yield OutputAudioRawFrame(audio=piece.tobytes(), sample_rate=sample_rate, num_channels=1)
        at = (at + size) % len(samples)
