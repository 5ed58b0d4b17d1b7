"""`llm.grounded`: answers in the operator's own words, without a language model.

When retrieval is sure, the answer is what the operator wrote, exactly. A few things need no document:
greeting, repeating, being passed to a person, saying good-bye. When the documents do not answer it says
so and offers a person; it never makes anything up.
"""

from collections.abc import Sequence

from msgspec import Struct
from pipecat.frames.frames import Frame, InterruptionFrame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from base.languages import Texts
from processors.conversation import last_words
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.frames import RetrievedFrame
from processors.llm.answers import Answer, Offer, farewell, frames_of, sentences_of, to_operator
from processors.llm.intents import Intent, Phrasebook, phrasebook

MIN_LETTERS = 2
"""Fewer letters than this are a noise that recognition took for speech."""


class GroundedConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing to choose: the sentences are the assistant's `texts`."""


class Desk:
    """Decides what to say to each of a caller's turns. Pure; one per call."""

    def __init__(self, phrases: Phrasebook, sentences: Texts) -> None:
        self._phrases = phrases
        self._texts = sentences
        self._last = sentences.greeting
        self._offered: Offer | None = None

    def answer(self, spoken: str, found: RetrievedFrame | None) -> Answer:
        """`found` belongs to this turn; None when nothing was looked up."""
        answer = self._decide(spoken, found)
        self._offered = answer.offers
        if answer.kind in ("answer", "unanswerable", "greeting"):
            self._last = answer.text
        return answer

    def _decide(self, spoken: str, found: RetrievedFrame | None) -> Answer:
        if sum(letter.isalpha() for letter in spoken) < MIN_LETTERS:
            return Answer("not_understood", self._texts.not_understood)
        intent = self._phrases.whole(spoken, asked=self._offered is not None)
        if intent is not None:
            return self._formality(intent)
        if found is not None and found.sure and found.passages:
            return Answer("answer", found.passages[0].text, passage_id=found.passages[0].id)
        if self._phrases.asks_for_operator(spoken):
            return to_operator(self._texts)
        return Answer("unanswerable", self._texts.unanswerable, offers="operator")

    def _formality(self, intent: Intent) -> Answer:
        if intent is Intent.OPERATOR or (intent is Intent.YES and self._offered == "operator"):
            return to_operator(self._texts)
        if intent is Intent.GOODBYE or (intent is Intent.NO and self._offered == "more"):
            return farewell(self._texts)
        if intent is Intent.REPEAT:
            return Answer("repeat", self._last, offers=self._offered)
        if intent is Intent.GREETING:
            return Answer("greeting", self._texts.greeting)
        return Answer("free", self._texts.anything_else, offers="more")


class GroundedLlm(ProcessorFactory[GroundedConfig, Texts]):
    """`llm.grounded`"""

    use = "llm.grounded"
    role = Role.LLM
    config_type = GroundedConfig
    scope = "tenant"

    async def prepare(self, config: GroundedConfig, context: StageContext, workshop: Workshop) -> Texts:
        """Raises PrepareError for a language without texts."""
        sentences = sentences_of(context.persona)
        phrasebook(context.persona.language)
        return sentences

    async def says(self, config: GroundedConfig, prepared: Texts, context: StageContext) -> Sequence[str]:
        """All sentences of its own; the operator's answers are told by `rag.retrieve`."""
        spoken = sentences_of(context.persona)
        return (
            spoken.greeting,
            spoken.farewell,
            spoken.not_understood,
            spoken.unanswerable,
            spoken.operator,
            spoken.anything_else,
        )

    def create(self, config: GroundedConfig, prepared: Texts, call: CallContext) -> "Grounded":
        return Grounded(Desk(phrasebook(call.persona.language), sentences_of(call.persona)))


class Grounded(FrameProcessor):
    """Answers each LLMContextFrame at once; a RetrievedFrame before it says what was found for it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._found: RetrievedFrame | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._answer(frame)
            return
        if isinstance(frame, RetrievedFrame):
            self._found = frame
        elif isinstance(frame, InterruptionFrame):
            self._found = None
        await self.push_frame(frame, direction)

    async def _answer(self, frame: LLMContextFrame) -> None:
        found, self._found = self._found, None
        # With passages lent to it, the context's last message is no longer what the caller said: the query is.
        answer = self._desk.answer(found.query if found else last_words(frame.context), found)
        for said in frames_of(answer):
            await self.push_frame(said)
