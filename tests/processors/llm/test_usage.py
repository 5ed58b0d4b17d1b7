"""What hosted models are asked and what that takes: told by the server, or guessed where it cannot be."""

from typing import Any

import pytest
from msgspec import structs
from pipecat.frames.frames import ErrorFrame, Frame, InterruptionFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.utils.errors import ErrorCategory

from pipelines.calls import StageUsage
from pipelines.spending import Spending
from processors.factory import ProcessorFactory
from processors.llm.anthropic import AnthropicLlm
from processors.llm.openai import OpenAiConfig, OpenAiLlm
from processors.prices import Price
from tests.processors.llm import scripted
from tests.processors.llm.test_hosted import CALL, TOLD, anthropic_config, asked, openai_config, workshop

PRICE = Price(input=1.0, output=10.0, cached=0.1, cache_written=2.0)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
OPENAI_TELLS = [
    *scripted.OPENAI_HI,
    {"choices": [], "usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 400}}},
]


async def spent(
    factory: ProcessorFactory[Any, Any], config: Any, port: int, *frames: Frame, spending: Spending | None = None
) -> tuple[Spending, list[Frame], FrameProcessor]:
    """What a call's stage took of its provider, what it told upstream, and the stage."""
    spending = spending or Spending()
    prepared = await factory.prepare(config, TOLD, workshop(port))
    processor = factory.create(config, prepared, structs.replace(CALL, meter=spending.meter("mind", factory.use)))
    assert processor is not None
    _, up = await run_test(processor, frames_to_send=list(frames) or [asked()])
    closing = factory.close(prepared)
    assert closing is not None
    await closing
    return spending, [frame for frame in up if isinstance(frame, ErrorFrame)], processor


async def test_what_openais_servers_tell_is_counted_and_paid() -> None:
    async with scripted.Script(OPENAI_TELLS) as script:
        spending, _, _ = await spent(OpenAiLlm(), openai_config(script.port, price=PRICE), script.port)
    (one,) = spending.usage
    assert one == StageUsage(
        stage="mind",
        use="llm.openai",
        model="m",
        answers=1,
        input_tokens=1000,
        cached_tokens=400,
        output_tokens=50,
        cost_usd=one.cost_usd,
    )
    assert spending.cost_usd == pytest.approx((600 * 1 + 400 * 0.1 + 50 * 10) / 1e6)
    assert script.seen[0][1]["stream_options"] == {"include_usage": True}


async def test_claudes_cache_is_counted_beside_what_it_read_anew() -> None:
    told = {
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_input_tokens": 700,
        "cache_creation_input_tokens": 200,
    }
    start, *rest = scripted.ANTHROPIC_HI
    begun = start["message"] | {"usage": told | {"output_tokens": 1}}
    events = [start | {"message": begun}, *(one | {"usage": told} if "usage" in one else one for one in rest)]
    async with scripted.Script(events) as script:
        spending, _, _ = await spent(AnthropicLlm(), anthropic_config(script.port, price=PRICE), script.port)
    (one,) = spending.usage
    assert (one.input_tokens, one.cached_tokens, one.output_tokens, one.estimated) == (1000, 700, 20, 0)
    assert spending.cost_usd == pytest.approx((100 * 1 + 700 * 0.1 + 200 * 2 + 20 * 10) / 1e6)


async def test_of_a_server_that_tells_nothing_the_texts_are_counted() -> None:
    async with scripted.Script(scripted.OPENAI_HI) as script:
        spending, _, _ = await spent(OpenAiLlm(), openai_config(script.port, price=PRICE), script.port)
    (one,) = spending.usage
    assert (one.answers, one.estimated, one.output_tokens) == (1, 1, 6), "17 characters"
    assert one.input_tokens > 100, "its instructions, too"
    assert spending.cost_usd is not None
    assert spending.cost_usd > 0


@pytest.mark.parametrize("stall_after", [0, 2])
async def test_an_answer_that_is_broken_off_is_paid_for(stall_after: int) -> None:
    script = scripted.Script(OPENAI_TELLS, stall_after=stall_after)
    frames = [asked(), SleepFrame(0.5), InterruptionFrame(), SleepFrame(0.1)]
    async with script:
        spending, _, _ = await spent(OpenAiLlm(), openai_config(script.port, price=PRICE), script.port, *frames)
    (one,) = spending.usage
    assert (one.answers, one.estimated, one.output_tokens) == (1, 1, 3 if stall_after else 0)
    assert one.input_tokens > 100


@pytest.mark.parametrize("stall_after", [0, 3])
async def test_what_claude_had_not_told_when_it_was_broken_off_is_called_a_guess(stall_after: int) -> None:
    script = scripted.Script(scripted.ANTHROPIC_HI, stall_after=stall_after)
    frames = [asked(), SleepFrame(0.5), InterruptionFrame(), SleepFrame(0.1)]
    async with script:
        spending, _, _ = await spent(AnthropicLlm(), anthropic_config(script.port, price=PRICE), script.port, *frames)
    (one,) = spending.usage
    assert (one.answers, one.estimated) == (1, 1)
    assert one.output_tokens == 0 or stall_after


async def test_a_refused_request_takes_nothing_and_no_price_is_no_cost() -> None:
    async with scripted.Script(status=429) as script:
        spending, errors, _ = await spent(OpenAiLlm(), openai_config(script.port, price=PRICE), script.port)
    assert (spending.usage, spending.cost_usd, len(errors)) == ((), 0.0, 1)
    async with scripted.Script(OPENAI_TELLS) as script:
        spending, _, _ = await spent(OpenAiLlm(), openai_config(script.port), script.port)
    assert spending.usage[0].output_tokens == 50
    assert (spending.cost_usd, spending.usage[0].cost_usd) == (None, None)


async def test_a_request_beyond_the_rate_is_not_sent_and_the_stage_stays_good() -> None:
    left = [False, True]
    spending = Spending(lambda _use, _whatever: left.pop(0))
    async with scripted.Script(OPENAI_TELLS) as script:
        config = openai_config(script.port, price=PRICE)
        _, errors, stage = await spent(OpenAiLlm(), config, script.port, asked(), asked(), spending=spending)
    assert [(error.error, error.category) for error in errors] == [
        ("limits.provider_rpm is reached: the provider was not asked", ErrorCategory.RATE_LIMIT)
    ]
    assert len(script.seen) == 1, "the second"
    assert stage.is_usable


async def test_what_is_decided_here_asks_nobody() -> None:
    spending = Spending(lambda _use, _whatever: False)
    async with scripted.Script(OPENAI_TELLS) as script:
        frames = [asked("quero falar com um atendente")]
        _, errors, _ = await spent(OpenAiLlm(), openai_config(script.port), script.port, *frames, spending=spending)
    assert (errors, script.seen, spending.usage) == ([], [], ())


def test_what_a_turn_costs_is_known_of_a_model_with_a_price() -> None:
    factory = OpenAiLlm()
    assert factory.cost_per_turn(OpenAiConfig(model="gpt-4o-mini")) == pytest.approx((4000 * 0.15 + 200 * 0.6) / 1e6)
    assert factory.cost_per_turn(openai_config(1)) is None
    assert factory.cost_per_turn(openai_config(1, price=PRICE)) == pytest.approx((4000 * 1 + 200 * 10) / 1e6)
