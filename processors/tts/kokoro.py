"""`tts.kokoro`: Kokoro-82M, embedded."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal
from weakref import WeakValueDictionary

from msgspec import Meta, Struct

from base.languages import LanguageUnknownError
from processors.compute import usable_cores
from processors.factory import (
    CallContext,
    Persona,
    PrepareError,
    ProcessorFactory,
    Role,
    StageContext,
    Weight,
    Workshop,
)
from processors.models.manifest import builtin_manifest
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.engine import Engine, OnnxEngine, TorchEngine
from processors.tts.service import KokoroTtsService
from processors.tts.speaker import Manner, Speaker
from processors.tts.voices import DEFAULT_VOICES, KNOWN_VOICES, default_voice, load_voice, speech_language

MODELS = {"onnx": "kokoro-v1.0-int8", "torch": "kokoro-v1.0-torch"}
"""The manifest's model by engine; its first file is the weights."""
CACHE_FOLDER = "tts-cache"


class KokoroConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the assistant sounds."""

    engine: Literal["onnx", "torch"] = "onnx"
    """What computes; `torch` needs the extra `atende[torch]`."""
    voice: Annotated[str, Meta(pattern=r"^[a-z]{2}_[a-z]+$", extra={"known": KNOWN_VOICES})] | None = None
    """One of Kokoro's voices; the language's own when absent."""
    language: str | None = None
    """BCP 47 tag; the assistant's when absent."""
    speed: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.0
    """Of speech; 2.0 is twice as fast."""
    threads: Annotated[int, Meta(ge=1, le=64)] | None = None
    """Cores for one rendering; more than one gains little on a small machine."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 15.0
    """For one clause."""


class KokoroTts(ProcessorFactory[KokoroConfig, Speaker]):
    """Text to speech without a key, a GPU or a network."""

    use = "tts.kokoro"
    role = Role.TTS
    lane = "tts"
    config_type = KokoroConfig

    def __init__(self) -> None:
        self._engines: WeakValueDictionary[tuple[Path, int], Engine] = WeakValueDictionary()
        self._loading = threading.Lock()
        self._memory = MemoryCache()

    def weight(self, config: KokoroConfig) -> Weight:
        """Measured, without the renderings that it keeps."""
        return Weight("kokoro", 165.0)

    def latency_ms(self, config: KokoroConfig) -> float:
        return config.timeout_s * 1000

    def cost_per_turn(self, config: KokoroConfig) -> float:
        return 0.0

    async def prepare(self, config: KokoroConfig, context: StageContext, workshop: Workshop) -> Speaker:
        manner_of(config, context.persona)
        model = MODELS[config.engine]
        folder = workshop.models.path(model)
        known = builtin_manifest().find(model)
        assert known is not None
        names = {*DEFAULT_VOICES.values(), *((config.voice,) if config.voice else ())}
        voices = {name: load_voice(name, workshop.models) for name in names}
        threads = config.threads or max(1, usable_cores() // 4)
        # Not on a lane: threads that the library starts inherit the priority of the one that loads it.
        engine = await asyncio.to_thread(self._load, config.engine, folder / known.files[0].path, threads)
        return Speaker(
            engine=engine,
            model=known.files[0].sha256,
            voices=voices,
            compute=workshop.compute,
            memory=self._memory,
            disk=DiskCache(workshop.data_dir / CACHE_FOLDER),
        )

    async def rehearse(
        self,
        config: KokoroConfig,
        prepared: Speaker,
        context: StageContext,
        sentences: Sequence[str],
        progress: Callable[[int, int], None],
    ) -> None:
        manner = manner_of(config, context.persona)
        for done, sentence in enumerate(sentences, start=1):
            await prepared.rehearse(context.tenant_id, sentence, manner)
            progress(done, len(sentences))

    def create(self, config: KokoroConfig, prepared: Speaker, call: CallContext) -> KokoroTtsService:
        manner = manner_of(config, call.persona)
        return KokoroTtsService(prepared, call.tenant_id, manner, call.sample_rate, config.timeout_s)

    def _load(self, kind: Literal["onnx", "torch"], weights: Path, threads: int) -> Engine:
        """The engine on those weights, shared by all configs."""
        with self._loading:
            engine = self._engines.get((weights, threads))
            if engine is None:
                try:
                    engine = OnnxEngine(weights, threads) if kind == "onnx" else TorchEngine(weights.parent)
                except (RuntimeError, ValueError, OSError) as error:
                    raise PrepareError(f"{weights} cannot be loaded: {error}") from error
                self._engines[weights, threads] = engine
            return engine


def manner_of(config: KokoroConfig, persona: Persona) -> Manner:
    """Voice and language of an assistant. Raises PrepareError where there is none."""
    language = config.language or persona.language
    try:
        voice = config.voice or default_voice(language)
        return Manner(voice=voice, language=language, speech=speech_language(language, voice), speed=config.speed)
    except LanguageUnknownError as error:
        raise PrepareError(f"tts.kokoro: {error}") from error
