"""Speech that is held: silence at once, then on from the first word not heard whole, or never."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import Frame, TTSStoppedFrame, TTSTextFrame

from tests.transports.freeswitch.test_playout import (
    RATE,
    Marker,
    announced,
    loud,
    sentence,
    silent,
    spoken,
    texts,
    ticks,
    tts,
)
from transports.freeswitch.heard import heard_prefix, spoken_weight, unheard_from
from transports.freeswitch.playout import IDLE_TICKS, Bot, Holder, Playout

FOUR = "aaaa bbbb cccc dddd"
"""Five chunks of 20 ms for each word, in 400 ms."""


@pytest.fixture
def playout() -> Playout:
    return Playout(RATE)


def numbered(chunks: int) -> bytes:
    """Sound of which every 20 ms can be told from the others."""
    return b"".join(np.full(RATE // 50, 1000 + number, np.int16).tobytes() for number in range(chunks))


def put_numbered(playout: Playout, text: str, chunks: int, context: str = "c") -> None:
    announcement = announced(text, context)
    playout.put(announcement)
    playout.put_audio(tts(numbered(chunks), context))
    playout.put(spoken(announcement))


def played(playout: Playout, count: int) -> list[int | None]:
    """The numbers of the chunks that the next ticks give; None for silence."""
    pcm = [playout.tick(0).pcm for _ in range(count)]
    return [None if chunk is None else int(np.frombuffer(chunk, "<i2")[0]) - 1000 for chunk in pcm]


def test_nothing_comes_out_while_it_is_held(playout: Playout) -> None:
    sentence(playout, FOUR, 400)
    playout.put(TTSStoppedFrame(context_id="c"))
    ticks(playout, 3)
    assert playout.hold() == FOUR
    assert [playout.tick(0).pcm for _ in range(IDLE_TICKS + 1)] == [None] * (IDLE_TICKS + 1)
    assert playout.speaking
    marker = Marker()
    assert playout.put(marker).out == []
    assert ticks(playout, 5) == []
    playout.resume()
    out = ticks(playout, 30)
    assert texts(out) == [FOUR]
    assert out.index(Bot.STOPPED) < out.index(marker)


@pytest.mark.parametrize(
    ("before", "again"), [(1, 0), (4, 0), (5, 5), (6, 5), (9, 5), (10, 10), (17, 15), (19, 15), (20, 20)]
)
def test_it_goes_on_with_the_first_word_that_was_not_heard_whole(playout: Playout, before: int, again: int) -> None:
    put_numbered(playout, FOUR, 20)
    assert played(playout, before) == list(range(before))
    playout.hold()
    assert played(playout, 10) == [None] * 10
    playout.resume()
    assert played(playout, 30)[: 20 - again + 1] == [*range(again, 20), None]


def test_a_pause_near_the_word_is_where_it_goes_on(playout: Playout) -> None:
    announcement = announced("aaaa bbbb")
    playout.put(announcement)
    pcm = bytearray(numbered(20))
    dip = np.full(RATE // 50, 300, np.int16).tobytes()
    pcm[7 * len(dip) : 8 * len(dip)] = dip
    playout.put_audio(tts(bytes(pcm)))
    playout.put(spoken(announcement))
    played(playout, 15)
    playout.hold()
    playout.resume()
    assert played(playout, 2) == [-700, 8]


def test_a_sentence_still_being_rendered_goes_on_too(playout: Playout) -> None:
    playout.put(announcement := announced("Nós atendemos de segunda a sexta das oito da manhã até as seis da tarde"))
    playout.put_audio(tts(numbered(40)))
    played(playout, 40)
    assert playout.hold() == announcement.text
    playout.put_audio(tts(numbered(150)))
    playout.put(spoken(announcement))
    playout.resume()
    first = played(playout, 1)[0]
    assert first is not None
    assert 0 < first < 40
    assert played(playout, 39 - first) == list(range(first + 1, 40))
    assert texts(ticks(playout, 151)) == [announcement.text]


def test_what_the_wire_still_had_is_played_again(playout: Playout) -> None:
    put_numbered(playout, FOUR, 20)
    played(playout, 12)
    playout.hold(unheard_ms=160)
    playout.resume()
    assert played(playout, 1) == [0], "of the first word the last of four chunks was not heard"


def test_a_part_of_a_chunk_that_was_on_its_way_is_a_chunk(playout: Playout) -> None:
    """54 ms late the switch has begun 4 or 5 of 7 chunks, as its 20 ms lie beside ours: the word had five."""
    put_numbered(playout, FOUR, 20)
    played(playout, 7)
    playout.hold(unheard_ms=54)
    playout.resume()
    assert played(playout, 1) == [0]


def test_the_end_of_the_sentence_before_is_played_again_without_its_text(playout: Playout) -> None:
    put_numbered(playout, "aaaa bbbb", 10, "one")
    put_numbered(playout, FOUR, 20, "two")
    assert texts(ticks(playout, 12)) == ["aaaa bbbb"]
    assert playout.hold(unheard_ms=100) == FOUR
    playout.resume()
    assert played(playout, 5) == [7, 8, 9, 0, 1]
    assert texts(ticks(playout, 20)) == [FOUR]


def test_the_words_heard_before_a_hold_are_told_when_it_becomes_an_interruption(playout: Playout) -> None:
    sentence(playout, FOUR, 400)
    ticks(playout, 12)
    playout.hold(unheard_ms=20)
    ticks(playout, 9)
    assert texts(playout.cut(unheard_ms=160)) == ["aaaa bbbb"]
    assert not playout.held
    assert playout.queued_ms == 0
    assert playout.stop_speaking()


def test_a_word_that_was_heard_stays_heard_though_it_goes_on_from_before_it(playout: Playout) -> None:
    sentence(playout, FOUR, 400)
    ticks(playout, 14)
    for _ in range(3):
        playout.hold()
        playout.resume()
        ticks(playout, 1)
    playout.hold()
    assert texts(playout.cut()) == ["aaaa bbbb"]


def test_after_two_holds_the_sentence_is_told_once_and_whole(playout: Playout) -> None:
    put_numbered(playout, FOUR, 20)
    out: list[Frame | Bot] = []
    out += ticks(playout, 7)
    playout.hold()
    playout.hold()
    playout.resume()
    out += ticks(playout, 3)
    playout.hold()
    playout.resume()
    assert played(playout, 1) == [5]
    out += ticks(playout, 20)
    assert texts(out) == [FOUR]
    assert out.count(Bot.STARTED) == 1


def test_nothing_is_held_while_nothing_is_said(playout: Playout) -> None:
    assert playout.hold() is None
    sentence(playout, FOUR, 400)
    assert playout.hold() is None, "not begun"
    playout.put(TTSStoppedFrame(context_id="c"))
    ticks(playout, 30)
    assert playout.hold() is None, "over"
    playout.resume()
    assert playout.queued_ms == 0


def test_what_may_not_be_interrupted_is_not_held(playout: Playout) -> None:
    announcement = announced("aviso legal", "legal", interruptible=False)
    playout.put(announcement)
    playout.put_audio(tts(loud(100), "legal", interruptible=False))
    playout.put(spoken(announcement))
    ticks(playout, 2)
    assert playout.hold() is None
    assert texts(ticks(playout, 4)) == ["aviso legal"]


def test_in_a_gap_of_its_voice_the_answer_is_held(playout: Playout) -> None:
    sentence(playout, "Quer saber mais?", 100, "one")
    ticks(playout, 20)
    assert playout.hold() == "Quer saber mais?"
    sentence(playout, FOUR, 400, "two")
    assert ticks(playout, 10) == []
    playout.resume()
    assert texts(ticks(playout, 22)) == [FOUR]


def test_words_with_a_time_wait_as_long_as_they_are_held(playout: Playout) -> None:
    word = TTSTextFrame("oi", "word", context_id="c")
    word.pts = 100_000_000
    playout.put_audio(tts(loud(1000)))
    playout.put(word)
    playout.tick(20_000_000)
    playout.hold()
    assert [playout.tick(now * 1_000_000).out for now in range(40, 240, 20)] == [[]] * 10
    playout.resume()
    assert word not in playout.tick(280_000_000).out
    assert word in playout.tick(300_000_000).out


def test_giving_up_ends_a_hold(playout: Playout) -> None:
    sentence(playout, FOUR, 400)
    ticks(playout, 12)
    playout.hold()
    assert texts(playout.cut()) == ["aaaa bbbb"]
    playout.take_frames()
    assert not playout.held


def test_silence_before_the_words_is_not_taken_for_one(playout: Playout) -> None:
    announcement = announced("aaaa bbbb")
    playout.put(announcement)
    playout.put_audio(tts(silent(200) + numbered(20) + silent(200)))
    playout.put(spoken(announcement))
    ticks(playout, 28)
    playout.hold()
    playout.resume()
    assert played(playout, 1) == [10]


@given(st.text("ab ,.7", max_size=40), st.floats(0, 1))
def test_the_word_it_goes_on_with_is_the_first_not_told(text: str, share: float) -> None:
    begin = unheard_from(text, share)
    assert begin <= share
    told = heard_prefix(text, share)
    if share < 1 and told != text and text[len(told) :].strip():
        pause = spoken_weight(told + " x") - spoken_weight("x") if told.strip() else 0
        assert begin == pytest.approx(min(share, pause / spoken_weight(text)))


@given(st.lists(st.sampled_from(["sentence", "tick", "ticks", "hold", "resume", "cut"]), max_size=60), st.booleans())
def test_held_or_not_no_word_is_told_twice_or_unplayed(steps: list[str], lags: bool) -> None:
    playout, told, put = Playout(RATE), list[str](), list[str]()
    heard = 0
    for number, step in enumerate(steps):
        if step == "sentence":
            put.append(f"a{number:02} b{number:02} c{number:02}")  # none begins as another does
            sentence(playout, put[-1], 300, str(number))
        elif step == "hold":
            playout.hold(unheard_ms=100 if lags else 0)
        elif step == "resume":
            playout.resume()
        elif step == "cut":
            told += texts(playout.cut())
            assert (playout.queued_ms, playout.held) == (0, False)
        for _ in range({"tick": 1, "ticks": 12}.get(step, 0)):
            beat = playout.tick(0)
            told += texts(beat.out)
            heard += beat.pcm is not None
    if "cut" not in steps:
        playout.resume()
        told += texts(ticks(playout, 3000))
        assert told == put
    begun = [text for text in put if any(text.startswith(words) for words in told)]
    assert len(told) == len(begun)
    assert playout.queued_ms >= 0


def test_a_lost_wire_holds_also_what_nobody_may_interrupt_and_what_comes_meanwhile(playout: Playout) -> None:
    announcement = announced(FOUR)
    final = tts(numbered(20))
    for frame in (announcement, final, said := spoken(announcement)):
        frame.interruptible = False
    playout.put(announcement)
    playout.put_audio(final)
    playout.put(said)
    assert played(playout, 7) == list(range(7))
    assert playout.hold() is None
    playout.hold(20, Holder.WIRE)
    assert playout.put(marker := Marker()).out == []
    assert played(playout, 10) == [None] * 10
    playout.resume(Holder.WIRE)
    assert played(playout, 15) == list(range(5, 20))
    assert marker in ticks(playout, 1)


def test_a_lost_wire_holds_before_anything_is_said(playout: Playout) -> None:
    playout.hold(0, Holder.WIRE)
    put_numbered(playout, FOUR, 20)
    assert played(playout, 5) == [None] * 5
    playout.resume(Holder.WIRE)
    assert played(playout, 3) == [0, 1, 2]


@pytest.mark.parametrize("first", Holder)
def test_who_holds_does_not_undo_the_other_s(playout: Playout, first: Holder) -> None:
    second = next(holder for holder in Holder if holder is not first)
    put_numbered(playout, FOUR, 20)
    played(playout, 12)
    playout.hold(40, first)
    playout.hold(200, second)
    playout.resume(first)
    assert played(playout, 3) == [None] * 3
    playout.resume(second)
    assert played(playout, 2) == [10, 11], "what was on its way is what the first hold found"


def test_an_interruption_while_the_wire_is_lost_drops_the_sentence_and_what_follows_waits(playout: Playout) -> None:
    sentence(playout, FOUR, 400)
    ticks(playout, 12)
    playout.hold(20, Holder.WIRE)
    assert texts(playout.cut()) == ["aaaa bbbb"]
    put_numbered(playout, FOUR, 20, "next")
    assert played(playout, 4) == [None] * 4
    playout.resume(Holder.WIRE)
    assert played(playout, 2) == [0, 1]
