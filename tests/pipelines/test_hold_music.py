"""Hold music: which files are taken, what is heard of them, and when."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import OutputAudioRawFrame

from pipelines.hold_music import HoldMusic, HoldMusicError, checked, read
from pipelines.ringback import AHEAD_S, LOOK_S, PIECE_S, waiting
from tests.pipelines.virtual import virtual


def wav(path: Path, *, rate: int = 8000, channels: int = 1, width: int = 2, seconds: float = 1.0) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(round(seconds * rate) * channels * width))
    return path


def sine(path: Path, *, rate: int, channels: int, hertz: float = 440.0, seconds: float = 2.0) -> Path:
    samples = (9000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(samples, channels).tobytes())
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("call_rate", [8000, 16000])
def test_it_has_its_pitch_and_level_at_the_rate_of_a_call(
    tmp_path: Path, rate: int, channels: int, call_rate: int
) -> None:
    music = read(sine(tmp_path / "a.wav", rate=rate, channels=channels))
    piece = next(music.pieces(call_rate))
    assert (piece.sample_rate, piece.num_channels) == (call_rate, 1)
    samples = np.frombuffer(piece.audio, "<i2").astype(float)
    assert len(samples) == PIECE_S * call_rate
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * call_rate / len(samples) == pytest.approx(440, abs=3)
    assert np.abs(samples).max() == pytest.approx(9000, rel=0.1)


def test_it_goes_round_without_a_gap() -> None:
    samples = np.arange(1, 4802, dtype=np.int16)
    pieces = HoldMusic(samples, 8000).pieces(8000)
    heard = np.concatenate([np.frombuffer(next(pieces).audio, "<i2") for _ in range(5)])
    assert heard.tolist() == np.tile(samples, 5)[: 5 * 4000].tolist()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"width": 1}, "has 8 bits a sample"),
        ({"width": 3, "channels": 6}, "has 24 bits a sample and has 6 channels"),
        ({"rate": 4000}, "has 4000 Hz"),
        ({"rate": 96000, "seconds": 0.1}, "has 96000 Hz"),
        ({"seconds": 301}, "is 301 s long"),
        ({"seconds": 0}, "is 0 s long"),
    ],
)
def test_what_cannot_be_played_is_told_with_what_would_do(tmp_path: Path, fault: dict[str, int], told: str) -> None:
    path = wav(tmp_path / "a.wav", **fault)  # type: ignore[arg-type]
    for look in (checked, read):
        with pytest.raises(HoldMusicError, match=f"a.wav {told}; give a WAV of 16-bit PCM, mono or stereo"):
            look(path)


def test_what_is_no_wav_or_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HoldMusicError, match="cannot be read: No such file"):
        checked(tmp_path / "none.wav")
    (tmp_path / "b.wav").write_bytes(b"ID3 an mp3")
    with pytest.raises(HoldMusicError, match="is no such file"):
        checked(tmp_path / "b.wav")
    whole = wav(tmp_path / "c.wav").read_bytes()
    (tmp_path / "c.wav").write_bytes(whole[:44])
    with pytest.raises(HoldMusicError, match="ends behind its header"):
        read(checked(tmp_path / "c.wav"))


class Ear:
    """When each piece was handed over."""

    def __init__(self) -> None:
        self.at: list[float] = []

    async def hear(self, piece: OutputAudioRawFrame) -> None:
        assert len(piece.audio) == PIECE_S * piece.sample_rate * 2
        self.at.append(asyncio.get_running_loop().time())


MUSIC = HoldMusic(np.ones(8000, np.int16), 8000)


@virtual
async def test_each_piece_comes_a_little_before_it_is_heard_and_none_behind_the_end() -> None:
    ear = Ear()
    async with waiting(ear.hear, 8000, music=MUSIC):
        await asyncio.sleep(2.01)
    assert ear.at == pytest.approx([0.0] + [n * PIECE_S - AHEAD_S for n in range(1, 5)])
    await asyncio.sleep(3)
    assert len(ear.at) == 5


@virtual
async def test_it_is_silent_while_anybody_speaks_and_then_has_nothing_to_make_up_for() -> None:
    ear, quiet = Ear(), asyncio.Event()
    async with waiting(ear.hear, 8000, music=MUSIC, quiet=quiet.is_set):
        await asyncio.sleep(1)
        assert ear.at == []
        quiet.set()
        await asyncio.sleep(1)
        first, *rest = ear.at
        assert 1.0 <= first <= 1.0 + LOOK_S
        assert rest == pytest.approx([first + PIECE_S - AHEAD_S, first + 2 * PIECE_S - AHEAD_S])
