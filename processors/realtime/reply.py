"""One thing that a realtime stage says: an answer to a turn, or a sentence that it was told to say."""

from pipecat.frames.frames import (
    Frame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)

from processors.frames import AnsweredFrame, CallRequestFrame
from processors.llm.answers import Answer
from processors.realtime.speaking import Push, Spoken


class Reply:
    """Told what the model says, it makes the frames. A sentence (`says`) may be uninterruptible."""

    def __init__(
        self,
        push: Push,
        *,
        says: str | None = None,
        interruptible: bool = True,
        turn: int | None = None,
        answers: bool = False,
    ) -> None:
        """Without a sentence it answers a turn; one that `answers` is of the answer all the same."""
        self.says = says
        self.answers = answers or says is None
        self.interruptible = interruptible
        self.turn = turn
        """The number of the spoken turn that it answers."""
        self.closing: Answer | None = None
        """What becomes of the call behind it."""
        self.closing_owed = False
        """The sentence of `closing` is still to be said."""
        self.look_ups = 0
        self.spoke = False
        """Something of it was said."""
        self.beside = False
        """What it says now is no part of the model's conversation."""
        self._push = push
        self._stretch: Spoken | None = None

    def close_with(self, closing: Answer, *, by_model: bool) -> None:
        """Do this behind it. The model speaks for itself, unless it does not speak; else our own sentence tells."""
        if self.closing is None:
            self.closing, self.closing_owed = closing, not by_model

    async def begin(self) -> None:
        """It was asked for."""
        if self.answers:
            await self._send(AnsweredFrame(intent="free"))
            await self._send(LLMFullResponseStartFrame())

    def words(self, text: str) -> None:
        """More of its text."""
        self._speaking().words(text)

    async def sound(self, pcm: bytes) -> None:
        """More of its audio."""
        self.spoke = True
        await self._speaking().sound(pcm)

    @property
    def text(self) -> str:
        """Of the stretch that is being said."""
        return self._stretch.text if self._stretch is not None else ""

    async def stretch_ends(self) -> str:
        """What follows is another breath. The text of this one."""
        stretch, self._stretch = self._stretch, None
        if stretch is None:
            return ""
        await stretch.end()
        return stretch.text

    async def end(self) -> None:
        """It is complete; what is to be done with the call is asked for."""
        if self.closing is not None:
            await self._send(AnsweredFrame(intent=self.closing.kind))
        await self._send(LLMFullResponseEndFrame() if self.answers else LLMAssistantPushAggregationFrame())
        if self.closing is not None and self.closing.request is not None:
            await self._send(CallRequestFrame(request=self.closing.request))

    def _speaking(self) -> Spoken:
        if self._stretch is None:
            self._stretch = Spoken(self._push, interruptible=self.interruptible)
        return self._stretch

    async def _send(self, frame: Frame) -> None:
        frame.interruptible = self.interruptible
        await self._push(frame)
