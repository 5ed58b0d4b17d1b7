"""Whole calls with a hosted model on loopback: what they cost, and what an assistant may spend and ask for."""

from typing import Any

import msgspec
import pytest

from base.clock import SystemClock
from control.daily_use import DailyUse
from control.peer import Say
from control.peer import Script as Caller
from pipelines.calls import Said
from tests.calls.callers import SPEECH, STAYS, asks, document, hears, tenant
from tests.calls.house import Rung, house
from tests.processors.llm.scripted import Script
from tests.processors.llm.test_usage import OPENAI_TELLS
from tests.processors.realtime.scripted import Model

OTHER = tenant(2)
ANSWER, SORRY = "Das oito às seis.", "Something went wrong"
PRICE = {"input": 1000.0, "output": 10_000.0}
USD = 1000 * 1000 / 1e6 + 50 * 10_000 / 1e6
"""What one answer costs."""


def hosted(slug: str = "us", **parts: Any) -> bytes:
    """A tenant whose mind is a model at the endpoint of that name."""
    written = msgspec.json.decode(document(slug, **parts))
    mind = {"model": "m", "base_url": {"endpoint": "model"}, "price": PRICE}
    for stage in written["assistants"][0]["pipeline"]:
        if stage["id"] == "llm":
            stage |= {"use": "llm.openai", "config": mind}
    return msgspec.json.encode(written)


def at(script: Script) -> dict[str, str]:
    return {"model": f"http://127.0.0.1:{script.port}/v1"}


def refused(call: Rung) -> None:
    assert (call.result.ended_by, call.result.door, call.result.answered) == ("dialplan", "busy", False)
    assert call.found is None


async def test_calls_are_paid_for_until_the_days_money_is_spent_and_it_is_after_a_restart_too() -> None:
    limits = {"daily_cost": 2.5 * USD}
    async with Script(OPENAI_TELLS) as script:
        documents = hosted(limits=limits), hosted("others", tenant_id=OTHER, number="200", limits=limits)
        async with house(*documents, endpoints=at(script)) as home:
            first, second = await home.call(asks(SPEECH, SPEECH)), await home.call(asks(SPEECH))
            refused(await home.call(asks(SPEECH)))
            assert home.phone.refused == {("busy", "daily_cost"): 1}
            begun_anew = DailyUse(home.conversations, SystemClock())
            await begun_anew.count(home.directory.tenants())
            home.phone.limits._daily_use = begun_anew
            refused(await home.call(asks(SPEECH)))
            theirs = await home.call(asks(), home.dialed("200", tenant_id=OTHER))
    assert first.heard() == ["Welcome to us", ANSWER, ANSWER]
    assert [one.record.cost_usd for one in (first, second)] == pytest.approx([2 * USD, USD])
    (one,) = first.record.usage
    assert (one.stage, one.use, one.model, one.answers, one.input_tokens) == ("llm", "llm.openai", "m", 2, 2000)
    assert len(script.seen) == 3
    assert theirs.heard() == ["Welcome to us"], "another company's money is its own"
    assert (theirs.record.cost_usd, theirs.record.usage) == (0.0, ())


async def test_a_trial_does_not_end_by_what_the_companys_own_limit_held_back() -> None:
    async with Script(OPENAI_TELLS) as script:
        limits = {"provider_rpm": 1}
        async with house(hosted(limits=limits), endpoints=at(script), monotonic=lambda: 0.0) as home:
            tried = msgspec.json.decode(hosted(limits=limits, texts={"greeting": "Welcome again"}))
            tried["canary"] = {"share": 100, "min_calls": 1, "max_failed": 0.0, "max_fallback_turns": 0.0}
            await home.publish(msgspec.json.encode(tried))
            first = await home.call(asks(SPEECH, SPEECH))
            second = await home.call(Caller(steps=(hears(), Say(SPEECH), hears(), Say(SPEECH), STAYS), limit_s=25))
            _, trial = home.supervisor.status()
    assert first.heard() == ["Welcome again", ANSWER, SORRY]
    assert second.heard() == ["Welcome again", SORRY]
    assert second.record.end_reason == "failure"
    assert home.supervisor.rolled_back == {}
    assert trial.outcomes.calls == 2
    assert (trial.outcomes.failed, trial.outcomes.fallback_turns, trial.outcomes.early_hangups) == (0, 0, 0)


async def test_a_caller_who_comes_when_the_rate_is_reached_is_greeted_and_told_by_a_mind_that_hears() -> None:
    minute = [0.0]
    written = msgspec.json.decode(document(realtime={}, limits={"provider_rpm": 2}))
    mind = {"base_url": {"endpoint": "model"}, "passages": 0}
    written["assistants"][0]["pipeline"][1] |= {"use": "realtime.openai", "config": mind}
    async with Model("At nine.", transcripts=["open", "open"], reads_s=0.05) as model:
        raw, endpoints = msgspec.json.encode(written), {"model": model.base_url}
        async with house(raw, endpoints=endpoints, monotonic=lambda: minute[0]) as home:
            greeted = await home.call(asks())
            told = await home.call(asks(SPEECH))
            held = dict(home.phone.limits.held_requests)
            minute[0] = 60.0
            answered = await home.call(asks())
    assert greeted.heard() == answered.heard() == ["Welcome to us"]
    assert told.heard() == ["Welcome to us", SORRY]
    assert told.record.end_reason == "caller_hangup"
    assert held == {"realtime.openai": 1}


async def test_beyond_the_rate_a_caller_is_told_and_a_minute_later_answered() -> None:
    homes: list[Any] = []

    def minutes_s() -> float:
        """A minute passes with each apology."""
        return 60.0 * sum(isinstance(event, Said) and event.text == SORRY for event in homes[0].events)

    async with Script(OPENAI_TELLS) as script:
        limited = hosted(limits={"provider_rpm": 1})
        async with house(limited, endpoints=at(script), monotonic=lambda: minutes_s() if homes else 0.0) as home:
            homes.append(home)
            call = await home.call(asks(SPEECH, SPEECH, SPEECH))
            assert home.phone.limits.held_requests == {"llm.openai": 1}
    assert call.heard() == ["Welcome to us", ANSWER, SORRY, ANSWER]
    assert len(script.seen) == 2
    assert call.record.errors == ("limits.provider_rpm is reached: the provider was not asked",)
    assert call.record.cost_usd == pytest.approx(2 * USD), "what was not sent costs nothing"
