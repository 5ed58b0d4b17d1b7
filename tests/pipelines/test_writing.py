"""Who writes into a call: a turn like one that is said, whatever the assistant is doing."""

from pipecat.frames.frames import InputTextRawFrame, TextFrame

from pipelines.calls import CallerSpeaking, CallRecord, Understood
from pipelines.spec import LimitsSpec, TurnSpec
from pipelines.writing import Writing
from processors.frames import WrittenFrame
from tests.pipelines.harness import Ringing, assistant, ringing
from tests.pipelines.test_through import DOWN, UP, between
from tests.pipelines.transport import HoldingTransport, MemoryTransport
from tests.pipelines.virtual import virtual

LONG = " ".join(f"word{i}" for i in range(1, 21)) + "."


async def writes(call: Ringing, text: str, at: float) -> None:
    await call.until(at)
    await call.caller.push_frame(InputTextRawFrame(text=text))


async def over(call: Ringing, at: float) -> CallRecord:
    await call.until(at)
    call.session.end("caller_hangup")
    return await call.record()


def told(record: CallRecord) -> list[tuple[str, str, bool]]:
    return [(turn.role, turn.text, turn.written) for turn in record.turns]


async def test_only_what_comes_in_becomes_words_of_a_turn() -> None:
    writing = Writing()
    before, after = between(writing)
    text, up = InputTextRawFrame(text="hello"), InputTextRawFrame(text="up")
    spoken = TextFrame("spoken")
    for frame, direction in ((text, DOWN), (spoken, DOWN), (up, UP)):
        await writing.queue_frame(frame, direction)
    (written, _), (passed, _) = after.came
    assert isinstance(written, WrittenFrame)
    assert (written.text, written.finalized) == ("hello", True)
    assert passed is spoken
    assert before.came == [(up, UP)]


@virtual
async def test_what_is_written_is_answered_and_never_read_out() -> None:
    async with ringing(assistant()) as call:
        await writes(call, "when do you open", 2.0)
        record = await over(call, 8.0)
    assert told(record) == [
        ("assistant", "Welcome to us", False),
        ("caller", "when do you open", True),
        ("assistant", "You asked: when do you open", False),
    ]
    question, answer = record.turns[1:]
    assert question.at_ms == 2000
    assert answer.waterfall is None, "there is no voice to count from"
    assert call.said() == ["Welcome to us", "You asked: when do you open"]
    assert [event.text for event in call.events if isinstance(event, Understood)] == ["when do you open"]
    assert not any(isinstance(event, CallerSpeaking) for event in call.events)
    assert record.errors == ()


async def in_the_answer(transport: MemoryTransport, text: str, turn: TurnSpec | None = None) -> CallRecord:
    """The caller asks by voice, and writes 1.6 s into the answer."""
    spec = assistant(
        stt={"transcripts": ["tell me all"]},
        llm={"answers": [LONG, "Fine"]},
        turn=turn or TurnSpec(),
        limits=LimitsSpec(silence_s=60),
    )
    async with ringing(spec, transport=transport) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await writes(call, text, 4.7)
        return await over(call, 20.0)


@virtual
async def test_it_interrupts_and_only_heard_words_are_kept_before_it() -> None:
    for transport in (MemoryTransport(), HoldingTransport()):
        record = await in_the_answer(transport, "stop")
        assert told(record)[1:] == [
            ("caller", "tell me all", False),
            ("assistant", "word1 word2 word3 word4 word5", False),
            ("caller", "stop", True),
            ("assistant", "Fine", False),
        ]
        assert [turn.interrupted for turn in record.turns] == [False, False, True, False, False]


@virtual
async def test_who_writes_what_only_listens_means_it() -> None:
    for text in ("uh-huh", "?", "👍"):
        record = await in_the_answer(HoldingTransport(), text)
        assert told(record)[3:] == [("caller", text, True), ("assistant", "Fine", False)]


@virtual
async def test_what_is_written_after_a_cough_waits_for_more_as_any_other() -> None:
    spec = assistant(
        stt={"transcripts": ["tell me all", ""]}, llm={"answers": [LONG, "Fine"]}, limits=LimitsSpec(silence_s=60)
    )
    async with ringing(spec, transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(4.7)
        await call.caller.speaks(0.3)
        await writes(call, "and", 6.5)
        await writes(call, "on Sunday", 6.6)
        record = await over(call, 20.0)
    assert told(record)[3:] == [("caller", "and on Sunday", True), ("assistant", "Fine", False)]


@virtual
async def test_an_assistant_that_may_not_be_interrupted_says_its_answer_first() -> None:
    record = await in_the_answer(MemoryTransport(), "stop", TurnSpec(interruptible=False))
    assert ("assistant", LONG, False) in told(record)
    assert told(record)[-1] == ("assistant", "Fine", False)
    assert ("caller", "stop", True) in told(record)


@virtual
async def test_of_two_texts_and_a_voice_in_one_breath_one_turn_is_made() -> None:
    async with ringing(assistant(stt={"transcripts": ["on Sunday"]})) as call:
        await writes(call, "do you open", 2.0)
        await writes(call, "at nine", 2.1)
        await call.caller.speaks(0.5)
        record = await over(call, 8.0)
    assert told(record)[1:] == [
        ("caller", "do you open at nine on Sunday", True),
        ("assistant", "You asked: do you open at nine on Sunday", False),
    ]
    assert record.turns[2].waterfall is not None


@virtual
async def test_a_turn_that_is_spoken_after_one_that_was_written_is_not_written() -> None:
    async with ringing(assistant(stt={"transcripts": ["and when"]})) as call:
        await writes(call, "where", 2.0)
        await call.until(6.0)
        await call.caller.speaks(0.5)
        record = await over(call, 12.0)
    assert [(text, written) for role, text, written in told(record) if role == "caller"] == [
        ("where", True),
        ("and when", False),
    ]


@virtual
async def test_who_writes_is_not_asked_whether_anybody_is_there() -> None:
    async with ringing(assistant(limits=LimitsSpec(silence_s=5, reprompts=1))) as call:
        for number in range(4):
            await writes(call, "hello", 5.5 + 5.5 * number)
        record = await over(call, 25.0)
    assert call.said() == ["Welcome to us", *["You asked: hello"] * 4]
    assert record.end_reason == "caller_hangup"


@virtual
async def test_writing_into_the_farewell_takes_it_back() -> None:
    async with ringing(assistant(limits=LimitsSpec(silence_s=5, reprompts=0))) as call:
        await writes(call, "wait", 6.2)
        record = await over(call, 10.0)
    assert told(record)[-2:] == [("caller", "wait", True), ("assistant", "You asked: wait", False)]
    assert record.end_reason == "caller_hangup"
