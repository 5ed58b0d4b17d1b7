"""What becomes of a voice over the assistant's: an interruption, or nothing.

Whatever is heard holds the assistant's speech at once. It was nothing when it was brief and had no words, or only
such as listeners say ("uhum"): then the assistant speaks on and nobody learns of it. Otherwise the turn is the
caller's and the interruption goes out, late, but no later than anybody can hear: the silence is there already.
Recognition takes longer than a caller should wait in silence, so the assistant speaks on before it has said
anything; words that come then still interrupt. Who writes means it: that interrupts whatever it says.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    SpeechControlParamsFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import BaseUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy

from processors.frames import WrittenFrame

KEPT_BACK_S = 1.0
"""Words are kept back no longer, though the assistant speaks on: something was not to be interrupted."""
QUIET_S = 0.2
"""A pause shorter than this is inside an utterance, however quick the detector is."""
LATE_WORDS_S = 4.0
"""Words that come later than this belong to no utterance that is known."""


@runtime_checkable
class HoldsSpeech(Protocol):
    """An output that can fall silent and speak on."""

    def hold_speech(self) -> str | None:
        """The sentence that is held ("" = unknown); None, and nothing is held, when nothing is being said that may be
        interrupted.
        """
        ...

    def resume_speech(self) -> None:
        """Speak on from the first word that was not heard to its end. Does nothing when nothing is held."""
        ...


class Overlap:
    """Judges the caller's utterances over the assistant's speech. Pure; times are seconds of one monotonic clock."""

    def __init__(self, brief_s: float, says_nothing: Callable[[str], bool]) -> None:
        self._brief_s = brief_s
        self._says_nothing = says_nothing
        self._over: str | None = None
        self._began = 0.0
        self._ended = 0.0
        self._voice = False

    def began(self, at: float, over: str | None) -> bool:
        """A voice began while `over` was being said (None: nothing); whether that is a turn already."""
        self._voice = True
        if over is None:
            self._over = None
            return True
        if self._over is None or at - self._ended >= QUIET_S:
            self._began = at
        self._over, self._ended = over, at
        return False

    @property
    def too_long_at(self) -> float:
        """A voice that lasts until then interrupts."""
        return self._began + self._brief_s

    def ended(self, at: float) -> bool:
        """The voice ended; whether it interrupts by its length."""
        self._ended, self._voice = at, False
        return self._over is not None and at > self.too_long_at

    def said(self, text: str, at: float) -> bool:
        """What was recognised outside a turn; whether it begins one.

        What only listens is a reply when it was said over a question.
        """
        if not any(letter.isalnum() for letter in text):
            return False
        if self._over is None or at - self._ended > LATE_WORDS_S or self._over.rstrip().endswith("?"):
            return True
        return not self._says_nothing(text)

    def is_over(self, at: float) -> bool:
        """Whether what was recognised now is of a voice that has ended."""
        return self._over is not None and not self._voice and at - self._ended <= LATE_WORDS_S

    def settled(self) -> None:
        """The caller has the turn."""
        self._over = None


class BargeIn(BaseUserTurnStartStrategy):
    """Begins the caller's turn: at once while the assistant is silent, as `Overlap` judges while it speaks.

    Words that interrupt are kept back until the assistant is told to have stopped: what was heard of its answer
    comes before them in the conversation. To be used with `TurnEnd`.
    """

    def __init__(self, output: HoldsSpeech, brief_s: float, says_nothing: Callable[[str], bool]) -> None:
        super().__init__()
        self._output = output
        self._overlap = Overlap(brief_s, says_nothing)
        self._stop_secs = QUIET_S
        self._in_turn = False
        self._assistant_speaks = False
        self._kept_back: TranscriptionFrame | None = None
        self._waiting: asyncio.Task[None] | None = None
        self.passed_over: TranscriptionFrame | None = None
        """Words that are of no turn, or that will be when they come once more."""
        self.after_the_voice = False
        """The turn began with the words of a voice that was over."""

    async def cleanup(self) -> None:
        """Wait for nothing any more."""
        await self._wait_no_more()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def handle_user_turn_started(self) -> None:
        """The caller has the turn; what is held is the interruption's now."""
        self._in_turn = True
        self._overlap.settled()
        await self._wait_no_more()

    async def handle_user_turn_stopped(self) -> None:
        """The turn is over."""
        self._in_turn = self.after_the_voice = False
        self._kept_back = None

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Hold, speak on, or begin the turn."""
        if isinstance(frame, SpeechControlParamsFrame) and frame.vad_params is not None:
            self._stop_secs = frame.vad_params.stop_secs
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            await self._voice_began(_now() - frame.start_secs)
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            await self._voice_ended(_now() - frame.stop_secs)
        elif isinstance(frame, TranscriptionFrame) and frame is self.passed_over:
            self.passed_over = None
        elif isinstance(frame, TranscriptionFrame) and not self._in_turn:
            await self._recognised(frame, _now())
        elif isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame):
            self._assistant_speaks = isinstance(frame, BotStartedSpeakingFrame)
            if not self._assistant_speaks:
                await self._give_out()
        return ProcessFrameResult.CONTINUE

    async def _voice_began(self, at: float) -> None:
        if self._in_turn:
            return
        await self._wait_no_more()
        if self._overlap.began(at, self._output.hold_speech()):
            await self.trigger_user_turn_started()
        else:
            # The end of a voice is told so much later.
            self._wait(self._overlap.too_long_at + self._stop_secs, self.trigger_user_turn_started)

    async def _voice_ended(self, at: float) -> None:
        if self._in_turn:
            return
        await self._wait_no_more()
        if self._overlap.ended(at):
            await self.trigger_user_turn_started()
        else:
            self._wait(at + QUIET_S, self._speak_on)

    async def _recognised(self, frame: TranscriptionFrame, at: float) -> None:
        written = isinstance(frame, WrittenFrame)
        begins = written or self._overlap.said(frame.text, at)
        self.passed_over = frame if self._assistant_speaks or not begins else None
        if self.passed_over is not None:
            await self.trigger_reset_aggregation()  # type: ignore[no-untyped-call]
        if begins:
            self.after_the_voice = not written and self._overlap.is_over(at)
            self._kept_back = self.passed_over
            await self.trigger_user_turn_started()
            if self._kept_back is not None:
                self._wait(at + KEPT_BACK_S, self._give_out)

    async def _give_out(self) -> None:
        frame, self._kept_back = self._kept_back, None
        if frame is not None:
            await self.push_frame(frame)

    async def _speak_on(self) -> None:
        self._output.resume_speech()

    def _wait(self, until: float, then: Callable[[], Awaitable[None]]) -> None:
        self._waiting = self.task_manager.create_task(self._after(until, then), f"{self}::barge-in")

    async def _after(self, until: float, then: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(max(0.0, until - _now()))
        self._waiting = None  # what follows may want to end this wait, which is over
        await then()

    async def _wait_no_more(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            await self.task_manager.cancel_task(waiting)


class TurnEnd(SpeechTimeoutUserTurnStopStrategy):  # type: ignore[no-untyped-call]
    """Ends a turn after a silence that counts from the end of the voice, also where only its words began the turn."""

    def __init__(self, start: BargeIn, wait_s: float) -> None:
        super().__init__(user_speech_timeout=wait_s)
        self._start = start

    async def handle_user_turn_started(self) -> None:
        """Begin anew, unless the silence so far is this turn's."""
        if not self._start.after_the_voice:
            await super().handle_user_turn_started()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """As pipecat's own, but deaf to words that are passed over."""
        if frame is self._start.passed_over:
            return ProcessFrameResult.CONTINUE
        return await super().process_frame(frame)


def _now() -> float:
    return asyncio.get_running_loop().time()
