"""What a speech-to-speech model is asked, and what it tells: the same for every provider.

A session is one connection of one call. Audio both ways is mono S16LE at `MODEL_RATE`. The turn taking is ours: the
model answers when it is asked to, and not before. Answers follow one another: one that is asked for while another is
being made begins when that one is done.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct

from processors.factory import CallContext
from processors.metering import RateReachedError

MODEL_RATE: Final = 24_000
"""Hz, of the audio that a model hears and makes."""


class SpeechModelError(Exception):
    """The model cannot be had, or not any more; the message is ours, with nothing of what the provider sent."""


class NotAskedError(SpeechModelError, RateReachedError):
    """It was not asked, since it has been asked too often; a session that there is knows what was said before."""


class Tool(Struct, frozen=True):
    """Something that the model may ask for instead of speaking, or after it."""

    name: str
    description: str
    parameters: Mapping[str, str] = {}
    """Of each parameter, all of which are texts, what it is."""


class Brief(Struct, frozen=True, kw_only=True):
    """What the model is told before the conversation."""

    instructions: str
    language: str
    """BCP 47 tag, of the caller."""
    tools: tuple[Tool, ...] = ()


class Sound(Struct, frozen=True):
    """The next piece of the answer's audio."""

    pcm: bytes


class Words(Struct, frozen=True):
    """The next piece of the answer's text."""

    text: str


class Wanted(Struct, frozen=True):
    """The model asks for a tool; `give` what came of it."""

    id: str
    tool: str
    arguments: Mapping[str, str] = {}
    """What it gave that is a text; nothing of it has been checked."""


class Done(Struct, frozen=True):
    """The answer is complete; what it asked for is told here, behind all of its sound."""

    failed: str = ""
    """Why there is no more of it, in our words; empty when there is nothing to tell."""
    wants: tuple[Wanted, ...] = ()


class Heard(Struct, frozen=True):
    """What was understood of a turn; "" when nothing was."""

    turn: int
    text: str


SpeechEvent: TypeAlias = Sound | Words | Done | Heard


class SpeechSession(Protocol):
    """One call's connection to a model. Nothing here waits for the network, but for `events` and `close`.

    All methods but these two raise SpeechModelError when it is gone.
    """

    def events(self) -> AsyncIterator[SpeechEvent]:
        """What the model tells, to the end of the connection. Nothing of an answer that was cancelled. Once."""
        ...

    async def hear(self, pcm: bytes) -> None:
        """More of what the caller says."""
        ...

    async def end_turn(self, turn: int) -> None:
        """All that was heard since the last time is the caller's turn of that number."""
        ...

    async def tell(self, role: Literal["user", "assistant"], text: str) -> None:
        """Something that was said before, or written."""
        ...

    async def answer(self, *, more: bool = False) -> None:
        """Answer the conversation so far; `more` of the answer that is under way, when a tool has told something.

        Raises NotAskedError.
        """
        ...

    async def say(self, text: str) -> None:
        """Say this, word for word; it does not become part of the conversation. It is said however much was asked."""
        ...

    async def cancel(self, heard_ms: int) -> None:
        """Drop the answers that are being made or waited for.

        Of the last one, with all that is `more` of it, `heard_ms` were heard.
        """
        ...

    async def give(self, wanted: Wanted, result: str) -> None:
        """What came of a tool. The model goes on when it is asked for an answer."""
        ...

    async def close(self) -> None:
        """Hang up. Idempotent, raises nothing."""
        ...


class SpeechModel(Protocol):
    """What a realtime stage prepares; shared by the calls of a tenant."""

    @property
    def tools(self) -> Sequence[Tool]:
        """What it is offered beside being passed to a person and ending the call."""
        ...

    async def use(self, tool: str, arguments: Mapping[str, str], call: CallContext) -> str:
        """What comes of one of `tools`, as the model is to read it. Raises nothing that is not a bug."""
        ...

    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        """A session that is ready to be asked. Raises SpeechModelError.

        That is NotAskedError where too much was asked already, but not with `whatever`.
        """
        ...
