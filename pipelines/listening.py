"""Where a call's frames are overheard: three taps, and what they tell to whom."""

from collections.abc import Callable, Mapping
from typing import Any

from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from base.clock import Clock
from pipelines.barge_in import HoldsSpeech
from pipelines.conduct import Action, Conduct
from pipelines.timeline import Timeline, Voices
from pipelines.turns import TurnAccount
from processors.frames import (
    AnsweredFrame,
    CallRequestFrame,
    LanguageFrame,
    RetrievedFrame,
    SayingFrame,
    UnderstoodFrame,
    WrittenFrame,
)
from processors.through import DOWN, UP, Through

Heed = Callable[[Any], None]
Heeds = Mapping[tuple[type[Frame], FrameDirection], Heed]


class Tap(Through):
    """Passes everything on at once; shows some frames, by type and direction, to those who heed them."""

    def __init__(self, name: str, heeds: Heeds) -> None:
        super().__init__(name=name, enable_direct_mode=True)
        self._heeds = heeds
        self._by_exact_type: dict[tuple[type[Frame], FrameDirection], Heed | None] = {}

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self._show(frame, direction)
        await self.push_frame(frame, direction)

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        await self._show(frame, direction)
        await super().let_through(frame, direction)

    async def _show(self, frame: Frame, direction: FrameDirection) -> None:
        heed = self._heed_of(type(frame), direction)
        if heed is not None:
            try:
                heed(frame)
            except Exception as error:
                # What we overhear badly must not be laid at the door of the stage that said it.
                await self.push_error(f"cannot heed a {type(frame).__name__}: {error!r}", exception=error)

    def _heed_of(self, kind: type[Frame], direction: FrameDirection) -> Heed | None:
        """Of the nearest base class that is heeded; looked up once per class of frame."""
        if (kind, direction) not in self._by_exact_type:
            found = (self._heeds[base, direction] for base in kind.__mro__ if (base, direction) in self._heeds)
            self._by_exact_type[kind, direction] = next(found, None)
        return self._by_exact_type[kind, direction]


class Announcing(Tap):
    """Also tells the ear each sentence that is going to be heard, ahead of its audio."""

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is DOWN and type(frame) is AggregatedTextFrame and frame.will_be_spoken:
            await self.push_frame(SayingFrame(frame.text), UP)
        await super().let_through(frame, direction)


class Held:
    """An output that can fall silent and speak on; the timeline says when it does."""

    def __init__(self, output: HoldsSpeech, voices: Voices) -> None:
        self._output, self._voices = output, voices

    def hold_speech(self) -> str | None:
        """See HoldsSpeech."""
        held = self._output.hold_speech()
        if held is not None:
            self._voices.held()
        return held

    def resume_speech(self) -> None:
        """See HoldsSpeech."""
        self._output.resume_speech()
        self._voices.resumed()


