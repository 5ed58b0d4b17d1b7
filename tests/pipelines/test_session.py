"""Whole calls with mock stages, in virtual time: what is said, what is written down, how they end."""

import asyncio

import pytest
from msgspec.structs import replace
from pipecat.frames.frames import CancelWorkerFrame, EndWorkerFrame, Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from pipelines.calls import CallerSpeaking, Closed, FellBack, LiveEvent, Opened, StageFailed, Understood
from pipelines.spec import LimitsSpec, TransferSpec, TurnSpec
from processors.llm.mock import MockLlm, MockLlmService
from tests.pipelines.harness import LIMIT, Line, assistant, ringing
from tests.pipelines.virtual import virtual


@virtual
async def test_a_call_is_greeted_answered_and_written_down() -> None:
    spec = assistant(stt={"transcripts": ["when do you open"], "latency_s": 0.3}, llm={"latency_s": 0.2})
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(8.0)
        call.session.end("caller_hangup", "NORMAL_CLEARING")
        record = await call.record()
    assert [(turn.role, turn.text) for turn in record.turns] == [
        ("assistant", "Welcome to us"),
        ("caller", "when do you open"),
        ("assistant", "You asked: when do you open"),
    ]
    assert record.end_reason == "caller_hangup"
    assert record.hangup_cause == "NORMAL_CLEARING"
    assert record.errors == ()
    assert call.line.asked == []
    assert [type(event) for event in call.events if not hasattr(event, "text")] == [
        Opened,
        CallerSpeaking,
        CallerSpeaking,
        Closed,
    ]
    assert call.said() == ["Welcome to us", "You asked: when do you open"]
    assert any(isinstance(event, Understood) and event.text == "when do you open" for event in call.events)


@virtual
async def test_the_waterfall_counts_from_the_last_speech_sample() -> None:
    spec = assistant(turn=TurnSpec(wait_s=0.4), stt={"latency_s": 0.3}, llm={"latency_s": 0.2}, tts={"latency_s": 0.1})
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(8.0)
        call.session.end("caller_hangup")
        record = await call.record()
    greeting, question, answer = record.turns
    assert greeting.waterfall is None
    assert greeting.at_ms == pytest.approx(100, abs=1)
    assert question.at_ms == pytest.approx(2000, abs=1)
    fall = answer.waterfall
    assert fall is not None
    assert fall.vad_stop == pytest.approx(200, abs=1)
    assert fall.turn_wait == pytest.approx(600, abs=1)
    assert fall.transcript == pytest.approx(500, abs=1)
    assert fall.turn_end == pytest.approx(600, abs=1)
    assert fall.retrieved is None
    assert fall.first_sentence == pytest.approx(800, abs=1)
    assert fall.first_tts_audio == pytest.approx(900, abs=1)
    assert fall.first_audio == pytest.approx(900, abs=1)
    assert answer.at_ms == pytest.approx(3000 + 900, abs=1)


LONG = " ".join(f"word{i}" for i in range(1, 21)) + "."


@virtual
async def test_only_heard_words_are_kept_when_the_caller_interrupts() -> None:
    spec = assistant(stt={"transcripts": ["tell me all", "stop"]}, llm={"answers": [LONG, "Fine"]})
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.speaks(0.5)
        await call.until(12.0)
        call.session.end("caller_hangup")
        record = await call.record()
    broken, fine = record.turns[2], record.turns[4]
    assert broken.interrupted
    # The answer began 3.1 s into the call: 1.6 s of it are five whole words.
    assert broken.text == "word1 word2 word3 word4 word5"
    assert (fine.text, fine.interrupted) == ("Fine", False)
    assert [turn.role for turn in record.turns] == ["assistant", "caller", "assistant", "caller", "assistant"]


