"""What callers let be heard: recordings at a stated level, and a cough. Pure."""

import numpy as np
import numpy.typing as npt

from benchmarks.make_speech import LEAD_S, NOISE, TAIL_S
from control.peer import Sound
from control.peer.sound import to_int16

RATE = 8000
COUGH_S = 0.25
FORMANTS = ((550.0, 120.0), (1400.0, 180.0), (2500.0, 250.0))
"""Resonances of an open throat: frequency and bandwidth in Hz."""


def active_dbfs(sound: Sound) -> float:
    """Level of the speech alone: RMS of those 10 ms that are within 20 dB of the loudest, in dB of full scale (32768).

    Pauses and the line's noise do not count.
    """
    block = sound.rate // 100
    blocks = sound.samples[: len(sound.samples) // block * block].astype(np.float64).reshape(-1, block)
    power = np.mean(blocks * blocks, axis=1)
    return float(10 * np.log10(power[power >= power.max() / 100].mean() / 32768.0**2))


def at_level(sound: Sound, dbfs: float) -> Sound:
    """The same sound at an active level; peaks beyond full scale are clipped."""
    factor = 10 ** ((dbfs - active_dbfs(sound)) / 20)
    return Sound(to_int16((sound.samples * (factor / 32768.0)).astype(np.float32)), sound.rate, sound.name)


def cough(seed: int) -> Sound:
    """A quarter of a second: a burst of breath with some voice behind it, through a throat and a telephone, dying away.

    White noise and pulses at about 150 Hz through three resonances and 300-3400 Hz, with the silence of the recordings
    around: 0.3 s before and 0.5 s after, of light noise. Each seed is another one.
    """
    from scipy.signal import butter, lfilter, sosfilt

    random = np.random.default_rng(seed)
    at = np.arange(round(COUGH_S * RATE)) / RATE
    pitch_hz = random.uniform(120, 200) * np.exp(-at)
    pulses = (np.diff(np.cumsum(pitch_hz) / RATE % 1, prepend=1.0) < 0).astype(np.float64)
    sound: npt.NDArray[np.float64] = random.normal(0, 0.1, len(at)) + 4 * pulses
    for centre, width in FORMANTS:
        radius = np.exp(-np.pi * width / RATE)
        shift = random.uniform(0.9, 1.1)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * centre * shift / RATE), radius**2]
        sound = np.asarray(lfilter([1.0], poles, sound))
    sound = np.asarray(sosfilt(butter(4, [300, 3400], btype="band", fs=RATE, output="sos"), sound))
    sound *= np.minimum(1.0, at / 0.010) * np.exp(-at / 0.12)
    sound = np.pad(sound / np.abs(sound).max() * 0.5, (round(LEAD_S * RATE), round(TAIL_S * RATE)))
    sound += random.normal(0, NOISE, len(sound))
    return Sound(to_int16(sound.astype(np.float32)), RATE, f"cough_{seed}")
