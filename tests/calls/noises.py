"""What callers let be heard while the assistant speaks, and do not mean as a turn."""

from pathlib import Path

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from control.peer import Sound, load_sound
from control.peer.sound import to_int16

RECORDINGS = Path(__file__).parents[1] / "data" / "speech"
RATE = 8000
COUGH_S = 0.25
VOCAL_TRACT = ((500.0, 80.0), (1500.0, 120.0), (2600.0, 200.0))
"""Resonances of a throat: frequency and bandwidth, in Hz."""


def cough(seed: int = 2) -> Sound:
    """A quarter of a second that a detector takes for speech: a burst of breath and some voice through a throat, dying
    away, in the band of a telephone.
    """
    random = np.random.default_rng(seed)
    at = np.arange(int(COUGH_S * RATE)) / RATE
    pulses = np.cumsum(140.0 * (1 + 0.02 * random.normal(size=len(at)))) / RATE % 1 < 0.15
    source = 0.2 * random.normal(size=len(at)) + 3.0 * pulses
    throat = np.zeros(len(at))
    for frequency, bandwidth in VOCAL_TRACT:
        radius = np.exp(-np.pi * bandwidth / RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
        throat += np.asarray(lfilter([1 - radius], poles, source))
    burst = throat * np.minimum(1.0, at / 0.008) * np.exp(-at / 0.2)
    line = sosfilt(butter(4, [300, 3400], btype="band", fs=RATE, output="sos"), burst / np.abs(burst).max() * 0.5)
    return Sound(to_int16(np.asarray(line, dtype=np.float32)), RATE, "cough")


def recorded(name: str) -> Sound:
    """A recording without the silence around, by its path in tests/data/speech."""
    sound = load_sound(RECORDINGS / f"{name}.wav")
    begin, end = sound.speech
    return Sound(sound.samples[begin:end], sound.rate, name)


COUGH = cough()
UHUM = recorded("brief/pt_uhum")
MHM = recorded("brief/en_mhm")
NO = recorded("brief/en_no")
