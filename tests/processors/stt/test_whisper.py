"""`stt.whisper` with the model: error rates on recorded callers, and what is not speech."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from msgspec import Struct
from pipecat.frames.frames import (
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.tests.utils import run_test

from base.ids import AssistantName, CallId, TenantId
from base.languages import primary
from processors.compute import ComputeLanes
from processors.factory import CallContext, Persona, PrepareError, StageContext
from processors.models.store import ModelStore
from processors.stt.belief import believed
from processors.stt.ears import OwnEars
from processors.stt.recogniser import DEFAULT_PROMPTS, Recogniser, samples_of
from processors.stt.whisper import WhisperConfig, WhisperPrepared, WhisperStt

SPEECH = Path(__file__).parents[2] / "data" / "speech"
RATE = 8000
LIMITS = {"pt": 0.05, "en": 0.05, "es": 0.12}
"""Word error rate by language."""


class Line(Struct):
    lang: str
    text: str


@pytest.fixture(scope="module")
def factory() -> WhisperStt:
    return WhisperStt()


def persona(language: str = "pt-BR") -> Persona:
    return Persona(name=AssistantName("ana"), language=language, company="Riso")


async def prepared(factory: WhisperStt, models: ModelStore, lanes: ComputeLanes) -> WhisperPrepared:
    workshop: Any = SimpleNamespace(models=models, compute=lanes, served=None)
    context = StageContext(tenant_id=TenantId("t"), persona=persona())
    return await factory.prepare(WhisperConfig(), context, workshop)


def recogniser_of(ready: WhisperPrepared) -> Recogniser:
    assert isinstance(ready.ears, OwnEars)
    return ready.ears.recogniser


def understood(ready: WhisperPrepared, pcm: bytes, language: str) -> str:
    prompt = DEFAULT_PROMPTS[language]
    found = recogniser_of(ready).recognise(samples_of(pcm, RATE), language, prompt, WhisperConfig().beam_size)
    return believed(found, prompt)


def words(text: str) -> list[str]:
    return re.sub(r"[^\w\s']", " ", text.lower()).split()


def edits(said: list[str], heard: list[str]) -> int:
    """Levenshtein's distance in words."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


@pytest.mark.models
@pytest.mark.parametrize(("speech", "each"), [("first", 1), ("second", 2), ("third", 2)])
async def test_callers_are_understood(
    factory: WhisperStt, models: ModelStore, lanes: ComputeLanes, speech: str, each: int
) -> None:
    """All of them are heard by `benchmarks/first_call.py`; here every other one of two sets."""
    ready = await prepared(factory, models, lanes)
    lines = msgspec.json.decode((SPEECH / speech / "texts.json").read_bytes(), type=dict[str, Line])
    wrong, total = dict.fromkeys(LIMITS, 0), dict.fromkeys(LIMITS, 0)
    for name, line in list(lines.items())[::each]:
        audio, _ = soundfile.read(SPEECH / speech / f"{name}.wav", dtype="int16")
        language = primary(line.lang)
        wrong[language] += edits(words(line.text), words(understood(ready, audio.tobytes(), language)))
        total[language] += len(words(line.text))
    rates = {language: wrong[language] / total[language] for language in LIMITS}
    assert {language: rate for language, rate in rates.items() if rate > LIMITS[language]} == {}, rates


@pytest.mark.models
async def test_the_language_that_is_spoken_is_told_rightly_or_not_at_all(
    factory: WhisperStt, models: ModelStore, lanes: ComputeLanes
) -> None:
    ready = await prepared(factory, models, lanes)
    lines = msgspec.json.decode((SPEECH / "first" / "texts.json").read_bytes(), type=dict[str, Line])
    told: list[tuple[str, str | None]] = []
    for name, line in lines.items():
        audio, _ = soundfile.read(SPEECH / "first" / f"{name}.wav", dtype="int16")
        other = "en" if primary(line.lang) == "pt" else "pt"
        found = recogniser_of(ready).recognise(samples_of(audio.tobytes(), RATE), other, "", 1, tell_language=True)
        told.append((primary(line.lang), found.sounds_like))
    assert [pair for pair in told if pair[1] not in (None, pair[0])] == []
    assert sum(found is not None for _, found in told) >= 0.8 * len(told)


def noise(seconds: float, level: float) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(0, level, int(seconds * RATE))


def tone(seconds: float) -> np.ndarray[Any, Any]:
    t = np.arange(int(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * 425 * t) * (t % 1 < 0.5)


@pytest.mark.models
@pytest.mark.parametrize(
    "sound",
    [lambda: noise(1.0, 0.001), lambda: noise(2.0, 0.05), lambda: tone(5.0)],
    ids=["silence", "white noise", "ringback"],
)
async def test_nothing_is_understood_where_nobody_speaks(
    factory: WhisperStt, models: ModelStore, lanes: ComputeLanes, sound: Callable[[], np.ndarray[Any, Any]]
) -> None:
    ready = await prepared(factory, models, lanes)
    pcm = (sound() * 32767).astype("<i2").tobytes()
    assert [understood(ready, pcm, language) for language in LIMITS] == ["", "", ""]


@pytest.mark.models
async def test_a_call_is_transcribed_in_the_assistants_language(
    factory: WhisperStt, models: ModelStore, lanes: ComputeLanes
) -> None:
    ready = await prepared(factory, models, lanes)
    call = CallContext(tenant_id=TenantId("t"), call_id=CallId("c"), persona=persona(), sample_rate=RATE)
    audio, _ = soundfile.read(SPEECH / "first" / "pt_00.wav", dtype="int16")
    pcm = audio.tobytes()
    chunks = [InputAudioRawFrame(pcm[at : at + 1600], RATE, 1) for at in range(0, len(pcm), 1600)]
    frames = [VADUserStartedSpeakingFrame(), *chunks, VADUserStoppedSpeakingFrame()]
    down, _ = await run_test(factory.create(WhisperConfig(), ready, call), frames_to_send=frames)
    heard = [frame.text for frame in down if isinstance(frame, TranscriptionFrame)]
    assert heard == ["Bom dia, eu gostaria de marcar uma consulta."]


async def test_a_missing_model_names_the_command(factory: WhisperStt, tmp_path: Path, lanes: ComputeLanes) -> None:
    with pytest.raises(PrepareError, match="atende models pull whisper-base"):
        await prepared(factory, ModelStore(tmp_path), lanes)


async def test_a_language_that_whisper_does_not_know_is_refused(
    factory: WhisperStt, tmp_path: Path, lanes: ComputeLanes
) -> None:
    workshop: Any = SimpleNamespace(models=ModelStore(tmp_path), compute=lanes, served=None)
    context = StageContext(tenant_id=TenantId("t"), persona=persona())
    with pytest.raises(PrepareError, match="does not know the language"):
        await factory.prepare(WhisperConfig(language="tlh"), context, workshop)
