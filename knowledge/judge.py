"""From scores to an order and a decision. Pure.

The order: `fuse` adds what a passage covers of the caller's words, how much of its own question was
asked, and the likeness of the sentences' vectors. Likeness spans little (0.2 to 0.6 for most passages), so
that its weight is high: it outweighs words of little weight, and a good match of words outweighs it. The
three weights are those of a conditional logit, in which the right passage competes with all others of the
tenant (they came out as 8.3 : 4.2 : 14.7), rounded.

The decision: `confidence` weighs the grounds for the first passage with a logistic function. Likeness counts
in it through the lead alone. By itself it tells nothing of whether there is an answer: the frame of a
question ("do you have …?") makes unanswerable questions as like as answerable ones, and fits gave it
a weight of about zero or below.

Both were fitted on tests/data/questions_dev, judged by ten-fold cross-validation in which an entry's
questions stay together. The lexicons were written beside most of these questions and flatter them, so
they were fitted on the questions also as another lexicon would see them (with half of its phrases left
out), and on questions whose entry was taken away. tests/knowledge/test_retrieval.py holds what is reached.

There are three verdicts, because neither words nor likeness tell a question from its neighbour: between
`LIKELY_FROM` and `SURE_FROM` the caller is the one to ask. The bounds were read off the same tuning questions: at
0.85 few questions that nobody answers are answered, and nearly all of the answerable ones that fall short of it
lie above 0.4.
"""

import math

import numpy as np
from msgspec import Struct

from knowledge.keywords import Scores

ASKED_WEIGHT = 0.5
DENSE_WEIGHT = 2.0
FULL_SCORE = 1.0 + ASKED_WEIGHT + DENSE_WEIGHT

COVERED = 0.5
ASKED = 1.9
LEAD = 1.2
MATCHED = 0.4
MISSED = -0.2
FOREIGN = -0.7
BIAS = -1.6
MATCHED_ENOUGH = 6.0
MISSED_ENOUGH = 8.0
FOREIGN_ENOUGH = 4.0
"""Weights of words (see `knowledge.keywords`) beyond which more says no more."""
WHOLE = 0.99
"""Share of words from which a question is taken to be the entry's own."""
SURE_FROM = 0.85
LIKELY_FROM = 0.4


class Grounds(Struct, frozen=True, kw_only=True):
    """What speaks for the first passage; the fields of `knowledge.keywords.Coverage`, and its lead."""

    covered: float
    asked: float
    matched: float
    missed: float
    foreign: float
    lead: float
    """Its fused score less the second's, in units of one covered query."""


def fuse(covered: Scores, asked: Scores, dense: Scores) -> Scores:
    """One score per passage, 0 to 1; comparable within one query only."""
    score: Scores = (covered + ASKED_WEIGHT * asked + DENSE_WEIGHT * np.clip(dense, 0, 1)) / FULL_SCORE
    return np.clip(score, 0, 1)


def confidence(grounds: Grounds) -> float:
    """How likely the first passage answers, 0 to 1. Its own question, word for word, has 1 whatever is beside it."""
    if min(grounds.covered, grounds.asked) >= WHOLE:
        return 1.0
    z = (
        COVERED * grounds.covered
        + ASKED * grounds.asked
        + LEAD * min(grounds.lead, 1.0)
        + MATCHED * min(grounds.matched, MATCHED_ENOUGH)
        + MISSED * min(grounds.missed, MISSED_ENOUGH)
        + FOREIGN * min(grounds.foreign, FOREIGN_ENOUGH)
        + BIAS
    )
    return 1.0 / (1.0 + math.exp(-z))
