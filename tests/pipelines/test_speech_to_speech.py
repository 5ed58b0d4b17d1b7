"""Whole calls with a mind that hears and speaks by itself, in virtual time; and changing to one, and back."""

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping

import pytest
from msgspec.structs import replace
from pipecat.frames.frames import InputTextRawFrame

from pipelines.calls import CallRecord, Understood
from pipelines.spec import AssistantSpec, LimitsSpec, TurnSpec
from processors.catalog import AnyFactory, Stages
from processors.factory import CallContext, StageContext, Workshop
from processors.frames import UNHEARD
from processors.realtime.mock import MockRealtime, MockRealtimeConfig, MockSession, MockSpeechModel
from processors.realtime.speech_model import (
    Brief,
    Done,
    Heard,
    NotAskedError,
    SpeechEvent,
    SpeechModelError,
    SpeechSession,
    Wanted,
)
from tests.pipelines.harness import Ringing, assistant, ringing, speech_to_speech
from tests.pipelines.transport import HoldingTransport
from tests.pipelines.virtual import virtual


def spoken(record: CallRecord) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in record.turns]


async def hung_up(call: Ringing) -> CallRecord:
    call.session.end("caller_hangup")
    return await call.record()


@virtual
async def test_a_call_is_greeted_answered_and_written_down() -> None:
    async with ringing(speech_to_speech(transcripts=["when do you open"], latency_s=0.3)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(8.0)
        record = await hung_up(call)
    assert spoken(record) == [
        ("assistant", "Welcome to us"),
        ("caller", "when do you open"),
        ("assistant", "You asked: when do you open"),
    ]
    assert record.errors == ()
    assert call.said() == ["Welcome to us", "You asked: when do you open"]
    assert [event.text for event in call.events if isinstance(event, Understood)] == ["when do you open"]


@virtual
async def test_the_answer_does_not_wait_for_a_transcript() -> None:
    config = {"answers": ["At eight"], "transcripts": ["when"], "transcript_s": 3.0, "latency_s": 0.3}
    async with ringing(speech_to_speech(**config)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [("caller", "when"), ("assistant", "At eight")]
    fall = record.turns[2].waterfall
    assert fall is not None
    assert fall.transcript is None
    assert fall.turn_end == pytest.approx(600, abs=1)  # the detector's 200 ms, and the turn's 400
    assert fall.first_audio == pytest.approx(900, abs=101)


@virtual
async def test_what_nobody_understood_is_a_turn_without_words() -> None:
    async with ringing(speech_to_speech(answers=["Pardon"], transcripts=[""])) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(8.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [("caller", ""), ("assistant", "Pardon")]
    assert call.session.messages[1]["content"] == UNHEARD  # type: ignore[index]


@virtual
async def test_an_answer_that_is_broken_off_is_written_down_as_far_as_it_was_heard() -> None:
    config = {"answers": ["one two three four five six seven eight", "yes"], "transcripts": ["a", "b"]}
    async with ringing(speech_to_speech(TurnSpec(wait_s=0.4, false_interruption_s=0.0), **config)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)  # answered from 3.6 on
        await call.until(4.7)
        await call.caller.speaks(1.0)
        await call.until(10.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [
        ("caller", "a"),
        ("assistant", "one two three"),
        ("caller", "b"),
        ("assistant", "yes"),
    ]
    assert [turn.interrupted for turn in record.turns] == [False, False, True, False, False]


@virtual
async def test_a_cough_over_an_answer_is_no_turn() -> None:
    config = {"answers": ["one two three four five six seven eight"], "transcripts": ["a"]}
    async with ringing(speech_to_speech(**config), transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(4.5)
        await call.caller.speaks(0.1)
        await call.until(10.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [("caller", "a"), ("assistant", config["answers"][0])]


@virtual
async def test_what_is_written_is_answered_by_voice() -> None:
    async with ringing(speech_to_speech()) as call:
        await call.until(2.0)
        await call.caller.push_frame(InputTextRawFrame(text="my plate is ABC1D23"))
        await call.until(8.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [
        ("caller", "my plate is ABC1D23"),
        ("assistant", "You asked: my plate is ABC1D23"),
    ]


@virtual
async def test_a_silent_caller_is_asked_and_then_taken_leave_of() -> None:
    async with ringing(speech_to_speech(limits=LimitsSpec(silence_s=3.0, reprompts=1))) as call:
        record = await call.record()
    assert spoken(record) == [
        ("assistant", "Welcome to us"),
        ("assistant", "Are you there"),
        ("assistant", "Good bye then"),
    ]
    assert record.end_reason == "silence"


@pytest.mark.parametrize(("request_", "line"), [("hangup", "hang_up"), ("operator", "operator")])
@virtual
async def test_the_model_may_end_the_call_or_pass_it_on(request_: str, line: str) -> None:
    async with ringing(speech_to_speech(answers=["One moment"], request=request_)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        record = await call.record()
    assert spoken(record)[-1] == ("assistant", "One moment")
    assert call.line.asked == [line]


@virtual
async def test_a_caller_who_wants_a_person_gets_one_whatever_the_model_says() -> None:
    async with ringing(speech_to_speech(answers=["No"], transcripts=["operator"])) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        record = await call.record()
    assert record.turns[-1].intent == "operator"
    assert call.line.asked == ["operator"]


@virtual
async def test_also_when_that_is_known_after_the_answer() -> None:
    config = {"answers": ["No"], "transcripts": ["operator"], "transcript_s": 2.0}
    async with ringing(speech_to_speech(**config)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        record = await call.record()
    assert spoken(record)[1:3] == [("caller", "operator"), ("assistant", "No")]
    assert record.turns[-1].intent == "operator"
    assert call.line.asked == ["operator"]


@virtual
async def test_a_model_that_fails_once_is_forgiven_and_one_that_fails_twice_is_not() -> None:
    config = {"answers": ["yes"], "failure": "raises", "fail_on": [0]}
    async with ringing(speech_to_speech(**config)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(7.0)
        await call.caller.speaks(1.0)
        await call.until(12.0)
        record = await hung_up(call)
    assert [text for role, text in spoken(record) if role == "assistant"] == [
        "Welcome to us",
        "Something went wrong",
        "yes",
    ]
    async with ringing(speech_to_speech(failure="hangs", deadline_s=2.0)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(12.0)
        await call.caller.speaks(1.0)
        record = await call.record()
    assert record.end_reason == "failure"
    assert call.line.asked == ["failed"]
    assert "silent for 2 s" in record.errors[0]


@virtual
async def test_a_live_call_changes_to_speech_to_speech_and_back_with_its_conversation() -> None:
    cascade = assistant(turn=TurnSpec(wait_s=0.4), stt={"transcripts": ["one"]}, llm={"answers": ["first: {question}"]})
    async with ringing(cascade) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(6.0)
        await call.publish(speech_to_speech(transcripts=["two"], answers=["second: {question}"]), 2)
        await call.until(7.0)
        await call.caller.speaks(1.0)
        await call.until(12.0)
        await call.publish(cascade, 3)
        await call.until(13.0)
        await call.caller.speaks(1.0)
        await call.until(18.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [
        ("caller", "one"),
        ("assistant", "first: one"),
        ("caller", "two"),
        ("assistant", "second: two"),
        ("caller", "one"),
        ("assistant", "first: one"),
    ]
    assert record.revisions == (1, 2, 3)
    assert record.errors == ()
    assert [message["content"] for message in call.session.messages] == [  # type: ignore[index]
        text for _, text in spoken(record)
    ]


class Like(MockRealtime):
    """`realtime.mock` with a model that behaves otherwise."""

    use = "realtime.like"

    def __init__(self, model: type[MockSpeechModel]) -> None:
        self._of = model

    async def prepare(self, config: MockRealtimeConfig, context: StageContext, workshop: Workshop) -> MockSpeechModel:
        return self._of(config)


def like(model: type[MockSpeechModel]) -> Mapping[str, AnyFactory]:
    """A catalog in which `Like.use` is this model."""
    return ChainMap({Like.use: Like(model)}, Stages())


def otherwise(**config: object) -> AssistantSpec:
    """An assistant with that model."""
    spec = speech_to_speech(**config)
    vad, mind = spec.pipeline
    return replace(spec, pipeline=(vad, replace(mind, use=Like.use)))


class Unreachable(MockSpeechModel):
    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        raise SpeechModelError("the realtime model cannot be reached: HTTP 401")


@virtual
async def test_a_model_that_cannot_be_connected_gives_the_call_back() -> None:
    async with ringing(otherwise(), stages=like(Unreachable)) as call:
        record = await call.record()
    assert call.line.asked == ["failed"]
    assert "HTTP 401" in " ".join(record.errors)


class Held(MockSpeechModel):
    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        call.meter.ask(whatever=whatever)
        if not whatever:
            raise NotAskedError
        return MockSession(self._config)


@virtual
async def test_where_a_call_begins_a_model_is_connected_whatever_was_asked() -> None:
    async with ringing(otherwise(answers=["yes"]), stages=like(Held)) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(6.0)
        record = await hung_up(call)
    assert [text for role, text in spoken(record) if role == "assistant"] == ["Welcome to us", "yes"]
    assert record.errors == ()


@pytest.mark.parametrize(
    ("model", "told"), [(Unreachable, "HTTP 401"), (Held, "limits.provider_rpm is reached")], ids=["away", "held back"]
)
@virtual
async def test_a_model_that_is_not_connected_is_not_changed_to(model: type[MockSpeechModel], told: str) -> None:
    async with ringing(assistant(llm={"answers": ["yes"]}), stages=like(model)) as call:
        await call.until(2.0)
        await call.publish(otherwise(), 2)
        await call.until(4.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        record = await hung_up(call)
    assert [text for role, text in spoken(record) if role == "assistant"] == ["Welcome to us", "yes"]
    assert record.revisions == (1,)
    assert told in record.errors[0]


@virtual
async def test_an_interruption_while_something_is_looked_up_ends_that_answer() -> None:
    """What is looked up takes a second; the caller says something else meanwhile."""
    async with ringing(otherwise(), stages=like(Looks)) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)  # looked up from 3.1 to 4.1
        await call.until(3.3)
        await call.caller.speaks(0.5)
        await call.until(12.0)
        record = await hung_up(call)
    assert [text for role, text in spoken(record) if role == "assistant"] == ["Welcome to us", "found"]
    assert record.errors == ()


class Looks(MockSpeechModel):
    async def use(self, tool: str, arguments: Mapping[str, str], call: CallContext) -> str:
        await asyncio.sleep(1.0)
        return "found"

    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        return LooksFirst(self._config)


class LooksFirst(MockSession):
    """Wants to look something up for every question, and says what came of it."""

    _result = ""

    async def answer(self, *, more: bool = False) -> None:
        self._require_open()
        if self._result:
            await self.say(self._result)
            self._result = ""
        else:
            self._told.put_nowait(Done(wants=(Wanted("w", "look_up"),)))

    async def give(self, wanted: Wanted, result: str) -> None:
        self._result = result


@virtual
async def test_what_the_caller_said_last_is_waited_for_when_the_mind_is_changed() -> None:
    config = {"transcripts": ["two"], "transcript_s": 1.0, "answers": ["ok"]}
    async with ringing(speech_to_speech(**config)) as call:
        await call.until(2.0)
        await call.publish(speech_to_speech(transcripts=["x"], answers=["y"]), 2)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        record = await hung_up(call)
    assert spoken(record)[1:] == [("caller", "two"), ("assistant", "ok")]
    assert record.revisions == (1, 2)


class Breaks(MockSpeechModel):
    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        return Bug(self._config)


class Bug(MockSession):
    """What it tells of a turn cannot be told."""

    async def events(self) -> AsyncIterator[SpeechEvent]:
        async for event in super().events():
            if isinstance(event, Heard):
                raise RuntimeError("a bug")  # noqa: TRY004 - whatever it is
            yield event


@virtual
async def test_a_bug_in_what_a_model_tells_is_an_error_and_not_a_silence() -> None:
    async with ringing(otherwise(latency_s=1.0, deadline_s=60.0), stages=like(Breaks)) as call:
        await call.until(3.0)
        await call.caller.speaks(1.0)
        await call.until(8.0)
        record = await hung_up(call)
    assert record.errors == ("the realtime model's answer cannot be followed (RuntimeError)",)
    assert spoken(record)[-1] == ("assistant", "Something went wrong")
