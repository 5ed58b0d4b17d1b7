"""A filter as a call gets it."""

from pathlib import Path
from typing import Any

import msgspec
from pipecat.frames.frames import LLMContextUserTurnFrame
from pipecat.processors.frame_processor import FrameProcessor

from processors.catalog import Stages
from processors.factory import Change
from tests.processors.cases import bare
from tests.processors.stages import HEARD_AT, call_of, persona, told


async def made(use: str, language: str = "pt-BR", **config: Any) -> FrameProcessor:
    """The processor. Raises PrepareError, msgspec.ValidationError."""
    factory, who = Stages()[use], persona(language, unanswerable="Não sei.")
    typed = msgspec.convert(config, factory.config_type)
    stage = factory.create(typed, await factory.prepare(typed, told(who), bare(Path())), call_of(who))
    assert stage is not None
    return stage


def for_record(use: str, **config: Any) -> Change:
    """What a filter does to what is written down."""
    factory = Stages()[use]
    typed = msgspec.convert(config, factory.config_type)
    change = factory.for_record(typed, typed)
    assert change is not None
    return change


def turn(text: str) -> LLMContextUserTurnFrame:
    """The caller's turn is over."""
    return LLMContextUserTurnFrame(text=text, timestamp=HEARD_AT)
