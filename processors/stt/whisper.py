"""`stt.whisper`: Whisper base on the CPU, embedded."""

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from weakref import WeakValueDictionary

import numpy as np
from msgspec import Meta, Struct

from base.languages import primary
from processors.compute import usable_cores
from processors.factory import (
    CallContext,
    Compute,
    PrepareError,
    ProcessorFactory,
    Role,
    StageContext,
    Weight,
    Workshop,
)
from processors.models.manifest import builtin_manifest
from processors.stt.recogniser import DEFAULT_PROMPTS, MODEL_RATE, Recogniser
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
    """Cores for one utterance; two where there are two."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """For one utterance."""


@dataclass(frozen=True)
class WhisperPrepared:
    """A loaded recogniser and where to run it."""

    recogniser: Recogniser
    compute: Compute


class WhisperStt(ProcessorFactory[WhisperConfig, WhisperPrepared]):
    """Speech to text without a key, a GPU or a network."""

    use = "stt.whisper"
    role = Role.STT
    lane = "stt"
    config_type = WhisperConfig

    def __init__(self) -> None:
        self._loaded: WeakValueDictionary[tuple[Path, int], Recogniser] = WeakValueDictionary()
        self._loading = threading.Lock()

    def weight(self, config: WhisperConfig) -> Weight:
        """Measured with the default model."""
        return Weight(f"whisper {config.model}", 180.0)

    def latency_ms(self, config: WhisperConfig) -> float:
        return config.timeout_s * 1000

    def cost_per_turn(self, config: WhisperConfig) -> float:
        return 0.0

    async def prepare(self, config: WhisperConfig, context: StageContext, workshop: Workshop) -> WhisperPrepared:
        _language(config, context.persona.language)
        folder = workshop.models.path(config.model)
        cores = usable_cores()
        # Not on a lane: threads that the library starts inherit the priority of the one that loads it.
        recogniser = await asyncio.to_thread(self._load, folder, config.threads or min(2, cores), max(1, cores // 2))
        return WhisperPrepared(recogniser, workshop.compute)

    def create(self, config: WhisperConfig, prepared: WhisperPrepared, call: CallContext) -> WhisperSttService:
        language = _language(config, call.persona.language)
        prompt = DEFAULT_PROMPTS.get(language, "") if config.prompt is None else config.prompt
        hearing = Hearing(
            recogniser=prepared.recogniser,
            compute=prepared.compute,
            language=language,
            prompt=prompt,
            beam_size=config.beam_size,
            timeout_s=config.timeout_s,
            tell_language=config.tell_language,
        )
        return WhisperSttService(hearing, call.sample_rate)

    def _load(self, folder: Path, threads: int, workers: int) -> Recogniser:
        """The recogniser of that folder, shared by all configs; its first utterance is behind it."""
        with self._loading:
            recogniser = self._loaded.get((folder, threads))
            if recogniser is None:
                try:
                    recogniser = Recogniser(folder, threads=threads, workers=workers)
                except (RuntimeError, ValueError, OSError) as error:
                    raise PrepareError(f"the model in {folder} cannot be loaded: {error}") from error
                recogniser.recognise(np.zeros(MODEL_RATE, dtype=np.float32), "en", "", 1)
                self._loaded[folder, threads] = recogniser
            return recogniser


def _language(config: WhisperConfig, of_persona: str) -> str:
    """Whisper's name of the language. Raises PrepareError for one that it does not know."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    language = primary(config.language or of_persona)
    if language not in _LANGUAGE_CODES:
        raise PrepareError(f"stt.whisper does not know the language {language!r}; set `language`")
    return language
