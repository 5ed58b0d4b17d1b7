"""Word error rate, and finding a fact in what was heard."""

import re
import unicodedata
from collections.abc import Sequence


def normal(text: str) -> list[str]:
    """Lower-case words without punctuation; accents count, since a listener hears them."""
    return re.sub(r"[^\w\s]", " ", text.lower()).split()


def word_errors(reference: str, heard: str) -> tuple[int, int]:
    """Substitutions, insertions and deletions at the least (Levenshtein over words), and the reference's length."""
    want, got = normal(reference), normal(heard)
    row = list(range(len(got) + 1))
    for i, word in enumerate(want, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1], len(want)


def folded(text: str) -> str:
    """Lower case, without accents."""
    plain = unicodedata.normalize("NFD", text.lower())
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    # "vinte e quatro" is sometimes written as "20 e 4".
    return re.sub(r"\b([2-9])0 e ([1-9])\b", r"\1\2", bare)


def holds(transcript: str, facts: Sequence[str]) -> bool:
    """Whether every fact (a regular expression over folded text) is found.

    Also without spaces and doubled letters: where a recogniser cuts words, and how it spells names, is not what a
    listener hears.
    """
    text = folded(transcript)
    run_on = _single(re.sub(r"[^\w]", "", text))
    return all(re.search(fact, text) or re.search(_single(re.sub(r" [?*+]?", "", fact)), run_on) for fact in facts)


def _single(text: str) -> str:
    """Without doubled letters."""
    return re.sub(r"([a-z])\1+", r"\1", text)
