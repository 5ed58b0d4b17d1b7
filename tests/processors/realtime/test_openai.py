"""`realtime.openai` against a scripted server on a real socket: what it asks, what it says, how it fails."""

import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from processors.factory import PrepareError
from processors.frames import CallRequestFrame, UnderstoodFrame
from processors.realtime import openai_events as api
from processors.realtime.openai import OpenAiRealtime, OpenAiRealtimeConfig
from processors.realtime.speech_model import SpeechModelError
from tests.processors.cases import Documents
from tests.processors.realtime.scripted import Answer, Model
from tests.processors.realtime.talk import BRIEF, GREETED, KEY, SETTLES_S, SOFIA, names, said, service, turn, workshop
from tests.processors.stages import RATE, UP, Step, call_of, played, told


async def test_it_says_who_it_is_with_the_key_and_leaves_the_turns_to_us() -> None:
    async with Model() as model:
        await played(await service(model, voice="cedar", model="gpt-realtime-mini"), [0.05])
    (request,) = model.requests
    assert request.path == "/v1/realtime?model=gpt-realtime-mini"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    (update,) = model.of("session.update")
    session = update["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["audio"]["input"]["transcription"]["language"] == "pt"
    assert session["audio"]["output"]["voice"] == "cedar"
    assert [tool["name"] for tool in session["tools"]] == ["pass_to_person", "end_call"]
    assert "Clínica" in session["instructions"]


async def test_a_turn_is_sent_and_its_answer_comes_out_as_a_voice_would_make_it() -> None:
    heard = turn()
    async with Model("Das oito às seis.", transcripts=["qual é o horário?"]) as model:
        behind, ahead = await played(await service(model), [*said(), heard, SETTLES_S])
    assert len(model.heard[0]) == pytest.approx(3 * 2 * RATE, rel=0.01)  # a second, at three times the rate
    assert model.kinds == ["session.update", "input_audio_buffer.commit", "response.create"]
    kinds = (LLMFullResponseStartFrame, AggregatedTextFrame, TTSStartedFrame, TTSStoppedFrame, LLMFullResponseEndFrame)
    assert names(behind, *kinds) == [
        "LLMFullResponseStartFrame",
        "AggregatedTextFrame",
        "TTSStartedFrame",
        "TTSTextFrame",
        "TTSStoppedFrame",
        "LLMFullResponseEndFrame",
    ]
    announced, (text,) = behind.of(AggregatedTextFrame)[0], behind.of(TTSTextFrame)
    assert text.text == "Das oito às seis."
    assert text.segment_id == announced.id
    assert {frame.context_id for frame in behind.of(TTSAudioRawFrame)} == {text.context_id}
    assert sum(len(frame.audio) for frame in behind.of(TTSAudioRawFrame)) == 4 * 4800
    assert [(frame.turn, frame.text) for frame in ahead.of(UnderstoodFrame)] == [(0, "qual é o horário?")]
    assert heard.context.get_messages()[0]["content"] == "qual é o horário?"  # type: ignore[index]
    assert not behind.of(InputAudioRawFrame)


async def test_a_voice_that_was_no_turn_is_never_sent() -> None:
    cough: list[Step] = [VADUserStartedSpeakingFrame(), InputAudioRawFrame(b"\2\0" * 800, RATE, 1)]
    cough += [VADUserStoppedSpeakingFrame(stop_secs=0.2), 0.25]
    async with Model() as model:
        await played(await service(model), [*cough, *said(), turn(), SETTLES_S])
    assert len(model.heard) == 1
    assert len(model.heard[0]) == pytest.approx(3 * 2 * RATE, rel=0.01)


async def test_a_conversation_that_there_was_is_told_once() -> None:
    before = (("assistant", "Bom dia"), ("user", "oi"), ("assistant", "Diga"))
    async with Model() as model:
        steps: list[Step] = [*said(), turn(0, *before), SETTLES_S, *said(), turn(1, *before), SETTLES_S]
        await played(await service(model), steps)
    assert model.told == list(before)
    assert len(model.heard) == 2


async def test_what_was_written_is_told_and_answered() -> None:
    written = LLMContextFrame(LLMContext([{"role": "user", "content": "placa ABC1D23"}]))
    async with Model("Anotado.") as model:
        behind, _ = await played(await service(model), [written, SETTLES_S])
    assert model.told == [("user", "placa ABC1D23")]
    assert model.heard == []
    assert behind.texts(TTSTextFrame) == ["Anotado."]


async def test_a_fixed_sentence_is_read_word_for_word_beside_the_conversation_and_then_known() -> None:
    async with Model("Sim.") as model:
        steps: list[Step] = [TTSSpeakFrame("Bom dia! <b>"), SETTLES_S, *said(), turn(0, GREETED), SETTLES_S]
        steps += [TTSSpeakFrame("Ainda está aí? Diga."), SETTLES_S]
        now = (GREETED, ("user", "yes"), ("assistant", "Sim."), ("assistant", "Ainda está"))
        behind, _ = await played(await service(model), [*steps, *said(), turn(1, *now), SETTLES_S])
    greeting, _, reprompt, _ = model.of("response.create")
    assert greeting["response"]["conversation"] == "none"
    assert behind.texts(TTSTextFrame) == ["Bom dia! <b>", "Sim.", "Ainda está aí? Diga.", "ok"]
    assert reprompt["response"]["tool_choice"] == "none"
    assert model.told == [GREETED, ("assistant", "Ainda está")], "as far as it was heard, and nothing twice"


async def test_an_interruption_drops_the_answer_and_tells_the_model_what_was_heard() -> None:
    async with Model(Answer("um dois três quatro cinco", stops_after=3), "Sim.") as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, (BotStartedSpeakingFrame(), UP), 0.12]
        steps += [*said(), InterruptionFrame(), SETTLES_S, turn(1), SETTLES_S]
        behind, _ = await played(await service(model), steps)
    (cancel,) = model.of("response.cancel")
    (truncate,) = model.of("conversation.item.truncate")
    assert cancel["response_id"] == "resp_2"
    assert truncate["item_id"] == "item_3"
    assert 100 <= truncate["audio_end_ms"] <= 300
    assert model.kinds.index("response.cancel") < model.kinds.index("conversation.item.truncate")
    assert behind.texts(TTSTextFrame) == ["Sim."]


