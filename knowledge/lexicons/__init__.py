"""What the words of a language mean to a receptionist: stop words, suffixes, concepts."""

from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module

from msgspec import Struct

from base.languages import stop_words
from knowledge.text import stem, undiminished, words

LANGUAGES = ("pt", "en", "es")

MANNER = frozenset({"age", "bring", "copy", "near", "notice", "online", "who"})
"""Concepts that say how something is asked rather than what about: documents silent on them answer all the same."""


class Token(Struct, frozen=True):
    """One thing that a sentence is about. A phrase has no stem of its own, only its concepts."""

    surface: str
    """What was written, folded: a word, or a phrase with its spaces."""
    stem: str
    concepts: frozenset[str]


class Lexicon:
    """Turns sentences of one language into tokens."""

    def __init__(
        self,
        suffixes: tuple[str, ...],
        stop_words: frozenset[str],
        concepts: dict[str, str],
        diminutives: tuple[str, ...] = (),
        whole: frozenset[str] = frozenset(),
    ) -> None:
        self._suffixes = suffixes
        self._diminutives = diminutives
        self._whole = whole
        self._stop_words = stop_words
        self._phrases: dict[tuple[str, ...], frozenset[str]] = {}
        self._written: set[str] = set()
        for concept, entries in concepts.items():
            for entry in entries.split("|"):
                key = tuple(self.stem(word) for word in entry.split())
                self._written.add(entry)
                self._phrases[key] = self._phrases.get(key, frozenset()) | {concept}
        self._longest = max(len(key) for key in self._phrases)

    def stem(self, word: str) -> str:
        whole = word if word in self._whole else undiminished(word, self._diminutives)
        return stem(whole, self._suffixes)

    def tokens(self, text: str) -> list[Token]:
        """What the sentence is about, in order; the longest known phrase wins, stop words go."""
        spoken = words(text)
        stems = [self.stem(word) for word in spoken]
        found: list[Token] = []
        at = 0
        while at < len(spoken):
            length, concepts = self._phrase(stems, at)
            token = self._token(spoken[at : at + length], stems[at], concepts)
            if token is not None:
                found.append(token)
            at += length
        return found

    def _phrase(self, stems: list[str], at: int) -> tuple[int, frozenset[str]]:
        for length in range(min(self._longest, len(stems) - at), 0, -1):
            concepts = self._phrases.get(tuple(stems[at : at + length]))
            if concepts:
                return length, concepts
        return 1, frozenset()

    def _token(self, spoken: list[str], stem_: str, concepts: frozenset[str]) -> Token | None:
        if len(spoken) > 1:
            return Token(" ".join(spoken), "", concepts)
        word = spoken[0]
        if word not in self._written and (word in self._stop_words or (len(word) < 2 and not word.isdigit())):
            return None
        return Token(word, stem_, concepts)


@lru_cache(maxsize=len(LANGUAGES))
def _lexicon(language: str) -> Lexicon:
    data = import_module(f"knowledge.lexicons.{language}")
    return Lexicon(
        _longest_first(data.SUFFIXES),
        stop_words(language) | frozenset(data.STOP_WORDS.split()),
        data.CONCEPTS,
        _longest_first(getattr(data, "DIMINUTIVES", "")),
        frozenset(getattr(data, "NO_DIMINUTIVES", "").split()),
    )


def _longest_first(endings: str) -> tuple[str, ...]:
    return tuple(sorted(endings.split(), key=len, reverse=True))


def lexicon_language(sentences: Iterable[str]) -> str:
    """The language whose own stop words make up most of `sentences`; English when nothing tells."""
    spoken = [word for sentence in sentences for word in words(sentence)]
    seen = {language: sum(word in stop_words(language) for word in spoken) for language in LANGUAGES}
    return max(seen, key=lambda language: (seen[language], language == "en"))


def lexicon_for(language: str) -> Lexicon:
    """The lexicon of a BCP 47 tag; English for a language that has none."""
    short = language.lower().split("-")[0]
    return _lexicon(short if short in LANGUAGES else "en")
