"""`filter.filler`: a few words while the answer takes long."""

import zlib
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from pipecat.frames.frames import (
    Frame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    TextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from base.languages import LanguageUnknownError, language
from processors.factory import CallContext, Persona, Place, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from processors.filters.passing import Alarm, Filter
from processors.through import DOWN

Sentence = Annotated[str, Meta(min_length=1, max_length=200)]


class FillerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When and what is said to a caller who waits."""

    after_s: Annotated[float, Meta(ge=0.2, le=10.0)] = 1.5
    """Silence of the mind after the caller's turn before the first filler."""
    again_s: Annotated[float, Meta(ge=2.0, le=30.0)] = 6.0
    """From one filler to the next, while there is still no answer."""
    most: Annotated[int, Meta(ge=1, le=10)] = 2
    """Fillers of one turn."""
    sentences: Annotated[tuple[Sentence, ...], Meta(min_length=2, max_length=20)] | None = None
    """Said in turn, each no two times in a row; the language's own when absent."""


class FillerFilter(ProcessorFactory[FillerConfig, tuple[str, ...]]):
    """Fillers; stands between the llm and the voice."""

    use = "filter.filler"
    role = Role.FILTER
    config_type = FillerConfig
    scope = "tenant"
    place = Place.ANSWERING
    needs_words = True

    def latency_ms(self, config: FillerConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: FillerConfig) -> float:
        return 0.0

    async def prepare(self, config: FillerConfig, context: StageContext, workshop: Workshop) -> tuple[str, ...]:
        """Raises PrepareError for a sentence that stands twice, and a language without fillers of its own."""
        sentences = sentences_of(config, context.persona)
        if len(set(sentences)) < len(sentences):
            raise PrepareError("filter.filler: a sentence stands twice in `sentences`; the caller would hear it so")
        return sentences

    async def says(self, config: FillerConfig, prepared: tuple[str, ...], context: StageContext) -> Sequence[str]:
        return sentences_of(config, context.persona)

    def create(self, config: FillerConfig, prepared: tuple[str, ...], call: CallContext) -> "Filler":
        return Filler(config, sentences_of(config, call.persona), first=zlib.crc32(call.call_id.encode()))


def sentences_of(config: FillerConfig, persona: Persona) -> tuple[str, ...]:
    """What may be said. Raises PrepareError."""
    if config.sentences is not None:
        return config.sentences
    try:
        return language(persona.language).fillers
    except LanguageUnknownError as error:
        raise PrepareError(f"filter.filler: {error}; set `sentences`") from error


class Filler(Filter):
    """Says a filler when the mind is silent for long after a turn, never once it has begun to answer.

    A filler is heard by the caller and no part of the conversation that the model sees.
    """

    def __init__(self, config: FillerConfig, sentences: Sequence[str], *, first: int) -> None:
        """`first` chooses where to begin, so that not every call begins alike."""
        super().__init__()
        self._config = config
        self._sentences = sentences
        self._upcoming = first % len(sentences)
        self._said = 0
        self._alarm = Alarm(self, self._fill)

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is not DOWN:
            return True
        if isinstance(frame, LLMContextUserTurnFrame):
            self._said = 0
            await self._alarm.set(self._config.after_s)
        elif isinstance(frame, TextFrame | TTSSpeakFrame | LLMFullResponseEndFrame):
            await self._alarm.off()
        return True

    async def interrupted(self) -> None:
        await self._alarm.off()

    async def ends(self) -> None:
        await self._alarm.off()

    async def cleanup(self) -> None:
        await self._alarm.off()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _fill(self) -> None:
        sentence = self._sentences[self._upcoming]
        self._upcoming = (self._upcoming + 1) % len(self._sentences)
        self._said += 1
        if self._said < self._config.most:
            await self._alarm.set(self._config.again_s)
        await self.push_frame(TTSSpeakFrame(sentence, append_to_context=False))
