"""Which words of a sentence were heard when its audio was cut, and where the next one begins.

A voice without word timestamps tells only the sentence and its audio. Words are mapped onto the voiced
part of the audio by weight: letters count one, digits more (they are spoken as words), pauses at
punctuation count too. A word is told only if all of it was played.
"""

import re
from dataclasses import dataclass

from pipecat.frames.frames import SystemFrame, TTSTextFrame

DEFAULT_PACE = 15.0
"""Weight spoken per second, before a voice has been heard; about 14 letters a second and the gaps."""

_WORD = re.compile(r"\S+")
_PAUSES = {",": 3.0, ";": 3.0, ":": 3.0, ".": 5.0, "?": 5.0, "!": 5.0, "…": 5.0}


@dataclass
class HeardTextFrame(TTSTextFrame, SystemFrame):
    """Words that the caller has heard, for the conversation.

    It is a system frame so that it stays in order with an `InterruptionFrame` behind it: a data frame would
    wait in the next processor's queue, and the interruption would drop it there.
    """


def _weight(word: str) -> float:
    spoken = sum(4.0 if letter.isdigit() else 1.0 for letter in word if letter.isalnum())
    return max(spoken, 1.0) + 1.0


def _pause(word: str) -> float:
    return _PAUSES.get(word[-1], 0.0)


def spoken_weight(text: str) -> float:
    """How long a text is to say, in the unit of `DEFAULT_PACE`. The pause after the last word does not count."""
    words = _WORD.findall(text)
    return sum(_weight(word) + _pause(word) for word in words) - (_pause(words[-1]) if words else 0.0)


def heard_prefix(text: str, share: float) -> str:
    """The whole words at the beginning of `text` that lie within `share` (0 to 1) of its audio.

    All of the text for a share of 1. Never a word that was not played to its end, as far as weights tell.
    """
    if share >= 1.0:
        return text
    played = share * spoken_weight(text)
    position, end = 0.0, 0
    for word in _WORD.finditer(text):
        position += _weight(word.group())
        if position > played:
            break
        end = word.end()
        position += _pause(word.group())
    return text[:end]


def unheard_from(text: str, share: float) -> float:
    """Where the first word begins that does not lie wholly within `share` (0 to 1) of its audio; a share too.

    `share` itself when no word is left.
    """
    whole = spoken_weight(text)
    position = 0.0
    for word in _WORD.finditer(text) if share < 1.0 else ():
        begin = position
        position += _weight(word.group())
        if position > share * whole:
            return min(share, begin / whole)
        position += _pause(word.group())
    return share
