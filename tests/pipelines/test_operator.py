"""What an operator does to a live call, in virtual time: has something said, hangs up, sends the caller on."""

import asyncio

import pytest
from msgspec.structs import replace

from pipelines.spec import AssistantSpec, LimitsSpec, TransferSpec
from tests.pipelines.harness import Line, assistant, ringing, speech_to_speech
from tests.pipelines.virtual import virtual

THEIRS = "Somebody is on the way"
"""1.5 s of the mock voice's."""


@virtual
async def test_a_sentence_is_heard_written_down_and_counts_as_a_word_of_ours() -> None:
    async with ringing(assistant(limits=LimitsSpec(silence_s=5, reprompts=0))) as call:
        await call.until(5.0)
        assert call.session.say(THEIRS)
        record = await call.record()
        ended = call.now()
    assert call.said() == ["Welcome to us", THEIRS, "Good bye then"]
    theirs = record.turns[1]
    assert (theirs.role, theirs.interrupted, theirs.waterfall) == ("assistant", False, None)
    assert theirs.at_ms == pytest.approx(5100, abs=150)
    assert call.session.messages[1]["content"] == THEIRS, "the mind knows of it"  # type: ignore[index]
    assert ended == pytest.approx(5.0 + 1.5 + 5 + 0.9, abs=0.2)


@pytest.mark.parametrize("at", [0.0, 0.5])
@virtual
async def test_a_sentence_waits_for_the_greeting(at: float) -> None:
    async with ringing(assistant()) as call:
        await call.until(at)
        call.session.say(THEIRS)
        await call.until(6.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert [turn.text for turn in record.turns] == ["Welcome to us", THEIRS]
    assert record.errors == ()


@pytest.mark.parametrize("at", [2.3, 3.2, 4.2], ids=["the caller speaks", "the answer is thought of", "it is said"])
@virtual
async def test_a_sentence_comes_behind_the_answer(at: float) -> None:
    spec = assistant(stt={"transcripts": ["when"], "latency_s": 0.3}, llm={"answers": ["At nine"], "latency_s": 0.4})
    async with ringing(spec) as call:
        asking = asyncio.get_running_loop().call_later(at, call.session.say, THEIRS)
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        asking.cancel()
        call.session.end("caller_hangup")
        record = await call.record()
    assert [turn.text for turn in record.turns] == ["Welcome to us", "when", "At nine", THEIRS]
    assert not any(turn.interrupted for turn in record.turns)
    answer, theirs = record.turns[2:]
    assert answer.waterfall is not None
    assert theirs.waterfall is None


@virtual
async def test_a_caller_may_speak_into_it_and_is_answered() -> None:
    async with ringing(assistant(stt={"transcripts": ["who"]}, llm={"answers": ["Ana"]})) as call:
        await call.until(2.0)
        call.session.say(THEIRS)
        await call.until(2.8)
        await call.caller.speaks(0.5)
        await call.until(8.0)
        call.session.end("caller_hangup")
        record = await call.record()
    broken = record.turns[1]
    assert broken.interrupted
    assert THEIRS.startswith(broken.text)
    assert [turn.text for turn in record.turns[2:]] == ["who", "Ana"]


@virtual
async def test_a_call_that_takes_leave_does_so() -> None:
    async with ringing(assistant(limits=LimitsSpec(silence_s=5, reprompts=0))) as call:
        await call.until(6.2)
        assert call.player._speaking, "the farewell is being said"
        assert call.session.say(THEIRS)
        record = await call.record()
    assert call.said() == ["Welcome to us", "Good bye then"]
    assert record.end_reason == "silence"


@virtual
async def test_a_mind_that_speaks_by_itself_says_it_too() -> None:
    async with ringing(speech_to_speech(transcripts=["when"], answers=["At nine"], latency_s=0.3)) as call:
        await call.until(2.0)
        call.session.say("Hold on")
        await call.until(4.0)
        asking = asyncio.get_running_loop().call_later(0.5, call.session.say, THEIRS)
        await call.caller.speaks(1.0)
        await call.until(10.0)
        asking.cancel()
        call.session.end("caller_hangup")
        record = await call.record()
    assert [turn.text for turn in record.turns] == ["Welcome to us", "Hold on", "when", "At nine", THEIRS]
    assert not any(turn.interrupted for turn in record.turns)


@pytest.mark.parametrize("at", [0.0, 0.5, 2.5, 3.3, 4.0])
@virtual
async def test_an_operator_hangs_up_at_any_moment(at: float) -> None:
    async with ringing(assistant()) as call:
        hanging_up = asyncio.get_running_loop().call_later(at, call.session.hang_up)
        await call.until(2.0)
        await call.caller.speaks(1.0)
        record = await call.record(limit_s=10.0)
        hanging_up.cancel()
    assert (record.end_reason, record.hangup_cause) == ("ended_by_operator", "NORMAL_CLEARING")
    assert (call.line.asked, call.line.noted) == (["hang_up"], ["ended_by_operator"])
    assert record.errors == ()


def with_person() -> AssistantSpec:
    spec = assistant(llm={"answers": ["One moment"], "request": "operator"})
    return replace(spec, transfer=TransferSpec(to="200", ring_s=20))


@virtual
async def test_an_operator_sends_a_caller_on_for_whom_a_telephone_rings() -> None:
    line = Line()
    async with ringing(with_person(), line) as call:
        await call.until(2.0)
        await call.caller.speaks(0.5)
        await call.until(8.0)
        assert line.asked == ["connect 200"]
        call.session.transfer("+5511999990000")
        record = await call.record(limit_s=5.0)
    assert line.asked == ["connect 200", "transfer +5511999990000"]
    assert line.noted == ["transferred"]
    assert (record.end_reason, record.hangup_cause) == ("transferred", "")


BAD = ["", "abc", "600 XML default", "600\n", "sofia/gateway/x", "6" * 33, "++1", "６００", "${x}", "user/200@a"]


@pytest.mark.parametrize("number", BAD)
@virtual
async def test_what_the_document_could_not_name_is_not_dialled(number: str) -> None:
    async with ringing(assistant()) as call:
        await call.until(2.0)
        with pytest.raises(ValueError, match="expected an extension or telephone number: digits"):
            call.session.transfer(number)
        assert not call.session.decided
        await call.caller.speaks(0.5)
        await call.until(6.0)
        assert call.line.asked == []
    assert len(call.said()) == 2, "the call goes on"


@virtual
async def test_nobody_is_sent_back_to_the_assistant_itself() -> None:
    async with ringing(assistant()) as call:
        await call.until(2.0)
        with pytest.raises(ValueError, match=r"100 is answered by this assistant itself \(give another number\)"):
            call.session.transfer("100")
        assert not call.session.decided


@virtual
async def test_the_first_end_counts_and_what_is_asked_later_changes_nothing() -> None:
    async with ringing(assistant()) as call:
        await call.until(1.0)
        call.session.hang_up()
        assert call.session.decided
        call.session.transfer("600")
        call.session.say(THEIRS)
        record = await call.record()
        call.session.hang_up()
        call.session.say(THEIRS)
    assert record.end_reason == "ended_by_operator"
    assert call.line.asked == ["hang_up"]
    assert THEIRS not in call.said()
