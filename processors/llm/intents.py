"""Which of the few things that need no document a caller says, when that is all that is said. Pure.

The whole utterance has to be made of known phrases (`base.languages.intents`), words that may stand
around them, and connectives: "não, obrigado, era só isso mesmo" is a good-bye, "tchau, mas antes me diga
o preço" is not. A word that recognition has spelt almost right counts as the known word.
"""

import re
from enum import Enum
from functools import lru_cache
from itertools import pairwise

from base.languages import Intents, fold, intents, primary
from base.languages.words import vocabulary

MAX_WORDS = 18
"""A longer utterance is never only a formality."""


class Intent(Enum):
    """What was said; the order is what wins when several were."""

    OPERATOR = "operator"
    GOODBYE = "goodbye"
    REPEAT = "repeat"
    THANKS = "thanks"
    YES = "yes"
    NO = "no"
    GREETING = "greeting"
    BACKCHANNEL = "backchannel"


MAX_ACKNOWLEDGING = 6
"""So many words are more than a listener says at a time."""

_CONNECTIVES = {
    "pt": vocabulary("e eu a o que me é aí isso mesmo muito só para você vocês então vou querer"),
    "en": vocabulary("and i a the it so just very you that this we ve to re m s"),
    "es": vocabulary("y yo el la que me es eso muy solo usted"),
}
"""Words that mean nothing beside a phrase. Kept few: each one makes an utterance easier to take for a formality."""

_NEVER_CORRECTED = 4
"""Words of up to this many letters have too many neighbours to be corrected."""


_REFUSALS = vocabulary("não nunca jamais no not don")
_PARTINGS = vocabulary("tchau tchauzinho até adeus bye goodbye adiós chao chau hasta")
_REFUSAL_WORDS = 6
"""A "no" this near before asking for a person refuses one."""


class Phrasebook:
    """One language's phrases, ready to be looked for."""

    def __init__(self, known: Intents, connectives: frozenset[str]) -> None:
        self._groups: dict[tuple[str, ...], set[Intent]] = {}
        for intent in Intent:
            for phrase in getattr(known, intent.value):
                self._groups.setdefault(tuple(phrase.split()), set()).add(intent)
        self._around = {tuple(phrase.split()) for phrase in known.around} | {(word,) for word in connectives}
        self._longest = max(map(len, self._groups))
        self._words = {word for phrase in (*self._groups, *self._around) for word in phrase}
        backchannel = "|".join(sorted(known.backchannel, key=len, reverse=True))
        self._acknowledging = re.compile(rf"(?:(?:{backchannel})(?: |$))+")
        self._operator = [phrase for phrase, groups in self._groups.items() if Intent.OPERATOR in groups]

    def whole(self, text: str, *, asked: bool = False) -> Intent | None:
        """What the utterance says as a whole; None when it says anything else.

        `asked`: we have just asked something, so that a phrase that both agrees and greets agrees.
        """
        spoken = self._corrected(text)
        if not spoken or len(spoken) > MAX_WORDS:
            return None
        parts = self._split(spoken)
        return None if parts is None else _winner(parts, asked)

    def reply(self, text: str) -> Intent | None:
        """What an utterance that replies to a question says: NO with any word that refuses, YES with any that agrees.

        A "no" is heard well on a telephone, a short "sim" is not: None may be a yes too.
        """
        spoken = self._corrected(text)
        if _REFUSALS & set(spoken):
            return Intent.NO
        agreed = any(_found(phrase, spoken) >= 0 for phrase, groups in self._groups.items() if Intent.YES in groups)
        return Intent.YES if agreed else None

    def acknowledges(self, text: str) -> bool:
        """Whether nothing is said but what listeners say while the other speaks: "uhum", "ah, entendi". Not "hã?"."""
        spoken = fold(text)
        brief = len(spoken.split()) <= MAX_ACKNOWLEDGING and not text.rstrip().endswith("?")
        return brief and self._acknowledging.fullmatch(spoken) is not None

    def takes_leave(self, text: str) -> bool:
        """Whether the utterance is only a formality, with a word of parting: "não, tchau", not "não, obrigado"."""
        spoken = self._corrected(text)
        return bool(_PARTINGS & set(spoken)) and self._split(spoken) is not None

    def asks_for_operator(self, text: str) -> bool:
        """Whether a person is asked for somewhere in the utterance, in two words or more, and not refused."""
        spoken = self._corrected(text)
        for phrase in self._operator:
            at = _found(phrase, spoken) if len(phrase) > 1 else -1
            if at >= 0 and not self._refused(spoken[:at]):
                return True
        return False

    def _refused(self, before: list[str]) -> bool:
        return bool(_REFUSALS & set(before[-_REFUSAL_WORDS:]))

    def _corrected(self, text: str) -> list[str]:
        return [self._nearest(word) for word in fold(text).split()]

    def _nearest(self, word: str) -> str:
        if word in self._words or len(word) <= _NEVER_CORRECTED:
            return word
        near = [known for known in self._words if len(known) > _NEVER_CORRECTED and one_slip_apart(word, known)]
        return min(near) if near else word

    def _split(self, spoken: list[str]) -> list[set[Intent]] | None:
        """Known phrases that make up all of `spoken`, the longest first; None when a word is left over."""
        best: list[list[set[Intent]] | None] = [None] * len(spoken) + [[]]
        for at in reversed(range(len(spoken))):
            for length in range(min(self._longest, len(spoken) - at), 0, -1):
                rest = best[at + length]
                phrase = tuple(spoken[at : at + length])
                groups = self._groups.get(phrase)
                if rest is not None and groups is not None:
                    best[at] = [groups, *rest]
                elif rest is not None and phrase in self._around and best[at] is None:
                    best[at] = rest
                if best[at] is not None and groups is not None:
                    break
        return best[0] or None


def _winner(parts: list[set[Intent]], asked: bool) -> Intent | None:
    said = [_one(groups, asked) for groups in parts]
    for before, then in pairwise(said):
        if before is Intent.NO and then is Intent.OPERATOR:
            return None
    return min(said, key=list(Intent).index)


def _one(groups: set[Intent], asked: bool) -> Intent:
    """One meaning of a phrase that has several."""
    if asked and groups & {Intent.YES, Intent.NO}:
        return Intent.YES if Intent.YES in groups else Intent.NO
    order = [Intent.OPERATOR, Intent.GOODBYE, Intent.REPEAT, Intent.THANKS, Intent.GREETING, Intent.NO, Intent.YES]
    return next((intent for intent in order if intent in groups), Intent.BACKCHANNEL)


def _found(phrase: tuple[str, ...], spoken: list[str]) -> int:
    """Where the words of `phrase` stand one after the other; -1 when they do not."""
    size = len(phrase)
    return next((at for at in range(len(spoken) - size + 1) if tuple(spoken[at : at + size]) == phrase), -1)


def one_slip_apart(one: str, other: str) -> bool:
    """Whether one letter put in, left out or changed makes one word of the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    if len(one) == len(other):
        return one[start + 1 :] == other[start + 1 :]
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return longer[start + 1 :] == shorter[start:]


@lru_cache(maxsize=8)
def _of(language: str) -> Phrasebook:
    return Phrasebook(intents(language), _CONNECTIVES.get(language, frozenset()))


def phrasebook(language: str) -> Phrasebook:
    """The phrases of a BCP 47 tag. Raises LanguageUnknownError."""
    return _of(primary(language))