async def test_an_answer_that_was_made_and_not_heard_to_its_end_is_cut_too() -> None:
    async with Model("um dois três quatro cinco") as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, (BotStartedSpeakingFrame(), UP), 0.12]
        await played(await service(model), [*steps, *said(), InterruptionFrame(), 0.05])
    assert model.of("response.cancel") == []
    (truncate,) = model.of("conversation.item.truncate")
    assert 100 <= truncate["audio_end_ms"] <= 400


async def test_a_sentence_that_may_not_be_interrupted_is_said_to_its_end() -> None:
    last = TTSSpeakFrame("Até logo")
    last.interruptible = False
    async with Model(Answer("um dois três", stops_after=1)) as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, last, 0.05, InterruptionFrame(), SETTLES_S]
        behind, _ = await played(await service(model), steps)
    assert behind.texts(TTSTextFrame) == ["Até logo"]
    assert {frame.interruptible for frame in behind.of(TTSTextFrame)} == {False}


async def test_it_looks_things_up_in_the_tenants_documents() -> None:
    asks = Answer("", ("look_up", {"question": "horário?"}))
    async with Model(asks, "Das oito às seis.") as model:
        stage = await service(model, library=Documents(), passages=3)
        behind, _ = await played(stage, [*said(), turn(), SETTLES_S])
    assert "look_up" in str(model.of("session.update"))
    (result,) = [event["item"] for event in model.of("conversation.item.create")]
    assert result["type"] == "function_call_output"
    assert "Das oito às seis." in result["output"]
    assert result["output"].startswith("<passages>")
    assert behind.texts(TTSTextFrame) == ["Das oito às seis."]
    assert names(behind, LLMFullResponseStartFrame, LLMFullResponseEndFrame) == [
        "LLMFullResponseStartFrame",
        "LLMFullResponseEndFrame",
    ]


async def test_documents_that_cannot_be_searched_are_told_when_it_is_made_ready() -> None:
    async with Model() as model:
        with pytest.raises(PrepareError, match=r"realtime\.openai: the tenant's documents cannot be searched"):
            await service(model, passages=3)


@pytest.mark.parametrize("arguments", ["{}", "[]", "no json", '{"question": 5}', '{"question": null}'])
async def test_whatever_a_model_gives_to_a_tool_something_comes_back(arguments: str) -> None:
    item = api.OutputItem("function_call", "look_up", "c", arguments)
    assert api.arguments_of(item) == {}


async def test_a_model_that_looks_up_for_ever_is_stopped() -> None:
    asks = [Answer("", ("look_up", {"question": "?"})) for _ in range(9)]
    async with Model(*asks) as model:
        stage = await service(model, library=Documents(), passages=3)
        behind, _ = await played(stage, [*said(), turn(), 2 * SETTLES_S])
    assert len(model.of("response.create")) == 5
    assert behind.of(LLMFullResponseEndFrame)


async def test_a_wish_of_the_model_is_done_behind_its_words_or_behind_ours() -> None:
    async with Model(Answer("Um instante.", ("pass_to_person", {}))) as model:
        behind, _ = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert names(behind, TTSTextFrame, CallRequestFrame) == ["TTSTextFrame", "CallRequestFrame"]
    async with Model(Answer("", ("end_call", {}))) as model:
        behind, _ = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert names(behind, TTSTextFrame, CallRequestFrame) == ["TTSTextFrame", "CallRequestFrame"]
    assert [frame.request for frame in behind.of(CallRequestFrame)] == ["hangup"]


