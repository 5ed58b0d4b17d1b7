"""A cough that is no recording: a quarter of a second that a detector takes for speech, and recognition for nothing.

    python -m benchmarks.make_cough --out tests/data/speech/brief/cough.wav

Breath and some voice through the resonances of a throat, dying away, in the band of a telephone; always the same.
"""

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.make_speech import TELEPHONE_RATE, write_mulaw

SEED = 3
COUGH_S = 0.25
DECAY_S = 0.3
PITCH_HZ = 150.0
RESONANCES = ((500.0, 80.0), (1500.0, 120.0), (2600.0, 200.0))
"""Frequency and bandwidth, in Hz."""


def cough() -> NDArray[np.float64]:
    """The samples at 8 kHz, full scale = 1; nothing but the cough."""
    from scipy.signal import butter, lfilter, sosfilt

    random = np.random.default_rng(SEED)
    at = np.arange(int(COUGH_S * TELEPHONE_RATE)) / TELEPHONE_RATE
    phase = np.cumsum(PITCH_HZ * (1 + 0.02 * random.normal(size=len(at)))) / TELEPHONE_RATE
    source = 0.1 * random.normal(size=len(at)) + 3.0 * (phase % 1 < 0.15)
    throat = np.zeros(len(at))
    for frequency, bandwidth in RESONANCES:
        radius = np.exp(-np.pi * bandwidth / TELEPHONE_RATE)
        angle = 2 * np.pi * frequency / TELEPHONE_RATE
        throat += np.asarray(lfilter([1 - radius], [1.0, -2 * radius * np.cos(angle), radius**2], source))
    burst = throat * np.minimum(1.0, at / 0.008) * np.exp(-at / DECAY_S)
    band = butter(4, [300, 3400], btype="band", fs=TELEPHONE_RATE, output="sos")
    return np.asarray(sosfilt(band, burst / np.abs(burst).max() * 0.5), dtype=np.float64)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(out: Path) -> None:
    write_mulaw(out, cough())


if __name__ == "__main__":
    main()
