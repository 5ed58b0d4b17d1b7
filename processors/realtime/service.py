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
from pipecat.processors.frame_processor import FrameDirection

from processors.factory import CallContext
from processors.frames import SpokenTurn
from processors.realtime.hearing import Utterance
from processors.realtime.reply import Reply
from processors.realtime.replying import Replying
from processors.realtime.speech_model import (
    NotAskedError,
    SpeechModel,
    SpeechModelError,
    SpeechSession,
)
from processors.through import UP

log = structlog.get_logger()

NO_TURN: Final = -1
"""The number of audio beside what was written: its words are of no turn."""
TRANSCRIPT_S: Final = 0.7
"""What was said last is written down if its words come so soon."""


class SpeechService(Replying):
    """One call's."""

    def __init__(self, model: SpeechModel, call: CallContext, deadline_s: float) -> None:
        """`deadline_s` is the longest silence of a model that was asked for an answer."""
        super().__init__(model, call, deadline_s)
        self._utterance = Utterance(call.sample_rate)
        self._told_messages = 0

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
        except NotAskedError as error:
            await self._held_back(error)
            return
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


def _beginning(text: str, said: str) -> bool:
    """Whether a text is what was heard of something said."""
    words = text.split()
    return bool(words) and said.split()[: len(words)] == words


def _now() -> float:
    return asyncio.get_running_loop().time()
