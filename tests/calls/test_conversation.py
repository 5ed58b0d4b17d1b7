"""Whole calls over real sockets: what is heard, what is written down, and who ends them."""

from collections import ChainMap, defaultdict

import numpy as np
import pytest
import soundfile
from msgspec import Struct
from pipecat.frames.frames import Frame, InputDTMFFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from base.ids import CallId
from control.peer import Codec, Dtmf, HangUp, Interrupt, Say, Script, Sound, Wait, WaitFor
from control.peer.script import Hears
from pipelines.calls import CallerSpeaking, Closed, Opened, Said, Understood
from processors.catalog import Stages
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from tests.calls.callers import SPEECH, STAYS, asks, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRESSED: dict[CallId, list[str]] = defaultdict(list)


class KeysConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to configure."""


class KeyNote(FrameProcessor):
    """Notes the keys that its caller presses."""

    def __init__(self, call_id: CallId) -> None:
        super().__init__()
        self._pressed = PRESSED[call_id]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame):
            self._pressed.append(frame.button.value)
        await self.push_frame(frame, direction)


class KeyFilter(ProcessorFactory[KeysConfig, None]):
    """`filter.keys`"""

    use = "filter.keys"
    role = Role.FILTER
    config_type = KeysConfig

    async def prepare(self, config: KeysConfig, context: StageContext, workshop: Workshop) -> None:
        return None

    def create(self, config: KeysConfig, prepared: None, call: CallContext) -> KeyNote:
        return KeyNote(call.call_id)


evening = Evening(stages=ChainMap({"filter.keys": KeyFilter()}, Stages()), record=True)
calls = evening.fixture()

LONG = "alpha bravo sugar delta hotel india tango romeo oscar lemon uncle green black white amber ocean"
TELEVISION = Sound(np.tile(SPEECH.samples, 8), SPEECH.rate, "television")
ASKS_AND_STAYS = Script(steps=(hears(), Say(SPEECH), STAYS))
WORDS = tuple(LONG.split())


@evening.caller(
    asks(SPEECH),
    stt={"transcripts": ["when do you open"], "latency_s": 0.1},
    llm={"latency_s": 0.1},
    tts={"latency_s": 0.05},
)
def test_a_caller_is_greeted_asks_is_answered_and_hangs_up(call: Rung) -> None:
    result, record = call.result, call.record
    assert (result.ended_by, result.cause, result.door, result.hazards) == ("caller", "NORMAL_CLEARING", None, ())
    assert (record.end_reason, record.hangup_cause, record.errors) == ("caller_hangup", "NORMAL_CLEARING", ())
    assert call.said() == [
        ("assistant", "Welcome to us"),
        ("caller", "when do you open"),
        ("assistant", "You asked: when do you open"),
    ]
    assert not any(turn.interrupted for turn in record.turns)
    told = [type(event) for event in call.events]
    assert told == [Opened, Said, CallerSpeaking, CallerSpeaking, Understood, Said, Closed]
    assert result.greeting_ms is not None
    assert result.greeting_ms < 500, "the first call of a process is greeted as promptly as any"

    fall = record.turns[-1].waterfall
    assert fall is not None
    steps = {name: getattr(fall, name) for name in fall.__struct_fields__}
    assert steps.pop("retrieved") is None
    assert None not in steps.values()
    assert 0 < steps["vad_stop"] < steps["turn_wait"] <= steps["turn_end"] + 5
    assert steps["vad_stop"] + 90 < steps["transcript"] <= steps["turn_end"]
    assert steps["turn_end"] + 90 < steps["first_sentence"] < steps["first_tts_audio"] - 40
    assert steps["first_tts_audio"] <= steps["first_audio"] < steps["first_tts_audio"] + 60
    response_ms = result.turns[0].response_ms
    assert response_ms is not None
    assert abs(response_ms - steps["first_audio"]) < 250, "the service's own clock tells what the caller heard"


@evening.caller(ASKS_AND_STAYS, llm={"answers": ["Good bye dear friend"], "request": "hangup"}, tts={"word_s": 0.3})
def test_a_good_bye_is_heard_whole_before_the_service_hangs_up(call: Rung) -> None:
    assert (call.result.ended_by, call.result.cause, call.result.door) == ("service", "NORMAL_CLEARING", None)
    assert call.result.script_finished
    assert call.heard() == ["Welcome to us", "Good bye dear friend"]
    assert call.voices_s[-1] == pytest.approx(1.2, abs=0.15)
    record = call.record
    assert (record.end_reason, record.hangup_cause, record.errors) == ("goodbye", "NORMAL_CLEARING", ())
    assert (record.turns[-1].intent, record.turns[-1].interrupted) == ("goodbye", False)


@evening.caller(ASKS_AND_STAYS, llm={"answers": ["I put you through"], "request": "operator"})
def test_an_operator_is_fetched_by_the_dialplan(call: Rung) -> None:
    assert (call.result.ended_by, call.result.door, call.result.answered) == ("dialplan", "operator", True)
    assert call.heard()[-1] == "I put you through"
    assert call.voices_s[-1] == pytest.approx(0.4, abs=0.15)
    assert (call.record.end_reason, call.record.hangup_cause) == ("operator", "")


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=800, say=speech("en_10")), hears(), HangUp())),
    llm={"answers": [LONG, "All right"]}, tts={"word_s": 0.25},
)  # fmt: skip
def test_who_interrupts_is_listened_to_and_only_heard_words_are_kept(call: Rung) -> None:
    stopped_ms = call.result.turns[1].barge_in_ms
    assert stopped_ms is not None
    assert stopped_ms < 500
    broken, fine = call.record.turns[2], call.record.turns[4]
    assert broken.interrupted
    kept = broken.text.split()
    assert tuple(kept) == WORDS[: len(kept)]
    assert 0 < len(kept) < len(WORDS)
    assert len(kept) * 0.25 == pytest.approx(call.voices_s[1], abs=0.3), "as many as there was time to hear"
    assert len(kept) * 0.25 < call.voices_s[1] + 0.02, "never a word that was not heard to its end"
    assert (fine.text, fine.interrupted) == ("All right", False)
    assert call.record.end_reason == "caller_hangup"
    assert call.record.errors == ()


@evening.caller(Script(steps=(Interrupt(after_ms=300, say=SPEECH), hears(), HangUp())), texts={"greeting": LONG})
def test_even_the_greeting_may_be_spoken_over(call: Rung) -> None:
    assert call.record.turns[0].interrupted
    assert LONG.startswith(call.heard()[0])
    assert call.heard()[1:] == ["You asked: What are your opening hours?"]


@evening.caller(
    Script(steps=(WaitFor(what=Hears.SPEECH_START), Wait(0.55), HangUp())),
    texts={"greeting": LONG}, tts={"word_s": 0.2},
)  # fmt: skip
def test_who_hangs_up_in_the_middle_of_a_sentence_has_heard_its_beginning(call: Rung) -> None:
    [turn] = call.record.turns
    assert turn.interrupted
    assert 0 < len(turn.text.split()) <= 3
    assert LONG.startswith(turn.text)
    assert (call.record.end_reason, call.record.hangup_cause) == ("caller_hangup", "NORMAL_CLEARING")


@evening.caller(Script(steps=(STAYS,)), limits={"silence_s": 1, "reprompts": 1})
def test_who_says_nothing_is_asked_again_and_left_with_a_farewell(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", "Are you there", "Good bye then"]
    assert (call.result.ended_by, call.result.cause) == ("service", "NORMAL_CLEARING")
    assert (call.record.end_reason, call.record.errors) == ("silence", ())
    assert len(call.voices_s) == 3


@evening.caller(
    Script(steps=(hears(), Say(TELEVISION), STAYS)),
    stt={"transcripts": [""]},
    limits={"idle_s": 5},
)
def test_a_line_that_is_never_silent_and_says_nothing_is_closed_politely(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", "Good bye then"]
    assert (call.result.ended_by, call.record.end_reason) == ("service", "silence")
    assert call.result.ended_ms < 10_000, "while the television goes on"


@evening.caller(Script(steps=(STAYS,)), limits={"max_call_s": 5}, tts={"word_s": 0.05})
def test_a_call_that_lasts_too_long_is_closed_politely(call: Rung) -> None:
    assert call.heard()[-1].startswith("We have reached the time limit")
    assert (call.result.ended_by, call.result.cause) == ("service", "NORMAL_CLEARING")
    assert call.record.end_reason == "max_duration"
    assert call.result.ended_ms == pytest.approx(5000 + call.voices_s[-1] * 1000, abs=400)


@evening.caller(ASKS_AND_STAYS, limits={"max_turns": 1}, tts={"word_s": 0.05})
def test_a_call_of_too_many_turns_is_closed_politely(call: Rung) -> None:
    assert call.heard()[1] == "You asked: What are your opening hours?"
    assert call.heard()[2].startswith("We have reached the time limit")
    assert call.result.ended_by == "service"
    assert call.record.end_reason == "max_turns"


@evening.caller(
    Script(steps=(hears(), Dtmf("4*0#"), Say(SPEECH), hears(), HangUp())),
    extra=[{"id": "keys", "use": "filter.keys"}],
)
def test_keys_reach_the_pipeline_and_the_call_goes_on(call: Rung) -> None:
    assert PRESSED[call.record.call.id] == ["4", "*", "0", "#"]
    assert len(call.heard()) == 2


@evening.caller(asks(SPEECH, codec=Codec.L16_16K), llm={"answers": ["Wide band"]}, tts={"word_s": 0.3})
def test_a_wide_band_call(call: Rung) -> None:
    assert call.result.sample_rate == 16000
    assert call.heard() == ["Welcome to us", "Wide band"]
    assert call.voices_s == pytest.approx((0.9, 0.6), abs=0.15)
    assert call.result.downlink.sizes.keys() == {640}


@evening.caller(
    asks(SPEECH, speech("pt_04"), speech("es_05"), codec=Codec.PCMA), llm={"answers": ["One", "Two", "Three"]}
)
def test_a_conversation_of_three_turns_over_a_law(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", "One", "Two", "Three"]
    assert [turn.role for turn in call.record.turns] == ["assistant", *["caller", "assistant"] * 3]
    assert call.result.downlink.lateness is not None


@evening.caller(asks(SPEECH), texts={"greeting": "This is the bakery"}, llm={"answers": ["Fresh bread"]})
def test_one_tenant_s_callers_hear_that_tenant(call: Rung) -> None:
    assert call.heard() == ["This is the bakery", "Fresh bread"]
    assert call.record.call.tenant_id == call.result.tenant


@evening.caller(asks(SPEECH), texts={"greeting": "This is the garage"}, llm={"answers": ["New tyres"]})
def test_another_tenant_s_callers_hear_the_other(call: Rung) -> None:
    assert call.heard() == ["This is the garage", "New tyres"]
    assert call.record.call.tenant_id == call.result.tenant


@evening.caller(asks(SPEECH), llm={"answers": ["Recorded"]}, tts={"word_s": 0.4})
def test_both_sides_are_recorded_in_their_places(call: Rung) -> None:
    assert call.record.recording is not None
    both, rate = soundfile.read(call.folder / call.record.recording, dtype="int16")
    assert rate == 8000
    loud = np.abs(both[: len(both) // 400 * 400].astype(int)).reshape(-1, 400, 2).mean(axis=1) > 300
    caller, assistant = (np.flatnonzero(side) * 0.05 for side in loud.T)
    assert len(assistant) * 0.05 == pytest.approx(sum(call.voices_s), abs=0.15)
    greeting, answer = (turn.at_ms / 1000 for turn in call.record.turns if turn.role == "assistant")
    assert assistant[0] - caller[0] == pytest.approx(greeting - call.record.turns[1].at_ms / 1000, abs=0.3)
    assert min(assistant[assistant > caller[-1]]) - assistant[0] == pytest.approx(answer - greeting, abs=0.1)
