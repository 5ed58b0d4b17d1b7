"""`filter.topics`: what is not talked about, whoever begins with it."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Annotated

import structlog
from msgspec import Meta, Struct
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator

from base.languages import fold, primary
from processors.conversation import last_words
from processors.factory import (
    CallContext,
    Persona,
    Place,
    PrepareError,
    ProcessorFactory,
    Role,
    StageContext,
    Workshop,
)
from processors.filters.passing import Filter
from processors.frames import AnsweredFrame
from processors.llm.answers import Answer, frames_of, sentences_of
from processors.through import DOWN

log = structlog.get_logger()

Phrase = Annotated[str, Meta(min_length=2, max_length=100)]


class Topic(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that is not talked about."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z")]
    """For the log, which never holds what was said."""
    phrases: Annotated[tuple[Phrase, ...], Meta(min_length=1, max_length=200)]
    """Words or phrases in any language. Each is found as whole words, whatever the case, accents and punctuation;
    `*` at the end of a word stands for any ending.
    """
    answer: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    """Said in place of an answer; the assistant's `unanswerable` when absent."""


class TopicsConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is not talked about, and who is listened to."""

    topics: Annotated[tuple[Topic, ...], Meta(min_length=1, max_length=50)]
    """The first that is met decides what is said."""
    caller: bool = True
    """Answer a caller who begins with it by the fixed sentence. Ahead of the llm stage no model is asked; behind it
    one is, but not heard.
    """
    assistant: bool = True
    """Stop an answer before the sentence that begins with it; has to stand behind the llm stage."""


class Guard:
    """Finds topics in a text. Pure."""

    def __init__(self) -> None:
        self._found: list[tuple[Topic, re.Pattern[str]]] = []

    def add(self, topic: Topic) -> None:
        """Find this one too, behind those that were added before."""
        self._found.append((topic, re.compile(_pattern(topic.phrases))))

    def met(self, text: str) -> Topic | None:
        """The first topic that the text is about."""
        plain = fold(text)
        return next((topic for topic, pattern in self._found if pattern.search(plain)), None)


def _pattern(phrases: Iterable[str]) -> str:
    """Of folded text, in which words have one space between them."""
    alternatives = (" ".join(map(_word, phrase.split())) for phrase in phrases)
    return rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)"


def _word(word: str) -> str:
    return re.escape(fold(word)).replace("\\ ", " ") + (r"\w*" if word.endswith("*") else "")


class TopicsFilter(ProcessorFactory[TopicsConfig, Guard]):
    """Forbidden topics. Behind the llm stage it guards the caller's words and the answer, ahead of it the caller's."""

    use = "filter.topics"
    role = Role.FILTER
    config_type = TopicsConfig
    place = Place.THINKING
    needs_words = True

    def latency_ms(self, config: TopicsConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: TopicsConfig) -> float:
        return 0.0

    async def prepare(self, config: TopicsConfig, context: StageContext, workshop: Workshop) -> Guard:
        """Raises PrepareError for a phrase of which no word is left, and for a language without texts."""
        sentences_of(context.persona)
        for topic in config.topics:
            if empty := [phrase for phrase in topic.phrases if not all(map(fold, phrase.split()))]:
                raise PrepareError(
                    f"filter.topics: {empty[0]!r} in {topic.name!r} has a word without letters or digits"
                )
        guard = Guard()
        for topic in config.topics:
            guard.add(topic)
            await asyncio.sleep(0)  # two hundred phrases take some milliseconds; live calls go on between
        return guard

    async def says(self, config: TopicsConfig, prepared: Guard, context: StageContext) -> Sequence[str]:
        """The fixed sentences."""
        return tuple(dict.fromkeys(instead_of(topic, context.persona) for topic in config.topics))

    def create(self, config: TopicsConfig, prepared: Guard, call: CallContext) -> "Topics":
        return Topics(config, prepared, call)


def instead_of(topic: Topic, persona: Persona) -> str:
    """What is said in place of an answer."""
    return topic.answer or sentences_of(persona).unanswerable


class Topics(Filter):
    """Hands an answer on sentence by sentence, each when it is whole and may be said."""

    def __init__(self, config: TopicsConfig, guard: Guard, call: CallContext) -> None:
        super().__init__()
        self._config = config
        self._guard = guard
        self._call = call
        self._asked: Topic | None = None
        """What the caller's turn was about, until it is answered."""
        self._silenced = False
        """The fixed sentence stands in place of the rest of this answer."""
        self._sentences = SimpleTextAggregator(language=primary(call.persona.language))  # type: ignore[no-untyped-call]

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is not DOWN:
            return True
        if isinstance(frame, LLMContextUserTurnFrame):
            self._asked = self._guard.met(frame.text) if self._config.caller else None
        elif isinstance(frame, LLMContextFrame):
            return not await self._answered_instead(frame)
        elif isinstance(frame, LLMFullResponseStartFrame):
            await self._begins(frame)
            return False
        elif isinstance(frame, LLMFullResponseEndFrame):
            await self._over()
        elif isinstance(frame, AggregatedTextFrame) and not isinstance(frame, TTSTextFrame):
            return await self._may_be_said(frame.text)
        elif isinstance(frame, LLMTextFrame) and not frame.skip_tts and self._config.assistant:
            await self._heard(frame.text)
            return False
        elif isinstance(frame, LLMTextFrame) and not frame.skip_tts:
            return not self._silenced
        return True

    async def interrupted(self) -> None:
        await self._sentences.handle_interruption()  # type: ignore[no-untyped-call]
        self._silenced = False

    async def ends(self) -> None:
        await self._over()

    async def _answered_instead(self, frame: LLMContextFrame) -> bool:
        """Ahead of the llm: whether the turn was answered here."""
        topic = self._guard.met(last_words(frame.context)) if self._config.caller else None
        if topic is None:
            return False
        self._tell(topic, "caller")
        for said in frames_of(Answer("unanswerable", instead_of(topic, self._call.persona))):
            await self.push_frame(said)
        return True

    async def _begins(self, frame: LLMFullResponseStartFrame) -> None:
        topic, self._asked, self._silenced = self._asked, None, False
        await self._sentences.reset()  # type: ignore[no-untyped-call]
        if topic is None:
            await self.hand_on(frame)
            return
        await self.hand_on(AnsweredFrame(intent="unanswerable"))
        await self.hand_on(frame)
        await self._silence(topic, "caller")

    async def _heard(self, text: str) -> None:
        if self._silenced:
            return
        async for sentence in self._sentences.aggregate(text):
            await self._say(sentence.text)

    async def _over(self) -> None:
        rest = await self._sentences.flush()
        if rest is not None:
            await self._say(rest.text)
        self._silenced = False

    async def _say(self, sentence: str) -> None:
        if sentence.strip() and await self._may_be_said(sentence):
            await self.push_frame(AggregatedTextFrame(sentence, TextType.SENTENCE, raw_text=sentence))

    async def _may_be_said(self, sentence: str) -> bool:
        if self._silenced:
            return False
        topic = self._guard.met(sentence) if self._config.assistant else None
        if topic is None:
            return True
        await self.push_frame(AnsweredFrame(intent="unanswerable"))
        await self._silence(topic, "assistant")
        return False

    async def _silence(self, topic: Topic, whose: str) -> None:
        self._silenced = True
        self._tell(topic, whose)
        sentence = instead_of(topic, self._call.persona)
        await self.push_frame(AggregatedTextFrame(sentence, TextType.SENTENCE, raw_text=sentence))

    def _tell(self, topic: Topic, whose: str) -> None:
        log.info(
            "a forbidden topic was met",
            tenant=self._call.tenant_id,
            call=self._call.call_id,
            topic=topic.name,
            said_by=whose,
        )
