"""Filters in whole calls, in virtual time: what is heard, what the mind gets, what is written down."""

from typing import Any

import pytest
from msgspec import structs
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame

from pipelines.calls import Said
from pipelines.spec import AssistantSpec, LimitsSpec, ProcessorSpec, TurnSpec
from tests.pipelines.harness import Ringing, assistant, ringing
from tests.pipelines.transport import HoldingTransport, MemoryTransport
from tests.pipelines.virtual import virtual

WIRES = [MemoryTransport, HoldingTransport]


def with_filter(spec: AssistantSpec, behind: str, use: str, **config: Any) -> AssistantSpec:
    """The assistant with one more stage."""
    assert spec.pipeline is not None
    nodes = list(spec.pipeline or ())
    at = next(index for index, node in enumerate(nodes) if node.id == behind)
    nodes.insert(at + 1, ProcessorSpec(id=use.partition(".")[2], use=use, config=config))
    return structs.replace(spec, pipeline=tuple(nodes))


async def said(call: Ringing) -> list[tuple[str, str]]:
    call.session.end("caller_hangup")
    record = await call.record()
    assert record.errors == ()
    return [(turn.role, turn.text) for turn in record.turns]


async def press(call: Ringing, keys: str) -> None:
    for key in keys:
        await call.caller.push_frame(InputDTMFFrame(button=KeypadEntry(key)))


@virtual
@pytest.mark.parametrize("wire", WIRES)
async def test_keys_are_a_turn_of_the_caller(wire: type[MemoryTransport]) -> None:
    spec = with_filter(assistant(), "stt", "filter.dtmf", muted=True)
    async with ringing(spec, transport=wire()) as call:
        await call.until(3.0)
        await press(call, "42#")
        await call.until(8.0)
        assert await said(call) == [
            ("assistant", "Welcome to us"),
            ("caller", "I typed [teclas]."),
            ("assistant", "You asked: I typed [teclas]."),
        ]


@virtual
@pytest.mark.parametrize("wire", WIRES)
async def test_a_key_interrupts_the_assistant(wire: type[MemoryTransport]) -> None:
    spec = with_filter(assistant(llm={"answers": ["Yes"]}), "stt", "filter.dtmf", keys={"*": "say it again"})
    spec = structs.replace(spec, texts=structs.replace(spec.texts, greeting="one two three four five six seven eight"))
    async with ringing(spec, transport=wire()) as call:
        await call.until(1.0)
        await press(call, "*")
        await call.until(8.0)
        greeting, *rest = await said(call)
    assert greeting[1].startswith("one two")
    assert "eight" not in greeting[1]
    assert rest == [("caller", "say it again"), ("assistant", "Yes")]


@virtual
@pytest.mark.parametrize("behind", ["stt", "llm"])
async def test_a_forbidden_question_is_answered_by_the_fixed_sentence(behind: str) -> None:
    law = {"name": "law", "phrases": ["lawsuit"], "answer": "We do not talk about that"}
    spec = assistant(stt={"transcripts": ["about my lawsuit", "hello"]}, llm={"answers": ["Sure. I can help"]})
    async with ringing(with_filter(spec, behind, "filter.topics", topics=[law])) as call:
        for at in (2.0, 8.0):
            await call.until(at)
            await call.caller.speaks(1.0)
        await call.until(14.0)
        turns = (await said(call))[1:]
    assert turns == [
        ("caller", "about my lawsuit"),
        ("assistant", "We do not talk about that"),
        ("caller", "hello"),
        ("assistant", "Sure. I can help"),
    ]


@virtual
async def test_a_forbidden_answer_is_cut_before_its_sentence_and_kept_so_in_the_conversation() -> None:
    law = {"name": "law", "phrases": ["lawsuit"], "answer": "Not that"}
    spec = assistant(llm={"answers": ["Sure. File a lawsuit now. Today"], "word_s": 0.1})
    async with ringing(with_filter(spec, "llm", "filter.topics", topics=[law])) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        assert (await said(call))[-1] == ("assistant", "Sure. Not that")


