"""Cutting what is to be said: into sentences as pipecat does, and those into clauses for an early start."""

import re

from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator

from base.languages import primary

MIN_WORDS = 3
"""Fewer words than this are not a clause of their own: a fragment sounds clipped."""
GROWTH = 1.3
"""A clause may have this many times the words of the one before it, as it is rendered while that one plays."""

_BOUNDARY = re.compile(r"(?<=[,;:—–])\s+")


async def sentences(text: str, language: str) -> list[str]:
    """The sentences that pipecat's own aggregator would hand to a voice one by one."""
    aggregator = SimpleTextAggregator(language=primary(language))  # type: ignore[no-untyped-call]
    found = [piece.text async for piece in aggregator.aggregate(text)]
    if (rest := await aggregator.flush()) is not None:
        found.append(rest.text)
    return [tidy for piece in found if (tidy := " ".join(piece.split()))]


def clauses(sentence: str) -> list[str]:
    """The sentence in pieces that end at a comma or the like; joined by a space they are the sentence.

    The first is short, so that audio starts early; each next one is at most GROWTH times as long where
    the punctuation allows, so that the voice does not run dry between them.
    """
    pieces = _merged(_BOUNDARY.split(sentence.strip()))
    chosen = [pieces[0]]
    before = 0  # words of the piece before the one that grows
    for piece in pieces[1:]:
        if before and _words(chosen[-1]) + _words(piece) <= GROWTH * before:
            chosen[-1] += " " + piece
        else:
            before = _words(chosen[-1])
            chosen.append(piece)
    return chosen


def _merged(pieces: list[str]) -> list[str]:
    """Fragments joined with what follows, the last with what precedes it."""
    merged: list[str] = []
    for piece in pieces:
        if merged and _words(merged[-1]) < MIN_WORDS:
            merged[-1] += " " + piece
        else:
            merged.append(piece)
    if len(merged) > 1 and _words(merged[-1]) < MIN_WORDS:
        merged[-2:] = [" ".join(merged[-2:])]
    return merged


def _words(text: str) -> int:
    return len(text.split())
