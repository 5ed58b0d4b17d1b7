"""What the benchmark of the wires makes of what it saw: the voice that can be told by samples, noises, figures."""

import math
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.parts.marked import FRAME_S, MARKS, Utterance, first_frames, mark, number_of, resumed, utterances
from benchmarks.parts.noises import active_dbfs, at_level, cough
from benchmarks.parts.served import Noted
from benchmarks.parts.wire_figures import (
    Disturbed,
    disturbances,
    held,
    mouth_to_vad,
    pacing_errors_ms,
    sentences,
    voice_to_wire,
)
from control.peer import ReferenceClock, Sound
from control.peer.sound import through_g711

RATE = 8000
SILENCE = np.zeros(160, dtype=np.int16)
CLOCK = ReferenceClock()
"""Never late."""


def late(since: float, until: float) -> ReferenceClock:
    clock = ReferenceClock()
    clock.record(since, until)
    return clock


def played(numbers: range | list[int], begin: float = 0.0) -> list[tuple[float, np.ndarray]]:
    """These frames one after the other, as a caller with G.711 hears them."""
    return [(begin + at * FRAME_S, through_g711(mark(number, RATE), "PCMU")) for at, number in enumerate(numbers)]


def part(numbers: range, begin: float) -> Utterance:
    return utterances(played(numbers, begin), RATE)[0]


@pytest.mark.parametrize("law", [None, "PCMU"])
def test_every_frame_is_known_from_all_others(law: str | None) -> None:
    frames = [mark(number, RATE) for number in range(MARKS)]
    wire = frames if law is None else [through_g711(frame, "PCMU") for frame in frames]
    assert [number_of(frame, RATE) for frame in wire] == list(range(MARKS))
    assert number_of(SILENCE, RATE) is None
    assert number_of(np.roll(frames[7], 1), RATE) is None, "a frame that was cut elsewhere"


def test_a_sentence_is_whole_only_with_every_frame_in_its_order_once() -> None:
    whole = list(range(30))
    assert part(range(30), 5.0).is_whole(30)
    for wrong in (
        whole[:-1],
        whole[1:],
        whole[:9] + whole[10:],
        whole[:9] + whole[8:],
        [*whole[:8], 9, 8, *whole[10:]],
    ):
        assert not utterances(played(wrong), RATE)[0].is_whole(30)
    torn = played(whole)
    torn[4] = (torn[4][0], np.concatenate([torn[4][1][:80], SILENCE[:80]]))
    assert not utterances(torn, RATE)[0].is_whole(30)


def test_silence_cuts_sentences_and_short_gaps_are_told() -> None:
    frames = [*played(range(10)), (0.2, SILENCE), *played(range(10), 0.45), *played(range(10, 12), 0.7)]
    first, second = utterances(frames, RATE)
    assert first.is_whole(10)
    assert second.is_whole(12)
    assert max(first.gaps_s()) == pytest.approx(0, abs=1e-9)
    assert max(second.gaps_s()) == pytest.approx(0.05)


def heard(frames: list[tuple[float, np.ndarray]], due: list[float] | None = None) -> SimpleNamespace:
    """A call whose caller heard this much; `due`: when each frame was on the switch's own clock."""
    times = [at for at, _ in frames] if due is None else due
    return SimpleNamespace(call=SimpleNamespace(media=SimpleNamespace(frames_heard=frames, frames_due=times)))


def test_a_tick_that_the_switch_did_late_is_no_gap_and_one_with_nothing_to_be_heard_is() -> None:
    frames = played(range(5)) + played(range(5, 9), 0.13)
    assert sentences([heard(frames, [n * 0.02 for n in range(9)])], 9, CLOCK).gaps == 0
    missed = sentences([heard(played(range(9)), [n * 0.02 for n in (*range(5), *range(6, 10))])], 9, CLOCK)
    assert missed.gaps == 1
    assert missed.longest_gap_ms == pytest.approx(20)


def test_gaps_while_the_machine_was_late_do_not_count() -> None:
    rung = heard(played(range(5)) + played(range(5, 9), 0.13))
    found = sentences([rung], 9, CLOCK)
    assert (found.heard, found.whole, found.gaps) == (1, 1, 1)
    assert found.longest_gap_ms == pytest.approx(30)
    assert sentences([rung], 9, late(0.1, 0.125)).gaps == 0


def test_the_beginning_of_a_sentence_is_found_in_pieces_of_any_length() -> None:
    piece = np.concatenate([mark(number, RATE) for number in range(8)])
    came = [(1.0, SILENCE), (2.0, piece), (3.0, mark(8, RATE)), (4.0, mark(0, RATE)), (5.0, SILENCE[:80])]
    assert first_frames(came, RATE) == [2.0, 4.0]


def test_a_sentence_goes_on_with_the_word_that_was_cut() -> None:
    found = resumed([part(range(40), 0.0), part(range(37, 100), 1.5)], 0.7, 1.2, 100)
    assert (found.held, found.again, found.whole) == (True, 3, True)
    assert found.resumed_s == pytest.approx(0.3)


def test_what_was_never_said_and_what_was_broken_off_is_told() -> None:
    assert resumed([part(range(40), 0.0), part(range(42, 100), 1.5)], 0.7, 1.2, 100).again == -2
    broken = resumed([part(range(40), 0.0)], 0.7, 1.2, 100)
    assert broken.held
    assert not broken.whole
    assert not resumed([part(range(40), 0.0), part(range(37, 60), 1.5)], 0.7, 1.2, 100).whole
    another = resumed([part(range(40), 0.0), part(range(100), 2.5)], 0.7, 1.2, 100)
    assert (another.held, another.whole) == (True, False), "what came is another sentence"