@virtual
async def test_a_filler_covers_the_wait_and_is_no_answer() -> None:
    spec = assistant(llm={"answers": ["At nine"], "latency_s": 2.5}, turn=TurnSpec(wait_s=0.4))
    filler = with_filter(spec, "llm", "filter.filler", sentences=["One moment", "Let me see"], after_s=1.0)
    async with ringing(filler) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(12.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert record.errors == ()
    _, question, covered, answer = record.turns
    assert covered.text in ("One moment", "Let me see")
    assert (covered.intent, covered.waterfall) == (None, None)
    assert (answer.text, answer.intent) == ("At nine", "free")
    assert answer.waterfall is not None
    assert answer.waterfall.turn_end is not None
    assert answer.waterfall.first_audio == pytest.approx(answer.waterfall.turn_end + 2500, abs=20)
    assert covered.at_ms - question.at_ms < answer.at_ms - question.at_ms


@virtual
async def test_the_record_and_the_feed_are_redacted_and_the_mind_is_not() -> None:
    spec = assistant(stt={"transcripts": ["my number is 415 555 2671"]}, llm={"answers": ["{question}, is it"]})
    async with ringing(with_filter(spec, "stt", "filter.redact")) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        turns = await said(call)
    assert turns[1:] == [("caller", "my number is [phone]"), ("assistant", "my number is [phone], is it")]
    assert not any("2671" in event.text for event in call.events if hasattr(event, "text"))


@virtual
async def test_what_is_told_of_the_turns_is_what_is_written_down_of_them() -> None:
    spec = assistant(stt={"transcripts": ["my number is 415 555 2671"]}, llm={"answers": ["{question}, is it"]})
    spec = with_filter(spec, "vad", "filter.transcript")
    async with ringing(with_filter(spec, "stt", "filter.redact")) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        turns = await said(call)
    assert call.line.told == [f"{role}: {text}" for role, text in turns]
    assert turns[1] == ("caller", "my number is [phone]")


@virtual
async def test_what_is_told_has_a_bound_and_nothing_is_told_of_what_is_withheld() -> None:
    long = " ".join(["word"] * 900)
    spec = assistant(stt={"transcripts": [long]}, llm={"answers": ["All right"]})
    async with ringing(with_filter(spec, "vad", "filter.transcript")) as call:
        await call.until(2.0)
        await call.caller.speaks(1.0)
        await call.until(9.0)
        await said(call)
    assert call.line.told[1] == f"caller: {long}"[:3900]
    call.session._told(Said(call_id=call.session._call.id, text="", interrupted=False, waterfall=None))
    assert len(call.line.told) == 3


@virtual
@pytest.mark.parametrize("order", [("filter.language", "filter.redact"), ("filter.redact", "filter.language")])
async def test_what_is_said_in_the_language_that_was_found_is_redacted_too(order: tuple[str, str]) -> None:
    """The digits of one language are words without a meaning in the other; both are looked for from then on."""
    english = "my phone number is nine nine eight seven six five four three two"
    transcripts = [english, "o meu telefone é nove nove oito sete meia cinco quatro três dois", english]
    limits = LimitsSpec(silence_s=300.0)
    spec = assistant(limits=limits, stt={"transcripts": transcripts}, llm={"answers": ["{question}, ok"]})
    for use in reversed(order):
        spec = with_filter(spec, "stt", use, **({"mind": True} if use == "filter.redact" else {}))
    async with ringing(structs.replace(spec, language="pt-BR")) as call:
        for at in (2.0, 16.0, 30.0):
            await call.until(at)
            await call.caller.speaks(1.0)
        await call.until(44.0)
        turns = (await said(call))[1:]
    callers = [text for role, text in turns if role == "caller"]
    assert callers == ["my phone number is [phone]", "o meu telefone é [telefone]", "my phone number is [phone]"]
    answers = [text for role, text in turns if role == "assistant"]
    assert answers == [f"{text}, ok" for text in callers]
    told = " ".join(event.text for event in call.events if hasattr(event, "text"))
    assert "[phone]" in told
    assert not {"nine", "nove"} & set(told.split())


@virtual
async def test_the_voice_says_words_and_the_record_keeps_what_was_written() -> None:
    spec = assistant(llm={"answers": ["It costs $5"]}, tts={"word_s": 1.0})
    heard_s: list[float] = []
    for made in (spec, with_filter(spec, "llm", "filter.speech_text", words={"$5": "one two three four five six"})):
        async with ringing(made) as call:
            await call.until(5.0)
            await call.caller.speaks(1.0)
            await call.until(17.0)
            assert (await said(call))[-1] == ("assistant", "It costs $5")
            heard_s.append(call.player.played_s)
    assert heard_s[1] - heard_s[0] == pytest.approx(5.0, abs=0.2)


@virtual
@pytest.mark.parametrize("guarded", [True, False])
async def test_the_assistants_own_voice_over_the_line_is_no_turn(guarded: bool) -> None:
    spec = assistant(stt={"transcripts": ["three four five six seven"]}, tts={"word_s": 0.5})
    spec = structs.replace(spec, texts=structs.replace(spec.texts, greeting="one two three four five six seven eight"))
    if guarded:
        spec = with_filter(spec, "stt", "filter.echo")
    async with ringing(spec, transport=HoldingTransport()) as call:
        await call.until(2.0)
        await call.caller.speaks(0.4)
        await call.until(9.0)
        turns = await said(call)
    greeting = ("assistant", "one two three four five six seven eight")
    if guarded:
        assert turns == [greeting]
    else:
        assert ("caller", "three four five six seven") in turns
