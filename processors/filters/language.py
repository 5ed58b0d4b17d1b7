"""`filter.language`: notices that the caller speaks another language, and lets the stages follow."""

from typing import Annotated

import structlog
from msgspec import Meta, Struct
from pipecat.frames.frames import Frame, STTUpdateSettingsFrame, TranscriptionFrame, TTSUpdateSettingsFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings, TTSSettings

from base.languages import SUPPORTED, LanguageUnknownError, language, primary
from processors.factory import CallContext, Place, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from processors.filters.passing import Filter
from processors.filters.spoken_language import Listener
from processors.frames import LanguageFrame
from processors.through import DOWN, UP

log = structlog.get_logger()

Tag = Annotated[str, Meta(min_length=2, max_length=20)]
Voice = Annotated[str, Meta(min_length=1, max_length=200)]


class LanguageConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Between which languages, and how sure it has to be."""

    languages: Annotated[tuple[Tag, ...], Meta(min_length=1, max_length=10)] = SUPPORTED
    """BCP 47 tags that the assistant may change to, one of a language; its own is always among them."""
    voices: Annotated[dict[Tag, Voice], Meta(max_length=10)] = {}
    """A voice for a language, as the tts stage names it; the stage's own choice where there is none."""
    min_words: Annotated[int, Meta(ge=1, le=20)] = 3
    """Shorter utterances tell nothing."""
    turns: Annotated[int, Meta(ge=1, le=5)] = 2
    """Utterances in a row in another language that make it sure."""
    sure_words: Annotated[int, Meta(ge=3, le=50)] = 8
    """One utterance of so many words makes it sure alone."""


class LanguageFilter(ProcessorFactory[LanguageConfig, Struct]):
    """Follows the caller's language; sits behind the stt stage.

    What acts on it: `stt.whisper` (which has to be told to `tell_language`: by itself it understands everything as one
    language), `tts.kokoro`, the hosted `llm.*` stages, and pipecat's own services. `llm.grounded` does not: it says
    what the documents say, in their language. Fixed sentences of the call (re-prompt, farewell) stay the assistant's.
    """

    use = "filter.language"
    role = Role.FILTER
    config_type = LanguageConfig
    place = Place.HEARING
    needs_words = True

    def latency_ms(self, config: LanguageConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: LanguageConfig) -> float:
        return 0.0

    async def prepare(self, config: LanguageConfig, context: StageContext, workshop: Workshop) -> Struct:
        """Raises PrepareError for a language that cannot be told from the others, or stands there twice."""
        try:
            bases = [
                primary(language(tag).tag) for tag in (*config.languages, *config.voices, context.persona.language)
            ]
        except LanguageUnknownError as error:
            raise PrepareError(f"filter.language: {error}") from error
        named = bases[: len(config.languages)]
        if len(set(named)) < len(named):
            raise PrepareError("filter.language: `languages` names a language twice; regions cannot be told apart")
        return config

    def create(self, config: LanguageConfig, prepared: Struct, call: CallContext) -> "LanguageSwitch":
        return LanguageSwitch(config, call)


class LanguageSwitch(Filter):
    """Pushes pipecat's settings frames to the recogniser and the voice, and a LanguageFrame to the mind.

    They go ahead of the transcript that made it sure, so that it is already answered in its language.
    """

    def __init__(self, config: LanguageConfig, call: CallContext) -> None:
        super().__init__()
        self._call = call
        self._tags = {primary(tag): tag for tag in (*config.languages, call.persona.language)}
        self._voices = {primary(tag): voice for tag, voice in config.voices.items()}
        self._listener = Listener(
            primary(call.persona.language),
            frozenset(self._tags),
            min_words=config.min_words,
            turns=config.turns,
            sure_words=config.sure_words,
        )

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is DOWN and isinstance(frame, TranscriptionFrame):
            told = primary(str(frame.language)) if frame.language else None
            changed = self._listener.heard(frame.text, told)
            if changed is not None:
                await self._switch(changed)
        return True

    def carry(self) -> Listener:
        """What the caller speaks, and how sure that is."""
        return self._listener

    def take(self, carried: Listener) -> None:
        self._listener.follow(carried)

    async def go_on(self) -> None:
        if self._listener.has_changed:
            await self._tell(self._listener.language)

    async def _switch(self, base: str) -> None:
        tag = self._tags[base]
        log.info("the caller's language changed", tenant=self._call.tenant_id, call=self._call.call_id, language=tag)
        await self._tell(base)

    async def _tell(self, base: str) -> None:
        tag, voice = self._tags[base], self._voices.get(base)
        spoken = TTSSettings(language=tag) if voice is None else TTSSettings(language=tag, voice=voice)
        await self.push_frame(STTUpdateSettingsFrame(delta=STTSettings(language=tag)), UP)
        await self.push_frame(TTSUpdateSettingsFrame(delta=spoken))
        await self.push_frame(LanguageFrame(language=tag))