async def test_a_turn_that_cannot_be_transcribed_or_is_too_short_is_answered() -> None:
    async with Model("Sim.", transcripts=[None]) as model:
        behind, ahead = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert [frame.text for frame in ahead.of(UnderstoodFrame)] == [""]
    async with Model("Sim.", refuses="input_audio_buffer.commit") as model:
        behind, ahead = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert [frame.text for frame in ahead.of(UnderstoodFrame)] == [""]


async def test_an_answer_that_is_refused_or_fails_is_an_error_in_our_words() -> None:
    async with Model(refuses="response.create") as model:
        behind, ahead = await played(await service(model), [*said(), turn(), SETTLES_S])
    (error,) = ahead.of(ErrorFrame)
    assert error.error == "the realtime model refused to answer (told_to)"
    async with Model(Answer("", status="failed")) as model:
        behind, ahead = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert [error.error for error in ahead.of(ErrorFrame)] == ["the realtime model's answer failed (unknown)"]
    assert behind.of(LLMFullResponseEndFrame)


async def test_a_model_that_hangs_up_in_the_middle_is_called_again_and_told_all() -> None:
    before = (("assistant", "Bom dia"),)
    async with Model("Sim.", hangs_up_after=0) as model:
        steps: list[Step] = [*said(), turn(0, *before), SETTLES_S, *said(), turn(1, *before), SETTLES_S]
        behind, ahead = await played(await service(model), steps)
    assert len(model.requests) == 2
    assert [error.error for error in ahead.of(ErrorFrame)] == ["the realtime model hung up in the middle of an answer"]
    assert model.told == [*before, *before]
    assert [len(pcm) for pcm in model.heard] == [pytest.approx(6 * RATE, rel=0.01)] * 2
    assert behind.texts(TTSTextFrame) == ["Sim."]


async def test_a_model_that_is_silent_is_given_up_within_the_deadline() -> None:
    async with Model(Answer("um dois", stops_after=0)) as model:
        _, ahead = await played(await service(model, deadline_s=0.5), [*said(), turn(), 0.7])
    assert [error.error for error in ahead.of(ErrorFrame)] == ["the realtime model was silent for 0.5 s"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"status": 401}, "HTTP 401"),
        ({"status": 307, "location": "ws://127.0.0.1:9/"}, "HTTP 307"),
        ({"refuses": "session.update"}, "refused its brief (told_to)"),
        ({"silent": True}, "silent for 0.5 s"),
    ],
)
async def test_a_model_that_cannot_be_had_says_why_and_nothing_of_what_it_sent(how: dict[str, Any], why: str) -> None:
    async with Model(**how) as model:
        config = msgspec.convert({"base_url": model.base_url, "deadline_s": 0.5}, OpenAiRealtimeConfig)
        prepared = await OpenAiRealtime().prepare(
            msgspec.structs.replace(config, passages=0), told(SOFIA), workshop(model.port)
        )
        with pytest.raises(SpeechModelError) as refused:
            await prepared.connect(BRIEF, call_of(SOFIA))
    assert why in str(refused.value)
    assert "secret words" not in str(refused.value)


async def test_it_goes_nowhere_that_the_platform_does_not_allow() -> None:
    async with Model() as model:
        config = msgspec.convert({"base_url": "https://127.0.0.1:1/v1", "passages": 0}, OpenAiRealtimeConfig)
        prepared = await OpenAiRealtime().prepare(config, told(SOFIA), workshop(model.port))
        with pytest.raises(SpeechModelError, match="not on the public internet"):
            await prepared.connect(BRIEF, call_of(SOFIA))
        for url in (f"http://127.0.0.1:{model.port + 1}/v1", "ftp://a/v1", "https://u:p@a/v1"):
            config = msgspec.convert({"base_url": url, "passages": 0}, OpenAiRealtimeConfig)
            with pytest.raises(PrepareError, match="base_url"):
                await OpenAiRealtime().prepare(config, told(SOFIA), workshop(model.port))
    assert model.requests == []


async def test_neither_key_nor_words_are_logged(caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    async with Model("Das oito.", transcripts=["qual é o horário?"]) as model:
        await played(await service(model), [*said(), turn(), SETTLES_S])
    client = [record.getMessage() for record in caplog.records if record.name != "websockets.server"]
    told_ = "\n".join(client) + "".join(capfd.readouterr())
    assert KEY not in told_
    assert "horário" not in told_


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "delta",
                        "item_id",
                        "response",
                        "id",
                        "response_id",
                        "error",
                        "code",
                        "output",
                        "transcript",
                    ]
                ),
                inner | st.sampled_from(sorted(api._known)),
                max_size=6,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_a_server_sends_is_read_or_refused(message: bytes) -> None:
    try:
        told = api.read(message)
    except ValueError:
        return
    assert told is None or json.loads(message)["type"] == type(told).__struct_config__.tag
