"""A speech-to-speech model that understands and answers what it was told to: for tests and benchmarks."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from math import ceil
from typing import Annotated, Literal

from msgspec import Meta

from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.mocking import Failing, MockError, Seconds
from processors.realtime.brief import HANG_UP, PERSON
from processors.realtime.service import SpeechService
from processors.realtime.speech_model import (
    MODEL_RATE,
    Brief,
    Done,
    Heard,
    Sound,
    SpeechEvent,
    SpeechModelError,
    SpeechSession,
    Tool,
    Wanted,
    Words,
)
from processors.tts.mock import CHUNK_S, tone


class MockRealtimeConfig(Failing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is understood and answered, and how quickly."""

    transcripts: tuple[str, ...] = ("hello",)
    """What is understood of each spoken turn, from the first again after the last; "" for nothing."""
    answers: tuple[str, ...] = ("You asked: {question}",)
    """Given one per turn. `{question}` in one stands for what the caller said or wrote."""
    latency_s: Seconds = 0.0
    """From the question to the first sound."""
    transcript_s: Seconds = 0.0
    """From the end of a turn to what was understood of it."""
    word_s: Annotated[float, Meta(ge=0.001, le=5.0)] = 0.3
    """Audio of one word, rounded up to 100 ms per answer."""
    request: Literal["none", "hangup", "operator"] = "none"
    """What the model asks to be done with the call behind the answer of `request_on`."""
    request_on: int = 0
    """The turn whose answer ends with `request`, counted from 0."""
    deadline_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 8.0
    """To an answer's first sound, and from each sound to the next."""


class MockRealtime(ProcessorFactory[MockRealtimeConfig, "MockSpeechModel"]):
    """`realtime.mock`"""

    use = "realtime.mock"
    role = Role.REALTIME
    config_type = MockRealtimeConfig

    def latency_ms(self, config: MockRealtimeConfig) -> float:
        return config.latency_s * 1000

    def cost_per_turn(self, config: MockRealtimeConfig) -> float:
        return 0.0

    async def prepare(self, config: MockRealtimeConfig, context: StageContext, workshop: Workshop) -> "MockSpeechModel":
        config.refuse()
        return MockSpeechModel(config)

    def create(self, config: MockRealtimeConfig, prepared: "MockSpeechModel", call: CallContext) -> SpeechService:
        return SpeechService(prepared, call, config.deadline_s)


class MockSpeechModel:
    """A `SpeechModel` without a server."""

    def __init__(self, config: MockRealtimeConfig) -> None:
        self._config = config

    @property
    def tools(self) -> Sequence[Tool]:
        return ()

    async def use(self, tool: str, arguments: Mapping[str, str], call: CallContext) -> str:
        return "There is no such tool."

    async def connect(self, brief: Brief, call: CallContext, *, whatever: bool = False) -> SpeechSession:
        return MockSession(self._config)


class MockSession:
    """A `SpeechSession` in this process. An answer is made in one go and told `latency_s` later."""

    def __init__(self, config: MockRealtimeConfig) -> None:
        self._config = config
        self._told: asyncio.Queue[SpeechEvent | None] = asyncio.Queue()
        self._question = ""
        self._turn = 0
        self._answering: list[asyncio.Task[None]] = []
        self._hearing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def events(self) -> AsyncIterator[SpeechEvent]:
        while (event := await self._told.get()) is not None:
            yield event

    async def hear(self, pcm: bytes) -> None:
        self._require_open()

    async def end_turn(self, turn: int) -> None:
        self._require_open()
        known = self._config.transcripts
        self._question = known[max(turn, 0) % len(known)] if known else ""
        task = asyncio.create_task(self._understand(turn, self._question))
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)

    async def tell(self, role: Literal["user", "assistant"], text: str) -> None:
        self._require_open()
        if role == "user":
            self._question = text

    async def answer(self, *, more: bool = False) -> None:
        self._require_open()
        config, turn = self._config, self._turn
        self._turn += 1
        text = config.answers[turn % len(config.answers)].replace("{question}", self._question)
        asks = config.request if turn == config.request_on else "none"
        wants = () if asks == "none" else (Wanted("w", PERSON.name if asks == "operator" else HANG_UP.name),)
        self._answering.append(asyncio.create_task(self._make(text, wants, turn, self._last())))

    async def say(self, text: str) -> None:
        self._require_open()
        self._answering.append(asyncio.create_task(self._make(text, (), None, self._last())))

    async def cancel(self, heard_ms: int) -> None:
        self._require_open()
        self._drop()

    async def give(self, wanted: Wanted, result: str) -> None:
        self._require_open()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._drop()
            for task in self._hearing:
                task.cancel()
            self._told.put_nowait(None)

    async def _make(
        self, text: str, wants: tuple[Wanted, ...], turn: int | None, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            if turn is not None:
                await self._config.trouble(turn)
        except MockError as error:
            self._told.put_nowait(Done(str(error)))
            return
        await asyncio.sleep(self._config.latency_s)
        if text:
            self._told.put_nowait(Words(text))
            for _ in range(ceil(len(text.split()) * self._config.word_s / CHUNK_S - 0.001)):
                self._told.put_nowait(Sound(tone(MODEL_RATE)))
        self._told.put_nowait(Done(wants=wants))

    async def _understand(self, turn: int, text: str) -> None:
        await asyncio.sleep(self._config.transcript_s)
        self._told.put_nowait(Heard(turn, text))

    def _last(self) -> asyncio.Task[None] | None:
        return self._answering[-1] if self._answering else None

    def _drop(self) -> None:
        """What was made and not taken is not told any more, but what was understood is."""
        for task in self._answering:
            task.cancel()
        self._answering.clear()
        kept = []
        while not self._told.empty():
            event = self._told.get_nowait()
            if event is None or isinstance(event, Heard):
                kept.append(event)
        for event in kept:
            self._told.put_nowait(event)

    def _require_open(self) -> None:
        if self._closed:
            raise SpeechModelError("the realtime model hung up")
