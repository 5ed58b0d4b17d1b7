"""What belongs to a turn, and how much of a reply was heard."""

import pytest

from processors.realtime.hearing import ALL_MS, Audibility, Utterance

RATE = 8000
ME, ANOTHER = object(), object()


def ms(count: int, value: int = 1) -> bytes:
    return value.to_bytes(2, "little") * (RATE * count // 1000)


def length_ms(pcm: bytes) -> float:
    """Of audio at the model's rate."""
    return len(pcm) / 48


def all_of(utterance: Utterance, listener: object = ME) -> float:
    return length_ms(utterance.more_for(listener, last=True))


def test_a_turn_begins_with_what_was_kept_of_its_voice() -> None:
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.heard(ms(300), 0.0)
    heard.turn_began(0.5)
    heard.heard(ms(200), 0.5)
    assert heard.in_turn
    assert all_of(heard) == pytest.approx(500, abs=2)


def test_as_it_comes_it_is_given_once() -> None:
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.turn_began(0.0)
    given = b""
    for at in range(10):
        heard.heard(ms(100), at / 10)
        given += heard.more_for(ME)
    heard.turn_began(1.0)  # told twice, as it may be
    given += heard.more_for(ME, last=True)
    assert length_ms(given) == pytest.approx(1000, abs=2)
    assert heard.more_for(ME, last=True) == b""


def test_another_listener_gets_all_of_it() -> None:
    heard = Utterance(RATE)
    heard.turn_began(0.0)
    heard.heard(ms(400), 0.0)
    heard.more_for(ME)
    heard.heard(ms(100), 0.4)
    assert all_of(heard, ANOTHER) == pytest.approx(500, abs=2)


def test_a_voice_that_was_no_turn_is_nothing() -> None:
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.heard(ms(400), 0.1)
    heard.voice_ended(0.5)
    heard.voice_began(0.8)
    heard.heard(ms(100), 0.8)
    heard.turn_began(0.8)
    assert all_of(heard) == pytest.approx(100, abs=2)


def test_a_turn_of_a_voice_that_has_just_ended_has_it() -> None:
    """A voice over the assistant is judged when it is over; its tail comes then."""
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.heard(ms(900), 0.9)
    heard.voice_ended(1.0)
    heard.turn_began(1.1)
    heard.heard(ms(100), 1.1)
    assert all_of(heard) == pytest.approx(1000, abs=2)


def test_what_was_written_later_has_nothing_of_a_cough() -> None:
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.heard(ms(400), 0.1)
    heard.voice_ended(0.5)
    heard.turn_began(0.8)
    assert heard.empty


def test_a_pause_within_a_turn_loses_nothing() -> None:
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.turn_began(0.0)
    heard.heard(ms(300), 0.3)
    heard.voice_ended(0.5)
    heard.voice_began(0.9)
    heard.heard(ms(300), 1.2)
    assert all_of(heard) == pytest.approx(600, abs=2)


def test_of_silence_only_the_last_is_kept_and_of_a_turn_a_minute() -> None:
    heard = Utterance(RATE)
    heard.voice_began(0.0)
    heard.voice_ended(0.1)
    for at in range(1, 30):
        heard.heard(ms(100), at / 10)
    heard.voice_began(3.0)
    heard.turn_began(3.0)
    assert all_of(heard) == pytest.approx(600, abs=2)
    heard.answered()
    assert heard.empty
    assert not heard.in_turn
    heard.turn_began(4.0)
    for at in range(700):
        heard.heard(ms(100), 4.0 + at / 10)
    assert all_of(heard) == pytest.approx(60_000, abs=2)


def test_a_voice_that_was_there_before_we_listened_is_kept() -> None:
    heard = Utterance(RATE)
    heard.heard(ms(1000), 0.0)
    assert all_of(heard) == pytest.approx(1000, abs=2)
    quiet = Utterance(RATE)
    quiet.heard(ms(1000), 0.0)
    quiet.voice_began(1.0)
    quiet.turn_began(1.0)
    assert all_of(quiet) == pytest.approx(600, abs=2)


def test_a_turn_that_is_not_answered_yet_is_of_the_next() -> None:
    heard = Utterance(RATE)
    heard.turn_began(0.0)
    heard.heard(ms(500), 0.5)
    heard.more_for(ME, last=True)
    heard.voice_began(0.9)
    heard.turn_began(0.9)
    heard.heard(ms(500), 1.4)
    assert all_of(heard, ANOTHER) == pytest.approx(1000, abs=2)


def test_what_was_heard_counts_from_the_first_sample() -> None:
    said = Audibility()
    assert said.heard_ms(5.0) == 0, "it was made, and is not audible yet"
    said.began(1.0)
    said.began(1.5)  # told both ways
    assert said.heard_ms(2.0) == 1000
    said.another()
    assert said.heard_ms(3.0) == 0


def test_while_a_voice_is_judged_nothing_is_heard() -> None:
    said = Audibility()
    said.began(0.0)
    said.voice_began(1.0)
    said.voice_began(1.2)
    assert said.heard_ms(1.5) == 1000
    said.voice_ended(1.4)  # goes on at 1.6
    assert said.heard_ms(1.5) == 900
    assert said.heard_ms(2.6) == 2000
    said.voice_began(3.0)
    assert said.heard_ms(9.0) == 2400


def test_stretches_add_up_and_the_end_is_the_end() -> None:
    said = Audibility()
    said.began(0.0)
    said.ended(0.5, all_of_it=False)
    assert said.heard_ms(2.0) == 500
    said.began(2.0)
    assert said.heard_ms(2.3) == 800
    said.ended(3.0, all_of_it=True)
    assert said.heard_ms(3.0) == ALL_MS
    said.began(4.0)
    assert said.heard_ms(4.0) == 1500, "there was more of it"


def test_a_voice_from_before_holds_nothing() -> None:
    said = Audibility()
    said.voice_began(0.0)
    said.began(1.0)
    assert said.heard_ms(1.4) == 400
    said.voice_ended(1.4)
    assert said.heard_ms(1.4) == 400
    assert said.heard_ms(0.9) == 0
