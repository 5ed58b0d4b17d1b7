"""Taps in branches: each gets every frame, nothing is lost, doubled or out of order, and the end waits for all."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from pipecat.frames.frames import EndFrame, Frame, InterruptionFrame, StartFrame, TextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.check import CheckedStage, check
from pipelines.loaded import LoadedPipeline, LoadedStage
from pipelines.running import Running
from pipelines.side_by_side import MAX_SEEN, LastIds, SideBySide
from pipelines.slot import HotSlot
from pipelines.spec import AssistantSpec, ProcessorSpec
from tests.pipelines.test_roles import STAGES, node
from tests.pipelines.virtual import virtual
from tests.processors.stages import call_of, persona


class Tap(FrameProcessor):
    """Passes everything on, and adds a note of its own to each text."""

    def __init__(self, name: str, delay_s: float = 0.0, note: str = "") -> None:
        super().__init__(name=name)
        self.delay_s, self.note = delay_s, note
        self.got: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            await asyncio.sleep(self.delay_s)
            self.got.append(frame.text)
        elif isinstance(frame, StartFrame | EndFrame | InterruptionFrame):
            self.got.append(type(frame).__name__)
        await self.push_frame(frame, direction)
        if isinstance(frame, TextFrame) and self.note:
            await self.push_frame(TextFrame(frame.text + self.note), direction)


async def through(branches: Sequence[Sequence[FrameProcessor]], texts: Sequence[str]) -> list[str]:
    sink = Tap("sink")
    slot = HotSlot([SideBySide(branches)])
    worker = PipelineWorker(Pipeline([slot, sink]), enable_rtvi=False, idle_timeout_secs=None)
    running = Running(worker)
    await asyncio.sleep(0.1)
    try:
        for text in texts:
            await worker.queue_frame(TextFrame(text))
        await worker.queue_frame(EndFrame())
        await asyncio.sleep(10)
    finally:
        assert await running.stop(5.0) == []
    return sink.got


@virtual
async def test_each_branch_gets_every_frame_and_each_goes_on_once() -> None:
    slow, quick, behind = Tap("slow", delay_s=0.05), Tap("quick"), Tap("behind")
    texts = [str(number) for number in range(30)]
    assert await through([[slow], [quick, behind]], texts) == ["StartFrame", *texts, "EndFrame"]
    for tap in (slow, quick, behind):
        assert tap.got == ["StartFrame", *texts, "EndFrame"], f"{tap.name} heard all, to the end"


@virtual
async def test_what_a_tap_adds_goes_on_and_the_others_do_not_see_it() -> None:
    noting, other = Tap("noting", note="!"), Tap("other")
    assert await through([[noting], [other]], ["a", "b"]) == ["StartFrame", "a", "a!", "b", "b!", "EndFrame"]
    assert other.got == ["StartFrame", "a", "b", "EndFrame"]


@virtual
async def test_branches_can_be_swapped_as_anything_else() -> None:
    sink, slot = Tap("sink"), HotSlot([SideBySide([[Tap("a")], [Tap("b")]])])
    worker = PipelineWorker(Pipeline([slot, sink]), enable_rtvi=False, idle_timeout_secs=None)
    running = Running(worker)
    await asyncio.sleep(0.1)
    try:
        await worker.queue_frame(TextFrame("1"))
        await slot.swap([SideBySide([[Tap("c", note="+")], [Tap("d")]])])
        await worker.queue_frame(TextFrame("2"))
        await worker.queue_frame(EndFrame())
        await asyncio.sleep(10)
    finally:
        assert await running.stop(5.0) == []
    assert sink.got == ["StartFrame", "1", "2", "2+", "EndFrame"]


@virtual
async def test_a_call_is_given_its_taps_side_by_side() -> None:
    def loaded(*nodes: ProcessorSpec) -> Any:
        (checked,) = check([AssistantSpec(name="front", numbers=("1",), pipeline=nodes)], STAGES)
        stages = tuple(_loaded(stage) for stage in checked.stages)
        pipeline = LoadedPipeline(None, checked.spec, None, stages, checked.slots)  # type: ignore[arg-type]
        return pipeline.create_stages(call_of(persona()))

    taps = (node("filter.tap", "stt-a"), node("filter.other", "stt-a"))
    made = loaded(node("vad.a"), node("stt.a"), *taps, node("llm.a", "filter-tap", "filter-other"), node("tts.a"))
    assert [type(one) for one in made.mind] == [SideBySide, Tap, Tap]
    assert [[one.name for one in branch.processors[1:-1]] for branch in made.mind[0].processors] == [
        ["filter-other"],
        ["filter-tap"],
    ]
    assert [one.name for one in made.ear] == ["vad-a", "stt-a"]


def _loaded(stage: CheckedStage) -> LoadedStage:
    class Made:
        use, role = stage.factory.use, stage.factory.role

        def create(self, *_: object) -> FrameProcessor:
            return Tap(stage.id)

    found = CheckedStage(stage.id, Made(), stage.config)  # type: ignore[arg-type]
    return LoadedStage(found, SimpleNamespace(value=None))  # type: ignore[arg-type]


def test_the_ids_of_frames_are_not_kept_for_ever() -> None:
    seen = LastIds(MAX_SEEN)
    for one in range(10 * MAX_SEEN):
        seen.add(one)
        assert one in seen
        assert one < MAX_SEEN or one - MAX_SEEN + 1 in seen
    assert 0 not in seen
    assert len(seen) + len(seen._former) < 2 * MAX_SEEN
