"""`tts.kokoro`: Kokoro-82M, embedded."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from base.languages import LanguageUnknownError
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
from processors.served.protocol import ModelServer
from processors.served.stages import ServedMouth
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.mouth import MODELS, Engines, Manner, Mouth, weights_of
from processors.tts.service import KokoroTtsService
from processors.tts.speaker import Speaker
from processors.tts.voices import DEFAULT_VOICES, KNOWN_VOICES, VOICES_MODEL, default_voice, speech_language

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
    """Cores for one rendering; more than one gains little on a small machine. A model server has its own way."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 15.0
    """For one clause."""


class KokoroTts(ProcessorFactory[KokoroConfig, Speaker]):
    """Text to speech without a key, a GPU or a network."""

    use = "tts.kokoro"
    role = Role.TTS
    lane = "tts"
    config_type = KokoroConfig

    def __init__(self) -> None:
        self._own = Engines()
        self._memory = MemoryCache()

    def weight(self, config: KokoroConfig) -> Weight:
        """Measured, without the renderings that it keeps."""
        return Weight("kokoro", 165.0)

    def latency_ms(self, config: KokoroConfig) -> float:
        return config.timeout_s * 1000

    def cost_per_turn(self, config: KokoroConfig) -> float:
        return 0.0

    async def prepare(self, config: KokoroConfig, context: StageContext, workshop: Workshop) -> Speaker:
        manner = manner_of(config, context.persona)
        if workshop.served is not None:
            mouth, model = await _served(workshop.served, MODELS[config.engine], manner.voice)
        else:
            voices = {*DEFAULT_VOICES.values(), *((config.voice,) if config.voice else ())}
            mouth = await self._own.mouth(config.engine, config.threads, voices, workshop.models, workshop.compute)
            model = weights_of(config.engine).sha256
        return Speaker(
            mouth=mouth,
            model=model,
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


async def _served(server: ModelServer, name: str, voice: str) -> tuple[Mouth, str]:
    """The voice that is on a server, and what tells it from others. Raises PrepareError."""
    model = await server.model(name)
    if model.voices is not None and voice not in model.voices:
        told = f"tts.kokoro: the model server has no voice {voice!r}"
        raise PrepareError(f"{told}; run there: atende models pull {VOICES_MODEL}")
    return ServedMouth(server, name, model.voices), model.sha256 or f"{name} at {server.url}"


def manner_of(config: KokoroConfig, persona: Persona) -> Manner:
    """Voice and language of an assistant. Raises PrepareError where there is none."""
    language = config.language or persona.language
    try:
        voice = config.voice or default_voice(language)
        return Manner(voice=voice, language=language, speech=speech_language(language, voice), speed=config.speed)
    except LanguageUnknownError as error:
        raise PrepareError(f"tts.kokoro: {error}") from error