@virtual
async def test_a_caller_may_speak_into_the_greeting_and_nothing_of_it_is_lost() -> None:
    async with ringing(assistant(stt={"transcripts": ["where are you"]})) as call:
        await call.until(0.35)
        await call.caller.speaks(0.5)
        await call.until(5.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert [turn.text for turn in record.turns] == ["Welcome", "where are you", "You asked: where are you"]


@virtual
async def test_a_silent_caller_is_asked_again_then_left_after_the_farewell_was_heard() -> None:
    async with ringing(assistant(limits=LimitsSpec(silence_s=5, reprompts=2))) as call:
        record = await call.record()
        ended = call.now()
    assert call.said() == ["Welcome to us", "Are you there", "Are you there", "Good bye then"]
    assert record.end_reason == "silence"
    assert record.hangup_cause == "NORMAL_CLEARING"
    assert call.line.asked == ["hang_up"]
    # Four sentences of 0.9 s and three silences of 5 s; the line is given up when the last word was heard.
    assert ended == pytest.approx(4 * 0.9 + 3 * 5, abs=0.2)


@virtual
async def test_speaking_into_the_farewell_takes_it_back() -> None:
    spec = assistant(limits=LimitsSpec(silence_s=5, reprompts=0), stt={"transcripts": ["wait"]})
    async with ringing(spec) as call:
        await call.until(6.2)
        assert call.player._speaking, "the farewell is being said"
        await call.caller.speaks(0.4)
        await call.until(10.0)
        assert call.line.asked == []
        record = await call.record()
    assert record.end_reason == "silence"
    assert "You asked: wait" in call.said()
    assert call.said().count("Good bye then") == 1


@virtual
async def test_a_long_call_is_closed_politely() -> None:
    async with ringing(assistant(limits=LimitsSpec(max_call_s=8, silence_s=60))) as call:
        record = await call.record()
    assert call.said() == ["Welcome to us", LIMIT]
    assert record.end_reason == "max_duration"
    assert call.line.asked == ["hang_up"]


@virtual
async def test_the_last_word_of_a_long_call_cannot_be_spoken_over() -> None:
    async with ringing(assistant(limits=LimitsSpec(max_call_s=8, silence_s=60))) as call:
        await call.until(9.0)
        assert call.player._speaking
        await call.caller.speaks(0.5)
        record = await call.record()
    assert record.end_reason == "max_duration"
    assert call.said()[-1] == LIMIT


@virtual
async def test_a_call_ends_after_its_last_turn_was_answered() -> None:
    async with ringing(assistant(limits=LimitsSpec(max_turns=2), llm={"answers": ["One", "Two", "Three"]})) as call:
        for at in (2.0, 6.0):
            await call.until(at)
            await call.caller.speaks(0.5)
        record = await call.record()
    assert call.said() == ["Welcome to us", "One", "Two", LIMIT]
    assert record.end_reason == "max_turns"


@pytest.mark.parametrize(
    ("request_", "number", "reason", "verb"),
    [
        ("hangup", None, "goodbye", "hang_up"),
        ("operator", None, "operator", "operator"),
        ("operator", "600", "transferred", "transfer 600"),
    ],
)
@virtual
async def test_what_the_mind_asks_for_is_done_after_its_words_were_heard(
    request_: str, number: str | None, reason: str, verb: str
) -> None:
    spec = assistant(llm={"answers": ["All right then"], "request": request_})
    if number is not None:
        spec = replace(spec, transfer=TransferSpec(to=number, mode="blind"))
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        record = await call.record()
        played = call.player.played_s
    assert record.end_reason == reason
    assert call.line.asked == [verb]
    assert call.line.noted == [reason]
    assert record.hangup_cause == ("NORMAL_CLEARING" if verb == "hang_up" else "")
    assert record.turns[-1].text == "All right then"
    assert record.turns[-1].intent == {"hangup": "goodbye", "operator": "operator"}[request_]
    assert played == pytest.approx(0.9 + 0.9)


@pytest.mark.parametrize("failure", ["raises", "hangs"])
@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
@virtual
async def test_one_failure_is_said_and_the_call_goes_on(stage: str, failure: str) -> None:
    # The voice says the greeting as its first sentence, so its second is the answer.
    config = {"failure": failure, "fail_on": [1 if stage == "tts" else 0]}
    spec = assistant(limits=LimitsSpec(answer_timeout_s=3, silence_s=30), **{stage: config})  # type: ignore[arg-type]
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(15.0)
        await call.caller.speaks(0.5)
        await call.until(22.0)
        call.session.end("caller_hangup")
        record = await call.record()
    if (stage, failure) == ("stt", "hangs"):
        # A recogniser that hangs is a turn in which nothing was understood; its queue stays stuck.
        assert call.said()[:1] == ["Welcome to us"]
        return
    assert call.said() == ["Welcome to us", "Something went wrong", "You asked: What are your opening hours?"]
    assert record.end_reason == "caller_hangup"
    assert record.errors or failure == "hangs"
    assert sum(isinstance(event, FellBack) for event in call.events) == 1
    reported = [(event.kind, event.reason) for event in call.events if isinstance(event, StageFailed)]
    assert reported == ([] if (stage, failure) == ("llm", "hangs") else [(stage, "unknown")])


@pytest.mark.parametrize("failure", ["raises", "hangs", "stubborn"])
@pytest.mark.parametrize("stage", ["llm", "tts"])
@virtual
async def test_a_second_failure_gives_the_call_back(stage: str, failure: str) -> None:
    fail_on = [0] if failure == "stubborn" else []
    config = {"failure": failure, "fail_on": fail_on, "stubborn_s": 60.0}
    spec = assistant(limits=LimitsSpec(answer_timeout_s=3, silence_s=30), **{stage: config})  # type: ignore[arg-type]
    async with ringing(spec) as call:
        if stage == "llm":
            await call.until(2.0)
            await call.caller.speaks(0.5)
            if failure != "stubborn":
                await call.until(12.0)
                await call.caller.speaks(0.5)
        record = await call.record()
        # Two waits of 3 s for each question, and the limits of the teardown.
        assert call.now() < 30
    assert record.end_reason == "failure"
    assert call.line.asked == ["failed"]
    if failure == "stubborn":
        await asyncio.sleep(61.0)


@pytest.mark.parametrize("tenths", range(0, 80, 3))
@virtual
async def test_the_caller_may_leave_at_any_moment(tenths: int) -> None:
    spec = assistant(
        stt={"transcripts": ["tell me"], "latency_s": 0.3},
        llm={"latency_s": 0.4, "word_s": 0.05, "answers": ["One two three. Four five six."]},
        tts={"latency_s": 0.2, "chunk_s": 0.02},
    )
    async with ringing(spec) as call:
        leaving = asyncio.get_running_loop().call_later(tenths / 10, call.session.end, "caller_hangup", "NORMAL")
        await call.until(1.5)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        record = await call.record()
        leaving.cancel()
    assert record.end_reason == "caller_hangup"
    assert record.hangup_cause == "NORMAL"
    assert call.line.asked == []
    assert record.errors == ()
    assert isinstance(call.events[-1], Closed)


@pytest.mark.parametrize(("reason", "verbs"), [("lost", ["failed"]), ("shutdown", ["failed"])])
@virtual
async def test_endings_from_outside_leave_the_caller_to_the_dialplan(reason: str, verbs: list[str]) -> None:
    async with ringing(assistant()) as call:
        await call.until(1.0)
        call.session.end(reason)
        call.session.end("caller_hangup", "TOO_LATE")
        record = await call.record()
    assert (record.end_reason, record.hangup_cause) == (reason, "")
    assert call.line.asked == verbs


@virtual
async def test_an_end_that_a_hanging_stage_holds_up_leaves_no_task() -> None:
    async with ringing(assistant(llm={"failure": "hangs"})) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.0)
        await call.caller.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)
        await call.until(4.5)
        call.session.end("caller_hangup")
        record = await call.record()
    assert record.errors == ()


