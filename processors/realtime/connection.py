"""One call's way to a speech-to-speech model: made when it is needed, made anew when it broke, given up when silent."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol
from weakref import ref

import structlog
from pipecat.processors.aggregators.llm_context import LLMContextMessage, standard_message_text

from processors.factory import CallContext
from processors.realtime.speech_model import Brief, SpeechEvent, SpeechModel, SpeechModelError, SpeechSession

log = structlog.get_logger()

HUNG_UP: Final = "the realtime model hung up in the middle of an answer"
CLOSE_S: Final = 1.5
"""A session that is not closed by then is let go of as it is."""


class Owner(Protocol):
    """Whose connection it is: a pipecat processor, as far as it is needed here."""

    def create_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]: ...

    async def cancel_task(self, task: asyncio.Task[None]) -> None: ...

    async def told(self, event: SpeechEvent) -> None:
        """What the model tells. May raise SpeechModelError."""
        ...

    async def broke(self, why: str) -> None:
        """There is no more of what was expected, if anything was."""
        ...


class Connection:
    """Knows its owner weakly, so that a call that is over is free at once."""

    def __init__(self, model: SpeechModel, brief: Brief, call: CallContext, owner: Owner, *, deadline_s: float) -> None:
        """`deadline_s` is the longest silence of a model that something is expected of."""
        self._model, self._brief, self._call = model, brief, call
        self._weak_owner = ref(owner)
        self._deadline_s = deadline_s
        self._receiving: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._late: asyncio.TimerHandle | None = None
        self._ended = False
        self.session: SpeechSession | None = None
        """None while there is none."""
        self.knows_the_conversation = False

    @property
    def _owner(self) -> Owner:
        owner = self._weak_owner()
        assert owner is not None, "its cleanup ends the connection"
        return owner

    async def open(self, *, whatever: bool = False) -> SpeechSession:
        """Have a session; with `whatever` however much was asked already. Raises SpeechModelError."""
        if self._over():
            raise SpeechModelError("the call is over")
        if self.session is not None:
            return self.session
        session = await self._model.connect(self._brief, self._call, whatever=whatever)
        if self._over():
            await session.close()
            raise SpeechModelError("the call is over")
        self.session, self.knows_the_conversation = session, False
        self._receiving = self._owner.create_task(self._receive(session), "receive")
        return session

    def drop(self) -> None:
        """Hang up, and wait for nothing. Idempotent."""
        self.expect_nothing()
        session, self.session = self.session, None
        receiving, self._receiving = self._receiving, None
        if session is None:
            return
        if receiving is not None and receiving is not asyncio.current_task():
            receiving.cancel()
        closing = self._owner.create_task(session.close(), "hang up")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def end(self) -> None:
        """Hang up for good; what does not close in time is let go of."""
        self._ended = True
        self.drop()
        if self._closing:
            await asyncio.wait(set(self._closing), timeout=CLOSE_S)
        for closing in list(self._closing):
            await self._owner.cancel_task(closing)

    async def tell_once(self, messages: Sequence[LLMContextMessage]) -> bool:
        """The conversation so far, to a session that has not been told; whether it had not. Raises SpeechModelError."""
        if self.knows_the_conversation:
            return False
        for message in messages:
            await self.tell(message)
        self.knows_the_conversation = True
        return True

    async def tell(self, message: LLMContextMessage) -> None:
        """A message of the conversation; only texts of the caller and the assistant are. Raises SpeechModelError."""
        role = message.get("role") if isinstance(message, dict) else None
        text = standard_message_text(message) if role in ("user", "assistant") else ""
        if text and self.session is not None:
            await self.session.tell("assistant" if role == "assistant" else "user", text)

    def expect(self) -> None:
        """Something of the model's within the deadline, from now on."""
        self.expect_nothing()
        self._late = asyncio.get_running_loop().call_later(self._deadline_s, self._silent)

    def expect_nothing(self) -> None:
        """It may be silent."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _over(self) -> bool:
        return self._ended

    def _silent(self) -> None:
        self._late = None
        why = f"the realtime model was silent for {self._deadline_s:g} s"
        self._owner.create_task(self._owner.broke(why), "give up")

    async def _receive(self, session: SpeechSession) -> None:
        why = HUNG_UP
        try:
            async for event in session.events():
                await self._owner.told(event)
        except SpeechModelError as error:
            why = str(error)
        except Exception as error:
            # Nobody else would end what waits for an answer.
            log.exception("a realtime model's answer cannot be followed")
            why = f"the realtime model's answer cannot be followed ({type(error).__name__})"
        if self.session is session:
            await self._owner.broke(why)
