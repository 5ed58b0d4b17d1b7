"""What hosted models cost: by the providers' lists, by what an operator writes, and whatever a server reports."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.metering import Usage
from processors.prices import Price, Tariff, tariff

OPENAI = "https://api.openai.com/v1"
TALK = Usage(
    input_tokens=1_000_000,
    cached_tokens=400_000,
    input_audio_tokens=500_000,
    cached_audio_tokens=100_000,
    output_tokens=1_000_000,
    output_audio_tokens=800_000,
)


def known(model: str, url: str, own: Price | None = None) -> Tariff:
    found = tariff(model, url, own)
    assert found is not None
    return found


def test_a_providers_list_is_known_at_its_own_address_alone() -> None:
    asked = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert known("gpt-4o-mini", OPENAI).cost(asked) == pytest.approx(0.75)
    assert known("whisper-1", OPENAI).cost(Usage(audio_s=60)) == pytest.approx(0.006)
    assert tariff("gpt-4o-mini", "http://127.0.0.1:8000/v1") is None, "somebody's own server"
    assert tariff("gpt-of-nobody", OPENAI) is None


def test_the_cache_and_audio_have_prices_of_their_own() -> None:
    claude = Usage(input_tokens=5000, cached_tokens=2000, cache_written_tokens=1000, output_tokens=100)
    assert known("claude-haiku-4-5", "https://api.anthropic.com").cost(claude) == pytest.approx(
        (2000 * 1 + 2000 * 0.1 + 1000 * 1.25 + 100 * 5) / 1e6
    )
    spoken = 0.4 * 32 + 0.1 * 0.4 + 0.3 * 0.4 + 0.2 * 4 + 0.8 * 64 + 0.2 * 16
    assert known("gpt-realtime", OPENAI).cost(TALK) == pytest.approx(spoken)


def test_what_an_operator_writes_goes_first() -> None:
    assert known("gpt-4o-mini", OPENAI, Price(input=10, output=20)).cost(
        Usage(input_tokens=1000, output_tokens=1000)
    ) == pytest.approx(0.03)
    ours = Price(input=1, output=2, cached=0.5, input_audio=10, output_audio=20)
    heard = 0.4 * 10 + 0.1 * 0.5 + 0.3 * 0.5 + 0.2 * 1 + 0.8 * 20 + 0.2 * 2
    assert known("m", "http://here/v1", ours).cost(TALK) == pytest.approx(heard)
    assert known("m", "http://here/v1", Price(minute=0.006)).cost(Usage(audio_s=90)) == pytest.approx(0.009)
    assert known("m", "http://here/v1", Price(input=0, output=0)).cost(TALK) == 0


@pytest.mark.parametrize("written", [{}, {"input": 1}, {"output": 1}, {"cached": 1}, {"input": -1, "output": 1}])
def test_half_a_price_is_none(written: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, Price)


COUNTS = st.integers(min_value=-(10**30), max_value=10**30)


@given(
    st.builds(
        Usage,
        **{name: COUNTS for name in Usage.__struct_fields__ if name not in {"estimated", "audio_s"}},
        audio_s=st.floats(),
    ),
    st.sampled_from(
        [
            known("gpt-realtime", OPENAI),
            known("gpt-4o-mini-transcribe", OPENAI),
            known("claude-haiku-4-5", "https://api.anthropic.com"),
            known("m", "http://here", Price(input=1, output=2, cached=0.1, minute=3)),
            known("m", "http://here", Price(minute=3)),
        ]
    ),
)
def test_whatever_a_server_reports_has_a_cost_within_reason(usage: Usage, price: Tariff) -> None:
    assert 0 <= price.cost(usage) < 10_000_000
