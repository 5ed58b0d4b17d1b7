"""`filter.echo`: what the assistant says comes back over a bad line, and is not taken for the caller's words.

No audio is touched and no word is lost that is not the assistant's own: only a transcript that is nearly what is being
said, or has just been said, is no turn.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from msgspec import Meta, Struct
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from base.languages import fold
from processors.factory import CallContext, Place, ProcessorFactory, Role, StageContext, Workshop
from processors.filters.passing import Filter
from processors.frames import SayingFrame
from processors.llm.intents import one_slip_apart
from processors.through import DOWN

KEPT_SENTENCES = 8
MAX_WORDS = 32
"""Of a transcript that are looked at: what is longer costs more than the loop has, and is no mere echo."""
MAX_SPOKEN_WORDS = 96
MISMATCH = 0.5
"""What a word takes away that one side has and the other has not."""


class EchoConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as the assistant's own voice."""

    likeness: Annotated[float, Meta(ge=0.3, le=1.0)] = 0.6
    """Share of a transcript's words, in their order, that have to be the assistant's; each one that is not counts half
    against it.
    """
    min_words: Annotated[int, Meta(ge=2, le=20)] = 4
    """Fewer words are the caller's in any case: who is asked "cartão ou dinheiro?" answers with a word of the question.
    """
    tail_s: Annotated[float, Meta(ge=0.0, le=10.0)] = 2.5
    """So long after the assistant's last sound a transcript may still be its echo; recognition takes its time."""


class OwnWords:
    """The last sentences of the assistant. Pure."""

    def __init__(self, likeness: float, min_words: int) -> None:
        self._likeness = likeness
        self._min_words = min_words
        self.sentences: deque[list[str]] = deque(maxlen=KEPT_SENTENCES)
        """In words, as they are compared."""

    def saying(self, sentence: str) -> None:
        """It is going to be heard."""
        self.sentences.append(fold(sentence).split())

    def are(self, text: str) -> bool:
        """Whether a transcript is nearly a part of what was said."""
        words = fold(text).split()[:MAX_WORDS]
        spoken = [word for sentence in self.sentences for word in sentence][-MAX_SPOKEN_WORDS:]
        return len(words) >= self._min_words and likeness(words, spoken) >= self._likeness


def likeness(words: Sequence[str], spoken: Sequence[str]) -> float:
    """How well `words` fit the part of `spoken` that they fit best: 1 is word for word, 0 not at all.

    A local alignment (Smith and Waterman 1981) of words instead of letters.
    """
    if not words:
        return 0.0
    best, above = 0.0, [0.0] * (len(spoken) + 1)
    for word in words:
        row = [0.0]
        for at, other in enumerate(spoken):
            both = above[at] + (1.0 if _same(word, other) else -MISMATCH)
            row.append(max(0.0, both, above[at + 1] - MISMATCH, row[at] - MISMATCH))
        best, above = max(best, *row), row
    return best / len(words)


def _same(word: str, other: str) -> bool:
    return word == other or (len(word) > 4 and abs(len(word) - len(other)) < 2 and one_slip_apart(word, other))


class Spoken(Struct, frozen=True):
    """What a call's echo guard knows of it."""

    sentences: tuple[list[str], ...]
    speaks: bool
    fell_silent: float
    """Seconds of the loop's clock."""
    in_turn: bool


class EchoFilter(ProcessorFactory[EchoConfig, Struct]):
    """The assistant's own voice is no turn; sits behind the stt stage."""

    use = "filter.echo"
    role = Role.FILTER
    config_type = EchoConfig
    place = Place.HEARING
    needs_words = True

    def latency_ms(self, config: EchoConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: EchoConfig) -> float:
        return 0.0

    async def prepare(self, config: EchoConfig, context: StageContext, workshop: Workshop) -> Struct:
        return config

    def create(self, config: EchoConfig, prepared: Struct, call: CallContext) -> "Echo":
        return Echo(config)


class Echo(Filter):
    """Keeps back transcripts of the assistant's own voice.

    In a turn an empty final transcript takes their place, which tells the turn strategies not to wait for one.
    """

    def __init__(self, config: EchoConfig) -> None:
        super().__init__()
        self._tail_s = config.tail_s
        self._own = OwnWords(config.likeness, config.min_words)
        self._speaks = False
        self._in_turn = False
        self._fell_silent = float("-inf")

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        if isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame) and direction is DOWN:
            return await self._is_callers(frame)
        if isinstance(frame, SayingFrame):
            self._own.saying(frame.text)
        elif isinstance(frame, BotStartedSpeakingFrame):
            self._speaks = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._speaks, self._fell_silent = False, _now()
        elif isinstance(frame, UserStartedSpeakingFrame | UserStoppedSpeakingFrame):
            self._in_turn = isinstance(frame, UserStartedSpeakingFrame)
        return True

    def carry(self) -> Spoken:
        """What was said, and who speaks."""
        return Spoken(tuple(self._own.sentences), self._speaks, self._fell_silent, self._in_turn)

    def take(self, carried: Spoken) -> None:
        self._own.sentences.extend(carried.sentences)
        self._speaks, self._fell_silent, self._in_turn = carried.speaks, carried.fell_silent, carried.in_turn

    async def go_on(self) -> None:
        """Nobody else has to know."""

    async def _is_callers(self, frame: TranscriptionFrame | InterimTranscriptionFrame) -> bool:
        may_echo = self._speaks or _now() - self._fell_silent <= self._tail_s
        if not may_echo or not self._own.are(frame.text):
            return True
        if isinstance(frame, TranscriptionFrame) and self._in_turn:
            await self.hand_on(replace(frame, text="", result=None))
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()
