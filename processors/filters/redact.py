"""`filter.redact`: personal data does not get into what is written down of a call."""

from dataclasses import replace
from typing import Annotated

from msgspec import Meta, Struct
from pipecat.frames.frames import Frame, InterimTranscriptionFrame, STTUpdateSettingsFrame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection

from base.languages import primary
from processors.factory import CallContext, Change, Place, ProcessorFactory, Role, StageContext, Workshop
from processors.filters.passing import Filter
from processors.filters.personal import KINDS, Kind, redacted
from processors.frames import LanguageFrame
from processors.through import DOWN

NAMES = {
    "pt": {"card": "cartão", "phone": "telefone", "email": "e-mail"},
    "es": {"card": "tarjeta", "phone": "teléfono", "email": "correo"},
}
"""What a mark calls a kind of datum, where it is not the kind's own name."""


class RedactConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is taken out, and of what."""

    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=len(KINDS))] = KINDS
    """Documents of Brazil (`cpf`, `cnpj`), Spain (`dni`, `nie`) and the United States (`ssn`), payment `card`s,
    accounts (`iban`), `phone` numbers and `email` addresses.
    """
    mind: bool = False
    """Take them out of the caller's words before the mind gets them too: no model sees them, and no tool can use
    them.
    """


class RedactFilter(ProcessorFactory[RedactConfig, Struct]):
    """Redaction of the record and the live feed: `[cpf]` in place of the number. A recording keeps the sound of it."""

    use = "filter.redact"
    role = Role.FILTER
    config_type = RedactConfig
    place = Place.HEARING

    def latency_ms(self, config: RedactConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: RedactConfig) -> float:
        return 0.0

    async def prepare(self, config: RedactConfig, context: StageContext, workshop: Workshop) -> Struct:
        return config

    def for_record(self, config: RedactConfig, prepared: Struct) -> Change:
        kinds = frozenset[str](config.kinds)

        def redact(text: str, language: str) -> str:
            names = NAMES.get(primary(language), {})
            return redacted(text, language, kinds, {kind: f"[{names.get(kind, kind)}]" for kind in KINDS})

        return redact

    def create(self, config: RedactConfig, prepared: Struct, call: CallContext) -> "Redactor | None":
        return Redactor(self.for_record(config, prepared), call.persona.language) if config.mind else None


class Redactor(Filter):
    """Changes the caller's words on their way to the mind, in every language that was found spoken."""

    def __init__(self, redact: Change, language: str) -> None:
        super().__init__()
        self._redact = redact
        self._languages: tuple[str, ...] = (language,)

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is DOWN and isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame):
            text = frame.text
            for language in self._languages:
                text = self._redact(text, language)
            if text != frame.text:
                await self.hand_on(replace(frame, text=text, result=None))
                return False
        elif isinstance(frame, LanguageFrame):
            self._found(frame.language)
        elif isinstance(frame, STTUpdateSettingsFrame) and frame.delta is not None:
            # `filter.language` stands behind this stage: it tells the recogniser, upwards, and the mind.
            self._found(str(frame.delta.given_fields().get("language") or ""))
        return True

    def _found(self, language: str) -> None:
        """The latest first: a number in it is taken for a whole."""
        if language:
            self._languages = (language, *(other for other in self._languages if other != language))
