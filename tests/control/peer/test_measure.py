"""Lateness, playout and the reference clock, with times made by hand."""

import numpy as np
import pytest

from control.peer.clock import FRAME_S, ReferenceClock
from control.peer.measure import downlink, lateness, lateness_s
from control.peer.unicast import Arrivals, Playout

GRID = 100.0 + np.arange(1000) * FRAME_S


def arrivals(times: np.ndarray, stream: int = 1) -> Arrivals:
    found = Arrivals()
    for time in times:
        found.note(float(time), 320, stream)
    return found


def test_a_perfect_sender_is_never_late() -> None:
    assert lateness_s(GRID).max() == pytest.approx(0, abs=1e-9)


def test_single_late_frames_are_late_by_what_they_are() -> None:
    times = GRID.copy()
    times[[100, 500]] += [0.030, 0.045]
    late = lateness_s(times)
    assert late[[100, 500]] == pytest.approx([0.030, 0.045])
    assert np.delete(late, [100, 500]).max() == pytest.approx(0, abs=1e-9)


def test_a_stall_that_is_caught_up_in_a_burst_is_late_frame_by_frame() -> None:
    times = GRID.copy()
    times[200:205] = times[205]
    assert lateness_s(times)[200:206] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02, 0.0])


def test_a_sender_who_slips_is_late_for_a_second_and_then_forgiven() -> None:
    times = GRID.copy()
    times[300:] += 0.050
    late = lateness_s(times)
    assert late[300:350] == pytest.approx(np.full(50, 0.050))
    assert late[351:].max() == pytest.approx(0, abs=1e-9)


def test_percentiles_and_gaps_of_a_call() -> None:
    times = GRID.copy()
    times[500] += 0.045
    found = downlink(arrivals(times), Playout(8000), None)
    assert found.lateness is not None
    assert found.lateness.max_ms == pytest.approx(45)
    assert found.lateness.p99_ms == pytest.approx(0, abs=0.01)
    assert (found.datagrams, found.sizes, found.gaps) == (1000, {320: 1000}, 1)
    assert found.longest_gap_ms == pytest.approx(65)


def test_a_fork_that_ran_empty_while_the_machine_was_late_tells_nothing() -> None:
    reference = ReferenceClock()
    reference.record(1.0, 1.2)
    found = downlink(arrivals(GRID), Playout(8000), reference, ran_empty=(0.9, 1.1, 1.5))
    assert found.ran_empty == 2


def test_two_streams_of_a_call_have_a_grid_each() -> None:
    both = arrivals(GRID[:100])
    for time in GRID[:100] + 7.011:
        both.note(float(time), 320, 2)
    found = lateness(both, None)
    assert found is not None
    assert found.max_ms == pytest.approx(0, abs=0.01)


def test_frames_that_came_while_the_machine_slept_are_left_out_and_counted() -> None:
    times = GRID.copy()
    times[500:503] = GRID[500] + 0.078
    clock = ReferenceClock()
    clock.record(float(GRID[500]), float(GRID[500]) + 0.078)
    found = lateness(arrivals(times), clock)
    assert found is not None
    assert found.excluded_frames == 5
    assert found.frames == 995
    assert found.max_ms == pytest.approx(0, abs=0.01)


def test_the_reference_clock_excludes_only_what_is_later_than_its_limit() -> None:
    clock = ReferenceClock(limit_ms=10)
    for tick in range(100):
        clock.record(tick * FRAME_S, tick * FRAME_S + (0.015 if tick == 50 else 0.009))
    report = clock.report()
    assert (report.ticks, report.late_intervals) == (100, 1)
    assert report.excluded_share == pytest.approx(0.015 / 2.0)
    assert report.max_ms == pytest.approx(15)
    assert [clock.excludes(moment) for moment in (0.99, 1.005, 1.030, 1.2)] == [False, True, True, False]


def test_the_reference_clock_ticks_every_20_ms() -> None:
    with ReferenceClock() as clock:
        import time

        time.sleep(0.5)
    assert clock.report().ticks == pytest.approx(25, abs=3)


class TestPlayout:
    """FreeSWITCH plays a datagram at once, or 20 ms after the one before it; about 5.1 s may wait."""

    samples = np.zeros(160, np.int16)

    def test_a_paced_sender_is_heard_at_once(self) -> None:
        playout = Playout(8000)
        assert [playout.take(float(at), self.samples) for at in GRID[:50]] == pytest.approx(list(GRID[:50]))

    def test_a_burst_is_heard_in_time(self) -> None:
        playout = Playout(8000)
        heard = [playout.take(100.0, self.samples) for _ in range(5)]
        assert heard == pytest.approx([100.0, 100.02, 100.04, 100.06, 100.08])
        assert playout.backlog_max_s == pytest.approx(0.08)

    def test_a_late_frame_is_heard_late_and_the_next_ones_close_up(self) -> None:
        playout = Playout(8000)
        assert [playout.take(at, self.samples) for at in (1.0, 1.05, 1.055)] == pytest.approx([1.0, 1.05, 1.07])

    def test_more_than_five_seconds_are_lost(self) -> None:
        playout = Playout(8000)
        heard = [playout.take(100.0, self.samples) for _ in range(400)]
        assert sum(at is not None for at in heard) == 256
        assert playout.overflowed == 144


def test_messages_that_become_files_owe_no_beat() -> None:
    both = arrivals(GRID[:50])
    both.unpaced.add(2)
    for n in range(5):
        both.note(200.0 + n, 20_000, 2)
    found = downlink(both, Playout(8000), None)
    assert (found.datagrams, found.gaps, found.longest_gap_ms) == (55, 0, pytest.approx(20.0))
    assert found.lateness is not None
    assert (found.lateness.frames, found.lateness.excluded_frames, found.lateness.max_ms) == (50, 0, pytest.approx(0.0))
    alone = Arrivals()
    alone.unpaced.add(1)
    alone.note(1.0, 20_000, 1)
    assert downlink(alone, Playout(8000), None).lateness is None
