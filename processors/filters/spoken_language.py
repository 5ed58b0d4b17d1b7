"""Which of Portuguese, English and Spanish a transcript is in. Pure.

By words that only one of them has (of each language's stop words and formalities) and by letters that only one writes.
A short utterance may tell nothing; then nobody is told anything.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache

from msgspec import Struct

from base.languages import SUPPORTED, fold, intents, primary, stop_words

MARGIN = 2.0
"""The likeliest language has to have this many times the points of the next."""

_LETTERS: Mapping[str, re.Pattern[str]] = {
    "pt": re.compile(r"ã|õ|ç|lh|nh|ê|ô|\b(?:não|já|até|há)\b|[aeo]u\b"),
    "en": re.compile(r"th|wh|ck|sh|oo|ee|'(?:s|t|m|re|ll|ve|d)\b|ing\b|[bcdfgklmnprst]y\b"),
    "es": re.compile(r"ñ|¿|¡|ción\b|\bll|ue[nrs]|ie[nrst]"),
}


class Guess(Struct, frozen=True):
    """What an utterance's words say."""

    language: str | None
    """Base language; None when they do not tell."""
    words: int


@cache
def _own_words() -> Mapping[str, float]:
    """Words to the points that they give to the only language that has them, as `pt:word`."""
    known: dict[str, set[str]] = {}
    for tag in SUPPORTED:
        of = intents(tag)
        said = (*of.greeting, *of.goodbye, *of.thanks, *of.yes, *of.no, *of.repeat, *of.operator)
        known[primary(tag)] = {*stop_words(tag), *(word for phrase in said for word in phrase.split())}
    shared = Counter(word for words in known.values() for word in words)
    return {f"{name}:{word}": 1.0 for name, words in known.items() for word in words if shared[word] == 1}


def guess(text: str, among: Collection[str]) -> Guess:
    """The language of an utterance, of those base languages."""
    words = fold(text).split()
    own, lower = _own_words(), text.lower()
    points = {
        name: sum(own.get(f"{name}:{word}", 0.0) for word in words) + 0.5 * len(_LETTERS[name].findall(lower))
        for name in among
        if name in _LETTERS
    }
    ranked = sorted(points.items(), key=lambda item: item[1], reverse=True)
    if not ranked or ranked[0][1] < 1.0:
        return Guess(None, len(words))
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    return Guess(ranked[0][0] if ranked[0][1] >= MARGIN * second else None, len(words))


class Listener:
    """Decides when the caller's language has changed. Pure; one per call."""

    def __init__(self, language: str, among: Collection[str], *, min_words: int, turns: int, sure_words: int) -> None:
        self.language = self._at_first = language
        self._among = among
        self._min_words = min_words
        self._turns = turns
        self._sure_words = sure_words
        self.votes: tuple[str, int] = (language, 0)
        """The language of the last utterances, and how many of them in a row were in it."""

    @property
    def has_changed(self) -> bool:
        """Whether the caller speaks another language than was expected."""
        return self.language != self._at_first

    def follow(self, other: "Listener") -> None:
        """What another one found out, as far as it is among these languages."""
        if other.has_changed and other.language in self._among:
            self.language = other.language
        if other.votes[0] in self._among:
            self.votes = other.votes

    def heard(self, text: str, told: str | None = None) -> str | None:
        """The new base language, when this utterance makes it sure. `told`: what the recogniser says that it is."""
        found = guess(text, self._among)
        # A recogniser that was told a language tells it of everything: only another one is news.
        language = told if told in self._among and told != self.language else found.language
        if language is None or found.words < self._min_words:
            return None
        if language == self.language:
            self.votes = (language, 0)
            return None
        same, votes = self.votes
        self.votes = (language, votes + 1 if same == language else 1)
        if self.votes[1] < self._turns and found.words < self._sure_words:
            return None
        self.language, self.votes = language, (language, 0)
        return language
