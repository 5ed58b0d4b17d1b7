"""What requests are said to add to the lateness of audio."""

from benchmarks.parts.beside import Beside, Phase


def phase(p99_ms: float, live_calls: int = 20) -> Phase:
    return Phase(p99_ms=p99_ms, late_share=0.0, clock_p99_ms=1.0, foreign_share=0.0, live_calls=live_calls)


def test_each_phase_with_requests_is_compared_with_the_one_before_it() -> None:
    found = Beside(
        without=[phase(value) for value in (1.0, 9.0, 2.0)], beside=[phase(value) for value in (1.5, 9.4, 30.0)]
    )
    assert round(found.difference("p99_ms"), 6) == 0.5, "a machine that was slow for both is not the requests' doing"


def test_calls_and_requests_are_those_that_were_measured() -> None:
    found = Beside(without=[phase(1.0)], beside=[phase(1.0, live_calls=3)], took_ms={"a": [1.0] * 10}, asked_s=2.0)
    assert found.live_calls == 3, "the others went silent in the second phase"
    assert found.requests_per_s == 5.0
