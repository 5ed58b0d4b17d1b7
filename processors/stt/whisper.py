"""`stt.whisper`: Whisper base on the CPU, embedded."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from base.languages import primary
from processors.factory import (
    CallContext,
    PrepareError,
    ProcessorFactory,
    Role,
    StageContext,
    Weight,
    Workshop,
)
from processors.models.manifest import builtin_manifest
from processors.served.stages import ServedEars
from processors.stt.ears import Ears, Recognisers
from processors.stt.recogniser import DEFAULT_PROMPTS, whisper_languages
from processors.stt.service import Hearing, WhisperSttService

MODELS = tuple(name for name in builtin_manifest().names if name.startswith("whisper"))


class WhisperConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How speech is recognised."""

    model: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9._-]{0,62}\Z", extra={"known": MODELS})] = "whisper-base"
    """A model of the manifest, in CTranslate2's form."""
    language: str | None = None
    """BCP 47 tag; the assistant's when absent. The recogniser never guesses it."""
    prompt: str | None = None
    """What was said before, as far as the recogniser knows: names and words that callers use help it."""
    beam_size: Annotated[int, Meta(ge=1, le=5)] = 5
    """Readings that are kept while it decodes; 1 is quicker and hears less well."""
    tell_language: bool = False
    """Also tell in which language each utterance seems to be, for `filter.language`; an eighth more work. Without it
    Whisper understands (and translates) everything as the language that it was told.
    """
    threads: Annotated[int, Meta(ge=1, le=64)] | None = None
    """Cores for one utterance; two where there are two. A model server has its own way."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """For one utterance."""


@dataclass(frozen=True)
class WhisperPrepared:
    """Who recognises."""

    ears: Ears
    languages: Collection[str] | None
    """That are understood, as Whisper names them; None: not known."""


class WhisperStt(ProcessorFactory[WhisperConfig, WhisperPrepared]):
    """Speech to text without a key, a GPU or a network."""

    use = "stt.whisper"
    role = Role.STT
    lane = "stt"
    config_type = WhisperConfig

    def __init__(self) -> None:
        self._own = Recognisers()

    def weight(self, config: WhisperConfig) -> Weight:
        """Measured with the default model."""
        return Weight(f"whisper {config.model}", 180.0)

    def latency_ms(self, config: WhisperConfig) -> float:
        return config.timeout_s * 1000

    def cost_per_turn(self, config: WhisperConfig) -> float:
        return 0.0

    async def prepare(self, config: WhisperConfig, context: StageContext, workshop: Workshop) -> WhisperPrepared:
        if workshop.served is not None:
            model = await workshop.served.model(config.model)
            prepared = WhisperPrepared(ServedEars(workshop.served, config.model), model.languages)
            _language(config, context.persona.language, prepared.languages)
            return prepared
        known = whisper_languages()
        _language(config, context.persona.language, known)
        ears = await self._own.ears(config.model, config.threads, workshop.models, workshop.compute)
        return WhisperPrepared(ears, known)

    def create(self, config: WhisperConfig, prepared: WhisperPrepared, call: CallContext) -> WhisperSttService:
        language = _language(config, call.persona.language, prepared.languages)
        prompt = DEFAULT_PROMPTS.get(language, "") if config.prompt is None else config.prompt
        hearing = Hearing(
            ears=prepared.ears,
            language=language,
            prompt=prompt,
            beam_size=config.beam_size,
            timeout_s=config.timeout_s,
            tell_language=config.tell_language,
        )
        return WhisperSttService(hearing, call.sample_rate)


def _language(config: WhisperConfig, of_persona: str, known: Collection[str] | None) -> str:
    """Whisper's name of the language. Raises PrepareError for one that it does not know."""
    language = primary(config.language or of_persona)
    if known is not None and language not in known:
        raise PrepareError(f"stt.whisper does not know the language {language!r}; set `language`")
    return language
