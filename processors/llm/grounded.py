"""`llm.grounded`: answers in the operator's own words, without a language model.

When retrieval is sure, the answer is what the operator wrote, exactly. When it is only likely, the caller is
asked back whether that entry's question was meant, as a receptionist would, and after a no whether the next best was;
each entry once a call. A few things
need no document: greeting, repeating, being passed to a person, saying good-bye. When the documents do not answer it
says so and offers a person; it never makes anything up.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from pipecat.frames.frames import BotStoppedSpeakingFrame, Frame, InterruptionFrame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from base.languages import Texts, asking_back
from knowledge.passages import KnowledgeError, Library, Passage
from processors.conversation import last_words
from processors.factory import CallContext, Kind, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from processors.frames import RetrievedFrame
from processors.llm.answers import Answer, Offer, farewell, frames_of, sentences_of, to_operator
from processors.llm.intents import Intent, Phrasebook, phrasebook

MIN_LETTERS = 2
"""Fewer letters than this are a noise that recognition took for speech."""


MAX_YES_WORDS = 6
"""A longer utterance in which somebody agrees says something else too."""
MAX_REPLY_WORDS = 4
"""So many words that mean nothing to us, in reply to a question of ours, are a "yes" that recognition misheard."""


class GroundedConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to do when it is not sure. The sentences are the assistant's `texts`."""

    when_likely: Literal["confirm", "answer", "refuse"] = "confirm"
    """A passage that probably answers: ask whether its question was meant, say it all the same, or pass."""


class Ready(Struct, frozen=True):
    """What is shared by the calls of one config: the sentences, and where the questions are that may be asked back."""

    sentences: Texts
    asked_back: Library | None = None
    """None: nothing is asked back."""


class Desk:
    """Decides what to say to each of a caller's turns. Pure; one per call."""

    def __init__(
        self,
        phrases: Phrasebook,
        sentences: Texts,
        when_likely: Literal["confirm", "answer", "refuse"] = "confirm",
    ) -> None:
        self._phrases = phrases
        self._texts = sentences
        self._when_likely = when_likely
        self._last = sentences.greeting
        self._offered: Offer | None = None
        self._asking: Passage | None = None
        """Asked back last; a "yes" means it."""
        self._next_best: Passage | None = None
        """What a "no" leads to, once."""
        self._asked: set[str] = set()
        """Passages that were asked back in this call: nobody is asked the same twice."""
        self._forgiven: set[str] = set()
        """Those of them that were spoken over."""

    def answer(self, spoken: str, found: RetrievedFrame | None) -> Answer:
        """`found` belongs to this turn; None when nothing was looked up."""
        answer = self._decide(spoken, found)
        self._offered = answer.offers
        if answer.kind in ("answer", "confirm", "unanswerable", "greeting"):
            self._last = answer.text
        return answer

    def interrupted(self) -> None:
        """The caller spoke over what was said last: a question asked back may not have been heard, and may be asked
        again, once.
        """
        if self._offered == "passage" and self._asking is not None and self._asking.id not in self._forgiven:
            self._forgiven.add(self._asking.id)
            self._asked.discard(self._asking.id)

    def _decide(self, spoken: str, found: RetrievedFrame | None) -> Answer:
        if sum(letter.isalpha() for letter in spoken) < MIN_LETTERS:
            # A question asked back is still open after a noise.
            open_offer = self._offered if self._offered == "passage" else None
            return Answer("not_understood", self._texts.not_understood, offers=open_offer)
        sure = found.passages[0] if found is not None and found.sure and found.passages else None
        intent = self._phrases.whole(spoken, asked=self._offered is not None)
        if self._offered == "passage" and self._asking is not None and sure is None:
            reply = self._reply(spoken, intent, found)
            if reply is Intent.YES:
                return _told(self._asking)
            if reply is Intent.NO:
                return self._refused(spoken, found)
        if intent is not None:
            return self._formality(intent)
        return self._found(sure, spoken, found)

    def _reply(self, spoken: str, intent: Intent | None, found: RetrievedFrame | None) -> Intent | None:
        """Yes or no to the question asked back; None when something else is said."""
        said, words = self._phrases.reply(spoken), len(spoken.split())
        if intent is Intent.OPERATOR or self._phrases.takes_leave(spoken):
            return None
        if said is Intent.NO:
            return said
        if found is not None and found.likely:
            return None
        if said is Intent.YES and words <= MAX_YES_WORDS:
            return Intent.YES
        # What is asked is no answer, and with nothing looked up nothing tells a misheard "yes" from a question.
        misheard = intent is None and words <= MAX_REPLY_WORDS and not spoken.rstrip().endswith("?")
        return Intent.YES if misheard and found is not None and not found.failed else None

    def _refused(self, spoken: str, found: RetrievedFrame | None) -> Answer:
        """Another entry is asked back in place of the one that was not meant: what was said instead in the same breath,
        or the next best of what was found for the question.
        """
        if self._next_best and not (found is not None and found.likely) and not self._phrases.asks_for_operator(spoken):
            candidate, self._next_best = self._next_best, None
            return self._ask_back(candidate)
        return self._found(None, spoken, found)

    def _found(self, sure: Passage | None, spoken: str, found: RetrievedFrame | None) -> Answer:
        if sure is not None:
            return _told(sure)
        if self._phrases.asks_for_operator(spoken):
            return to_operator(self._texts)
        likely = found.passages[0] if found is not None and found.likely and found.passages else None
        if likely is not None and self._when_likely == "answer":
            return _told(likely)
        if found is not None and likely is not None and self._when_likely == "confirm" and self._may_ask(likely):
            self._next_best = next((p for p in found.passages[1:] if self._may_ask(p)), None)
            return self._ask_back(likely)
        return Answer("unanswerable", self._texts.unanswerable, offers="operator")

    def _ask_back(self, passage: Passage) -> Answer:
        self._asking = passage
        self._asked.add(passage.id)
        question = asking_back(self._texts.confirm, passage.question)
        return Answer("confirm", question, passage_id=passage.id, offers="passage")

    def _may_ask(self, passage: Passage) -> bool:
        return bool(passage.question) and passage.id not in self._asked

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


