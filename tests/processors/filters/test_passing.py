"""Whatever a filter does: frames that are not its own pass, all of them, in their order, both ways."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallInProgressFrame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TextFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.catalog import CATALOG, Stages
from processors.factory import Role
from processors.filters.passing import Filter
from processors.frames import CallRequestFrame, RetrievedFrame
from tests.processors.cases import bare, case_of
from tests.processors.stages import DOWN, UP, asked, call_of, heard, persona, told

USES = [entry.use for entry in CATALOG if entry.role is Role.FILTER]
PCM = bytes(320)
OTHERS: tuple[Callable[[], Frame], ...] = (
    lambda: InputAudioRawFrame(PCM, 8000, 1),
    lambda: OutputAudioRawFrame(PCM, 8000, 1),
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    RetrievedFrame,
    CallRequestFrame,
    lambda: ErrorFrame("no"),
    lambda: TTSSpeakFrame("Bom dia."),
    lambda: FunctionCallInProgressFrame(function_name="f", tool_call_id="1", arguments={}),
    LLMFullResponseEndFrame,
)
"""Frames that no filter keeps back or changes."""
OWN: tuple[Callable[[], Frame], ...] = (
    lambda: heard("bom dia, quero marcar"),
    lambda: asked("bom dia"),
    lambda: LLMTextFrame("Abrimos às oito. Fechamos "),
    LLMFullResponseStartFrame,
)
"""Frames with which some filter has something to do; what is said in them is nothing special."""


class End(FrameProcessor):
    """A neighbour that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.came: list[Frame] = []

    async def queue_frame(self, frame: Frame, direction: FrameDirection = DOWN, callback: Any = None) -> None:
        self.came.append(frame)


async def passed(use: str, frames: list[tuple[Frame, FrameDirection]]) -> tuple[list[Frame], list[Frame]]:
    """What came out downstream and upstream."""
    factory, who = Stages()[use], persona()
    config = msgspec.convert(dict(case_of(factory).config), factory.config_type)
    stage = factory.create(config, await factory.prepare(config, told(who), bare(Path())), call_of(who))
    if stage is None:
        return [frame for frame, way in frames if way is DOWN], [frame for frame, way in frames if way is UP]
    before, after = End(), End()
    before.link(stage)
    stage.link(after)
    for frame, direction in frames:
        await stage.queue_frame(frame, direction)
    return after.came, before.came


STEPS = st.lists(st.tuples(st.sampled_from(OTHERS + OWN), st.sampled_from([DOWN, DOWN, UP])), max_size=25)


@pytest.mark.parametrize("use", USES)
@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_nothing_is_lost_and_the_order_stays(use: str, steps: list[tuple[Callable[[], Frame], FrameDirection]]) -> None:
    frames = [(make(), direction) for make, direction in steps]
    mine = (TextFrame, TranscriptionFrame, LLMContextFrame, LLMFullResponseStartFrame)
    down, up = asyncio.run(passed(use, frames))
    for way, came in ((DOWN, down), (UP, up)):
        others = [frame for frame, direction in frames if direction is way and not isinstance(frame, mine)]
        sent = {id(frame) for frame in others}
        assert [frame for frame in came if id(frame) in sent] == others


@pytest.mark.parametrize("use", USES)
@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.sampled_from(["Abrimos ", "às oito. ", "Fecha", "mos. ", "Sim! ", "R$ 5,50 "]), max_size=12))
def test_every_word_of_an_answer_that_may_be_said_is_said(use: str, words: list[str]) -> None:
    frames: list[tuple[Frame, FrameDirection]] = [(LLMFullResponseStartFrame(), DOWN)]
    frames += [(LLMTextFrame(word), DOWN) for word in words]
    down, _ = asyncio.run(passed(use, [*frames, (LLMFullResponseEndFrame(), DOWN)]))
    spoken = " ".join(frame.text for frame in down if isinstance(frame, TextFrame))
    assert "".join(spoken.split()) == "".join("".join(words).split())
    assert isinstance(down[-1], LLMFullResponseEndFrame)


async def test_a_filter_that_fails_says_so_itself_and_loses_nothing() -> None:
    class Broken(Filter):
        async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
            raise ValueError("with the caller's words in it")

    before, stage, after = End(), Broken(), End()
    before.link(stage)
    stage.link(after)
    frame = heard("bom dia")
    await stage.queue_frame(frame, DOWN)
    assert after.came == [frame]
    (error,) = before.came
    assert isinstance(error, ErrorFrame)
    assert (error.processor, error.error) == (stage, "Broken cannot work on a TranscriptionFrame: ValueError")
