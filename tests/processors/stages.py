"""One stage among frames, outside a call: what goes in, and what comes out on both sides."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pipecat.frames.frames import (
    EndFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    StartFrame,
    TranscriptionFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from base.ids import AssistantName, CallId, TenantId
from pipelines.running import Running
from processors.factory import CallContext, Persona, StageContext

DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM
RATE = 8000
TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
HEARD_AT = "2026-03-01T12:00:00+00:00"

Step: TypeAlias = Frame | tuple[Frame, FrameDirection] | float
"""A frame to put in (downstream unless told), or a time to wait, in seconds."""


def persona(language: str = "pt-BR", **texts: str) -> Persona:
    return Persona(name=AssistantName("sofia"), language=language, company="Clínica", texts=texts)


def told(who: Persona) -> StageContext:
    return StageContext(tenant_id=TENANT, persona=who)


def call_of(who: Persona, call_id: str = "c1") -> CallContext:
    return CallContext(tenant_id=TENANT, call_id=CallId(call_id), persona=who, sample_rate=RATE)


def heard(text: str, *, final: bool = True, language: Any = None) -> TranscriptionFrame:
    """What recognition makes of an utterance."""
    return TranscriptionFrame(text, "caller", HEARD_AT, language=language, finalized=final)


def asked(text: str) -> LLMContextFrame:
    return LLMContextFrame(LLMContext([{"role": "user", "content": text}]))


def answer(*words: str) -> list[Frame]:
    """A model's answer, as it streams."""
    return [LLMFullResponseStartFrame(), *(LLMTextFrame(word) for word in words), LLMFullResponseEndFrame()]


class Edge(FrameProcessor):
    """A neighbour of the stage that keeps what reaches it from there."""

    def __init__(self, hears: FrameDirection) -> None:
        super().__init__(enable_direct_mode=True)
        self._hears = hears
        self.came: list[tuple[float, Frame]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is self._hears and not isinstance(frame, StartFrame):
            self.came.append((asyncio.get_running_loop().time(), frame))
        await self.push_frame(frame, direction)

    @property
    def frames(self) -> list[Frame]:
        return [frame for _, frame in self.came]

    def of(self, *kinds: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kinds)]

    def texts(self, *kinds: type[Frame]) -> list[str]:
        return [frame.text for frame in self.of(*kinds)]


async def played(stage: FrameProcessor, steps: Sequence[Step], *, ends: bool = True) -> tuple[Edge, Edge]:
    """What came out behind the stage and ahead of it; an EndFrame goes in last, unless told."""
    ahead, behind = Edge(UP), Edge(DOWN)
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    worker = PipelineWorker(
        Pipeline([ahead, stage, behind]),
        params=params,
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )
    started = asyncio.Event()

    async def on_started(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", on_started)
    running = Running(worker)
    async with asyncio.timeout(30 + sum(step for step in steps if isinstance(step, float))):
        await started.wait()
        for step in steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, tuple):
                await (ahead if step[1] is DOWN else behind).push_frame(*step)
            else:
                await ahead.push_frame(step)
        if ends:
            await worker.queue_frame(EndFrame())
            await running.task
    assert await running.stop(5.0) == []
    return behind, ahead


def no_secret(tenant_id: TenantId, name: str) -> Any:
    raise AssertionError("needs no secret")


NOWHERE = Path("/nonexistent")