def test_a_noise_that_nobody_minds_holds_nothing() -> None:
    found = resumed([part(range(100), 0.0)], 0.7, 1.2, 100)
    assert (found.held, found.resumed_s, found.whole) == (False, 0.0, True)


def test_the_level_is_that_of_the_speech_alone() -> None:
    tone = np.rint(16384 * np.sin(np.arange(8000) * 0.5)).astype(np.int16)
    sound = Sound(np.concatenate([np.zeros(16000, np.int16), tone]), RATE)
    assert active_dbfs(sound) == pytest.approx(-9.03, abs=0.05)
    assert active_dbfs(at_level(sound, -20.0)) == pytest.approx(-20.0, abs=0.02)


def test_a_cough_is_a_quarter_of_a_second_and_the_same_each_time() -> None:
    one = cough(3)
    begin, end = one.speech
    assert begin == pytest.approx(0.3 * RATE, abs=80)
    assert end - begin == pytest.approx(0.25 * RATE, abs=240)
    assert np.array_equal(one.samples, cough(3).samples)
    assert not np.array_equal(one.samples, cough(4).samples)


def test_pacing_is_between_datagrams_of_one_stream() -> None:
    times, streams = [0.0, 0.020, 0.043, 9.0, 9.019], [1, 1, 1, 2, 2]
    assert pacing_errors_ms(times, streams, CLOCK) == pytest.approx([0.0, 3.0, 1.0])
    assert pacing_errors_ms(times, streams, late(0.021, 0.040)) == pytest.approx([0.0, 1.0])


def test_an_interruption_during_which_the_machine_was_late_or_nothing_was_heard_is_left_out_and_counted() -> None:
    spoken = [SimpleNamespace(speech_began_at=at) for at in (1.0, 2.0, 3.0, None)]
    turns = [SimpleNamespace(barge_in_ms=held_ms) for held_ms in (150.0, None, 160.0, 170.0)]
    rung = SimpleNamespace(
        call=SimpleNamespace(media=SimpleNamespace(caller=SimpleNamespace(spoken=spoken))),
        result=SimpleNamespace(turns=turns),
    )
    for clock, ms, late_ones in (
        (CLOCK, [150.0, 160.0], 0),
        (late(3.1, 3.12), [150.0], 1),
        (late(3.2, 3.3), [150.0, 160.0], 0),
    ):
        found = held([rung], clock)
        assert found.ms == pytest.approx(ms)
        assert (found.late, found.unmatched, found.unmatched_share) == (late_ones, 2, 0.5)
    assert math.isnan(held([], CLOCK).unmatched_share), "nothing was timed: no bound holds"


def test_the_services_own_share_begins_and_ends_with_the_right_frames() -> None:
    decisive = mark(1, RATE)
    media = SimpleNamespace(
        frames_uttered=[(0.99, mark(0, RATE)), (1.01, decisive), (1.03, mark(2, RATE)), (8.99, decisive)],
        frames_left_at=[1.0, 1.02, 1.04, 9.0],
        frames_came=[(1.5, SILENCE), (2.012, mark(0, RATE)), (2.032, mark(1, RATE))],
    )
    rung = SimpleNamespace(call=SimpleNamespace(media=media), result=SimpleNamespace(call_id="one"))
    notes = [
        Noted(call_id="two", what="voice_found", at=1.021, frame=zlib.crc32(decisive.tobytes())),
        Noted(call_id="one", what="voice_found", at=1.028, frame=zlib.crc32(decisive.tobytes())),
        Noted(call_id="one", what="voice_found", at=1.1, frame=4711),
        Noted(call_id="one", what="voice_begins", at=2.0, frame=0),
        Noted(call_id="one", what="voice_begins", at=3.0, frame=0),
    ]
    vad, wire = mouth_to_vad([rung], notes, CLOCK), voice_to_wire([rung], notes, CLOCK)
    assert (vad.ms, vad.unmatched) == (pytest.approx([8.0]), 1)
    assert (wire.ms, wire.unmatched) == (pytest.approx([12.0]), 1)
    disturbed = voice_to_wire([rung], notes, late(2.0, 2.05))
    assert (disturbed.ms, disturbed.late, disturbed.unmatched) == ([], 1, 1)


def test_what_the_record_makes_of_a_noise_is_told() -> None:
    noise = SimpleNamespace(speech_began_at=0.5, speech_ended_at=0.7, sound=SimpleNamespace(name="cough"))
    media = SimpleNamespace(
        frames_heard=[*played(range(40)), *played(range(37, 60), 1.0)], caller=SimpleNamespace(spoken=[noise])
    )

    def judged(*turns: tuple[str, str]) -> Disturbed:
        said = [SimpleNamespace(role=role, text=text, interrupted=False) for role, text in turns]
        rung = SimpleNamespace(call=SimpleNamespace(media=media), record=SimpleNamespace(turns=said))
        return disturbances([rung], 60, "a b c")[0]

    right = judged(("assistant", "a b c"))
    assert (right.found.held, right.found.whole, right.turns, right.told_whole) == (True, True, 0, True)
    assert right.found.resumed_s == pytest.approx(0.3)
    wrong = judged(("assistant", "a b"), ("caller", "uhum"))
    assert (wrong.turns, wrong.told_whole) == (1, False)
    lost = SimpleNamespace(call=SimpleNamespace(media=media), record=None)
    assert disturbances([lost], 60, "a b c") == []
