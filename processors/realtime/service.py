"""The frame processor of the `realtime.*` stages: a mind that hears the caller and speaks by itself.

What it relies on: a turn begins with a `UserStartedSpeakingFrame` and ends with an `LLMContextFrame` whose last message
is a `SpokenTurn`, or what was written; audio of no turn (a cough that was passed over) is never sent.

What comes out is what an `llm.*` and a `tts.*` stage would make together. The model may look things up in between, and
being passed to a person and ending the call do not depend on it: where the caller's words are nothing else, that is
done whatever it answers.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

import structlog
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    SystemFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContextMessage, standard_message_text
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from processors.factory import CallContext
from processors.frames import SpokenTurn, UnderstoodFrame
from processors.llm.answers import Answer, farewell, sentences_of, to_operator
from processors.llm.intents import Intent, phrasebook
from processors.realtime.brief import HANG_UP, PERSON, brief_of
from processors.realtime.connection import HUNG_UP, Connection
from processors.realtime.hearing import Audibility, Utterance
from processors.realtime.reply import Reply
from processors.realtime.speech_model import (
    Done,
    Heard,
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
NO_TURN: Final = -1
"""The number of audio beside what was written: its words are of no turn."""
TRANSCRIPT_S: Final = 0.7
"""What was said last is written down if its words come so soon."""


class SpeechService(FrameProcessor):
    """One call's. Connects in `setup`, so that a candidate which cannot be connected is never exchanged."""

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
        self._utterance = Utterance(call.sample_rate)
        self._audibility = Audibility()
        self._turns: dict[int, SpokenTurn] = {}
        """Those of which the words are still to come."""
        self._told_messages = 0
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
        await self._line.open()

    async def cleanup(self) -> None:
        """Hang up."""
        self._drop_replies()
        await self._line.end()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Takes the caller's audio, turns and fixed sentences; passes everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, BotStartedSpeakingFrame):
            self._audibility.began(_now())
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._audibility.ended(_now(), all_of_it=not self._replies)
        if direction is UP:
            await self.push_frame(frame, direction)
            return
        match frame:
            case InputAudioRawFrame():
                self._utterance.heard(frame.audio, _now())
                await self._hear()
            case LLMContextFrame():
                await self._turn(frame.context.get_messages())
            case TTSSpeakFrame():
                await self._ask(Reply(self.push_frame, says=frame.text, interruptible=frame.interruptible))
            case InterruptionFrame():
                await self._interrupted(frame)
            case SystemFrame():
                await self._listen(frame)
                await self.push_frame(frame)
            case EndFrame():
                await self._finish()
                await self.push_frame(frame)
            case _:
                # What stands behind a sentence (the call is to end, somebody's telephone rings) comes out behind it.
                await self._all_said()
                await self.push_frame(frame)

    async def _listen(self, frame: Frame) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._utterance.voice_began(_now())
            self._audibility.voice_began(_now())
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._utterance.voice_ended(_now())
            self._audibility.voice_ended(_now())
        elif isinstance(frame, UserStartedSpeakingFrame):
            self._utterance.turn_began(_now())
            await self._hear()

    async def _hear(self) -> None:
        """The model gets the turn as it comes; one that is not there gets all of it at its end."""
        session = self._line.session
        if session is None or not self._utterance.in_turn:
            return
        try:
            if more := self._utterance.more_for(session):
                await session.hear(more)
        except SpeechModelError as error:
            await self.broke(str(error))

    async def _turn(self, messages: list[LLMContextMessage]) -> None:
        """The caller's turn is over: its rest, then the question. Cut short, it is of the next turn."""
        if not messages:
            return
        last = messages[-1]
        spoken = last if isinstance(last, SpokenTurn) else None
        try:
            session = await self._line.open()
            await self._tell_new(messages[:-1])
            if spoken is None:
                await self._line.tell(last)
            self._told_messages = len(messages)
            await self._end_turn(session, spoken)
        except SpeechModelError as error:
            await self._failed(str(error))
            return
        await self._ask(Reply(self.push_frame, turn=None if spoken is None else spoken.number))

    async def _tell_new(self, before: list[LLMContextMessage]) -> None:
        """What the model does not know of the conversation: all of it, or what was said beside it since."""
        if not await self._line.tell_once(before):
            for message in before[self._told_messages :]:
                text = standard_message_text(message) if isinstance(message, dict) else ""
                if any(_beginning(text, said) for said in self._fixed):
                    await self._line.tell(message)
        self._fixed.clear()

    async def _end_turn(self, session: SpeechSession, spoken: SpokenTurn | None) -> None:
        """What was heard becomes the turn."""
        empty = self._utterance.empty
        if more := self._utterance.more_for(session, last=True):
            await session.hear(more)
        self._utterance.answered()
        if spoken is not None:
            self._turns[spoken.number] = spoken
        if empty and spoken is not None:
            await self._understood(spoken.number, "")
        elif not empty:
            await session.end_turn(NO_TURN if spoken is None else spoken.number)

    async def _ask(self, reply: Reply) -> None:
        """Have the model answer the conversation, or say a sentence."""
        self._replies.append(reply)
        try:
            session = await self._line.open()
            if self._replies[0] is reply:
                await self._begin(reply)
            await (session.answer() if reply.says is None else session.say(reply.says))
        except SpeechModelError as error:
            await self._failed(str(error))

    async def _begin(self, reply: Reply) -> None:
        self._line.expect()
        await reply.begin()

    @property
    def _session(self) -> SpeechSession:
        """Raises SpeechModelError when it has broken since it was opened."""
        if self._line.session is None:
            raise SpeechModelError(HUNG_UP)
        return self._line.session

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
            await self._session.answer(more=True)
        else:
            await self._over(reply)
            if done.failed:
                await self.push_error(done.failed)

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

    def _closing_by(self, tool: str) -> Answer | None:
        if tool == PERSON.name:
            return to_operator(self._sentences)
        return farewell(self._sentences) if tool == HANG_UP.name else None

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
        """It is complete."""
        self._replies.popleft()
        if reply.turn is not None and reply.closing is None:
            self._answered = reply.turn
        following = self._replies[0] if self._replies else None
        self._changed.set()
        await reply.end()
        if following is not None:
            await self._begin(following)

    async def _interrupted(self, frame: InterruptionFrame) -> None:
        """Drop what is being said, but what may not be interrupted; nothing here waits for the network."""
        heard_ms = self._audibility.heard_ms(_now())
        self._answered = None
        kept = [reply for reply in self._replies if not reply.interruptible]
        if kept and self._replies[0] is kept[0]:
            await self.push_frame(frame)
            return
        self._audibility.another()
        for reply in self._replies:
            if reply.says is not None:
                self._fixed.append(reply.text)
        self._replies = deque(kept)
        self._line.expect_nothing()
        self._changed.set()
        await self.push_frame(frame)
        try:
            if self._line.session is not None:
                await self._line.session.cancel(heard_ms)
                for reply in kept:
                    await self._line.session.say(reply.says or "")
                if kept:
                    await self._begin(kept[0])
        except SpeechModelError as error:
            await self.broke(str(error))

    async def _all_said(self) -> None:
        while self._replies:
            self._changed.clear()
            await self._changed.wait()

    async def _finish(self) -> None:
        """Let what is being said come out, in as long as a silence may last, and the caller's words a little later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_s):
                await self._all_said()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRANSCRIPT_S):
                while self._turns and self._line.session is not None:
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

    def _drop_replies(self) -> None:
        self._replies.clear()
        self._answered = None
        self._line.expect_nothing()
        self._changed.set()


def _beginning(text: str, said: str) -> bool:
    """Whether a text is what was heard of something said."""
    words = text.split()
    return bool(words) and said.split()[: len(words)] == words


def _now() -> float:
    return asyncio.get_running_loop().time()
