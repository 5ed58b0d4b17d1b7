"""What a realtime stage does when its model, its network or the moment is not as it should be."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from processors.frames import CallRequestFrame, UnderstoodFrame
from processors.metering import Unmetered
from processors.prices import Bill
from processors.realtime import openai_session
from processors.realtime.openai_bill import SessionBill
from processors.realtime.openai_session import OpenAiSession
from processors.realtime.speech_model import Sound
from tests.processors.cases import Documents
from tests.processors.realtime.scripted import MS_100, Answer, Model
from tests.processors.realtime.talk import BRIEF, GREETED, SETTLES_S, names, said, service, turn
from tests.processors.stages import RATE, UP, Edge, Step, played

SPEAKS = (BotStartedSpeakingFrame(), UP)
IS_SILENT = (BotStoppedSpeakingFrame(), UP)
ANSWER = (LLMFullResponseStartFrame, LLMFullResponseEndFrame)


def interrupts(number: int, *before: tuple[str, str]) -> list[Step]:
    return [*said(), InterruptionFrame(), 0.02, turn(number, *before), SETTLES_S]


def errors(edge: Edge) -> list[str]:
    return [frame.error for frame in edge.of(ErrorFrame)]


def final(text: str) -> list[Step]:
    """A last sentence that may not be interrupted, and the end of the call behind it."""
    frames: list[Any] = [TTSSpeakFrame(text), CallRequestFrame(request="hangup")]
    for frame in frames:
        frame.interruptible = False
    return frames


@asynccontextmanager
async def network(to: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A way to a port, and what cuts it: from then on nothing arrives on either side, and nobody is told."""
    cut = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []
    ways: list[asyncio.Task[None]] = []

    async def carries(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if cut.is_set():
                await asyncio.Event().wait()
            writer.write(piece)

    async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to)
        writers.extend((writer, back))
        ways.extend((asyncio.create_task(carries(reader, back)), asyncio.create_task(carries(there, writer))))

    server = await asyncio.start_server(opened, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], cut
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def later(seconds: float, *does: Any) -> None:
    await asyncio.sleep(seconds)
    for doing in does:
        await doing


@pytest.mark.parametrize("interrupted", [False, True])
async def test_a_farewell_is_heard_before_the_call_ends_whoever_speaks(interrupted: bool) -> None:
    """The caller makes a sound while an answer is said, or while the farewell is."""
    answer = Answer("um dois três", stops_after=1)
    async with Model(*([answer] if interrupted else [])) as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S] if interrupted else []
        steps += [*final("Até logo e obrigado"), 0.02 if interrupted else 0.0, InterruptionFrame(), SETTLES_S]
        behind, _ = await played(await service(model), steps)
    assert behind.texts(TTSTextFrame) == ["Até logo e obrigado"], "once"
    assert names(behind, TTSTextFrame, CallRequestFrame) == ["TTSTextFrame", "CallRequestFrame"]


async def test_a_farewell_that_is_being_said_is_not_begun_anew() -> None:
    async with Model(reads_s=0.05) as model:
        steps: list[Step] = [*final("Até logo e obrigado"), 0.1, InterruptionFrame(), 0.3]
        behind, _ = await played(await service(model), steps)
    assert len(model.of("response.create")) == 1
    assert behind.texts(TTSTextFrame) == ["Até logo e obrigado"]


async def test_a_network_that_is_gone_is_told_within_the_deadline_and_holds_nothing_up() -> None:
    async with Model(Answer("um dois", stops_after=1), "Sim.") as model, network(model.port) as (port, cut):
        stage = await service(model, port=port, deadline_s=0.5)
        began = time.monotonic()
        steps: list[Step] = [*said(), turn(), 0.1]
        asyncio.get_running_loop().call_later(0.2, cut.set)
        _, ahead = await played(stage, [*steps, 1.0])
        took_s = time.monotonic() - began
    at = [at for at, frame in ahead.came if isinstance(frame, ErrorFrame)]
    assert errors(ahead) == ["the realtime model was silent for 0.5 s"]
    assert at
    assert took_s < 3.5, "the end of a call does not wait for it"


