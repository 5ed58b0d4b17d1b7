"""From scores to an order and a decision. Pure.

The order: `fuse` adds what a passage covers of the caller's words, how much of its own question was
asked, and the likeness of the sentences' vectors. The vectors order what no word decides; alone they
would be misled by the frame of a question ("do you have …?" is like "do you have …?"): over the example
documents they put unanswerable questions as high as answerable ones.

The decision: `sure` weighs the first passage's coverage and its lead over the second with a logistic
function. Its weights were fitted on tests/data/questions_dev (see tests/knowledge/test_judge.py for what
they reach there) and rounded.
"""

import math

import numpy as np

from knowledge.keywords import Scores

ASKED_WEIGHT = 0.75
DENSE_WEIGHT = 0.5
FULL_SCORE = 1.0 + ASKED_WEIGHT + DENSE_WEIGHT

COVERED = 8.0
ASKED = 4.5
LEAD = 2.0
BIAS = -8.4
SURE_FROM = 0.5


def fuse(covered: Scores, asked: Scores, dense: Scores) -> Scores:
    """One score per passage, 0 to 1; comparable within one query only."""
    score: Scores = (covered + ASKED_WEIGHT * asked + DENSE_WEIGHT * np.clip(dense, 0, 1)) / FULL_SCORE
    return np.clip(score, 0, 1)


def confidence(covered: float, asked: float, lead: float) -> float:
    """How likely the first passage answers, 0 to 1.

    `lead` is its fused score less the second's, in units of one covered query (at most 1 counts).
    """
    z = COVERED * covered + ASKED * asked + LEAD * min(lead, 1.0) + BIAS
    return 1.0 / (1.0 + math.exp(-z))
