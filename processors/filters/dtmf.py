"""`filter.dtmf`: keys that the caller presses become words of the caller."""

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct, field
from pipecat.frames.frames import Frame, InputDTMFFrame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.time import time_now_iso8601

from base.languages import LanguageUnknownError, intents, primary
from processors.factory import (
    CallContext,
    Change,
    Persona,
    Place,
    PrepareError,
    ProcessorFactory,
    Role,
    StageContext,
    Workshop,
)
from processors.filters.passing import Alarm, Filter
from processors.through import DOWN

Key = Annotated[str, Meta(pattern=r"^[0-9*#]\Z", description="one key: a digit, * or #")]
Words = Annotated[str, Meta(min_length=1, max_length=200)]

SAID: Mapping[str, str] = {"pt": "Digitei {digits}.", "en": "I typed {digits}.", "es": "He marcado {digits}."}
"""What a number is to the mind, by base language."""
MEANT = ("operator", "repeat", "goodbye")
"""Words in `keys` that stand for the language's own phrase."""
MUTED = "[teclas]"


class DtmfConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a number is complete, and what keys mean."""

    terminator: Annotated[str, Meta(pattern=r"^[*#]?\Z")] = "#"
    """The key that ends a number and is no part of it; "" for none."""
    timeout_s: Annotated[float, Meta(ge=0.2, le=30.0)] = 2.5
    """So long after its last key a number is complete."""
    max_digits: Annotated[int, Meta(ge=1, le=64)] = 32
    """Of one number, which is complete with the last of them."""
    keys: dict[Key, Words] = field(default_factory=lambda: {"0": "operator"})
    """What a key says that is pressed alone: `operator`, `repeat`, `goodbye`, or words of the caller's."""
    say: Annotated[str, Meta(pattern=r"\{digits\}", max_length=200)] | None = None
    """What a number is to the mind, with `{digits}` in it; the language's own sentence when absent."""
    muted: bool = False
    """Keep the digits out of what is written down of the call; the mind still gets them."""


class Keypad:
    """Collects keys into what they say. Pure."""

    def __init__(self, config: DtmfConfig, say: str, meant: Mapping[str, str]) -> None:
        self._config = config
        self._say = say
        self._meant = meant
        self._digits = ""

    @property
    def waits(self) -> bool:
        """Whether a number has begun."""
        return bool(self._digits)

    def give(self) -> str:
        """The keys of a number that has begun, which somebody else completes."""
        digits, self._digits = self._digits, ""
        return digits

    def go_on(self, digits: str) -> None:
        """A number has begun elsewhere."""
        self._digits = digits

    def press(self, key: str) -> str:
        """What is said with this key; "" while the number may go on, or where it says nothing."""
        config = self._config
        if key == config.terminator and (self._digits or key not in self._meant):
            return self.complete()
        self._digits += key
        # No number goes on behind a * that means something.
        done = len(self._digits) >= config.max_digits or (self._digits in self._meant and not key.isdigit())
        return self.complete() if done else ""

    def complete(self) -> str:
        """What the keys so far say; "" when there are none."""
        digits, self._digits = self._digits, ""
        if not digits:
            return ""
        return self._meant.get(digits) or self._say.replace("{digits}", digits)


def say_of(config: DtmfConfig, language: str) -> str:
    """The sentence that a number is said with."""
    return config.say or SAID.get(primary(language), "{digits}")


class DtmfFilter(ProcessorFactory[DtmfConfig, Struct]):
    """Keys of the telephone, as words of the caller; sits behind the stt stage."""

    use = "filter.dtmf"
    role = Role.FILTER
    config_type = DtmfConfig
    place = Place.HEARING

    def latency_ms(self, config: DtmfConfig) -> float:
        """Of a number that no terminator ends; what is said waits for nothing."""
        return config.timeout_s * 1000

    def cost_per_turn(self, config: DtmfConfig) -> float:
        return 0.0

    async def prepare(self, config: DtmfConfig, context: StageContext, workshop: Workshop) -> Struct:
        """Raises PrepareError for a language without phrases of its own."""
        try:
            _meant(config.keys, context.persona.language)
        except LanguageUnknownError as error:
            raise PrepareError(f"filter.dtmf: {error}") from error
        return config

    def for_record(self, config: DtmfConfig, prepared: Struct) -> Change | None:
        return _mute(config) if config.muted else None

    def create(self, config: DtmfConfig, prepared: Struct, call: CallContext) -> "Dtmf":
        return Dtmf(config, call.persona)


def _mute(config: DtmfConfig) -> Change:
    def mute(text: str, language: str) -> str:
        before, _, behind = say_of(config, language).partition("{digits}")
        return re.sub(rf"{re.escape(before)}[0-9*#]+{re.escape(behind)}", lambda _: f"{before}{MUTED}{behind}", text)

    return mute


def _meant(keys: Mapping[str, str], language: str) -> dict[str, str]:
    known = intents(language)
    return {key: getattr(known, words)[0] if words in MEANT else words for key, words in keys.items()}


class Dtmf(Filter):
    """Pushes one final transcript for each number or key with a meaning; the keys' own frames pass too.

    Typed digits are the caller's words: an interruption does not take them.
    """

    def __init__(self, config: DtmfConfig, persona: Persona) -> None:
        super().__init__()
        meant = _meant(config.keys, persona.language)
        self._keypad = Keypad(config, say_of(config, persona.language), meant)
        self._timeout_s = config.timeout_s
        self._alarm = Alarm(self, self.ends)

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        if isinstance(frame, InputDTMFFrame) and direction is DOWN:
            await self._pressed(frame)
            return False
        return True

    async def ends(self) -> None:
        """Whatever was typed so far is all of it."""
        await self._say(self._keypad.complete())

    def carry(self) -> str:
        """The keys of a number that has begun."""
        return self._keypad.give()

    def take(self, carried: str) -> None:
        self._keypad.go_on(carried)

    async def go_on(self) -> None:
        if self._keypad.waits and not self._alarm.is_set:
            await self._alarm.set(self._timeout_s)

    async def cleanup(self) -> None:
        await self._alarm.off()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _pressed(self, frame: InputDTMFFrame) -> None:
        await self._alarm.off()
        said = self._keypad.press(frame.button.value)
        if self._keypad.waits:
            await self._alarm.set(self._timeout_s)
        await self.hand_on(frame)
        await self._say(said)

    async def _say(self, text: str) -> None:
        if text:
            await self.push_frame(TranscriptionFrame(text, "caller", time_now_iso8601(), finalized=True))
