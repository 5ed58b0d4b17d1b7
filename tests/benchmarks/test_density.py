"""The pure parts of the density benchmark: what counts as even, as held, and as short."""

import math
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks import density
from benchmarks.parts.cadence import Step, best, capacity, enough, errors_ms, p99_ms, unanswered
from benchmarks.parts.cores import busy
from benchmarks.parts.judge import Report
from benchmarks.parts.legs import Heard

GOOD = Step(
    calls=24,
    seconds=15.0,
    p50_ms=0.5,
    p99_ms=4.0,
    delivered=1.0,
    answered=1.0,
    cpu_share=0.4,
    foreign_share=0.02,
    peer_p99_ms=1.0,
)
UNEVEN = replace(GOOD, p99_ms=10.1)
TICK, QUIET = bytes([1]) * 320, bytes(320)


def times(*gaps_ms: float) -> list[float]:
    """Moments with these gaps."""
    at = [100.0]
    for gap in gaps_ms:
        at.append(at[-1] + gap / 1000)
    return at


def test_every_gap_of_a_stream_without_pauses_counts() -> None:
    assert errors_ms(times(20, 25, 140, 0), pauses=False) == pytest.approx([0, 5, 120, 20], abs=1e-6)


def test_a_pause_and_the_two_gaps_behind_it_do_not_count() -> None:
    assert errors_ms(times(1, 2, 23, 500, 0, 1, 18, 20), pauses=True) == pytest.approx([3, 2, 0], abs=1e-6)


def test_a_long_gap_below_a_pause_counts() -> None:
    assert errors_ms(times(20, 20, 99), pauses=True) == pytest.approx([79], abs=1e-6)


def test_the_percentile_is_over_all_calls() -> None:
    even, late = errors_ms(times(*[20.0] * 99), pauses=False), errors_ms(times(50.0), pauses=False)
    assert p99_ms([even, late]) == pytest.approx((0, 0), abs=1e-6)
    assert p99_ms([even, late, late])[1] == pytest.approx(30)
    assert all(math.isnan(value) for value in p99_ms([]))


@pytest.mark.parametrize(
    ("step", "holds"),
    [
        (GOOD, True),
        (replace(GOOD, p99_ms=10.0), True),
        (UNEVEN, False),
        (replace(GOOD, p99_ms=math.nan), False),
        (replace(GOOD, delivered=0.97), False),
        (replace(GOOD, answered=0.89), False),
        (unanswered(24), False),
    ],
)
def test_calls_that_hold_are_even_whole_and_answered(step: Step, holds: bool) -> None:
    assert step.holds is holds


def test_a_late_peer_or_a_busy_core_makes_a_try_void() -> None:
    assert not GOOD.void
    assert replace(GOOD, peer_p99_ms=5.1).void
    assert replace(GOOD, foreign_share=0.13).void


def test_cpu_is_told_for_a_minute_of_a_call() -> None:
    assert GOOD.cpu_s_per_call_minute == pytest.approx(1.0)


def test_the_capacity_is_below_the_first_rung_that_fails() -> None:
    rungs = [replace(GOOD, calls=24), replace(GOOD, calls=32), replace(UNEVEN, calls=40), replace(GOOD, calls=48)]
    assert capacity(rungs) == 32
    assert capacity(rungs[2:]) == 0
    assert capacity([]) == 0


def test_a_number_is_tried_until_it_holds_or_fails_twice_on_a_quiet_machine() -> None:
    void = replace(UNEVEN, foreign_share=0.5)
    assert not enough([], 3)
    assert enough([GOOD], 3)
    assert not enough([UNEVEN], 3)
    assert enough([UNEVEN, UNEVEN], 3)
    assert not enough([void, UNEVEN], 3)
    assert not enough([void, void, void], 6), "a disturbed machine says nothing"
    assert not enough([void, void, void, UNEVEN], 6)
    assert enough([void, void, void, UNEVEN, UNEVEN], 6)
    assert enough([void] * 6, 6), "but it is not asked for ever"
    assert enough([replace(GOOD, foreign_share=0.5)], 6), "what holds beside others holds alone"


def test_the_best_try_holds_or_is_at_least_not_void() -> None:
    void = replace(UNEVEN, p99_ms=10.05, foreign_share=0.5)
    assert best([UNEVEN, GOOD]) is GOOD
    assert best([void, UNEVEN]) is UNEVEN


def test_an_answer_begins_with_a_voice_after_silence() -> None:
    heard = Heard()
    for at, audio in ((1.0, QUIET), (1.02, TICK), (1.04, TICK), (1.3, QUIET), (1.42, TICK), (2.0, TICK)):
        heard.note(at, audio)
    assert list(heard.answers) == [1.02, 2.0]
    assert len(heard.times) == 6
    heard.forget()
    assert not heard.answers
    assert not heard.times


def test_a_core_is_busy_with_all_but_idle_and_waiting() -> None:
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 100 20 30 5000 700 4 6 40 0 0\n"
    seen = busy(1, stat)
    assert (seen.busy_s, seen.stolen_s) == pytest.approx((2.0, 0.4))


@pytest.mark.parametrize(
    ("first", "short"),
    [
        (GOOD, ["unicast_calls"]),
        (replace(GOOD, cpu_share=0.5), ["unicast_calls", "unicast_24_cpu_s_per_call_minute"]),
    ],
)
def test_what_falls_short_is_told(first: Step, short: list[str]) -> None:
    report = Report("density", "full")
    density.judge(density.FULL, report, "unicast", [first, replace(UNEVEN, calls=32)])
    assert [figure.name for figure in report.short] == short
    report.show(Console(quiet=True))
    assert '"unicast_calls": 24' in report.last_line()


def test_a_number_that_failed_on_a_disturbed_machine_alone_fails_the_check() -> None:
    report = Report("density", "full")
    held, failed = replace(GOOD, calls=32, foreign_share=0.5), replace(UNEVEN, calls=48, foreign_share=0.5)
    density.judge(density.FULL, report, "unicast", [GOOD, held, failed])
    assert [figure.name for figure in report.short] == ["unicast_void_failures"]


def test_the_full_plan_can_tell_what_it_promises() -> None:
    for wire, least in density.FULL.least_calls.items():
        assert least in density.FULL.ladders[wire]
        assert density.FULL.ladders[wire][0] == density.CPU_AT
    assert max(density.FULL.ladders["unicast"]) >= density.TIMES_STOCK * max(density.FULL.ladders["stock"])
