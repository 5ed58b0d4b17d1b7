"""Requests to providers within a minute: exactly so many, by a clock that is made up."""

from hypothesis import given
from hypothesis import strategies as st

from base.ids import AssistantName, TenantId
from control.provider_rates import WITHIN_S, ProviderRates

ANA = AssistantName("ana")
OURS, THEIRS = (TenantId(f"0f0f0f0f-0000-4000-8000-00000000000{place}") for place in (1, 2))
LLM = "llm.openai"


class Time:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_the_limit_is_reached_and_a_minute_later_it_is_not() -> None:
    now = Time()
    rates = ProviderRates(now)
    assert [rates.take(OURS, ANA, LLM, 2) for _ in range(3)] == [True, True, False]
    assert rates.held == {LLM: 1}
    now.s = WITHIN_S - 0.001
    assert not rates.take(OURS, ANA, LLM, 2)
    now.s = WITHIN_S
    assert [rates.take(OURS, ANA, LLM, 2) for _ in range(3)] == [True, True, False]


def test_nobody_has_part_in_anothers() -> None:
    rates = ProviderRates(Time())
    assert rates.take(OURS, ANA, LLM, 1)
    assert rates.take(THEIRS, ANA, LLM, 1)
    assert rates.take(OURS, AssistantName("bia"), LLM, 1)
    assert not rates.take(OURS, ANA, LLM, 1)
    assert rates.take(OURS, ANA, LLM, None), "without a limit there is none"


def test_what_has_to_be_said_is_counted_and_never_held() -> None:
    rates = ProviderRates(Time())
    assert all(rates.take(OURS, ANA, "realtime.openai", 2, whatever=True) for _ in range(5))
    assert not rates.take(OURS, ANA, "realtime.openai", 2)
    assert rates.take(OURS, ANA, "realtime.openai", 6)


def test_processes_share_the_limit_as_many_as_they_are_and_each_has_one() -> None:
    processes = 2
    rates = ProviderRates(Time(), lambda: processes)
    assert [rates.take(OURS, ANA, LLM, 5) for _ in range(3)] == [True, True, False]
    processes = 10
    assert rates.take(THEIRS, ANA, LLM, 5)
    assert not rates.take(THEIRS, ANA, LLM, 5)
    processes = 1
    assert rates.take(THEIRS, ANA, LLM, 5), "the others are gone"


def test_who_asks_no_more_is_forgotten() -> None:
    now = Time()
    rates = ProviderRates(now)
    for place in range(100):
        rates.take(TenantId(str(place)), ANA, LLM, 5)
    now.s = WITHIN_S
    rates.take(OURS, ANA, LLM, 5)
    assert list(rates._sent) == [(OURS, ANA)]


@given(st.lists(st.floats(min_value=0, max_value=40), max_size=60), st.integers(min_value=1, max_value=8))
def test_at_no_time_were_more_sent_within_a_minute(pauses: list[float], limit: int) -> None:
    now, sent = Time(), list[float]()
    rates = ProviderRates(now)
    for pause in pauses:
        now.s += pause
        if rates.take(OURS, ANA, LLM, limit):
            sent.append(now.s)
        else:
            assert sum(at > now.s - WITHIN_S for at in sent) == limit, "held without need"
    assert all(sum(at < other <= at + WITHIN_S - 1e-6 for other in sent) < limit for at in sent)