async def test_after_the_call_nobody_connects_again() -> None:
    """A transcript that comes while the session is being closed asks for a person; there is no call any more."""
    async with Model("Sim.", transcripts=["operador"], transcript_s=0.3) as model:
        await played(await service(model), [*said(), turn(), SETTLES_S])
        await asyncio.sleep(0.4)
    assert len(model.requests) == 1


async def test_what_cannot_be_read_is_passed_over() -> None:
    deep = '{"type": "x", "a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    async with Model(Answer("um", begins_s=0.2)) as model:
        stage = await service(model)
        sent = asyncio.create_task(later(0.05, model.sends("{"), model.sends("5"), model.sends(deep)))
        behind, ahead = await played(stage, [*said(), turn(), 0.4])
        await sent
    assert behind.texts(TTSTextFrame) == ["um"]
    assert errors(ahead) == []


async def test_a_tool_that_breaks_is_told_to_the_model_and_the_caller_is_answered() -> None:
    class Broken(Documents):
        asked = False

        async def retrieve(self, *args: Any, **more: Any) -> Any:
            if self.asked:
                raise RuntimeError("disk")
            self.asked = True  # to be made ready
            return await super().retrieve(*args, **more)

    asks = Answer("", ("look_up", {"question": "x"}))
    async with Model(asks, "Sim.") as model:
        behind, ahead = await played(await service(model, library=Broken(), passages=3), [*said(), turn(), SETTLES_S])
    assert "cannot be found out" in str(model.of("conversation.item.create"))
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert errors(ahead) == []


async def test_an_answer_without_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_session, "MAX_ANSWER_MS", 1000)
    async with Model(" ".join(["um"] * 50)) as model:
        behind, ahead = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert errors(ahead) == ["the realtime model does not end its answer"]
    assert sum(len(frame.audio) for frame in behind.of(TTSAudioRawFrame)) <= 10 * 4800


async def test_a_long_answer_is_no_silence() -> None:
    async with Model(Answer("um dois três quatro", word_s=0.3)) as model:
        behind, ahead = await played(await service(model, deadline_s=0.5), [*said(), turn(), 1.5])
    assert behind.texts(TTSTextFrame) == ["um dois três quatro"]
    assert errors(ahead) == []


