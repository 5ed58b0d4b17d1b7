"""Batched calls get exactly the answers that they would get alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from processors.vad.batcher import FIRST_CAPACITY, MAX_BACKLOG_WINDOWS, MAX_WINDOWS, Place, Session, VadBatcher
from processors.vad.silero import load_session, packaged_weights

SPEECH = Path(__file__).parents[2] / "data" / "speech" / "first"
Verdicts = list[tuple[float, float]]


@pytest.fixture(scope="module")
def session() -> Session:
    return load_session(packaged_weights())


def speech(name: str) -> bytes:
    samples, _rate = soundfile.read(SPEECH / f"{name}.wav", dtype="int16")
    return bytes(samples.tobytes())


def upsampled(pcm: bytes) -> bytes:
    return np.repeat(np.frombuffer(pcm, "<i2"), 2).tobytes()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def alone(session: Session, pcm: bytes, rate: int) -> list[float]:
    """One call at a time, as pipecat's SileroOnnxModel does it."""
    window, context = rate * 32 // 1000, rate * 4 // 1000
    samples = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768.0
    state = np.zeros((2, 1, 128), np.float32)
    before = np.zeros((1, context), np.float32)
    confidences = []
    for at in range(0, len(samples) - window + 1, window):
        x = np.concatenate((before, samples[None, at : at + window]), axis=1)
        out, state = session.run(None, {"input": x, "state": state, "sr": np.array(rate, np.int64)})
        before = x[:, -context:]
        confidences.append(float(out[0, 0]))
    return confidences


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_batched_is_bit_identical_to_sequential(session: Session, rate: int) -> None:
    names = ["pt_00", "pt_04", "en_03", "en_09", "es_02"]
    audio = [speech(name)[: 8000 * 2 * 2] for name in names] * 2
    audio = [pcm[1000 * n : 1000 * n + 24_000] for n, pcm in enumerate(audio)]
    if rate == 16000:
        audio = [upsampled(pcm) for pcm in audio]
    batcher = VadBatcher(session, rate)
    verdicts: list[Verdicts] = [[] for _ in audio]
    places = [batcher.open(lambda c, r, heard=heard: heard.append((c, r))) for heard in verdicts]
    frame = rate // 50 * 2
    for at in range(0, max(map(len, audio)), frame):
        for place, pcm in zip(places, audio, strict=True):
            place.feed(pcm[at : at + frame])
        if at % (frame * 3) == 0:
            await asyncio.sleep(0)
    expected = [alone(session, pcm, rate) for pcm in audio]
    await until(lambda: all(len(h) == len(e) for h, e in zip(verdicts, expected, strict=True)))
    for heard, wanted in zip(verdicts, expected, strict=True):
        assert [confidence for confidence, _ in heard] == wanted
    assert batcher.windows == sum(map(len, expected))
    assert batcher.runs < batcher.windows / 3
    assert max(max(confidences) for confidences in expected) > 0.9


async def test_a_place_is_clean_for_the_next_call(session: Session) -> None:
    batcher = VadBatcher(session, 8000)
    first: Verdicts = []
    pcm = speech("pt_00")[:16_000]
    place = batcher.open(lambda c, r: first.append((c, r)))
    slot = place.slot
    place.feed(pcm)
    await until(lambda: len(first) == len(pcm) // 512)
    place.close()
    place.close()
    assert batcher.open_places == 0
    second: Verdicts = []
    again = batcher.open(lambda c, r: second.append((c, r)))
    assert again.slot == slot
    again.feed(pcm)
    await until(lambda: len(second) == len(first))
    assert second == first


async def test_a_closed_place_hears_nothing_more(session: Session) -> None:
    batcher = VadBatcher(session, 8000)
    heard: Verdicts = []
    others: Verdicts = []
    closing = batcher.open(lambda c, r: heard.append((c, r)))
    other = batcher.open(lambda c, r: others.append((c, r)))
    closing.feed(bytes(1024))
    other.feed(bytes(1024))
    closing.close()
    closing.feed(bytes(4096))
    await until(lambda: len(others) == 2)
    assert heard == []


async def test_a_place_closed_by_anothers_verdict_hears_nothing(session: Session) -> None:
    batcher = VadBatcher(session, 8000)
    heard: list[str] = []
    places: list[Place] = []

    def first(_confidence: float, _rms: float) -> None:
        heard.append("first")
        places[1].close()

    places += [batcher.open(first), batcher.open(lambda c, r: heard.append("second"))]
    for place in places:
        place.feed(bytes(512))
    await until(lambda: batcher.windows == 2)
    assert heard == ["first"]


async def test_a_listener_that_fails_costs_nobody_else_a_verdict(session: Session) -> None:
    batcher = VadBatcher(session, 8000)
    heard: list[str] = []

    def fails(_confidence: float, _rms: float) -> None:
        heard.append("fails")
        raise RuntimeError("a mistake in one call")

    places = [batcher.open(fails), batcher.open(lambda c, r: heard.append("second"))]
    for _ in range(2):
        for place in places:
            place.feed(bytes(512))
    await until(lambda: heard.count("second") == 2)
    assert heard.count("fails") == 1


class Counting:
    """A session that only counts."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, output_names: None, inputs: dict[str, Any]) -> list[Any]:
        count = len(inputs["input"])
        self.sizes.append(count)
        return [np.zeros((count, 1), np.float32), inputs["state"]]


async def test_grows_and_keeps_each_run_small() -> None:
    session = Counting()
    batcher = VadBatcher(session, 8000)
    judged = 0

    def count(_confidence: float, _rms: float) -> None:
        nonlocal judged
        judged += 1

    places = [batcher.open(count) for _ in range(FIRST_CAPACITY * 5)]
    assert len({place.slot for place in places}) == len(places)
    for place in places:
        place.feed(bytes(512 * 3))
    await until(lambda: judged == len(places) * 3)
    assert max(session.sizes) == MAX_WINDOWS
    for place in places:
        place.close()
    assert batcher.open_places == 0


async def test_state_survives_growth(session: Session) -> None:
    pcm = speech("pt_04")[:24_000]
    expected = alone(session, pcm, 8000)
    batcher = VadBatcher(session, 8000)
    heard: list[float] = []
    place = batcher.open(lambda c, r: heard.append(c))
    place.feed(pcm[: 512 * 20])
    await until(lambda: len(heard) == 20)
    for _ in range(FIRST_CAPACITY * 2):
        batcher.open(lambda c, r: None)
    place.feed(pcm[512 * 20 :])
    await until(lambda: len(heard) == len(expected))
    assert heard == expected


async def test_a_stalled_loop_drops_the_oldest_audio_of_a_call() -> None:
    batcher = VadBatcher(Counting(), 8000)
    heard: list[float] = []
    place = batcher.open(lambda c, rms: heard.append(rms))
    loud = np.full(256, 16384, np.int16).tobytes()
    place.feed(bytes(512) * 10 + loud * MAX_BACKLOG_WINDOWS)
    await until(lambda: len(heard) == MAX_BACKLOG_WINDOWS)
    assert min(heard) == pytest.approx(0.5)


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        VadBatcher(Counting(), 44100)
