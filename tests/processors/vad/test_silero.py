"""`vad.silero` on recorded speech and on what is not speech."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from base.ids import AssistantName, TenantId
from base.speech import VadEdge
from processors.factory import Persona, PrepareError, StageContext
from processors.vad.batcher import VadBatcher
from processors.vad.edges import EdgeDetector, windows
from processors.vad.silero import FILE, SileroConfig, SileroIngress, SileroVad, load_session, packaged_weights
from transports.ingress import IngressVad

SPEECH = Path(__file__).parents[2] / "data" / "speech" / "first"
RATE = 8000
FRAME = RATE // 50 * 2


def context() -> StageContext:
    persona = Persona(name=AssistantName("ana"), language="pt-BR", company="Riso")
    return StageContext(tenant_id=TenantId("t"), persona=persona)


def workshop(path: Callable[[str], Path]) -> Any:
    return SimpleNamespace(models=SimpleNamespace(path=path))


def missing(model: str) -> Path:
    raise PrepareError(f"{model} is missing; run `atende models pull {model}`")


async def prepared(config: SileroConfig | None = None, factory: SileroVad | None = None) -> SileroIngress:
    return await (factory or SileroVad()).prepare(config or SileroConfig(), context(), workshop(missing))


def speech(name: str) -> bytes:
    samples, _rate = soundfile.read(SPEECH / f"{name}.wav", dtype="int16")
    return bytes(samples.tobytes())


async def judged(stream: Any) -> None:
    """Until the detector has judged all that it was fed: how busy the machine is must not move an edge."""
    while stream._place.waiting:  # noqa: ASYNC110 - the detector tells nobody that it has nothing to do
        await asyncio.sleep(0)


async def edges(vad: IngressVad, pcm: bytes) -> list[tuple[float, VadEdge]]:
    """What is heard in the audio, with the position in seconds at which it was told."""
    found: list[tuple[float, VadEdge]] = []
    position = 0.0
    stream = vad.open(RATE, lambda edge: found.append((position, edge)))
    for at in range(0, len(pcm), FRAME):
        position = at / 2 / RATE
        stream.feed(pcm[at : at + FRAME])
        await judged(stream)
    stream.close()
    return found


@pytest.mark.parametrize("name", ["pt_00", "pt_04", "en_03", "en_09", "es_02"])
async def test_hears_a_sentence(name: str) -> None:
    found = await edges(await prepared(), speech(name) + bytes(RATE))
    assert found[0][1] is VadEdge.STARTED
    assert found[-1][1] is VadEdge.STOPPED
    assert found[0][0] < 0.9
    assert sum(edge is VadEdge.STARTED for _, edge in found) <= 3


def first_sound(samples: npt.NDArray[np.int16]) -> float:
    """Seconds to the first 10 ms that are within 30 dB of the loud parts, and not alone."""
    blocks = samples[: len(samples) // 80 * 80].reshape(-1, 80).astype(float)
    rms = np.sqrt((blocks**2).mean(axis=1))
    loud = rms > max(float(np.percentile(rms, 95)) * 10 ** (-30 / 20), 30.0)
    return next(at for at in range(len(loud) - 3) if loud[at] and loud[at + 1 : at + 4].sum() >= 2) * 0.01


async def test_hears_a_start_soon_enough_to_stop_talking() -> None:
    """Of 30 recordings at three positions in the window, by audio time: what is left of 250 ms is for the edge.

    20 ms to fill a datagram, 8 ms for the batch, 20 ms for the beat, and some for the pipeline between.
    """
    session = load_session(packaged_weights())
    delays = []
    for path in sorted(SPEECH.glob("*.wav")):
        samples, _rate = soundfile.read(path, dtype="int16")
        for offset in (0, 80, 160):
            batcher = VadBatcher(session, RATE)
            config = SileroConfig()
            machine = EdgeDetector(
                confidence=config.confidence,
                start_windows=windows(config.start_secs),
                stop_windows=windows(config.stop_secs),
            )
            verdicts: list[VadEdge | None] = []
            place = batcher.open(lambda c, r, m=machine, v=verdicts: v.append(m.judge(c, r > 0.0018)))
            place.feed(noise(8, 1)[: 2 * (RATE // 2 + offset)] + samples[: RATE + RATE // 5].tobytes())
            while place.waiting:
                batcher._flush()
            told = (verdicts.index(VadEdge.STARTED) + 1) * 0.032
            delays.append(told - first_sound(samples) - 0.5 - offset / RATE)
            place.close()
    assert len(delays) == 90
    assert float(np.percentile(delays, 95)) < 0.170
    assert min(delays) > 0.03


def knocks(seconds: int) -> bytes:
    random = np.random.default_rng(5)
    audio = np.zeros(RATE * seconds)
    for at in range(0, len(audio), RATE):
        audio[at : at + 400] = random.normal(0, 6000, 400) * np.exp(-np.arange(400) / 100)
        audio[at + 4000 : at + 4008] = 20_000
    return audio.astype(np.int16).tobytes()


def noise(rms: float, seconds: int) -> bytes:
    return np.random.default_rng(5).normal(0, rms, RATE * seconds).clip(-32768, 32767).astype(np.int16).tobytes()


def tones(frequencies: tuple[float, ...], on_s: float, period_s: float, seconds: int) -> bytes:
    at = np.arange(RATE * seconds) / RATE
    wave_ = sum(3500 * np.sin(2 * np.pi * frequency * at) for frequency in frequencies) * (at % period_s < on_s)
    return np.asarray(wave_).astype(np.int16).tobytes()


@pytest.mark.parametrize(
    "audio",
    [
        knocks(8),
        noise(40, 8),
        noise(1500, 8),
        tones((425,), 1, 5, 10),
        tones((425,), 0.25, 0.5, 6),
        tones((697, 1209), 0.2, 0.5, 6),
        tones((941, 1336), 0.2, 0.5, 6),
    ],
    ids=["knocks and clicks", "line noise", "loud noise", "ringback", "busy", "key 1", "key 0"],
)
async def test_noise_clicks_and_tones_are_no_speech(audio: bytes) -> None:
    assert await edges(await prepared(), audio) == []


async def test_what_is_below_the_floor_is_no_speech() -> None:
    faint = (np.frombuffer(speech("pt_00"), "<i2") / 200).astype(np.int16).tobytes()
    assert await edges(await prepared(SileroConfig(floor_dbfs=-30.0)), faint) == []


async def test_hears_speech_after_minutes_of_silence() -> None:
    quiet = noise(8, 90)
    found = await edges(await prepared(), quiet + speech("pt_04"))
    starts = [at for at, edge in found if edge is VadEdge.STARTED]
    assert len(starts) >= 1
    assert 90.3 < starts[0] < 90.9


async def test_tells_the_times_that_it_keeps() -> None:
    vad = await prepared(SileroConfig(start_secs=0.1, stop_secs=0.25))
    stream = vad.open(RATE, lambda edge: None)
    assert stream.start_secs == pytest.approx(0.096)
    assert stream.stop_secs == pytest.approx(0.256)
    stream.close()


async def test_all_configs_share_one_session() -> None:
    factory = SileroVad()
    first = await prepared(factory=factory)
    second = await prepared(SileroConfig(confidence=0.8), factory)
    one, two = first.open(RATE, lambda edge: None), second.open(RATE, lambda edge: None)
    assert one._place._batcher is two._place._batcher
    one.close()
    two.close()


async def test_installed_weights_come_first(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(packaged_weights())
    asked: list[str] = []

    def path(model: str) -> Path:
        asked.append(model)
        return tmp_path

    await SileroVad().prepare(SileroConfig(), context(), workshop(path))
    assert asked == ["silero-vad"]


async def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(packaged_weights()[:-1] + b"x")
    with pytest.raises(PrepareError, match="not the official file"):
        await SileroVad().prepare(SileroConfig(), context(), workshop(lambda model: tmp_path))


async def test_a_folder_without_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="cannot be read"):
        await SileroVad().prepare(SileroConfig(), context(), workshop(lambda model: tmp_path))


@pytest.mark.parametrize("field", ["confidence", "start_secs", "stop_secs", "floor_dbfs"])
def test_config_is_checked(field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({field: 1000.0}, SileroConfig)


def test_has_no_processor() -> None:
    assert SileroVad().create(SileroConfig(), None, None) is None  # type: ignore[arg-type,func-returns-value]
