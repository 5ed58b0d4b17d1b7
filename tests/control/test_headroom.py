"""When a call more is taken, by what looks at the clock and the lanes have shown; time is made up."""

import pytest

from control.headroom import LOOK_S, LOOKS, Bounds, Headroom, LiveLane, Reading
from processors.compute import LaneLoad


class Machine:
    """A process that is looked at, look after look."""

    def __init__(self, **bounds: float) -> None:
        self.room = Headroom(Bounds(**({"max_lateness_ms": 8.0} | bounds)))  # type: ignore[arg-type]
        self.at = 0.0
        self.busy_s: dict[LiveLane, float] = {"stt": 0.0, "tts": 0.0}

    def looks(
        self,
        times: int,
        *,
        live: int = 10,
        late_ms: float = 1.0,
        loop: float = 0.5,
        wait_s: float = 0.0,
        stt_share: float = 0.0,
        threads: int = 2,
    ) -> None:
        """`stt_share`: of a second that each call needs of the recogniser in one; `wait_s` is the voice's."""
        for _ in range(times):
            self.at += LOOK_S
            self.busy_s["stt"] += stt_share * live * LOOK_S
            waits: dict[LiveLane, float] = {"stt": 0.0, "tts": wait_s}
            lanes = {
                lane: LaneLoad(threads=threads, waiting=0, wait_s=waits[lane], busy_s=busy)
                for lane, busy in self.busy_s.items()
            }
            self.room.saw(Reading(at=self.at, live_calls=live, lateness_ms=late_ms, loop_load=loop, lanes=lanes))

    def full(self, live: int = 10, lanes: tuple[str, ...] = ("stt", "tts")) -> str | None:
        found = self.room.full(live, lanes)
        return None if found is None else found.by


def test_a_machine_that_keeps_time_has_room_up_to_the_ceiling() -> None:
    machine = Machine(max_calls=12)
    machine.looks(40)
    assert [machine.full(live) for live in (0, 11, 12, 13)] == [None, None, "max_calls", "max_calls"]


@pytest.mark.parametrize("late_ms", [9.0, 300.0])
def test_hiccups_refuse_nobody_however_late_they_were(late_ms: float) -> None:
    machine = Machine()
    for _ in range(10):
        machine.looks(8)
        machine.looks(2, late_ms=late_ms)
        assert machine.full() is None


def test_a_clock_that_stays_late_lets_nobody_in_after_two_seconds() -> None:
    machine = Machine()
    machine.looks(20)
    machine.looks(3, late_ms=9.0)
    assert machine.full() is None
    machine.looks(1, late_ms=9.0)
    assert machine.full() == "media_clock"


def test_a_loop_without_time_lets_nobody_in_though_the_clock_is_in_time() -> None:
    machine = Machine()
    machine.looks(LOOKS, loop=0.97)
    assert machine.full(lanes=()) == "event_loop"
    machine.looks(LOOKS, loop=0.6)
    assert machine.full(lanes=()) is None


def test_a_call_of_any_tenant_needs_the_clock_and_only_those_that_use_a_lane_need_the_lane() -> None:
    machine = Machine()
    machine.looks(LOOKS, late_ms=20.0)
    assert machine.full(lanes=()) == "media_clock"
    machine.looks(2 * LOOKS, wait_s=0.8)
    assert [machine.full(lanes=lanes) for lanes in ((), ("stt",), ("tts",))] == [None, None, "tts"]


def test_it_does_not_flap_at_the_bound() -> None:
    machine = Machine()
    machine.looks(LOOKS, late_ms=9.0)
    answers = []
    for late_ms in [7.9, 8.1, 7.0, 9.0] * 20:
        machine.looks(1, late_ms=late_ms)
        answers.append(machine.full())
    assert set(answers) == {"media_clock"}, "just below the bound is not room"
    machine.looks(LOOKS - 2, late_ms=5.9)
    assert machine.full() == "media_clock"
    machine.looks(2, late_ms=5.9)
    assert machine.full() is None
    machine.looks(LOOKS, late_ms=7.0)
    assert machine.full() is None, "and between the two nothing changes"


