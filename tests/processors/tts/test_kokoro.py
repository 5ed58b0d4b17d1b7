"""`tts.kokoro` with its model: it can be understood, and what is missing is named."""

import hashlib
import importlib
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import TTSAudioRawFrame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import run_test

from base.ids import AssistantName, CallId, TenantId
from base.languages import fold
from processors.compute import ComputeLanes
from processors.factory import CallContext, Persona, PrepareError, StageContext
from processors.models.manifest import builtin_manifest
from processors.models.store import ModelStore
from processors.stt.belief import believed
from processors.stt.ears import Asked
from processors.stt.recogniser import DEFAULT_PROMPTS
from processors.stt.whisper import WhisperConfig, WhisperStt
from processors.tts import engine
from processors.tts.kokoro import KokoroConfig, KokoroTts, manner_of
from processors.tts.mouth import OwnMouth
from processors.tts.speaker import Speaker
from processors.tts.voices import DEFAULT_VOICES, SHAPE, load_voice, speech_language

RATE = 8000
TENANT = TenantId("t")


def persona(language: str = "pt-BR") -> Persona:
    return Persona(name=AssistantName("ana"), language=language, company="Riso")


def workshop(models: ModelStore, lanes: ComputeLanes, data_dir: Path) -> Any:
    return SimpleNamespace(models=models, compute=lanes, data_dir=data_dir, served=None)


async def prepared(
    factory: KokoroTts, config: KokoroConfig, models: ModelStore, lanes: ComputeLanes, data_dir: Path
) -> Speaker:
    context = StageContext(tenant_id=TENANT, persona=persona())
    return await factory.prepare(config, context, workshop(models, lanes, data_dir))


def mouth_of(ready: Speaker) -> OwnMouth:
    assert isinstance(ready.mouth, OwnMouth)
    return ready.mouth


async def spoken(factory: KokoroTts, config: KokoroConfig, ready: Speaker, text: str, language: str) -> bytes:
    call = CallContext(tenant_id=TENANT, call_id=CallId("c"), persona=persona(language), sample_rate=RATE)
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    down, _ = await run_test(
        factory.create(config, ready, call), frames_to_send=[TTSSpeakFrame(text)], pipeline_params=params
    )
    return b"".join(frame.audio for frame in down if isinstance(frame, TTSAudioRawFrame))


@pytest.mark.models
async def test_what_is_said_in_three_languages_is_understood(
    models: ModelStore, lanes: ComputeLanes, tmp_path: Path
) -> None:
    factory, config = KokoroTts(), KokoroConfig()
    ready = await prepared(factory, config, models, lanes, tmp_path)
    ear = await WhisperStt().prepare(
        WhisperConfig(), StageContext(tenant_id=TENANT, persona=persona()), workshop(models, lanes, tmp_path)
    )
    for language, text in {
        "pt": "A consulta pode ser paga no cartão.",
        "en": "We are open from Monday to Friday.",
        "es": "Puede pagar con tarjeta.",
    }.items():
        silence = bytes(RATE)  # half a second, as before any sentence in a call
        pcm = silence + await spoken(factory, config, ready, text, language)
        asked = Asked(language=language, prompt=DEFAULT_PROMPTS[language], beam_size=2)
        found = await ear.ears.recognise(pcm, RATE, asked)
        heard = fold(believed(found, DEFAULT_PROMPTS[language]))
        assert heard == fold(text)


