"""`realtime.openai`: any server that speaks OpenAI's Realtime API."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final
from urllib.parse import quote

from msgspec import Meta, Struct

from base.http import OutboundRefusedError
from base.secret import Secret, SecretRef
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.llm.answers import sentences_of
from processors.llm.fenced import bearer, checked_base_url
from processors.metering import RateReachedError, Usage
from processors.prices import READ_TOKENS, Bill, Price, Tariff, tariff
from processors.rag.retrieve import warm_up
from processors.realtime.documents import LOOK_UP, Documents
from processors.realtime.openai_bill import SessionBill
from processors.realtime.openai_session import OpenAiSession
from processors.realtime.outbound import SocketRefusedError, guarded_websocket
from processors.realtime.service import SpeechService
from processors.realtime.speech_model import Brief, NotAskedError, SpeechModelError, SpeechSession, Tool

TURN_S: Final = 60.0
"""Of a caller's turn that is written down, for the estimate of what one costs."""
TURN_TOKENS: Final = 600
"""That it is, as audio and, far too many, as words."""


class OpenAiRealtimeConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model, where, with which key and which voice."""

    model: Annotated[str, Meta(min_length=1, max_length=200)] = "gpt-realtime"
    """As the server names it."""
    base_url: Annotated[str, Meta(max_length=500)] = "https://api.openai.com/v1"
    """https on the public internet, or an endpoint that the platform's operator allows; its `/realtime` is asked."""
    api_key: SecretRef | None = None
    """Absent for a server that asks for none."""
    voice: Annotated[str, Meta(min_length=1, max_length=100)] = "marin"
    """As the server names it."""
    transcription_model: Annotated[str, Meta(min_length=1, max_length=200)] = "gpt-4o-mini-transcribe"
    """Writes down what the caller said, for the record; the answer does not wait for it."""
    passages: Annotated[int, Meta(ge=0, le=20)] = 4
    """Of the tenant's documents, that one question of the model brings at most; 0: it cannot look anything up."""
    max_tokens: Annotated[int, Meta(ge=64, le=4096)] = 1200
    """Of one answer, its audio among them; about twenty are a second of speech."""
    deadline_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 8.0
    """To be connected, to an answer's first sound, and from each sound to the next."""
    price: Price | None = None
    """What `model` costs; absent: what the provider's list says, where it is asked at its own address. Without either
    its cost is not known, and the assistant can have no `daily_cost`.
    """
    transcription_price: Price | None = None
    """The same of `transcription_model`."""


class OpenAiRealtime(ProcessorFactory[OpenAiRealtimeConfig, "OpenAiSpeechModel"]):
    """`realtime.openai`; each call has a connection of its own."""

    use = "realtime.openai"
    role = Role.REALTIME
    config_type = OpenAiRealtimeConfig
    scope = "tenant"

    def latency_ms(self, config: OpenAiRealtimeConfig) -> float:
        return config.deadline_s * 1000

    def cost_per_turn(self, config: OpenAiRealtimeConfig) -> float | None:
        answers, words = _tariffs(config)
        read, made = READ_TOKENS, config.max_tokens
        usage = Usage(input_tokens=read, input_audio_tokens=read, output_tokens=made, output_audio_tokens=made)
        heard = Usage(
            input_tokens=TURN_TOKENS, input_audio_tokens=TURN_TOKENS, output_tokens=TURN_TOKENS, audio_s=TURN_S
        )
        return None if answers is None or words is None else answers.cost(usage) + words.cost(heard)

    async def prepare(
        self, config: OpenAiRealtimeConfig, context: StageContext, workshop: Workshop
    ) -> "OpenAiSpeechModel":
        """Raises PrepareError for a base_url that may not be used, or an unknown secret. Asks the server nothing."""
        sentences_of(context.persona)
        base_url = checked_base_url(config.base_url, workshop.outbound)
        headers = await bearer(config.api_key, context.tenant_id, workshop)
        if config.passages:
            await warm_up(context, workshop.library, self.use)
        return OpenAiSpeechModel(config, base_url, headers, workshop)

    def create(self, config: OpenAiRealtimeConfig, prepared: "OpenAiSpeechModel", call: CallContext) -> SpeechService:
        return SpeechService(prepared, call, config.deadline_s)


class OpenAiSpeechModel:
    """A `SpeechModel`: where the server is, and how it is asked."""

    def __init__(
        self,
        config: OpenAiRealtimeConfig,
        base_url: str,
        headers: Mapping[str, Secret],
        workshop: Workshop,
    ) -> None:
        self._config = config
        self._url = f"ws{base_url.removeprefix('http')}/realtime?model={quote(config.model, safe='')}"
        self._headers = headers
        self._outbound = workshop.outbound
        self._documents = Documents(workshop.library, config.passages)

    @property
    def tools(self) -> Sequence[Tool]:
        return (LOOK_UP,) if self._config.passages else ()

    async def use(self, tool: str, arguments: Mapping[str, str], call: CallContext) -> str:
        if tool != LOOK_UP.name or not self._config.passages:
            return "There is no such tool."
        return await self._documents.look_up(arguments.get("question", ""), call)

    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        config = self._config
        answers, words = _tariffs(config)
        bill = Bill(call.meter, config.model, answers)
        try:
            bill.ask(whatever=whatever)
            socket = await guarded_websocket(self._url, self._outbound, secret_headers=self._headers)
        except (SocketRefusedError, OutboundRefusedError) as error:
            raise SpeechModelError(f"the realtime model cannot be reached: {error}") from error
        except RateReachedError as error:
            raise NotAskedError from error
        bills = SessionBill(bill, Bill(call.meter, config.transcription_model, words))
        session = OpenAiSession(socket, bills)
        try:
            async with asyncio.timeout(config.deadline_s):
                await session.open(
                    brief,
                    voice=config.voice,
                    transcription_model=config.transcription_model,
                    max_tokens=config.max_tokens,
                )
        except TimeoutError as error:
            await session.close()
            raise SpeechModelError(f"the realtime model was silent for {config.deadline_s:g} s") from error
        except BaseException:
            await session.close()
            raise
        return session


def _tariffs(config: OpenAiRealtimeConfig) -> tuple[Tariff | None, Tariff | None]:
    """Of the model, and of the one that writes down what it hears."""
    answers = tariff(config.model, config.base_url, config.price)
    return answers, tariff(config.transcription_model, config.base_url, config.transcription_price)