def _told(passage: Passage) -> Answer:
    """The operator's own words."""
    return Answer("answer", passage.text, passage_id=passage.id)


class GroundedLlm(ProcessorFactory[GroundedConfig, Ready]):
    """`llm.grounded`"""

    use = "llm.grounded"
    role = Role.LLM
    config_type = GroundedConfig
    scope = "tenant"
    takes = frozenset({Kind.TURN, Kind.PASSAGES})

    def latency_ms(self, config: GroundedConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: GroundedConfig) -> float:
        return 0.0

    async def prepare(self, config: GroundedConfig, context: StageContext, workshop: Workshop) -> Ready:
        """Raises PrepareError for a language without texts, and when the tenant's documents cannot be read."""
        sentences = sentences_of(context.persona)
        phrasebook(context.persona.language)
        if config.when_likely != "confirm":
            return Ready(sentences)
        try:
            await workshop.library.passages(context.tenant_id)
        except KnowledgeError as error:
            raise PrepareError(f"llm.grounded: the tenant's documents cannot be read: {error}") from error
        return Ready(sentences, workshop.library)

    async def says(self, config: GroundedConfig, prepared: Ready, context: StageContext) -> Sequence[str]:
        """All sentences of its own, and those that ask back; the operator's answers are told by `rag.retrieve`.

        Of the documents as they are now. Raises KnowledgeError.
        """
        passages = await prepared.asked_back.passages(context.tenant_id) if prepared.asked_back is not None else []
        questions = dict.fromkeys(passage.question for passage in passages if passage.question)
        spoken = sentences_of(context.persona)
        return (
            spoken.greeting,
            spoken.farewell,
            spoken.not_understood,
            spoken.unanswerable,
            spoken.operator,
            spoken.anything_else,
            *(asking_back(spoken.confirm, question) for question in questions),
        )

    def create(self, config: GroundedConfig, prepared: Ready, call: CallContext) -> "Grounded":
        desk = Desk(phrasebook(call.persona.language), sentences_of(call.persona), config.when_likely)
        return Grounded(desk)


class Grounded(FrameProcessor):
    """Answers each LLMContextFrame at once; a RetrievedFrame before it says what was found for it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._found: RetrievedFrame | None = None
        self._speaks = False
        """What was answered last is still being said."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._answer(frame)
            return
        if isinstance(frame, RetrievedFrame):
            self._found = frame
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._speaks = False
        elif isinstance(frame, InterruptionFrame):
            # Comes whenever the caller begins to speak, also into a silence.
            self._found = None
            if self._speaks:
                self._desk.interrupted()
        await self.push_frame(frame, direction)

    async def _answer(self, frame: LLMContextFrame) -> None:
        found, self._found = self._found, None
        # With passages lent to it, the context's last message is no longer what the caller said: the query is.
        answer = self._desk.answer(found.query if found else last_words(frame.context), found)
        self._speaks = True
        for said in frames_of(answer):
            await self.push_frame(said)
