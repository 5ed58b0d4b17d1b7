"""A mind that answers what it was told to answer: for tests and benchmarks."""

import asyncio
from typing import Literal

from msgspec import Struct
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputTransportMessageFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.frames import AnsweredFrame, CallRequestFrame
from processors.mocking import Failing, Seconds


class MockLlmConfig(Failing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is answered, and how quickly."""

    answers: tuple[str, ...] = ("You asked: {question}",)
    """Given one per turn, from the first again after the last. `{question}` in one stands for what the caller said; ""
    answers with nothing at all.
    """
    latency_s: Seconds = 0.0
    """From the question to the first word."""
    word_s: Seconds = 0.0
    """Between two words."""
    request: Literal["none", "hangup", "operator"] = "none"
    """What is to be done with the call behind the answer of `request_on`."""
    request_on: int = 0
    """The turn whose answer ends with `request`, counted from 0."""
    writes: str = ""
    """A text that is sent out of the call behind each answer; "" = none."""


class MockLlmService(FrameProcessor):
    """Streams its answer word by word, as a model would.

    Not pipecat's `LLMService`: that imports a whole provider when the first one is made, half a second in which
    no live call gets its audio.
    """

    def __init__(self, config: MockLlmConfig) -> None:
        super().__init__()
        self._config = config
        self._turn = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answers an LLMContextFrame, passes everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._answer(_question(frame.context))
        else:
            await self.push_frame(frame, direction)

    async def _answer(self, question: str) -> None:
        config = self._config
        turn, self._turn = self._turn, self._turn + 1
        await config.trouble(turn)
        await asyncio.sleep(config.latency_s)
        asks = config.request if turn == config.request_on else "none"
        await self.push_frame(AnsweredFrame(intent=_INTENTS[asks]))
        await self.push_frame(LLMFullResponseStartFrame())
        answer = config.answers[turn % len(config.answers)].replace("{question}", question) if config.answers else ""
        for word in answer.split():
            await self.push_frame(LLMTextFrame(word + " "))
            await asyncio.sleep(config.word_s)
        await self.push_frame(LLMFullResponseEndFrame())
        if config.writes:
            await self.push_frame(OutputTransportMessageFrame(message=config.writes))
        if asks != "none":
            await self.push_frame(CallRequestFrame(request=asks))


_INTENTS: dict[str, Literal["free", "goodbye", "operator"]] = {
    "none": "free",
    "hangup": "goodbye",
    "operator": "operator",
}


def _question(context: LLMContext) -> str:
    """What the caller said last."""
    for message in reversed(context.get_messages()):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else ""
    return ""


class MockLlm(ProcessorFactory[MockLlmConfig, Struct]):
    """`llm.mock`"""

    use = "llm.mock"
    role = Role.LLM
    config_type = MockLlmConfig

    def latency_ms(self, config: MockLlmConfig) -> float:
        return config.latency_s * 1000

    def cost_per_turn(self, config: MockLlmConfig) -> float:
        return 0.0

    async def prepare(self, config: MockLlmConfig, context: StageContext, workshop: Workshop) -> Struct:
        config.refuse()
        return config

    def create(self, config: MockLlmConfig, prepared: Struct, call: CallContext) -> MockLlmService:
        return MockLlmService(config)
