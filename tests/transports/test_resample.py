"""A frame for each frame: what a tone, a click, silence and a clipped voice become at another rate."""

import numpy as np
import pytest
from numpy.typing import NDArray

from transports.audio import frame_bytes
from transports.resample import FrameResampler

PAIRS = [(rate, 16000) for rate in (12000, 22050, 24000, 32000, 44100, 48000)]
PAIRS += [(out, into) for into, out in PAIRS]
pairs = pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
LEVEL = 10_000


def tone(hertz: float, rate: int, seconds: float = 1.0, level: int = LEVEL) -> NDArray[np.float64]:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def through(samples: NDArray[np.float64], rate_in: int, rate_out: int) -> NDArray[np.float64]:
    """Frame by frame, as a call does; whole frames only."""
    resampler, size = FrameResampler(rate_in, rate_out), frame_bytes(rate_in)
    pcm = np.rint(samples).astype("<i2").tobytes()
    frames = [resampler.take(pcm[at : at + size]) for at in range(0, len(pcm) // size * size, size)]
    assert {len(frame) for frame in frames} == {frame_bytes(rate_out)}
    return np.frombuffer(b"".join(frames), "<i2").astype(float)


def level_db(samples: NDArray[np.float64]) -> float:
    """Of the steady part, against a tone of `LEVEL`."""
    return float(10 * np.log10(np.mean(samples[len(samples) // 4 :] ** 2) / (LEVEL**2 / 2) + 1e-12))


@pytest.mark.parametrize("hertz", [100, 440, 3400])
@pytest.mark.parametrize(("rate_in", "rate_out"), [*PAIRS, (8000, 48000)])
def test_a_tone_stays_itself_and_stands_where_it_was(rate_in: int, rate_out: int, hertz: int) -> None:
    """Seams between frames, a drift or a wrong delay would all be noise."""
    if rate_in == 8000:
        hertz = min(hertz, 3000)
    out = through(tone(hertz, rate_in), rate_in, rate_out)
    late_s = FrameResampler(rate_in, rate_out).delay_ms / 1000
    expected = LEVEL * np.sin(2 * np.pi * hertz * (np.arange(len(out)) / rate_out - late_s))
    assert level_db(out - expected) < -50
    assert late_s < 0.0021


@pytest.mark.parametrize(("hertz", "least_db", "most_db"), [(6800, -1, 1), (7600, -7, -5), (9000, -200, -55)])
def test_what_16_khz_cannot_hold_is_taken_away(hertz: int, least_db: float, most_db: float) -> None:
    assert least_db < level_db(through(tone(hertz, 48000), 48000, 16000)) < most_db


def test_on_the_way_down_a_voice_gets_no_mirror_image() -> None:
    out = through(tone(3000, 16000), 16000, 48000)
    spectrum = np.abs(np.fft.rfft(out[24000:] * np.hanning(24000)))
    assert spectrum[int(8500 / 2) :].max() < spectrum.max() / 500


@pairs
def test_a_late_frame_is_in_step_like_the_first(rate_in: int, rate_out: int) -> None:
    """A click in the frame 40 s on comes out in that frame: nothing has been saved up or lost on the way."""
    resampler, silence = FrameResampler(rate_in, rate_out), bytes(frame_bytes(rate_in))
    assert not any(any(resampler.take(silence)) for _ in range(2000))
    click = np.zeros(rate_in // 50)
    click[rate_in // 100] = LEVEL
    out = np.frombuffer(resampler.take(click.astype("<i2").tobytes()), "<i2").astype(float)
    middle = float(np.argmax(np.abs(out))) / rate_out * 1000
    assert middle == pytest.approx(10 + resampler.delay_ms, abs=0.1)
    assert not any(resampler.take(silence))


def test_a_clipped_voice_does_not_wrap() -> None:
    """Behind an edge the filter swings beyond full scale: what does not fit is cut, and keeps its sign."""
    out = through(np.where(np.arange(48000) // 480 % 2, 32767.0, -32768.0), 48000, 16000)
    assert (out.max(), out.min()) == (32767, -32768)
    since_edge = (np.arange(len(out)) - 16) % 160
    inside = (since_edge >= 2) & (since_edge < 158) & (np.arange(len(out)) > 16)
    signs = np.where((np.arange(len(out)) - 16) // 160 % 2, 1, -1)
    assert (np.sign(out) == signs)[inside].all()


def test_two_calls_share_no_state() -> None:
    one, other = FrameResampler(48000, 16000), FrameResampler(48000, 16000)
    one.take(b"\x10\x27" * 960)
    assert not any(other.take(bytes(1920)))
    assert any(one.take(bytes(1920)))


@pytest.mark.parametrize("size", [0, 2, 640, 1919, 1922])
def test_what_is_no_frame_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="no frame"):
        FrameResampler(48000, 16000).take(bytes(size))


def test_a_rate_without_whole_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="20 ms"):
        FrameResampler(11025, 16000)
