"""Whether to believe a transcript. Whisper writes fluent sentences for silence, tones and noise; pure.

Thresholds measured on 60 telephone utterances, single words, and noise, tones and music of 0.6 to 5 s:
speech had a no-speech probability up to 0.13 and a confidence above -0.97, the others from 0.37 and
mostly below -1.
"""

import re

from base.languages import SUPPORTED, digits, fold
from processors.stt.recogniser import Recognition

SURELY_SILENT = 0.6
PERHAPS_SILENT = 0.3
UNSURE = -0.7
"""Mean log probability per token below which a perhaps silent utterance is not believed."""
GUESSED = -1.2
"""Mean log probability per token below which nothing is believed."""
MIN_ECHO_WORDS = 3
MAX_REPEATS = 3
"""The same one to four words in a row more often than this are a loop."""


def believed(recognition: Recognition, prompt: str) -> str:
    """The transcript, or "" where it is more likely that the model made it up."""
    silent = recognition.no_speech > SURELY_SILENT or (
        recognition.no_speech > PERHAPS_SILENT and recognition.confidence < UNSURE
    )
    if silent or recognition.confidence < GUESSED:
        return ""
    text = without_loops(recognition.text)
    return "" if echoes(text, prompt) else text


def echoes(text: str, prompt: str) -> bool:
    """Whether the text is only a sentence of the prompt behind its first (a greeting, which callers say too)."""
    sentences = [fold(sentence) for sentence in re.split(r"[.!?¡¿]+", prompt) if fold(sentence)]
    return any(fold(text) == sentence for sentence in sentences[1:] if len(sentence.split()) >= MIN_ECHO_WORDS)


def without_loops(text: str) -> str:
    """The text up to where one to four words have come MAX_REPEATS times in a row and come again.

    A single word that is all there is stays ("não, não, não, não"); a loop of several words is dropped.
    """
    words = text.split()
    plain = [fold(word) for word in words]
    for size in range(1, 5):
        span = size * (MAX_REPEATS + 1)
        for start in range(len(words) - span + 1):
            unit = plain[start : start + size]
            if unit * (MAX_REPEATS + 1) == plain[start : start + span] and not _numeral(unit):
                return " ".join(words[: start + size]) if start or size == 1 else ""
    return text


def _numeral(unit: list[str]) -> bool:
    """Whether it is a spoken digit: those come in rows in telephone numbers."""
    return len(unit) == 1 and (unit[0].isdigit() or unit[0] in _DIGITS)


_DIGITS = frozenset(word for tag in SUPPORTED for word in digits(tag))