@virtual
async def test_who_hangs_up_before_the_stages_have_started_is_not_waited_for() -> None:
    async def forever(self: FrameProcessor, setup: FrameProcessorSetup) -> None:
        await FrameProcessor.setup(self, setup)
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MockLlmService, "setup", forever)
        async with ringing(assistant()) as call:
            await call.until(1.0)
            call.session.end("caller_hangup", "NORMAL_CLEARING")
            record = await call.record()
            ended = call.now()
    assert (record.end_reason, record.turns, record.errors) == ("caller_hangup", (), ())
    assert ended < 4.0


@virtual
async def test_whoever_follows_the_calls_learns_of_one_that_was_cancelled() -> None:
    events: list[LiveEvent] = []

    async def cancelled() -> None:
        async with ringing(assistant()) as call:
            call.session._feed = events.append
            await call.until(2.0)
            assert call._task is not None
            call._task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await cancelled()
    [closed] = [event for event in events if isinstance(event, Closed)]
    assert closed.record.end_reason == "shutdown"


@virtual
async def test_a_pipeline_that_ends_by_itself_is_a_lost_call() -> None:
    async with ringing(assistant()) as call:
        await call.until(1.0)
        await call.caller.push_frame(CancelWorkerFrame(), FrameDirection.UPSTREAM)
        record = await call.record()
    assert record.end_reason == "lost"
    assert call.line.asked == ["failed"]