class Listening:
    """Turns overheard frames into entries of the turn account and the timeline, and events for the conduct.

    `act` is called with what the conduct wants done; it must not block.
    """

    def __init__(
        self,
        account: TurnAccount,
        conduct: Conduct,
        clock: Clock,
        act: Callable[[Action | None], None],
        timeline: Timeline,
        voices: Voices,
    ) -> None:
        self._account = account
        self._conduct = conduct
        self._clock = clock
        self._act = act
        self._timeline = timeline
        self._voices = voices

    def held(self, output: HoldsSpeech) -> HoldsSpeech:
        """The output, with its silences noted."""
        return Held(output, self._voices)

    def ear(self, name: str) -> Tap:
        """Between the ear and the caller's aggregator, which sends its decisions up through here."""
        return Tap(
            name,
            {
                (VADUserStartedSpeakingFrame, DOWN): self._vad_started,
                (VADUserStoppedSpeakingFrame, DOWN): self._vad_stopped,
                (TranscriptionFrame, DOWN): self._transcribed,
                (WrittenFrame, DOWN): self._written,
                (LanguageFrame, DOWN): self._language_found,
                (UserStartedSpeakingFrame, UP): self._caller_started,
                (LLMContextUserTurnFrame, UP): self._understood,
                (UnderstoodFrame, UP): self._told,
            },
        )

    def mind(self, name: str) -> Tap:
        """Behind the mind: what it found and made, before it waits to be heard."""
        return Announcing(
            name,
            {
                (RetrievedFrame, DOWN): self._retrieved,
                (AggregatedTextFrame, DOWN): self._sentence,
                (TTSAudioRawFrame, DOWN): self._tts_audio,
            },
        )

    def wire(self, name: str) -> Tap:
        """Behind the output: what has happened on the wire, in the order in which it was heard."""
        return Tap(
            name,
            {
                (AnsweredFrame, DOWN): self._decided,
                (LLMFullResponseStartFrame, DOWN): self._answer_begins,
                (LLMFullResponseEndFrame, DOWN): self._answer_ends,
                (LLMAssistantPushAggregationFrame, DOWN): self._said_ends,
                (TTSStartedFrame, DOWN): self._voice_begins,
                (TTSTextFrame, DOWN): self._heard,
                (BotStartedSpeakingFrame, DOWN): self._speech_started,
                (BotStoppedSpeakingFrame, DOWN): self._speech_stopped,
                (InterruptionFrame, DOWN): self._interrupted,
                (CallRequestFrame, DOWN): self._requested,
            },
        )

    def taken(self, number: int) -> None:
        """The caller's turn ended, and the mind has heard it by itself."""
        at = self._now()
        self._account.taken(number, at)
        self._timeline.note("turn")
        self._conduct.understood(at)
        self._act(None)

    def unheard(self) -> None:
        """The caller's turn ended without a word understood."""
        noise = self._account.unheard()
        self._act(self._conduct.unheard(self._now(), noise=noise))

    def _now(self) -> float:
        return self._clock.monotonic()

    def _vad_started(self, frame: VADUserStartedSpeakingFrame) -> None:
        self._account.caller_started(self._now())
        self._timeline.note("caller_speaks")

    def _vad_stopped(self, frame: VADUserStoppedSpeakingFrame) -> None:
        at = self._now()
        # The frame carries the wall clock's time of the decision; we count on the monotonic one.
        age = max(0.0, self._clock.now().timestamp() - frame.timestamp)
        self._account.caller_stopped(at, at - age - frame.stop_secs)
        self._timeline.note("caller_silent")

    def _transcribed(self, frame: TranscriptionFrame) -> None:
        at = self._now()
        self._account.transcribed(at)
        if frame.text.strip():
            self._conduct.words(at)
        self._timeline.note("transcript")

    def _written(self, frame: WrittenFrame) -> None:
        self._account.wrote(self._now())
        self._timeline.note("wrote")

    def _language_found(self, frame: LanguageFrame) -> None:
        self._account.speaks(frame.language)

    def _caller_started(self, frame: UserStartedSpeakingFrame) -> None:
        self._account.turn_began()
        self._conduct.caller_started()
        self._act(None)

    def _understood(self, frame: LLMContextUserTurnFrame) -> None:
        at = self._now()
        self._account.understood(frame.text, at)
        self._timeline.note("turn")
        self._conduct.understood(at)
        self._act(None)

    def _told(self, frame: UnderstoodFrame) -> None:
        self._account.told(frame.turn, frame.text)

    def _retrieved(self, frame: RetrievedFrame) -> None:
        self._account.retrieved(frame, self._now())

    def _sentence(self, frame: AggregatedTextFrame) -> None:
        self._account.sentence(self._now())

    def _tts_audio(self, frame: TTSAudioRawFrame) -> None:
        self._account.tts_audio(self._now())

    def _decided(self, frame: AnsweredFrame) -> None:
        self._account.decided(frame)

    def _answer_begins(self, frame: LLMFullResponseStartFrame) -> None:
        self._account.answer_begins()

    def _answer_ends(self, frame: LLMFullResponseEndFrame) -> None:
        heard = self._account.finished()
        self._voices.done()
        self._act(self._conduct.finished(self._now(), heard=heard, answer=True))

    def _said_ends(self, frame: LLMAssistantPushAggregationFrame) -> None:
        heard = self._account.finished()
        self._voices.done()
        self._act(self._conduct.finished(self._now(), heard=heard, answer=False))

    def _voice_begins(self, frame: TTSStartedFrame) -> None:
        self._account.voice_begins(self._now(), aside=not frame.append_to_context)
        self._note_voice()

    def _heard(self, frame: TTSTextFrame) -> None:
        self._account.heard(frame.text, self._now())

    def _speech_started(self, frame: BotStartedSpeakingFrame) -> None:
        self._account.speech_started(self._now())
        self._note_voice()
        self._conduct.speech_started()
        self._act(None)

    def _speech_stopped(self, frame: BotStoppedSpeakingFrame) -> None:
        self._account.speech_stopped()
        self._conduct.speech_stopped(self._now())
        self._act(None)

    def _note_voice(self) -> None:
        if (voice := self._account.voice) is not None:
            self._voices.heard(voice)

    def _interrupted(self, frame: InterruptionFrame) -> None:
        self._voices.broken_off()
        self._conduct.interrupted(heard=self._account.interrupted())

    def _requested(self, frame: CallRequestFrame) -> None:
        self._act(self._conduct.requested(frame.request))
