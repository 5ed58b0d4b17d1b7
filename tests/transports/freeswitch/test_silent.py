"""Who has to go when too many connections tell no call."""

import pytest

from transports.freeswitch.silent import PATIENCE_S, SilentConnections

PBX, STRANGER = "10.0.0.1", "10.0.0.9"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silent(clock: Clock) -> SilentConnections[str]:
    return SilentConnections(clock, max_silent=2)


def test_beyond_the_bound_the_longest_silent_goes(clock: Clock, silent: SilentConnections[str]) -> None:
    silent.came(STRANGER, "first")
    assert silent.makes_room(STRANGER, full=False) is None
    silent.came(STRANGER, "second")
    assert silent.makes_room(STRANGER, full=False) is None, "a switch may have many calls at once"
    clock.now = PATIENCE_S
    silent.came(STRANGER, "third")
    assert silent.makes_room(STRANGER, full=False) == "first"
    assert silent.makes_room(PBX, full=False) is None, "there is room for others"
    silent.heard(STRANGER, "first")
    silent.heard(STRANGER, "first")
    assert silent.makes_room(STRANGER, full=False) == "second"
    silent.heard(STRANGER, "second")
    assert silent.makes_room(STRANGER, full=False) is None


def test_where_there_is_no_room_a_crowd_goes_first_and_not_for_its_own(silent: SilentConnections[str]) -> None:
    silent.came(PBX, "a call")
    for name in ("first", "second", "third"):
        silent.came(STRANGER, name)
    assert silent.makes_room(PBX, full=True) == "first"
    assert silent.makes_room(STRANGER, full=True) is None


def test_or_who_has_had_his_time(clock: Clock, silent: SilentConnections[str]) -> None:
    silent.came(STRANGER, "first")
    clock.now = PATIENCE_S / 2
    silent.came(PBX, "a call")
    assert silent.makes_room(PBX, full=True) is None
    clock.now = PATIENCE_S
    assert silent.makes_room(PBX, full=True) == "first"
    assert silent.makes_room(STRANGER, full=True) == "first"
    silent.heard(STRANGER, "first")
    silent.heard(PBX, "a call")
    assert silent.makes_room(PBX, full=True) is None
