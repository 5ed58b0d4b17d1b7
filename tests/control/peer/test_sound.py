"""Files, rates, edges of speech and G.711."""

from pathlib import Path

import numpy as np
import pytest

from control.peer.sound import (
    Sound,
    SoundError,
    g711_decode,
    g711_encode,
    load_sound,
    speech_edges,
    through_g711,
    write_wav,
)
from tests.control.peer.recorded import capture
from tests.control.peer.test_caller import speech


def test_speech_is_found_to_10_ms() -> None:
    first, last = speech_edges(speech(230, 500, 170).samples, 8000)
    assert first / 8 == pytest.approx(230, abs=10)
    assert last / 8 == pytest.approx(730, abs=10)


def test_a_quiet_recording_has_speech_too() -> None:
    quiet = (speech(230, 500, 170).samples // 40).astype(np.int16)
    assert speech_edges(quiet, 8000)[0] / 8 == pytest.approx(230, abs=10)


def test_silence_has_none() -> None:
    assert speech_edges(np.zeros(8000, np.int16), 8000) == (0, 0)
    assert speech_edges(np.zeros(10, np.int16), 8000) == (0, 0)


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_g711_gives_back_its_own_values(law: str) -> None:
    every = bytes(range(256))
    values = g711_decode(every, law)
    assert np.array_equal(g711_decode(g711_encode(values, law), law), values)


@pytest.mark.parametrize(("law", "pairs"), [
    ("PCMU", {0: 0xFF, 32124: 0x80, -32124: 0x00, 8: 0xFE, -8: 0x7E, 1000: 0xCE}),
    ("PCMA", {8: 0xD5, -8: 0x55, 32256: 0xAA, -32256: 0x2A, 1008: 0xFA}),
])  # fmt: skip
def test_g711_known_values(law: str, pairs: dict[int, int]) -> None:
    samples = np.array(list(pairs), dtype=np.int16)
    assert list(g711_encode(samples, law)) == list(pairs.values())


def test_g711_is_near_enough() -> None:
    samples = (20000 * np.sin(np.arange(800) / 5)).astype(np.int16)
    for law in ("PCMU", "PCMA"):
        error = np.abs(through_g711(samples, law).astype(int) - samples)
        assert (error <= np.maximum(np.abs(samples.astype(int)) / 16, 16)).all()


def test_freeswitch_decodes_pcmu_as_we_do() -> None:
    """Every sample of the recorded linear uplink of a PCMU call is one that our table knows."""
    known = set(g711_decode(bytes(range(256)), "PCMU").tolist()) | {-1}
    import base64

    rows = [row for row in capture("unicast_l16_8k.udp") if row["dir"] == "fs"]
    heard = np.concatenate([np.frombuffer(base64.b64decode(str(row["b64"])), "<i2") for row in rows])
    assert set(heard.tolist()) <= known


def test_a_file_is_read_at_any_rate_and_becomes_mono(tmp_path: Path) -> None:
    tone = speech(100, 400, 100).samples
    write_wav(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 8000)
    sound = load_sound(tmp_path / "a.wav").at(16000)
    assert len(sound.samples) == 2 * len(tone)
    assert sound.speech[0] / 16 == pytest.approx(100, abs=10)
    assert sound.name == "a.wav"


def test_what_is_no_sound_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_text("hello")
    with pytest.raises(SoundError, match=r"no\.wav"):
        load_sound(tmp_path / "no.wav")
    with pytest.raises(SoundError, match=r"gone\.wav"):
        load_sound(tmp_path / "gone.wav")


def test_a_sound_at_its_own_rate_is_itself() -> None:
    sound = Sound(np.zeros(80, np.int16), 8000)
    assert sound.at(8000) is sound
