"""What a realtime stage is asked and what it says: the model's side of `SpeechService`."""

import asyncio
from collections import deque
from typing import Final

import structlog
from pipecat.processors.frame_processor import FrameProcessor, FrameProcessorSetup
from pipecat.utils.errors import ErrorCategory

from processors.factory import CallContext
from processors.frames import SpokenTurn, UnderstoodFrame
from processors.llm.answers import Answer, farewell, sentences_of, to_operator
from processors.llm.intents import Intent, phrasebook
from processors.realtime.brief import HANG_UP, PERSON, brief_of
from processors.realtime.connection import HUNG_UP, Connection
from processors.realtime.hearing import Audibility
from processors.realtime.reply import Reply
from processors.realtime.speech_model import (
    Done,
    Heard,
    NotAskedError,
    Sound,
    SpeechEvent,
    SpeechModel,
    SpeechModelError,
    SpeechSession,
    Wanted,
    Words,
)
from processors.through import UP

log = structlog.get_logger()

MAX_LOOK_UPS: Final = 4
"""In a row, without a word to the caller."""


class Replying(FrameProcessor):
    """Asks the model, and makes frames of what it tells; has the tools used, and does what is to be done behind them.

    Connects in `setup`, so that a candidate which cannot be connected is never exchanged. Where a call begins it is
    connected however much was asked already, as for every fixed sentence: the greeting follows.
    """

    def __init__(self, model: SpeechModel, call: CallContext, deadline_s: float) -> None:
        """`deadline_s` is the longest silence of a model that was asked for an answer."""
        super().__init__()
        self._model = model
        self._call = call
        self._deadline_s = deadline_s
        self._sentences = sentences_of(call.persona)
        self._phrases = phrasebook(call.persona.language)
        brief = brief_of(call.persona, self._sentences, model.tools)
        self._line = Connection(model, brief, call, self, deadline_s=deadline_s)
        self._audibility = Audibility()
        self._turns: dict[int, SpokenTurn] = {}
        """Those of which the words are still to come."""
        self._fixed: list[str] = []
        """What was said beside the conversation since the model was last told of it."""
        self._replies: deque[Reply] = deque()
        """Asked for; what the model tells is of the first."""
        self._answered: int | None = None
        """The turn of the last answer, while that is complete and nothing else was done since."""
        self._changed = asyncio.Event()
        """Set when a reply or a turn of those is over."""

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]  # as FrameProcessor does
        """Connect. Raises SpeechModelError."""
        await super().setup(setup)
        await self._line.open(whatever=self._call.begins)

    async def cleanup(self) -> None:
        """Hang up."""
        self._drop_replies()
        await self._line.end()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _ask(self, reply: Reply) -> None:
        """Have the model answer the conversation, or say a sentence."""
        self._replies.append(reply)
        try:
            session = await self._line.open(whatever=reply.says is not None)
            if reply not in self._replies:
                return  # dropped meanwhile
            if self._replies[0] is reply:
                await self._begin(reply)
            await (session.answer() if reply.says is None else session.say(reply.says))
        except NotAskedError as error:
            await self._not_asked(reply, error)
        except SpeechModelError as error:
            await self._failed(str(error))

    async def _begin(self, reply: Reply) -> None:
        self._line.expect()
        await reply.begin()

    async def told(self, event: SpeechEvent) -> None:
        """What the model tells is of the first reply. Raises SpeechModelError."""
        if isinstance(event, Heard):
            await self._understood(event.turn, event.text)
            return
        reply = self._replies[0] if self._replies else None
        if reply is None:
            return
        match event:
            case Sound():
                self._line.expect()
                if not reply.spoke:
                    self._audibility.another()
                await reply.sound(event.pcm)
            case Words():
                reply.words(event.text)
            case Done():
                self._line.expect_nothing()
                await self._done(reply, event)

    async def _done(self, reply: Reply, done: Done) -> None:
        """The model has done what it was asked: go on with what it wants, or the reply is complete."""
        said = await reply.stretch_ends()
        if reply.beside or reply.says is not None:
            self._fixed.append(said)
        wants_more = False
        for wanted in done.wants:
            wants_more |= await self._use(reply, wanted)
        if not self._replies or self._replies[0] is not reply:
            return  # interrupted meanwhile
        if reply.closing is not None and (reply.closing_owed or not reply.spoke):
            reply.closing_owed, reply.spoke, reply.beside = False, True, True
            self._line.expect()
            await self._session.say(reply.closing.text)
        elif reply.closing is None and wants_more and reply.look_ups < MAX_LOOK_UPS:
            reply.look_ups += 1
            self._line.expect()
            try:
                await self._session.answer(more=True)
            except NotAskedError as error:
                await self._not_asked(reply, error)
        else:
            await self._over(reply)
            if done.failed:
                await self.push_error(done.failed)

    async def _not_asked(self, reply: Reply, why: NotAskedError) -> None:
        """There will be no answer, or no more of it; the connection is as good as before."""
        if self._replies and self._replies[0] is reply:
            self._line.expect_nothing()
            await self._over(reply)
        elif reply in self._replies:
            self._replies.remove(reply)
            self._changed.set()
        await self._held_back(why)

    async def _held_back(self, why: NotAskedError) -> None:
        await self.push_error(str(why), why, category=ErrorCategory.RATE_LIMIT)

    async def _use(self, reply: Reply, wanted: Wanted) -> bool:
        """Do what the model asks for; whether it is to go on with the result."""
        closing = self._closing_by(wanted.tool)
        if closing is not None:
            reply.close_with(closing, by_model=True)
        result = "done" if closing else await self._result(wanted)
        await self._session.give(wanted, result)
        return closing is None

    async def _result(self, wanted: Wanted) -> str:
        try:
            return await self._model.use(wanted.tool, wanted.arguments, self._call)
        except Exception:
            # The caller is to have an answer, and the model to know that there is none here.
            log.exception("a tool failed", tool=wanted.tool[:60])
            return "It cannot be found out now."

    async def _understood(self, number: int, text: str) -> None:
        """What the caller's turn was, which the model has answered or is answering."""
        turn = self._turns.pop(number, None)
        self._changed.set()
        if turn is None:
            return
        turn.understood(text)
        await self.push_frame(UnderstoodFrame(turn=number, text=text), UP)
        intent = self._phrases.whole(text)
        if intent not in {Intent.OPERATOR, Intent.GOODBYE}:
            return
        closing = to_operator(self._sentences) if intent is Intent.OPERATOR else farewell(self._sentences)
        for reply in self._replies:
            if reply.turn == number:
                reply.close_with(closing, by_model=False)
        if self._answered == number and not self._replies:
            # The answer was complete before it was known what the caller had said.
            self._answered = None
            late = Reply(self.push_frame, says=closing.text, answers=True)
            late.close_with(closing, by_model=True)
            await self._ask(late)

    async def _over(self, reply: Reply) -> None:
        """It is complete; what waits for that comes behind its end."""
        await reply.end()
        if not self._replies or self._replies[0] is not reply:
            return  # interrupted meanwhile
        self._replies.popleft()
        if reply.turn is not None and reply.closing is None:
            self._answered = reply.turn
        following = self._replies[0] if self._replies else None
        self._changed.set()
        if following is not None:
            await self._begin(following)

    async def _all_said(self) -> None:
        while self._replies:
            self._changed.clear()
            await self._changed.wait()

    async def broke(self, why: str) -> None:
        """Nothing more is to be had of this connection; an error where something was expected of it."""
        if self._replies:
            await self._failed(why)
        else:
            self._line.drop()
            self._changed.set()

    async def _failed(self, why: str) -> None:
        """As `broke`; the next turn makes another connection."""
        self._drop_replies()
        self._line.drop()
        await self.push_error(why)

    @property
    def _session(self) -> SpeechSession:
        """Raises SpeechModelError when it has broken since it was opened."""
        if self._line.session is None:
            raise SpeechModelError(HUNG_UP)
        return self._line.session

    def _closing_by(self, tool: str) -> Answer | None:
        if tool == PERSON.name:
            return to_operator(self._sentences)
        return farewell(self._sentences) if tool == HANG_UP.name else None

    def _drop_replies(self) -> None:
        self._replies.clear()
        self._answered = None
        self._line.expect_nothing()
        self._changed.set()
