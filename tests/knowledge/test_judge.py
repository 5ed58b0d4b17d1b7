"""Order and decision."""

import numpy as np
import pytest
from msgspec import structs

from knowledge.judge import LIKELY_FROM, SURE_FROM, Grounds, confidence, fuse


def test_scores_stay_between_zero_and_one() -> None:
    ones, zeros = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
    assert fuse(ones, ones, ones) == pytest.approx([1.0])
    assert fuse(zeros, zeros, -ones) == pytest.approx([0.0])


def test_a_good_match_of_words_outweighs_the_likeness_of_sentences() -> None:
    covered, asked, dense = (np.array(x, dtype=np.float32) for x in ([0.9, 0.0], [0.5, 0.0], [0.3, 0.6]))
    assert fuse(covered, asked, dense).argmax() == 0


def test_likeness_outweighs_words_of_little_weight() -> None:
    covered, asked, dense = (np.array(x, dtype=np.float32) for x in ([0.2, 0.0], [0.2, 0.0], [0.25, 0.45]))
    assert fuse(covered, asked, dense).argmax() == 1


def test_likeness_decides_where_no_word_does() -> None:
    nothing = np.zeros(2, dtype=np.float32)
    assert fuse(nothing, nothing, np.array([0.2, 0.6], dtype=np.float32)).argmax() == 1


def grounds(**more: float) -> Grounds:
    return structs.replace(Grounds(covered=0.5, asked=0.5, matched=3.0, missed=1.0, foreign=0.0, lead=0.5), **more)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (Grounds(covered=1.0, asked=1.0, matched=3.0, missed=0.0, foreign=0.0, lead=1.0), "sure"),
        # Its own question, beside a line that says nearly the same.
        (Grounds(covered=1.0, asked=1.0, matched=1.0, missed=0.0, foreign=0.0, lead=0.05), "sure"),
        # A name in the answer: "vocês atendem pela Amil?"
        (Grounds(covered=1.0, asked=0.0, matched=3.0, missed=0.0, foreign=0.0, lead=0.7), "likely"),
        # The frame of a question alone: "vocês vendem …?"
        (Grounds(covered=0.3, asked=0.3, matched=1.0, missed=2.5, foreign=0.0, lead=0.2), "unsure"),
        # All of the question was asked, but of something that no document speaks of: "can I pay with bitcoin?"
        (Grounds(covered=0.3, asked=0.9, matched=2.0, missed=4.5, foreign=3.5, lead=0.7), "unsure"),
        (Grounds(covered=0.0, asked=0.0, matched=0.0, missed=3.0, foreign=0.0, lead=0.0), "unsure"),
    ],
)
def test_where_the_lines_are(given: Grounds, verdict: str) -> None:
    certainty = confidence(given)
    assert verdict == ("sure" if certainty >= SURE_FROM else "likely" if certainty >= LIKELY_FROM else "unsure")


def test_confidence_rises_with_what_speaks_for_it_and_falls_with_what_does_not() -> None:
    base = confidence(grounds())
    for better in (grounds(covered=0.6), grounds(asked=0.6), grounds(matched=4.0), grounds(lead=0.6)):
        assert confidence(better) > base
    for worse in (grounds(foreign=1.0), grounds(missed=2.0)):
        assert confidence(worse) < base


def test_beyond_enough_more_says_no_more() -> None:
    assert confidence(grounds(matched=6.0)) == confidence(grounds(matched=60.0))
    assert confidence(grounds(foreign=4.0)) == confidence(grounds(foreign=40.0))
    assert confidence(grounds(missed=8.0)) == confidence(grounds(missed=80.0))
    assert confidence(grounds(lead=1.0)) == confidence(grounds(lead=2.0))
