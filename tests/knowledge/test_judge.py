"""Order and decision."""

import numpy as np
import pytest

from knowledge.judge import SURE_FROM, confidence, fuse


def test_scores_stay_between_zero_and_one() -> None:
    ones, zeros = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
    assert fuse(ones, ones, ones) == pytest.approx([1.0])
    assert fuse(zeros, zeros, -ones) == pytest.approx([0.0])


def test_words_outweigh_the_likeness_of_sentences() -> None:
    covered, asked, dense = (np.array(x, dtype=np.float32) for x in ([0.9, 0.0], [0.5, 0.0], [0.3, 0.9]))
    assert fuse(covered, asked, dense).argmax() == 0


def test_likeness_decides_where_no_word_does() -> None:
    nothing = np.zeros(2, dtype=np.float32)
    assert fuse(nothing, nothing, np.array([0.2, 0.6], dtype=np.float32)).argmax() == 1


@pytest.mark.parametrize(
    ("covered", "asked", "lead", "sure"),
    [
        (1.0, 1.0, 1.0, True),
        (1.0, 0.0, 0.5, True),  # a name in the answer: "vocês atendem pela Amil?"
        (0.3, 0.9, 0.2, False),  # the frame of a question alone: "vocês vendem …?"
        (0.9, 0.3, 0.0, True),
        (0.0, 0.0, 0.0, False),
    ],
)
def test_where_the_line_is(covered: float, asked: float, lead: float, sure: bool) -> None:
    assert (confidence(covered, asked, lead) >= SURE_FROM) is sure


def test_confidence_rises_with_each_of_its_grounds() -> None:
    base = confidence(0.5, 0.5, 0.5)
    assert base < confidence(0.6, 0.5, 0.5)
    assert base < confidence(0.5, 0.6, 0.5)
    assert base < confidence(0.5, 0.5, 0.6)