class Recorded:
    """A socket on which these messages come."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = [json.dumps(message) for message in ({"type": "session.updated"}, *messages)]

    async def send(self, message: str) -> None:
        return

    async def recv(self) -> str:
        if not self._messages:
            raise EOFError
        return self._messages.pop(0)

    async def close(self) -> None:
        return


async def test_half_a_sample_waits_for_its_other_half() -> None:
    audio = base64.b64decode(MS_100)
    place = {"response_id": "r", "item_id": "i"}
    deltas = [base64.b64encode(part).decode() for part in (audio[:101], audio[101:200], audio[200:])]
    socket = Recorded(
        {"type": "response.created", "response": {"id": "r"}},
        *({"type": "response.output_audio.delta", "delta": delta, **place} for delta in deltas),
    )
    unpaid = Bill(Unmetered(), "m", None)
    session = OpenAiSession(socket, SessionBill(unpaid, unpaid))
    await session.open(BRIEF, voice="marin", transcription_model="m", max_tokens=100)
    await session.answer()
    pieces = [event.pcm async for event in session.events() if isinstance(event, Sound)]
    await session.close()
    assert all(len(piece) % 2 == 0 for piece in pieces)
    assert b"".join(pieces) == audio


async def test_what_was_heard_is_counted_over_all_of_a_reply() -> None:
    """It speaks, looks something up and speaks on; the caller is still hearing the first of it."""
    asks = Answer("um dois três quatro cinco", ("look_up", {"question": "x"}))
    async with Model(asks, "seis sete oito", "Sim.") as model:
        steps: list[Step] = [*said(), VADUserStoppedSpeakingFrame(stop_secs=0.2), turn(), SETTLES_S, SPEAKS, 0.3]
        stage = await service(model, library=Documents(), passages=3)
        behind, _ = await played(stage, [*steps, *interrupts(1)])
    (cut,) = model.of("conversation.item.truncate")
    (gone,) = model.of("conversation.item.delete")
    assert cut["item_id"] == "item_3"
    assert 250 <= cut["audio_end_ms"] <= 450
    assert gone["item_id"] > cut["item_id"]
    assert behind.texts(TTSTextFrame)[-1] == "Sim."


async def test_what_a_cough_has_held_was_not_heard() -> None:
    async with Model("um dois três quatro cinco seis sete oito nove dez") as model:
        steps: list[Step] = [*said(), VADUserStoppedSpeakingFrame(stop_secs=0.2), turn(), SETTLES_S, SPEAKS, 0.1]
        steps += [VADUserStartedSpeakingFrame(), 0.2, VADUserStoppedSpeakingFrame(stop_secs=0.2), 0.4]
        await played(await service(model), [*steps, *said(), 0.1, InterruptionFrame(), 0.05])
    (cut,) = model.of("conversation.item.truncate")
    assert 200 <= cut["audio_end_ms"] <= 480, "100 before it, and from 200 after it on"


async def test_of_a_sentence_that_was_broken_off_the_model_learns_what_was_heard() -> None:
    async with Model("Sim.", "Claro.", reads_s=0.05) as model:
        steps: list[Step] = [*said(), turn(0), SETTLES_S, TTSSpeakFrame("Ainda está aí? Diga."), 0.12]
        now = (("user", "yes"), ("assistant", "Sim."), ("assistant", "Ainda"))
        await played(await service(model), [*steps, *interrupts(1, *now)])
    assert model.told == [("assistant", "Ainda")]


async def test_of_an_answer_in_several_items_each_is_cut_where_it_was_heard() -> None:
    async with Model(Answer("um dois três quatro cinco seis", item_of=2)) as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, SPEAKS, 0.3, *said(), InterruptionFrame(), 0.05]
        await played(await service(model), steps)
    (cut,) = model.of("conversation.item.truncate")
    assert 50 <= cut["audio_end_ms"] <= 199
    assert len(model.of("conversation.item.delete")) == 1


async def test_an_answer_that_nobody_heard_is_taken_back_and_one_that_was_heard_stays() -> None:
    async with Model("um dois três") as model:
        await played(await service(model), [*said(), turn(), SETTLES_S, *said(), InterruptionFrame(), 0.05])
    assert len(model.of("conversation.item.delete")) == 1
    async with Model("um dois três") as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, SPEAKS, 0.1, IS_SILENT, *said(), InterruptionFrame(), 0.05]
        await played(await service(model), steps)
    assert model.of("conversation.item.delete") == model.of("conversation.item.truncate") == []


async def test_two_interruptions_in_a_row_take_back_once() -> None:
    async with Model("um dois três", "quatro cinco") as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, SPEAKS, 0.1]
        await played(await service(model), [*steps, *said(), InterruptionFrame(), 0.05, InterruptionFrame(), 0.05])
    assert len(model.of("conversation.item.truncate")) == 1
    assert model.of("conversation.item.delete") == []


async def test_an_answer_cancelled_before_it_began_is_cancelled_when_it_begins() -> None:
    async with Model(Answer("não", begins_s=0.2, word_s=0.1), "Sim.") as model:
        behind, _ = await played(await service(model), [*said(), turn(), 0.05, *interrupts(1), 0.4])
    assert [event["response_id"] for event in model.of("response.cancel")] == ["resp_2"]
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert len(model.of("response.create")) == 2


async def test_what_a_cancelled_answer_still_says_is_not_heard() -> None:
    async with Model(Answer("não isto não mais", stops_after=1, says_on=True), "Sim.") as model:
        behind, _ = await played(await service(model), [*said(), turn(), SETTLES_S, *interrupts(1)])
    assert behind.texts(TTSTextFrame) == ["Sim."]
    cut = next(at for at, frame in enumerate(behind.frames) if isinstance(frame, InterruptionFrame))
    after = [frame for frame in behind.frames[cut:] if isinstance(frame, TTSAudioRawFrame)]
    assert sum(len(frame.audio) for frame in after) == 4800


async def test_an_answer_that_waits_is_dropped_with_the_one_before_it() -> None:
    async with Model(Answer("um dois", stops_after=1), "Sim.") as model:
        steps: list[Step] = [*said(), turn(), SETTLES_S, TTSSpeakFrame("Ainda?"), 0.05, *interrupts(1)]
        behind, _ = await played(await service(model), steps)
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert len(model.of("response.create")) == 2


async def test_answers_follow_one_another_each_between_its_own_marks() -> None:
    """Where nobody may interrupt, a turn may come while another is answered."""
    async with Model(Answer("um dois", word_s=0.05), "três") as model:
        behind, _ = await played(await service(model), [*said(), turn(0), 0.03, *said(), turn(1), 0.4])
    begins, ends = "LLMFullResponseStartFrame", "LLMFullResponseEndFrame"
    assert names(behind, *ANSWER, TTSTextFrame) == [begins, "TTSTextFrame", ends, begins, "TTSTextFrame", ends]


async def test_a_second_reply_that_stays_away_is_missed_too() -> None:
    async with Model(Answer("um", word_s=0.05), Answer("dois", stops_after=0)) as model:
        steps: list[Step] = [*said(), turn(0), 0.02, *said(), turn(1), 0.9]
        _, ahead = await played(await service(model, deadline_s=0.5), steps)
    assert errors(ahead) == ["the realtime model was silent for 0.5 s"]


async def test_a_model_that_hangs_up_between_turns_is_called_again_and_that_is_no_error() -> None:
    async with Model("um", "dois") as model:
        stage = await service(model)
        gone = asyncio.create_task(later(0.25, model.hangs_up()))
        behind, ahead = await played(stage, [*said(), turn(0, GREETED), 0.4, *said(), turn(1, GREETED), SETTLES_S])
        await gone
    assert len(model.requests) == 2
    assert model.told == [GREETED, GREETED]
    assert behind.texts(TTSTextFrame) == ["um", "dois"]
    assert errors(ahead) == []


async def test_a_connection_that_breaks_in_mid_turn_costs_nothing_of_it() -> None:
    async with Model("um", "dois") as model:
        stage = await service(model)
        gone = asyncio.create_task(later(0.15, model.hangs_up()))
        more = InputAudioRawFrame(b"\1\0" * RATE, RATE, 1)
        behind, ahead = await played(stage, [*said(), 0.3, more, turn(), SETTLES_S])
        await gone
    assert [len(pcm) for pcm in model.heard] == [pytest.approx(2 * 6 * RATE, rel=0.01)]
    assert behind.texts(TTSTextFrame) == ["um"]
    assert errors(ahead) == []


async def test_a_connection_that_breaks_under_an_answer_ends_that_answer() -> None:
    async with Model(Answer("um dois", stops_after=1), "três") as model:
        stage = await service(model)
        gone = asyncio.create_task(later(0.25, model.hangs_up()))
        behind, ahead = await played(stage, [*said(), turn(0), 0.2, *said(), 0.2, turn(1), SETTLES_S])
        await gone
    assert errors(ahead) == ["the realtime model hung up in the middle of an answer"]
    assert behind.texts(TTSTextFrame) == ["três"]
    assert [len(pcm) for pcm in model.heard][-1] == pytest.approx(6 * RATE, rel=0.01)


async def test_who_speaks_while_it_is_being_connected_loses_nothing() -> None:
    """The turn was over, the connection was not there yet; then the caller goes on."""
    async with Model("um") as model:
        stage = await service(model)
        await stage_without_connection(stage, slow_s=0.3)
        steps: list[Step] = [*said(), turn(0), 0.1, VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame()]
        steps += [InterruptionFrame(), InputAudioRawFrame(b"\2\0" * RATE, RATE, 1), turn(1), 0.6]
        behind, _ = await played(stage, steps)
    assert [len(pcm) for pcm in model.heard] == [pytest.approx(2 * 6 * RATE, rel=0.01)]
    assert behind.texts(TTSTextFrame) == ["um"]


async def stage_without_connection(stage: Any, *, slow_s: float) -> None:
    """The first connection is made in `setup` and breaks at once; the next takes a while."""
    connect, made = stage._line._model.connect, []

    async def slow(brief: Any, call: Any, **kind: bool) -> Any:
        if made:
            await asyncio.sleep(slow_s)
        session = await connect(brief, call, **kind)
        if not made:
            await session.close()
        made.append(session)
        return session

    stage._line._model.connect = slow


async def test_a_voice_from_before_it_listened_is_heard() -> None:
    """A call changes over while the caller speaks: the turn's beginning was another stage's."""
    async with Model("Sim.") as model:
        await played(await service(model), [InputAudioRawFrame(b"\1\0" * RATE, RATE, 1), turn(), SETTLES_S])
    assert [len(pcm) for pcm in model.heard] == [pytest.approx(6 * RATE, rel=0.01)]


async def test_a_cough_is_not_sent_with_what_is_written_later() -> None:
    cough: list[Step] = [VADUserStartedSpeakingFrame(), InputAudioRawFrame(b"\2\0" * 800, RATE, 1)]
    cough += [VADUserStoppedSpeakingFrame(stop_secs=0.2), 0.3]
    written = LLMContextFrame(LLMContext([{"role": "user", "content": "placa"}]))
    async with Model("Anotado.") as model:
        await played(await service(model), [*cough, UserStartedSpeakingFrame(), written, SETTLES_S])
    assert model.heard == []


async def test_what_is_no_text_of_the_conversation_is_not_told() -> None:
    context = LLMContext([{"role": "system", "content": "secret rules"}, {"role": "user", "content": "oi"}])
    async with Model("Sim.") as model:
        await played(await service(model), [LLMContextFrame(context), SETTLES_S])
    assert model.told == [("user", "oi")]


async def test_a_turn_without_a_sound_is_nobodys_words() -> None:
    async with Model("Sim.") as model:
        _, ahead = await played(await service(model), [UserStartedSpeakingFrame(), turn(), SETTLES_S])
    assert model.heard == []
    assert [frame.text for frame in ahead.of(UnderstoodFrame)] == [""]


async def test_a_wish_that_is_understood_late_is_not_done_when_something_else_was_said_since() -> None:
    async with Model("um", "dois", transcripts=["operador", "oi"], transcript_s=0.3) as model:
        behind, _ = await played(await service(model), [*said(), turn(0), 0.1, *interrupts(1), 0.4])
    assert behind.of(CallRequestFrame) == []


async def test_words_are_those_of_their_turn_whatever_was_refused_between() -> None:
    async with Model(transcripts=["um", "dois"], refuses_turns=[0]) as model:
        steps: list[Step] = [*said(), turn(0), SETTLES_S, *said(), turn(1), SETTLES_S]
        _, ahead = await played(await service(model), steps)
    assert [(frame.turn, frame.text) for frame in ahead.of(UnderstoodFrame)] == [(0, ""), (1, "um")]


async def test_a_wish_that_is_understood_while_the_caller_goes_on_is_not_done() -> None:
    async with Model("um", transcripts=["operador"], transcript_s=0.3) as model:
        behind, _ = await played(await service(model), [*said(), turn(0), 0.1, *said(), InterruptionFrame(), 0.5])
    assert behind.texts(TTSTextFrame) == ["um"]


async def test_what_is_looked_up_for_an_answer_that_is_dropped_asks_for_nothing() -> None:
    class Slow(Documents):
        async def retrieve(self, *args: Any, **more: Any) -> Any:
            await asyncio.sleep(0.3)
            return await super().retrieve(*args, **more)

    asks = Answer("", ("look_up", {"question": "x"}))
    async with Model(asks, "Sim.") as model:
        stage = await service(model, library=Slow(), passages=3)
        behind, _ = await played(stage, [*said(), turn(0), 0.1, *interrupts(1), 0.4])
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert len(model.of("response.create")) == 2


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"type": "failed", "error": {"code": "insufficient_quota", "message": "secret words"}}, "insufficient_quota"),
        ({"error": {"code": "secret words of the caller"}}, "unknown"),
        (None, "unknown"),
    ],
)
async def test_why_an_answer_failed_is_told_by_its_code(details: Any, told: str) -> None:
    async with Model(Answer("", status="failed", details=details)) as model:
        _, ahead = await played(await service(model), [*said(), turn(), SETTLES_S])
    assert errors(ahead) == [f"the realtime model's answer failed ({told})"]


async def test_a_model_that_takes_nothing_any_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_session, "MAX_UNSENT", 20)
    async with Model("Sim.") as model, network(model.port) as (port, cut):
        stage = await service(model, port=port)
        cut.set()
        steps: list[Step] = [VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame()]
        steps += [InputAudioRawFrame(b"\1\0" * RATE * 20, RATE, 1) for _ in range(60)]
        began = time.monotonic()
        await played(stage, [*steps, 0.2])
    assert time.monotonic() - began < 4.0
