"""The spine of one call: which processors there are and how they hang together.

    input ► ear ► caller's aggregator ► mind ► output ► assistant's aggregator

with a tap behind the ear, the mind and the output; what is written joins what is said behind the ear. The ear and the
mind are the revision's and can be exchanged; all else lives as long as the call.
"""

from collections.abc import Callable, Sequence

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMContextFrame,
    OutputAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_mute.base_user_mute_strategy import BaseUserMuteStrategy
from pipecat.turns.user_mute.mute_until_first_bot_complete_user_mute_strategy import (
    MuteUntilFirstBotCompleteUserMuteStrategy,
)
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from pipelines.barge_in import BargeIn, HoldsSpeech, TurnEnd
from pipelines.listening import Listening
from pipelines.loaded import CallStages
from pipelines.slot import HotSlot
from pipelines.spec import TurnSpec
from pipelines.writing import Writing
from processors.frames import CallRequestFrame, SpokenTurn

UNHEARD_TURN_S = 4.0
"""A turn in which the caller stopped speaking ends after this long, transcript or not."""
SETUP_TIMEOUT_S = 10.0
CANCEL_TIMEOUT_S = 2.0


class Spine:
    """One call's pipeline and the few things that are done to it."""

    def __init__(
        self,
        stages: CallStages,
        transport: BaseTransport,
        listening: Listening,
        turn: TurnSpec,
        sample_rate: int,
        *,
        says_nothing: Callable[[str], bool],
        before: Sequence[LLMContextMessage] = (),
    ) -> None:
        """`says_nothing` tells whether words are only those of a listener ("uhum"); `before` was said already."""
        self.context = LLMContext(list(before))
        self.ear = HotSlot(stages.ear)
        self.mind = HotSlot(stages.mind)
        holds = listening.held(transport) if isinstance(transport, HoldsSpeech) else None
        params = _turn_taking(turn, holds, says_nothing)
        self._turn_ends = params.user_turn_strategies.stop if params.user_turn_strategies else None
        aggregators = LLMContextAggregatorPair(self.context, user_params=params)
        self._caller = aggregators.user()
        self._listening = listening
        self._spoken_turns = 0
        self.mind_hears(stages.mind_hears)
        processors: list[FrameProcessor] = [
            transport.input(),
            self.ear,
            Writing(),
            listening.ear("ear tap"),
            self._caller,
            self.mind,
            listening.mind("mind tap"),
            transport.output(),
            listening.wire("wire tap"),
            aggregators.assistant(),
        ]
        self.worker = _worker(processors, sample_rate)

    def tell(self, *, on_started: Callable[[], None], on_error: Callable[[ErrorFrame], None]) -> None:
        """What pipecat tells by events instead of frames. To be called before the worker runs."""

        async def started(_worker: PipelineWorker, _frame: Frame) -> None:
            on_started()

        async def failed(_worker: PipelineWorker, frame: ErrorFrame) -> None:
            on_error(frame)

        async def turn_stopped(_caller: LLMUserAggregator, _strategy: object, message: UserTurnStoppedMessage) -> None:
            if message.content:
                return
            if self._mind_hears:
                await self._take_turn()
            else:
                self._listening.unheard()

        self.worker.add_event_handler("on_pipeline_started", started)
        self.worker.add_event_handler("on_pipeline_error", failed)
        self._caller.add_event_handler("on_user_turn_stopped", turn_stopped)

    def mind_hears(self, by_itself: bool) -> None:
        """From now on: whether the caller's turn is given to the mind without words, when the voice has ended."""
        self._mind_hears = by_itself
        for end in self._turn_ends or ():
            assert isinstance(end, SpeechTimeoutUserTurnStopStrategy)
            end.wait_for_transcript = not by_itself

    async def _take_turn(self) -> None:
        turn = SpokenTurn(self._spoken_turns)
        self._spoken_turns += 1
        self.context.add_message(turn)  # type: ignore[arg-type]  # a message like any other, but for its number
        self._listening.taken(turn.number)
        await self.mind.queue_frame(LLMContextFrame(self.context), FrameDirection.DOWNSTREAM)

    def forget(self) -> None:
        """The call is over and nothing of it runs any more."""
        self.ear.forget()
        self.mind.forget()

    async def say(self, text: str, *, instead: bool, final: bool, then_hang_up: bool) -> None:
        """Speak a fixed text behind what is being said, or `instead` of it.

        It enters at the mind, so that nothing before it can hold it up. What is `final` is not cut by the
        caller's voice.
        """
        frames: list[Frame] = [InterruptionFrame()] if instead else []
        said: list[Frame] = [TTSSpeakFrame(text)]
        if then_hang_up:
            said.append(CallRequestFrame(request="hangup"))
        for frame in said:
            frame.interruptible = not final
        for frame in frames + said:
            await self.mind.queue_frame(frame, FrameDirection.DOWNSTREAM)

    async def play(self, sound: OutputAudioRawFrame) -> None:
        """Let the caller hear a sound that is no speech; it enters where `say` does, and an interruption ends it."""
        await self.mind.queue_frame(sound, FrameDirection.DOWNSTREAM)


def _turn_taking(
    turn: TurnSpec, output: HoldsSpeech | None, says_nothing: Callable[[str], bool]
) -> LLMUserAggregatorParams:
    mute: list[BaseUserMuteStrategy] = []
    if turn.mute_until_greeting_done:
        mute.append(MuteUntilFirstBotCompleteUserMuteStrategy())  # type: ignore[no-untyped-call]
    return LLMUserAggregatorParams(
        user_turn_strategies=_turn_strategies(turn, output, says_nothing),
        user_mute_strategies=mute,
        user_turn_stop_timeout=UNHEARD_TURN_S,
        # What to do about a turn without words is the conduct's to decide, not a model's.
        empty_user_turn=None,
    )


def _turn_strategies(
    turn: TurnSpec, output: HoldsSpeech | None, says_nothing: Callable[[str], bool]
) -> UserTurnStrategies:
    if turn.interruptible and turn.false_interruption_s and output is not None:
        start = BargeIn(output, turn.false_interruption_s, says_nothing)
        return UserTurnStrategies(start=[start], stop=[TurnEnd(start, turn.wait_s)])
    return UserTurnStrategies(
        start=[
            VADUserTurnStartStrategy(enable_interruptions=turn.interruptible),
            # For a transcript of something that the VAD took for silence.
            TranscriptionUserTurnStartStrategy(use_interim=False, enable_interruptions=turn.interruptible),
        ],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=turn.wait_s)],
    )


def _worker(processors: list[FrameProcessor], sample_rate: int) -> PipelineWorker:
    """Lean: everything that costs per frame and that a telephone call does not use is off."""
    return PipelineWorker(
        Pipeline(processors),
        params=PipelineParams(
            audio_in_sample_rate=sample_rate,
            audio_out_sample_rate=sample_rate,
            send_initial_empty_metrics=False,
        ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        cancel_on_idle_timeout=False,
        check_dangling_tasks=False,
        setup_timeout_secs=SETUP_TIMEOUT_S,
        start_timeout_secs=SETUP_TIMEOUT_S,
        cancel_timeout_secs=CANCEL_TIMEOUT_S,
    )