@pytest.mark.models
async def test_two_configs_share_one_engine_and_a_rehearsal_reports_progress(
    models: ModelStore, lanes: ComputeLanes, tmp_path: Path
) -> None:
    factory = KokoroTts()
    slow, quick = KokoroConfig(), KokoroConfig(speed=1.2, voice="pm_alex")
    one = await prepared(factory, slow, models, lanes, tmp_path)
    two = await prepared(factory, quick, models, lanes, tmp_path)
    assert mouth_of(one).engine is mouth_of(two).engine
    context, steps = StageContext(tenant_id=TENANT, persona=persona()), list[tuple[int, int]]()
    await factory.rehearse(slow, one, context, ["Oi!", "Oi! Até logo!"], lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    lanes.close()  # whatever is rendered from here on fails
    assert len(await spoken(factory, slow, one, "Oi! Até logo!", "pt-BR")) > RATE


@pytest.mark.models
async def test_a_text_longer_than_the_models_context_is_rendered_whole(
    models: ModelStore, lanes: ComputeLanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = await prepared(KokoroTts(), KokoroConfig(), models, lanes, tmp_path)
    batches: list[int] = []

    def infer(tokens: list[int], style: Any, speed: float) -> tuple[Any, None]:
        batches.append(len(tokens))
        return np.random.default_rng(0).normal(0, 0.1, 2400).astype(np.float32), None

    monkeypatch.setattr(mouth_of(ready).engine._kokoro, "_infer", infer)  # type: ignore[attr-defined]
    samples = mouth_of(ready).engine.render(" ".join(["muito"] * 90), mouth_of(ready).voices["pf_dora"], "pt-br", 1.0)
    assert len(batches) == 2
    assert max(batches) <= 510
    assert len(samples) >= 4000


async def test_a_missing_model_names_the_command(lanes: ComputeLanes, tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"atende models pull kokoro-v1\.0-int8"):
        await prepared(KokoroTts(), KokoroConfig(), ModelStore(tmp_path), lanes, tmp_path)


async def test_a_missing_torch_model_names_the_command(lanes: ComputeLanes, tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"atende models pull kokoro-v1\.0-torch"):
        await prepared(KokoroTts(), KokoroConfig(engine="torch"), ModelStore(tmp_path), lanes, tmp_path)


def test_missing_packages_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(engine, "import_module", missing)
    with pytest.raises(PrepareError, match=r'pip install "atende\[torch\]"'):
        engine.TorchEngine(tmp_path)


def test_torch_is_given_local_files_and_its_parts_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numpy = importlib.import_module("numpy")
    asked: dict[str, Any] = {}

    class Model:
        def __init__(self, **paths: str) -> None:
            asked.update(paths)

        def eval(self) -> "Model":
            return self

    class Pipeline:
        def __init__(self, letter: str, **_: object) -> None:
            asked["letter"] = letter

        def __call__(self, text: str, *, voice: Any, speed: float) -> list[Any]:
            asked.update(text=text, shape=voice.shape, speed=speed)
            part = numpy.repeat(numpy.array([0, 0, 0.5, 0.5, 0], dtype="f4"), 2400)  # 100 ms each
            return [SimpleNamespace(audio=part), SimpleNamespace(audio=part)]

    modules = {
        "torch": SimpleNamespace(from_numpy=lambda array: array),
        "kokoro": SimpleNamespace(KModel=Model, KPipeline=Pipeline),
    }
    monkeypatch.setattr(engine, "import_module", modules.__getitem__)
    voice = load_voice("pf_dora", ModelStore(tmp_path))
    samples = engine.TorchEngine(tmp_path).render("Olá", voice, "pt-br", 1.1)
    sound = numpy.flatnonzero(samples)
    assert (sound[0], len(samples) - sound[-1] - 1) == (120, 480), "5 ms before the first sound, 20 ms behind the last"
    assert sound[-1] - sound[0] + 1 == 7 * 2400, "both parts, with what is between them"
    assert asked["model"] == str(tmp_path / "kokoro-v1_0.pth")
    assert asked["config"] == str(tmp_path / "config.json")
    assert (asked["letter"], asked["text"], asked["shape"], asked["speed"]) == ("p", "Olá", SHAPE, 1.1)


def test_each_language_has_its_voice() -> None:
    said = {tag: manner_of(KokoroConfig(), persona(tag)) for tag in ("pt-BR", "en", "es")}
    assert {tag: (manner.voice, manner.speech) for tag, manner in said.items()} == {
        "pt-BR": ("pf_dora", "pt-br"),
        "en": ("af_heart", "en-us"),
        "es": ("ef_dora", "es"),
    }
    assert speech_language("en", "bf_emma") == "en-gb"
    assert speech_language("pt-BR", "af_heart") == "pt-br"


@pytest.mark.parametrize("language", ["de", "klingon language"])
def test_a_language_without_a_voice_is_refused(language: str) -> None:
    with pytest.raises(PrepareError, match=r"tts\.kokoro"):
        manner_of(KokoroConfig(), persona(language))


def test_the_bundled_voices_are_the_official_ones(tmp_path: Path) -> None:
    model = builtin_manifest().find("kokoro-voices")
    assert model is not None
    official = {file.path.removesuffix(".bin"): file.sha256 for file in model.files}
    folder = files("processors.tts") / "voices"
    bundled = {file.name.removesuffix(".bin"): file for file in folder.iterdir() if file.name.endswith(".bin")}
    assert set(bundled) == {"pf_dora", "pm_alex", "af_heart", "am_michael", "ef_dora"}
    assert set(DEFAULT_VOICES.values()) <= set(bundled)
    for name, file in bundled.items():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == official[name]
        assert load_voice(name, ModelStore(tmp_path)).shape == SHAPE


def test_another_voice_needs_its_model(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="atende models pull kokoro-voices"):
        load_voice("pm_santa", ModelStore(tmp_path))
