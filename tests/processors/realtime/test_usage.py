"""What a realtime model is asked and what that takes: told by the server, guessed where it cannot be, held back."""

import asyncio
from collections import deque
from typing import Any

import pytest
from pipecat.frames.frames import ErrorFrame, InterruptionFrame, TTSSpeakFrame, TTSTextFrame
from pipecat.utils.errors import ErrorCategory

from pipelines.spending import Spending
from processors.metering import RateReachedError
from processors.realtime.openai import OpenAiRealtime, OpenAiRealtimeConfig
from processors.realtime.speech_model import MODEL_RATE
from tests.processors.realtime.scripted import Answer, Model
from tests.processors.realtime.talk import SETTLES_S, said, service, turn
from tests.processors.stages import Step, played

PRICE = {"input": 4.0, "output": 16.0, "cached": 0.4, "input_audio": 32.0, "output_audio": 64.0}
HEARD = {"minute": 0.006}
USED = {
    "total_tokens": 1300,
    "input_tokens": 1000,
    "output_tokens": 300,
    "input_token_details": {
        "text_tokens": 400,
        "audio_tokens": 600,
        "cached_tokens": 500,
        "cached_tokens_details": {"text_tokens": 300, "audio_tokens": 200},
    },
    "output_token_details": {"text_tokens": 100, "audio_tokens": 200},
}
USD = (100 * 4 + 500 * 0.4 + 400 * 32 + 100 * 16 + 200 * 64) / 1e6
QUESTION: list[Step] = [*said(), turn(), SETTLES_S]


class Rate:
    """Lets through what it was told to; notes what was asked for."""

    def __init__(self, *allowed: bool) -> None:
        self._allowed = deque(allowed)
        self.asked: list[bool] = []

    def __call__(self, _use: str, whatever: bool) -> bool:
        self.asked.append(whatever)
        return whatever or not self._allowed or self._allowed.popleft()


async def test_answers_and_transcripts_are_counted_each_at_its_price() -> None:
    spending = Spending()
    async with Model(Answer("Das oito às seis.", usage=USED), transcript_usage={"type": "duration", "seconds": 2}) as m:
        stage = await service(m, spending=spending, price=PRICE, transcription_price=HEARD)
        await played(stage, QUESTION)
    answers, words = sorted(spending.usage, key=lambda one: one.model, reverse=True)
    assert (answers.model, answers.input_tokens, answers.cached_tokens) == ("gpt-realtime", 1000, 500)
    assert (answers.output_tokens, answers.audio_tokens, answers.cost_usd) == (300, 800, pytest.approx(USD))
    assert (words.model, words.audio_s, words.cost_usd) == ("gpt-4o-mini-transcribe", 2.0, pytest.approx(0.0002))
    assert spending.cost_usd == pytest.approx(USD + 0.0002)


async def test_an_answer_that_is_cut_is_paid_for_as_the_server_tells() -> None:
    spending = Spending()
    async with Model(Answer("um dois três", stops_after=1, usage=USED)) as model:
        stage = await service(model, spending=spending, price=PRICE)
        await played(stage, [*QUESTION, InterruptionFrame(), SETTLES_S])
    assert spending.known_usd == pytest.approx(USD)
    assert spending.usage[0].estimated == 0


async def test_of_an_answer_in_which_the_caller_hangs_up_the_cost_is_guessed() -> None:
    spending = Spending()
    async with Model(Answer("Sim.", usage=USED), Answer("um dois três", stops_after=2, usage=USED)) as model:
        stage = await service(model, spending=spending, price=PRICE)
        await played(stage, [*QUESTION, *said(), turn(1), SETTLES_S], ends=False)
    (one,) = spending.usage
    assert (one.answers, one.estimated, one.input_tokens) == (2, 1, 2000), "it has read what the last one did"
    assert one.output_tokens == 300 + 4, "200 ms of its sound"


@pytest.mark.parametrize("odd", ["x", [], {"input_tokens": "many"}, {"input_token_details": 5}, None])
async def test_usage_that_cannot_be_read_ends_nothing(odd: Any) -> None:
    spending = Spending()
    async with Model(Answer("Sim.", usage=odd)) as model:
        behind, _ = await played(await service(model, spending=spending), QUESTION)
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert spending.usage == ()


async def test_beyond_the_rate_no_answer_is_asked_for_and_the_next_one_is() -> None:
    rate = Rate(False, True)  # the first answer, the second
    async with Model("Sim.") as model:
        stage = await service(model, spending=Spending(rate))
        steps: list[Step] = [*QUESTION, *said(), turn(1), SETTLES_S]
        behind, ahead = await played(stage, steps)
    assert [frame.error for frame in ahead.of(ErrorFrame)] == [
        "limits.provider_rpm is reached: the provider was not asked"
    ]
    assert behind.texts(TTSTextFrame) == ["Sim."]
    assert len(model.of("response.create")) == 1
    assert len(model.requests) == 1, "the connection was kept, and the first question with it"
    assert len(model.heard) == 2


async def test_what_has_to_be_said_is_said_and_counted() -> None:
    rate = Rate(False)
    async with Model() as model:
        steps: list[Step] = [*QUESTION, TTSSpeakFrame("Desculpe."), SETTLES_S]
        behind, _ = await played(await service(model, spending=Spending(rate)), steps)
    assert behind.texts(TTSTextFrame) == ["Desculpe."]
    assert rate.asked == [True, False, True]


async def test_where_a_call_begins_the_connection_is_counted_and_not_held_back() -> None:
    rate = Rate(False)
    async with Model() as model:
        behind, _ = await played(
            await service(model, spending=Spending(rate)), [TTSSpeakFrame("Bom dia!"), SETTLES_S, *QUESTION]
        )
    assert behind.texts(TTSTextFrame) == ["Bom dia!"]
    assert rate.asked == [True, True, False]


async def test_beyond_the_rate_no_connection_is_made_anew_for_a_turn_and_one_is_to_say_so() -> None:
    rate = Rate(False, True)  # the connection that the first turn needs, and the second answer
    async with Model("Sim.", transcripts=["dois"]) as model:
        stage = await service(model, spending=Spending(rate))
        hung_up = asyncio.create_task(_hangs_up(model, 0.1))
        steps: list[Step] = [0.2, *QUESTION, TTSSpeakFrame("Desculpe."), SETTLES_S, *said(), turn(1), SETTLES_S]
        behind, ahead = await played(stage, steps)
        await hung_up
    (error,) = ahead.of(ErrorFrame)
    assert (error.error, error.category) == (
        "limits.provider_rpm is reached: the provider was not asked",
        ErrorCategory.RATE_LIMIT,
    )
    assert isinstance(error.exception, RateReachedError)
    assert behind.texts(TTSTextFrame) == ["Desculpe.", "Sim."]
    assert rate.asked == [True, False, True, True, False]
    assert len(model.requests) == 2
    assert [len(heard) for heard in model.heard] == [2 * MODEL_RATE * 2], "the first question was kept"


async def _hangs_up(model: Model, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await model.hangs_up()


def test_what_a_turn_costs_is_known_with_both_prices() -> None:
    factory = OpenAiRealtime()
    assert factory.cost_per_turn(OpenAiRealtimeConfig()) == pytest.approx(0.2085, rel=0.1)
    assert factory.cost_per_turn(OpenAiRealtimeConfig(model="somebodys")) is None
    assert factory.cost_per_turn(OpenAiRealtimeConfig(transcription_model="somebodys")) is None