@pytest.mark.parametrize("fault", ["breaks", "hangs"])
@virtual
async def test_a_broken_line_still_leaves_a_record(fault: str) -> None:
    line = Line(**{fault: True})
    async with ringing(assistant(limits=LimitsSpec(silence_s=1, reprompts=0)), line) as call:
        record = await call.record()
    assert record.end_reason == "silence"
    assert len(record.errors) == 1
    assert line.asked == ["hang_up"]


@virtual
async def test_noise_over_an_answer_is_asked_about() -> None:
    spec = assistant(stt={"transcripts": ["tell me all", ""]}, llm={"answers": [LONG]})
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.speaks(0.2)
        await call.until(12.0)
        call.session.end("caller_hangup")
        await call.record()
    assert call.said()[-1] == "Say again please"


@virtual
async def test_noise_in_a_silence_does_not_count_as_an_answer() -> None:
    spec = assistant(stt={"transcripts": [""]}, limits=LimitsSpec(silence_s=10, reprompts=0))
    async with ringing(spec) as call:
        await call.until(5.0)
        await call.caller.speaks(0.3)
        record = await call.record()
        ended = call.now()
    assert call.said() == ["Welcome to us", "Good bye then"]
    assert record.end_reason == "silence"
    assert ended == pytest.approx(0.9 + 10 + 0.9, abs=0.2)


@virtual
async def test_who_waits_for_a_slow_recogniser_is_not_asked_whether_he_is_there() -> None:
    spec = assistant(
        stt={"transcripts": ["when do you open"], "latency_s": 8.0}, limits=LimitsSpec(silence_s=5, reprompts=2)
    )
    async with ringing(spec) as call:
        await call.until(4.0)
        await call.caller.speaks(1.0)
        await call.until(20.0)
        call.session.end("caller_hangup")
        await call.record()
    # His turn is given up after 4 s (at 9.2), and his silence counts from there.
    assert call.said()[:2] == ["Welcome to us", "You asked: when do you open"]


@virtual
async def test_a_greeting_may_be_kept_from_interruption() -> None:
    async with ringing(assistant(turn=TurnSpec(mute_until_greeting_done=True))) as call:
        await call.until(0.2)
        await call.caller.speaks(0.2)
        await call.until(3.0)
        await call.caller.speaks(0.4)
        await call.until(8.0)
        call.session.end("caller_hangup")
        await call.record()
    assert call.said()[0] == "Welcome to us"
    assert len(call.said()) == 2


