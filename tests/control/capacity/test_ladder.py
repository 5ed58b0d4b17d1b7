"""Which numbers of calls are tried, and what the tries say."""

import pytest

from control.capacity.ladder import Ladder
from control.capacity.measuring import Rung, found


def tried(carries: int, *, first: int = 8, most: int = 500) -> tuple[list[int], int]:
    """What a machine that carries so many is rung with, and what is found."""
    ladder, numbers = Ladder(first, most), list[int]()
    while (calls := ladder.next) is not None:
        numbers.append(calls)
        ladder.took(holds=calls <= carries)
    return numbers, ladder.held


def test_twice_as_many_until_it_is_too_much_then_between() -> None:
    assert tried(76) == ([8, 16, 32, 64, 128, 96, 80, 72, 76], 76)


@pytest.mark.parametrize("carries", range(0, 200, 7))
def test_what_is_found_holds_and_a_tenth_more_does_not(carries: int) -> None:
    numbers, held = tried(carries)
    assert held <= carries <= held + max(1, held * 0.1)
    assert len(numbers) <= 12
    assert len(set(numbers)) == len(numbers)


def test_a_machine_that_carries_more_than_is_asked_for_is_tried_with_that_and_no_more() -> None:
    assert tried(10_000, most=100) == ([8, 16, 32, 64, 100], 100)
    assert tried(10_000, first=8, most=4) == ([4], 4)


def test_one_that_carries_nothing_is_found_out() -> None:
    assert tried(0, first=2) == ([2, 1], 0)


def rung(calls: int, limiting: str | None = None) -> Rung:
    return Rung(
        calls=calls,
        holds=limiting is None,
        limiting=limiting,
        refused=0,
        failed=0,
        cpu_cores=0.5,
        clock_p99_ms=2.0,
        loop_load=0.4,
        response_p95_ms=1200.0,
        load={"stt": 0.0, "tts": 0.0},
    )


def test_the_smallest_number_that_failed_says_what_there_is_too_little_of() -> None:
    capacity = found([rung(8), rung(16), rung(32, "media_clock"), rung(24, "stt"), rung(20)], over=True, seconds=90.0)
    assert (capacity.calls, capacity.limiting, capacity.settings) == (20, "stt", {"ATENDE_MAX_CALLS": "20"})


def test_where_nothing_failed_that_is_said() -> None:
    assert found([rung(8)], over=True, seconds=1.0).limiting == "most"
    assert found([rung(8)], over=False, seconds=1.0).limiting == "time"
    nothing = found([rung(1, "failed")], over=True, seconds=1.0)
    assert (nothing.calls, nothing.settings) == (0, {})
