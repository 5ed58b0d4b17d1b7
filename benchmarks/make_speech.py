"""Callers' speech through a telephone: text to 8 kHz mu-law WAV files.

    python -m benchmarks.make_speech --texts in.json --out DIR

`in.json` is `{"name": {"lang": "pt-BR", "text": "…", "voice": "pm_santa", "speed": 1.0}}`; voice and speed
may be left out. Writes `DIR/name.wav` and `DIR/texts.json`. The voices beyond the bundled five need
`atende models pull kokoro-voices`.

The band is 300-3400 Hz (4th-order Butterworth), the level -6 dBFS at the peak, with light white noise, 0.3 s
of silence before and 0.5 s after; the file holds G.711 mu-law, so reading it is the round trip of a call.
"""

import os
from pathlib import Path

import click
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from processors.models.store import ModelStore
from processors.tts.engine import SAMPLE_RATE, OnnxEngine, Samples
from processors.tts.voices import default_voice, load_voice, speech_language

TELEPHONE_RATE = 8000
LEAD_S = 0.3
TAIL_S = 0.5
NOISE = 0.001
"""Standard deviation of the noise, full scale = 1."""


class Line(Struct, forbid_unknown_fields=True):
    """One thing to say."""

    lang: str
    text: str
    voice: str | None = None
    speed: float = 1.0


def telephone(samples: Samples, *, seed: int = 0) -> NDArray[np.float64]:
    """What a telephone leaves of 24 kHz speech, at 8 kHz, with silence around it; still to be coded as mu-law."""
    import soxr
    from scipy.signal import butter, sosfilt

    narrow = np.asarray(soxr.resample(samples, SAMPLE_RATE, TELEPHONE_RATE), dtype=np.float64)
    narrow = np.clip(narrow / (np.abs(narrow).max() + 1e-9) * 0.5, -1, 1)
    band = butter(4, [300, 3400], btype="band", fs=TELEPHONE_RATE, output="sos")
    heard = np.asarray(sosfilt(band, narrow), dtype=np.float64)
    heard = np.pad(heard, (int(LEAD_S * TELEPHONE_RATE), int(TAIL_S * TELEPHONE_RATE)))
    return heard + np.random.default_rng(seed).normal(0, NOISE, len(heard))


def write_mulaw(path: Path, samples: NDArray[np.float64]) -> None:
    """An 8 kHz WAV of G.711 mu-law bytes."""
    import soundfile

    soundfile.write(path, np.clip(samples, -1, 1), TELEPHONE_RATE, subtype="ULAW", format="WAV")


@click.command(help=__doc__)
@click.option("--texts", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--threads", type=int, default=os.cpu_count() or 1)
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path(".atende"), envvar="ATENDE_DATA_DIR")
def main(texts: Path, out: Path, threads: int, data_dir: Path) -> None:
    lines = msgspec.json.decode(texts.read_bytes(), type=dict[str, Line])
    store = ModelStore(data_dir)
    engine = OnnxEngine(store.path("kokoro-v1.0-int8") / "kokoro-v1.0.int8.onnx", threads)
    out.mkdir(parents=True, exist_ok=True)
    spoken = {}
    for number, (name, line) in enumerate(lines.items()):
        voice = line.voice or default_voice(line.lang)
        language = speech_language(line.lang, voice)
        samples = engine.render(line.text, load_voice(voice, store), language, line.speed)
        write_mulaw(out / f"{name.removesuffix('.wav')}.wav", telephone(samples, seed=number))
        spoken[name] = Line(line.lang, line.text, voice, line.speed)
        click.echo(f"{name}: {len(samples) / SAMPLE_RATE:.1f} s, {voice}")
    (out / "texts.json").write_bytes(msgspec.json.format(msgspec.json.encode(spoken), indent=1) + b"\n")


if __name__ == "__main__":
    main()
