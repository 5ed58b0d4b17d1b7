"""Frames of ours beside pipecat's: what a stage tells the spine."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pipecat.frames.frames import ControlFrame, DataFrame, SystemFrame, TranscriptionFrame

from knowledge.passages import Passage

UNHEARD = "…"
"""In a conversation, what was said and nobody knows; some models refuse a message without content."""


@dataclass
class RetrievedFrame(ControlFrame):
    """What retrieval found for this turn; goes downstream ahead of the LLMContextFrame it belongs to.

    `sure` is the retriever's own judgement that the first passage answers `query`, `likely` that it probably does.
    """

    query: str = ""
    passages: tuple[Passage, ...] = ()
    sure: bool = False
    likely: bool = False
    elapsed_ms: float = 0.0
    failed: bool = False


@dataclass
class AnsweredFrame(ControlFrame):
    """How the mind decided this turn, for the call record; goes downstream ahead of the words."""

    intent: Literal[
        "answer", "confirm", "greeting", "repeat", "operator", "goodbye", "not_understood", "unanswerable", "free"
    ] = "free"
    passage_id: str | None = None


@dataclass
class WrittenFrame(TranscriptionFrame):
    """What the caller has written instead of saying it: a turn's words as any other, but nobody's voice."""


@dataclass
class CallRequestFrame(DataFrame):
    """The mind wants something done with the call after the words before it were heard.

    The output transport keeps it in order with the audio; the spine acts on it when it comes out.
    `operator` gives the call back to the dialplan's operator extension; `hangup` ends it.
    """

    request: Literal["hangup", "operator"] = "hangup"


@dataclass
class SayingFrame(SystemFrame):
    """The assistant is going to say this sentence; goes upstream from behind the mind, ahead of its audio."""

    text: str


@dataclass
class LanguageFrame(ControlFrame):
    """The caller speaks this language (BCP 47 tag) from now on; goes downstream, and no interruption takes it."""

    language: str = ""
    interruptible: bool = field(default=False, init=False)


class SpokenTurn(dict[str, Any]):
    """A turn of the caller's that nobody has transcribed (yet): a message of the conversation, with its place in it.

    A mind that hears by itself answers before there are words; `understood` fills them in where they belong.
    """

    def __init__(self, number: int) -> None:
        super().__init__(role="user", content=UNHEARD)
        self.number = number

    def understood(self, text: str) -> None:
        """What it was, or "" when nobody knows."""
        self["content"] = text or UNHEARD


@dataclass
class UnderstoodFrame(SystemFrame):
    """The mind tells upstream what it has heard in a turn that it has been given as a `SpokenTurn`."""

    turn: int = 0
    text: str = ""
