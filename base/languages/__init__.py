"""Fixed sentences, intents and spoken forms for each language that the receptionist speaks.

`tag` makes one spelling of a language out of many; all others take any tag and fall back to its
primary language: `texts("en-US")` are those of `en`, `texts("pt-PT")` those of `pt-BR`.
"""

import re
from collections.abc import Mapping
from typing import Final

from base.languages.en import ENGLISH
from base.languages.es import SPANISH
from base.languages.pt import PORTUGUESE
from base.languages.words import Intents, Language, Texts, asking_back, fill, fold

__all__ = [
    "SUPPORTED",
    "Intents",
    "Language",
    "LanguageUnknownError",
    "Texts",
    "asking_back",
    "digits",
    "fill",
    "fold",
    "intents",
    "language",
    "primary",
    "stop_words",
    "tag",
    "texts",
]

_BY_PRIMARY: Final[Mapping[str, Language]] = {"pt": PORTUGUESE, "en": ENGLISH, "es": SPANISH}
_SHAPE: Final = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?")

SUPPORTED: Final = tuple(known.tag for known in _BY_PRIMARY.values())
"""Tags of the languages that have texts."""


class LanguageUnknownError(LookupError):
    """Not a language tag, or a language that has no texts; the message names those that have."""


def tag(written: str) -> str:
    """A tag in the spelling of BCP 47 (RFC 5646, section 2.1.1): `pt_br` → `pt-BR`; plain `pt` is `pt-BR`.

    Raises LanguageUnknownError when it is no tag of language, script and region.
    """
    match = _SHAPE.fullmatch(written.strip().replace("_", "-").lower())
    if match is None:
        raise LanguageUnknownError(f"{written!r} is not a language tag such as {', '.join(SUPPORTED)}")
    name, script, region = match.groups()
    if name == "pt" and not script and not region:
        return PORTUGUESE.tag
    return "-".join(filter(None, (name, script and script.title(), region and region.upper())))


def primary(written: str) -> str:
    """The bare language, as speech models want it: `pt-BR` → `pt`. Raises LanguageUnknownError."""
    return tag(written).partition("-")[0]


def language(written: str) -> Language:
    """All that is known of a language. Raises LanguageUnknownError."""
    found = _BY_PRIMARY.get(primary(written))
    if found is None:
        raise LanguageUnknownError(f"no texts for the language {written!r}; there are {', '.join(SUPPORTED)}")
    return found


def texts(written: str) -> Texts:
    """The language's own fixed sentences, as templates. Raises LanguageUnknownError."""
    return language(written).texts


def intents(written: str) -> Intents:
    """How callers of this language ask for the few things that need no document. Raises LanguageUnknownError."""
    return language(written).intents


def stop_words(written: str) -> frozenset[str]:
    """Folded words that a keyword index leaves out. Raises LanguageUnknownError."""
    return language(written).stop_words


def digits(written: str) -> Mapping[str, str]:
    """Folded spoken digit to the digit, e.g. `meia` → `6`. Raises LanguageUnknownError."""
    return language(written).digits