def test_what_calls_cost_is_learned_so_that_a_crowd_is_not_taken_before_it_has_spoken() -> None:
    machine = Machine(max_load=0.7)
    machine.looks(40, live=4, stt_share=0.1)
    assert [machine.full(live) for live in (4, 12, 13, 14, 50)] == [None, None, None, "stt", "stt"], (
        "0.7 × 2 threads / 0.1"
    )
    told = machine.room.full(14)
    assert told is not None
    assert "75% of its time (ATENDE_MAX_STAGE_LOAD is 70%)" in told.told
    lane = machine.room.lane("stt", 4)
    assert lane.load == pytest.approx(0.2)


def test_little_is_believed_before_much_was_seen_and_calls_that_became_cheaper_make_room() -> None:
    machine = Machine()
    machine.looks(10, live=2, stt_share=1.0)
    assert machine.full(20) is None, "10 seconds of calls prove nothing"
    machine.looks(120, live=2, stt_share=1.0)
    assert machine.full(2) == "stt"
    machine.looks(2400, live=2, stt_share=0.01)
    assert machine.full(2) is None


def test_an_empty_house_always_takes_a_call() -> None:
    machine = Machine()
    machine.looks(300, live=1, stt_share=1.9)
    assert machine.full(1) == "stt"
    assert machine.full(0) is None


class Shared:
    """A process whose recogniser is a server's, which works for others, too."""

    def __init__(self) -> None:
        self.room = Headroom(Bounds(max_load=0.8))
        self.at = self.busy_s = self.others_s = 0.0

    def looks(self, times: int, *, live: int, mine: float, others: float, problem: str = "") -> None:
        """`mine`: of a second of each of our calls; `others`: of each second, all of theirs."""
        for _ in range(times):
            self.at += LOOK_S
            self.busy_s += mine * live * LOOK_S
            self.others_s += others * LOOK_S
            lane = LaneLoad(
                threads=2, waiting=0, wait_s=0.0, busy_s=self.busy_s, others_s=self.others_s, problem=problem
            )
            self.room.saw(Reading(at=self.at, live_calls=live, lateness_ms=0.0, lanes={"stt": lane}))


def test_what_others_take_of_a_server_is_not_ours_to_give_away() -> None:
    shared = Shared()
    shared.looks(100, live=4, mine=0.1, others=1.0)
    assert shared.room.lane("stt", 4).load == pytest.approx(0.2 + 0.5)
    assert [shared.room.full(live) is None for live in (4, 5, 6)] == [True, True, False]
    shared.looks(20, live=4, mine=0.1, others=0.0)
    assert shared.room.full(12) is None
    shared.looks(20, live=0, mine=0.0, others=1.9)
    full = shared.room.full(0)
    assert full is not None, "nobody of ours speaks, and who came would wait for the others"
    assert full.by == "stt"


def test_a_server_that_is_away_is_full_for_those_who_need_it_and_has_forgotten_its_counts_when_it_is_back() -> None:
    shared = Shared()
    shared.looks(100, live=4, mine=0.1, others=0.2)
    shared.looks(1, live=4, mine=0.0, others=0.0, problem="it is away")
    full = shared.room.full(0)
    assert full is not None
    assert (full.by, "it is away" in full.told, shared.room.full(0, lanes=())) == ("stt", True, None)
    shared.busy_s = shared.others_s = 0.0
    shared.looks(3, live=4, mine=0.1, others=0.2)
    assert shared.room.full(4) is None
    assert shared.room.lane("stt", 4).load == pytest.approx(0.3)


def test_what_nobody_looks_at_has_room() -> None:
    assert Headroom(Bounds()).full(10) is None
    assert Headroom(Bounds()).lane("tts", 3).load == 0.0
