"""What requests are said to add to the lateness of audio."""

import numpy as np

from benchmarks.parts.beside import LATE_S, Beside, Phase, late_share


def phase(p99_ms: float, live_calls: int = 20) -> Phase:
    return Phase(
        p99_ms=p99_ms, late_share=0.0, by_a_frame_share=0.0, clock_p99_ms=1.0, foreign_share=0.0, live_calls=live_calls
    )


def test_each_phase_with_requests_is_compared_with_the_one_before_it() -> None:
    found = Beside(
        without=[phase(value) for value in (1.0, 9.0, 2.0)], beside=[phase(value) for value in (1.5, 9.4, 30.0)]
    )
    assert round(found.difference("p99_ms"), 6) == 0.5, "a machine that was slow for both is not the requests' doing"


def test_calls_and_requests_are_those_that_were_measured() -> None:
    found = Beside(without=[phase(1.0)], beside=[phase(1.0, live_calls=3)], took_ms={"a": [1.0] * 10}, asked_s=2.0)
    assert found.live_calls == 3, "the others went silent in the second phase"
    assert found.requests_per_s == 5.0


def test_a_frame_is_late_from_40_ms_on_and_what_is_late_by_one_frame_is_told_beside_it() -> None:
    gaps = np.array([0.020, 0.021, 0.0399, 0.0401, 0.0599, 0.0601, 0.0, 0.2])
    assert late_share(gaps, LATE_S) == 2 / 8
    assert late_share(gaps, 0.020) == 4 / 8
