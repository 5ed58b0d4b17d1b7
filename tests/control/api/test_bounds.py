"""How often somebody may ask and guess."""

import pytest

from control.api.bounds import (
    FIRST_LOCK_S,
    GUESSES,
    GUESSES_WITHIN_S,
    MAX_KEPT,
    MAX_LOCK_S,
    Buckets,
    Guesses,
    address_name,
)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_who_counts_as_one(host: str, name: str) -> None:
    assert address_name(host) == name


def test_a_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    buckets = Buckets(per_s=2.0, burst=3)
    assert [buckets.take("a", 10.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("a", 10.25) == 0.25, "what was refused took nothing"
    assert [buckets.take("a", 10.5), buckets.take("a", 10.5)] == [0.0, 0.5]
    assert buckets.take("b", 10.5) == 0.0, "everybody has a bucket of his own"
    assert [buckets.take("a", 1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5], "it holds no more than the burst"


def test_of_many_names_those_seen_longest_ago_are_forgotten() -> None:
    buckets = Buckets(per_s=0.001, burst=1)
    for name in range(MAX_KEPT + 1):
        assert buckets.take(str(name), 0.0) == 0.0
    assert buckets.take(str(MAX_KEPT), 0.0) > 0.0
    assert buckets.take("0", 0.0) == 0.0


def test_who_guesses_is_locked_out_and_longer_each_time() -> None:
    guesses, at = Guesses(), 100.0
    for _ in range(GUESSES - 1):
        guesses.wrong("a", at)
    assert guesses.locked_s("a", at) == 0.0
    guesses.wrong("a", at)
    assert guesses.locked_s("a", at) == FIRST_LOCK_S
    assert guesses.locked_s("b", at) == 0.0
    assert guesses.locked_s("a", at + FIRST_LOCK_S) == 0.0
    lasted = []
    for _ in range(6):
        at += lasted[-1] if lasted else FIRST_LOCK_S
        for _ in range(GUESSES):
            guesses.wrong("a", at)
        lasted.append(guesses.locked_s("a", at))
    assert lasted == [120.0, 240.0, 480.0, MAX_LOCK_S, MAX_LOCK_S, MAX_LOCK_S]


def test_a_typing_mistake_now_and_then_locks_nobody_out() -> None:
    guesses = Guesses()
    for number in range(100):
        guesses.wrong("a", number * (GUESSES_WITHIN_S / (GUESSES - 2)))
        assert guesses.locked_s("a", number * (GUESSES_WITHIN_S / (GUESSES - 2))) == 0.0


def test_who_has_behaved_begins_anew() -> None:
    guesses = Guesses()
    for _ in range(GUESSES):
        guesses.wrong("a", 0.0)
    later = FIRST_LOCK_S + MAX_LOCK_S + 1.0
    for _ in range(GUESSES):
        guesses.wrong("a", later)
    assert guesses.locked_s("a", later) == FIRST_LOCK_S
