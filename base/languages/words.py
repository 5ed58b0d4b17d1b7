"""What one language gives: fixed sentences, and the phrases by which callers ask for something."""

import unicodedata
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import fields, replace


class Texts(Struct, frozen=True, kw_only=True):
    """Fixed sentences. `{company}` and `{assistant}` are the only places that `filled` replaces; `confirm` keeps its
    `{question}`, see `asking_back`.
    """

    greeting: str
    farewell: str
    reprompt: str
    """After a silence of the caller."""
    not_understood: str
    unanswerable: str
    """The documents do not answer; tells how to reach a person."""
    confirm: str
    """Asks whether `{question}`, an entry's own, is what the caller meant."""
    operator: str
    """Before the call is given to a person."""
    operator_away: str
    """No person could be had; the call goes on with us."""
    back: str
    """To a caller who has talked to a person, who hung up; the conversation goes on."""
    anything_else: str
    failure: str
    """We cannot go on; the dialplan's fall-back takes the call after it."""
    hold: str
    """The answer takes longer than usual."""
    limit: str
    """The call has become too long; said before it ends."""

    def filled(self, *, company: str, assistant: str, own: Mapping[str, str] | None = None) -> "Texts":
        """With the operator's `own` words (by field name) in place of ours, and the names filled in.

        Any other brace is left as it is written. Raises KeyError for a name that is no field.
        """
        known = [field.name for field in fields(self)]
        chosen = {name: getattr(self, name) for name in known}
        for name, text in (own or {}).items():
            if name not in chosen:
                raise KeyError(f"no fixed sentence is called {name!r}; there are {', '.join(known)}")
            chosen[name] = text
        return replace(self, **{name: fill(text, company, assistant) for name, text in chosen.items()})


def asking_back(template: str, question: str) -> str:
    """The sentence that asks whether `question` was meant; the bare question where a template has no place for it."""
    return template.replace("{question}", question) if "{question}" in template else question


def fill(template: str, company: str, assistant: str) -> str:
    """A template with both names in; a name that holds a placeholder is not expanded again."""
    parts = template.split("{company}")
    return company.join(part.replace("{assistant}", assistant) for part in parts)


class Intents(Struct, frozen=True, kw_only=True):
    """How callers say the few things that need no document. All phrases are folded (see `fold`).

    A phrase is a *whole* utterance, not a substring: "tchau" ends a call, "a loja tchau bela" does not.
    `around` are words that may stand before or after a phrase without changing what it means. A phrase
    may be in two groups ("tudo bem" greets and agrees): what was asked before decides.
    """

    greeting: tuple[str, ...]
    repeat: tuple[str, ...]
    operator: tuple[str, ...]
    goodbye: tuple[str, ...]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    thanks: tuple[str, ...]
    backchannel: tuple[str, ...]
    """Said while listening; asks for nothing."""
    around: tuple[str, ...]


class Language(Struct, frozen=True, kw_only=True):
    """All that is known of one language."""

    tag: str
    texts: Texts
    intents: Intents
    stop_words: frozenset[str]
    """Folded words that say nothing about a question's subject."""
    digits: Mapping[str, str]
    """Folded spoken digit to the digit."""
    fillers: tuple[str, ...]
    """Said while an answer takes long; each leaves open whether there will be a good one."""


def fold(text: str) -> str:
    """Lower case, without accents and punctuation, single spaces: "Não, é às 8h!" → "nao e as 8h"."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def phrases(block: str) -> tuple[str, ...]:
    """One folded phrase per line or comma of `block`, without repetition."""
    lines = (fold(part) for line in block.splitlines() for part in line.split(","))
    return tuple(dict.fromkeys(line for line in lines if line))


def vocabulary(block: str) -> frozenset[str]:
    """The folded words of `block`."""
    return frozenset(fold(block).split())


def numerals(block: str) -> Mapping[str, str]:
    """`0 zero oh` lines: a digit and the words that mean it."""
    table: dict[str, str] = {}
    for line in block.split("\n"):
        digit, *words = line.split() or [""]
        table.update({fold(word): digit for word in words})
    return table
