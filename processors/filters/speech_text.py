"""`filter.speech_text`: numbers, dates, money, units and abbreviations as words, for a voice that reads them badly."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from base.languages import primary
from processors.factory import CallContext, Change, ProcessorFactory, Role, StageContext, Workshop
from processors.tts.normalise import normalise
from processors.tts.numbers import Dates, numbers_in_words

Written = Annotated[str, Meta(min_length=1, max_length=100)]


class SpeechTextConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes words."""

    numbers: Literal["all", "keep"] = "all"
    """Plain numbers, percentages, ordinals and units in words, or left for the voice. Money, hours, telephone numbers,
    dates, addresses and common abbreviations become words in any case.
    """
    dates: Dates = "auto"
    """How 03/04 is read in English: by the region (`en-US` begins with the month, plain `en` leaves it as it is), or
    always with the day or the month first.
    """
    words: Annotated[dict[Written, Written], Meta(max_length=200)] = {}
    """Spellings of your own, as whole words: `SUS: sus`, `Dr. Xu: doutor Chu`. They go first."""


class SpeechTextFilter(ProcessorFactory[SpeechTextConfig, Struct]):
    """Text for the voice; the conversation keeps what was written. Portuguese, English and Spanish.

    `tts.kokoro` does the first half of it by itself; this is for other voices, and for numbers in words with any.
    """

    use = "filter.speech_text"
    role = Role.FILTER
    needs_words = True
    config_type = SpeechTextConfig

    def latency_ms(self, config: SpeechTextConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: SpeechTextConfig) -> float:
        return 0.0

    async def prepare(self, config: SpeechTextConfig, context: StageContext, workshop: Workshop) -> Struct:
        return config

    def for_voice(self, config: SpeechTextConfig, prepared: Struct) -> Change:
        return for_voice(config)

    def create(self, config: SpeechTextConfig, prepared: Struct, call: CallContext) -> None:
        """Nothing: it has changed what the voice is given."""
        return


def for_voice(config: SpeechTextConfig) -> Change:
    """What makes of a sentence what the voice says."""

    def change(text: str, tag: str) -> str:
        text = _spelt(text, config.words)
        if primary(tag) not in ("pt", "en", "es"):
            return text
        text = numbers_in_words(normalise(text, tag), tag, config.dates, plain=config.numbers == "all")
        return " ".join(text.split())

    return change


def _spelt(text: str, words: Mapping[str, str]) -> str:
    for written, said in words.items():
        text = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", lambda _, said=said: said, text)  # type: ignore[misc]
    return text
