"""A realtime stage among frames: its model's server, the caller's turns, what came out."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from base.http import Endpoint, OutboundPolicy
from base.ids import TenantId
from base.secret import Secret
from pipelines.spending import Spending
from processors.factory import Workshop
from processors.frames import SpokenTurn
from processors.realtime.openai import OpenAiRealtime, OpenAiRealtimeConfig
from processors.realtime.service import SpeechService
from processors.realtime.speech_model import Brief
from tests.processors.cases import NoLibrary
from tests.processors.realtime.scripted import Model
from tests.processors.stages import RATE, Edge, call_of, persona, told

KEY = "sk-very-secret-key"
SOFIA = persona()
BRIEF = Brief(instructions="Be brief.", language="pt-BR")
GREETED = ("assistant", "Bom dia! <b>")
SETTLES_S = 0.15
"""On loopback an answer takes a few milliseconds."""


async def _secret(tenant_id: TenantId, name: str) -> Secret:
    return Secret(KEY)


def workshop(*ports: int, library: Any = None) -> Workshop:
    nothing: Any = None
    return Workshop(
        clock=nothing,
        models=nothing,
        library=library or NoLibrary(),
        data_dir=Path(),
        secret=_secret,
        compute=nothing,
        outbound=OutboundPolicy(allow=frozenset(Endpoint("127.0.0.1", port) for port in ports), connect_timeout_s=2.0),
    )


async def service(
    model: Model, /, *, library: Any = None, port: int | None = None, spending: Spending | None = None, **config: Any
) -> SpeechService:
    """A stage whose model is there, or at another `port` that leads to it; what it takes is in `spending`."""
    url = f"http://127.0.0.1:{port or model.port}/v1"
    written = {"base_url": url, "api_key": {"secret": "openai"}, "passages": 0} | config
    made = msgspec.convert(written, OpenAiRealtimeConfig)
    factory = OpenAiRealtime()
    prepared = await factory.prepare(made, told(SOFIA), workshop(port or model.port, library=library))
    meter = (spending or Spending()).meter("mind", factory.use)
    return factory.create(made, prepared, structs.replace(call_of(SOFIA), meter=meter))


def said(pcm: bytes = b"\1\0" * RATE) -> list[Frame]:
    """The caller begins a turn and speaks."""
    return [VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), InputAudioRawFrame(pcm, RATE, 1)]


def turn(number: int = 0, *before: tuple[str, str]) -> LLMContextFrame:
    """The turn is over."""
    messages: list[Any] = [{"role": role, "content": text} for role, text in before]
    return LLMContextFrame(LLMContext([*messages, SpokenTurn(number)]))


def names(edge: Edge, *kinds: type[Frame]) -> list[str]:
    return [type(frame).__name__ for frame in edge.frames if isinstance(frame, kinds)]
