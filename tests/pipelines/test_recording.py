"""Recordings: both sides in their places, valid whenever one looks."""

import wave
from array import array
from pathlib import Path

import pytest

from pipelines.recording import Recording
from tests.pipelines.virtual import eventually

RATE = 8000
PACKET = RATE // 50


def packet(value: int) -> bytes:
    return array("h", [value] * PACKET).tobytes()


def read(path: Path) -> tuple[list[int], list[int]]:
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, RATE)
        both = array("h", wav.readframes(wav.getnframes()))
    return list(both[0::2]), list(both[1::2])


async def test_the_caller_is_left_and_the_assistant_right_in_time(tmp_path: Path) -> None:
    path = tmp_path / "calls" / "a.wav"
    async with Recording(path, RATE) as recording:
        for n in range(100):
            recording.from_caller(packet(1), 50.0 + n * 0.02)
            if n >= 50:
                recording.to_caller(packet(2), 50.0 + n * 0.02)
    left, right = read(path)
    assert left == [1] * (100 * PACKET)
    assert right == [0] * (50 * PACKET) + [2] * (50 * PACKET)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_gaps_become_silence_and_jitter_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    async with Recording(path, RATE) as recording:
        for at in (0.0, 0.029, 0.031, 0.06, 1.0):
            recording.from_caller(packet(1), at)
    left, _ = read(path)
    assert left == [1] * (4 * PACKET) + [0] * (RATE - 4 * PACKET) + [1] * PACKET


async def test_what_comes_twice_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    async with Recording(path, RATE) as recording:
        recording.from_caller(packet(1) * 10, 0.0)
        recording.from_caller(packet(2) * 10, 0.1)
    left, _ = read(path)
    assert left == [1] * (10 * PACKET) + [2] * (5 * PACKET)


async def test_it_is_readable_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.recording.FLUSH_S", 0.01)
    path = tmp_path / "a.wav"
    async with Recording(path, RATE) as recording:
        for n in range(100):
            recording.from_caller(packet(n), n * 0.02)
            recording.to_caller(packet(-n), n * 0.02)
        await eventually(lambda: path.stat().st_size >= 44 + 4 * PACKET * 80)
        left, right = read(path)
        # What is younger than 300 ms may still be joined by the other side.
        assert left == [n for n in range(100) for _ in range(PACKET)][: len(left)]
        assert right == [-sample for sample in left]
    assert len(read(path)[0]) == 100 * PACKET


async def test_what_was_taken_back_before_it_was_heard_is_silence(tmp_path: Path) -> None:
    """A wire that plays 100 ms late is told to forget what it has: from then on nothing was heard."""
    path = tmp_path / "a.wav"
    async with Recording(path, RATE) as recording:
        recording.unheard(0.0)
        for n in range(20):
            recording.from_caller(packet(1), n * 0.02)
            if n < 10:
                recording.to_caller(packet(2), n * 0.02 + 0.1)
            elif n == 10:
                recording.unheard(0.2)
            else:
                recording.to_caller(packet(0), n * 0.02)
    left, right = read(path)
    assert left == [1] * (20 * PACKET)
    assert right == [0] * (5 * PACKET) + [2] * (5 * PACKET) + [0] * (10 * PACKET)


async def test_a_disk_that_fails_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with Recording(tmp_path / "file" / "a.wav", RATE) as recording:
        recording.from_caller(packet(1), 0.0)
    assert recording.error


async def test_a_clock_that_jumps_cannot_fill_the_memory(tmp_path: Path) -> None:
    async with Recording(tmp_path / "a.wav", RATE) as recording:
        recording.from_caller(packet(1), 0.0)
        recording.from_caller(packet(1), 1e9)
    assert "clock" in recording.error
    assert len(read(tmp_path / "a.wav")[0]) == PACKET


async def test_it_never_overwrites_another_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"precious")
    async with Recording(path, RATE) as recording:
        recording.from_caller(packet(1), 0.0)
    assert path.read_bytes() == b"precious"
    assert recording.error