@virtual
async def test_an_assistant_that_is_not_interruptible_finishes_first() -> None:
    spec = assistant(turn=TurnSpec(interruptible=False), llm={"answers": ["One two three four five six", "Next"]})
    async with ringing(spec) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(3.5)
        await call.caller.speaks(0.3)
        await call.until(9.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert call.said() == ["Welcome to us", "One two three four five six", "Next"]
    assert not any(turn.interrupted for turn in record.turns)


@virtual
async def test_a_stage_that_cannot_be_made_for_a_call_gives_it_back() -> None:
    def broken(self: MockLlm, config: object, prepared: object, call: object) -> FrameProcessor:
        raise KeyError("voice")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MockLlm, "create", broken)
        async with ringing(assistant()) as call:
            record = await call.record()
    assert (record.end_reason, record.turns) == ("failure", ())
    assert "KeyError('voice')" in record.errors[0]
    assert call.line.asked == ["failed"]


@virtual
async def test_a_stage_that_never_starts_gives_the_call_back() -> None:
    async def forever(self: FrameProcessor, setup: FrameProcessorSetup) -> None:
        await FrameProcessor.setup(self, setup)
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MockLlmService, "setup", forever)
        async with ringing(assistant()) as call:
            record = await call.record()
            assert call.now() < 20
    assert record.end_reason == "failure"
    assert record.errors == ("the pipeline did not start",)
    assert call.line.asked == ["failed"]


@virtual
async def test_a_caller_who_has_left_before_the_first_frame_leaves_nothing_running() -> None:
    async with ringing(assistant()) as call:
        call.session.end("caller_hangup", "ORIGINATOR_CANCEL")
        record = await call.record()
    assert (record.end_reason, record.hangup_cause, record.turns) == ("caller_hangup", "ORIGINATOR_CANCEL", ())
    assert call.line.asked == []


@virtual
async def test_who_comes_back_from_a_person_is_not_greeted_and_nothing_is_forgotten() -> None:
    before = [{"role": "assistant", "content": "Welcome to us"}, {"role": "user", "content": "a person please"}]
    async with ringing(assistant(stt={"transcripts": ["and now"]}, llm={"answers": ["Fine"]}), before=before) as call:
        await call.until(8.0)
        await call.caller.speaks(0.5)
        await call.until(12.0)
    record = await call.record()
    back = "You are back with the virtual assistant. Is there anything else I can help you with?"
    assert [turn.text for turn in record.turns] == [back, "and now", "Fine"], "what was said before has its own record"
    kept = [(m["role"], m["content"]) for m in call.session.messages]  # type: ignore[index]
    assert kept == [
        ("assistant", "Welcome to us"),
        ("user", "a person please"),
        ("assistant", back),
        ("user", "and now"),
        ("assistant", "Fine"),
    ]


@virtual
async def test_the_conversation_knows_what_was_heard() -> None:
    """The mind is shown the conversation, and in it its own words as far as they were heard."""
    seen: list[list[tuple[object, object]]] = []

    class Nosy(MockLlmService):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
                seen.append([(m["role"], m["content"]) for m in frame.context.get_messages()])  # type: ignore[index]
            await super().process_frame(frame, direction)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MockLlm, "create", lambda self, config, prepared, call: Nosy(config))
        spec = assistant(stt={"transcripts": ["tell me all", "stop"]}, llm={"answers": [LONG, "Fine"]})
        async with ringing(spec) as call:
            await call.until(2.0)
            await call.caller.speaks(0.5)
            await call.until(4.7)
            await call.caller.speaks(0.5)
            await call.until(8.0)
    assert seen[1] == [
        ("assistant", "Welcome to us"),
        ("user", "tell me all"),
        ("assistant", "word1 word2 word3 word4 word5"),
        ("user", "stop"),
    ]
