"""From scores to an order and a decision. Pure.

The order: `fuse` adds what a passage covers of the caller's words, how much of its own question was
asked, and the likeness of the sentences' vectors. The vectors order what no word decides; alone they
would be misled by the frame of a question ("do you have …?" is like "do you have …?"): over the example
documents they put unanswerable questions as high as answerable ones.

The decision: `confidence` weighs the grounds for the first passage with a logistic function. Its weights
were fitted on tests/data/questions_dev, as text and as recognised speech, by ten-fold cross-validation
(tests/knowledge/test_retrieval.py holds what they reach there), and rounded.
"""

import math

import numpy as np
from msgspec import Struct

from knowledge.keywords import Scores

ASKED_WEIGHT = 0.75
DENSE_WEIGHT = 0.5
FULL_SCORE = 1.0 + ASKED_WEIGHT + DENSE_WEIGHT

COVERED = 3.8
ASKED = 2.4
LEAD = 2.5
MATCHED = 0.63
FOREIGN = -1.0
BIAS = -4.9
MATCHED_ENOUGH = 6.0
FOREIGN_ENOUGH = 4.0
"""Weights of words (see `knowledge.keywords`) beyond which more says no more."""
SURE_FROM = 0.5


class Grounds(Struct, frozen=True, kw_only=True):
    """What speaks for the first passage; the fields of `knowledge.keywords.Coverage`, and its lead."""

    covered: float
    asked: float
    matched: float
    foreign: float
    lead: float
    """Its fused score less the second's, in units of one covered query."""


def fuse(covered: Scores, asked: Scores, dense: Scores) -> Scores:
    """One score per passage, 0 to 1; comparable within one query only."""
    score: Scores = (covered + ASKED_WEIGHT * asked + DENSE_WEIGHT * np.clip(dense, 0, 1)) / FULL_SCORE
    return np.clip(score, 0, 1)


def confidence(grounds: Grounds) -> float:
    """How likely the first passage answers, 0 to 1."""
    z = (
        COVERED * grounds.covered
        + ASKED * grounds.asked
        + LEAD * min(grounds.lead, 1.0)
        + MATCHED * min(grounds.matched, MATCHED_ENOUGH)
        + FOREIGN * min(grounds.foreign, FOREIGN_ENOUGH)
        + BIAS
    )
    return 1.0 / (1.0 + math.exp(-z))
