"""`filter.acme_brand`: the company's name as it is pronounced, wherever a model writes it."""

from typing import Annotated

from msgspec import Meta, Struct
from pipecat.frames.frames import Frame, LLMTextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.factory import CallContext, Place, PrepareError, ProcessorFactory, Role, StageContext, Workshop


class BrandConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is written, and what is said."""

    written: Annotated[str, Meta(min_length=1, max_length=50)] = "ACME"
    """The name in the model's text."""
    said: Annotated[str, Meta(min_length=1, max_length=50)] = "Ácme"
    """What the voice is given in its place."""


class BrandFilter(ProcessorFactory[BrandConfig, BrandConfig]):
    """Stands between the llm and the tts stage."""

    use = "filter.acme_brand"
    role = Role.FILTER
    config_type = BrandConfig
    place = Place.ANSWERING

    async def prepare(self, config: BrandConfig, context: StageContext, workshop: Workshop) -> BrandConfig:
        if config.written in config.said:
            raise PrepareError(f"filter.acme_brand: {config.said!r} holds {config.written!r}; set `said`")
        return config

    def create(self, config: BrandConfig, prepared: BrandConfig, call: CallContext) -> FrameProcessor:
        return Brand(config)


class Brand(FrameProcessor):
    """One call's; a word comes whole from a model, or it is left as it is."""

    def __init__(self, config: BrandConfig) -> None:
        super().__init__()
        self._brand = config

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            frame.text = frame.text.replace(self._brand.written, self._brand.said)
        await self.push_frame(frame, direction)
