"""Exchanging processors in a live pipeline: nothing lost, nothing out of order, nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import EndFrame, ErrorFrame, Frame, InputDTMFFrame, InterruptionFrame, StartFrame, TextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from pipelines.running import Running
from pipelines.slot import HotSlot, SwapError
from tests.pipelines.virtual import virtual
from tests.processors.filters.making import made


class Tag(FrameProcessor):
    """Marks texts; counts how many of its kind are set up."""

    live = 0

    def __init__(self, mark: str, delay_s: float = 0.0) -> None:
        super().__init__()
        self.mark, self.delay_s = mark, delay_s

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        Tag.live += 1

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        Tag.live -= 1

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            await asyncio.sleep(self.delay_s)
            frame = TextFrame(frame.text + self.mark)
        await self.push_frame(frame, direction)


class Unready(Tag):
    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        raise RuntimeError("no such voice")


class SlowToSetUp(Tag):
    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        await asyncio.sleep(100)


class Grumbling(Tag):
    """Usable, but complains when it starts and at every text."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, StartFrame | TextFrame):
            await self.push_error(f"hm: {type(frame).__name__}")
        await super().process_frame(frame, direction)


class Stuck(Tag):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, TextFrame):
            await asyncio.Event().wait()
        await super().process_frame(frame, direction)


class Sink(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.got: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            self.got.append(frame.text)
        elif isinstance(frame, StartFrame | EndFrame | InterruptionFrame):
            self.got.append(type(frame).__name__)
        await self.push_frame(frame, direction)


class Live:
    def __init__(self, slot: HotSlot, sink: Sink, worker: PipelineWorker) -> None:
        self.slot, self.sink, self.worker = slot, sink, worker
        self.errors: list[str] = []

    async def send(self, *texts: str) -> None:
        for text in texts:
            await self.worker.queue_frame(TextFrame(text))


@asynccontextmanager
async def live(*processors: FrameProcessor) -> AsyncIterator[Live]:
    Tag.live = 0
    slot, sink = HotSlot(processors), Sink()
    worker = PipelineWorker(Pipeline([Tag("<"), slot, sink]), enable_rtvi=False, idle_timeout_secs=None)
    call = Live(slot, sink, worker)

    async def heard_error(worker: PipelineWorker, frame: ErrorFrame) -> None:
        call.errors.append(frame.error)

    worker.add_event_handler("on_pipeline_error", heard_error)
    running = Running(worker)
    await asyncio.sleep(0.1)
    try:
        yield call
        await worker.queue_frame(EndFrame())
        await asyncio.sleep(10)
    finally:
        assert await running.stop(5.0) == []
    assert Tag.live == 0, "a processor was not cleaned up"


@virtual
async def test_frames_in_flight_come_out_of_the_old_ones_first() -> None:
    async with live(Tag("-1", delay_s=0.02)) as call:
        await call.send("a", "b", "c")
        await asyncio.sleep(0.01)
        swapping = asyncio.create_task(call.slot.swap([Tag("-2"), Tag("!")]))
        await asyncio.sleep(0.005)
        await call.send("d", "e")
        await swapping
        await call.send("f")
    assert call.sink.got == ["StartFrame", "a<-1", "b<-1", "c<-1", "d<-2!", "e<-2!", "f<-2!", "EndFrame"]
    assert call.errors == []


@pytest.mark.parametrize("candidate", [Unready("-2"), SlowToSetUp("-2")])
@virtual
async def test_a_candidate_that_is_not_ready_is_not_swapped_in(candidate: Tag) -> None:
    async with live(Tag("-1")) as call:
        await call.send("a")
        with pytest.raises(SwapError):
            await call.slot.swap([Tag("x"), candidate], timeout_s=2.0)
        await call.send("b")
    assert call.sink.got == ["StartFrame", "a<-1", "b<-1", "EndFrame"]
    assert call.errors == [], "a candidate's errors are its own until it is active"


@virtual
async def test_errors_count_from_the_swap_on() -> None:
    async with live(Tag("-1")) as call:
        await call.slot.swap([Grumbling("-2")])
        await call.send("a")
    assert call.errors == ["hm: TextFrame"]


@virtual
async def test_an_interruption_passes_once_and_empties_both() -> None:
    async with live(Tag("-1", delay_s=5.0)) as call:
        await call.send("a", "b")
        await asyncio.sleep(0.1)
        await call.worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(0.1)
        await call.slot.swap([Tag("-2")])
        await call.send("c")
    assert call.sink.got == ["StartFrame", "InterruptionFrame", "c<-2", "EndFrame"]


@virtual
async def test_old_ones_that_are_stuck_do_not_stop_the_swap() -> None:
    async with live(Stuck("-1")) as call:
        await call.send("a")
        await asyncio.sleep(0.1)
        await call.slot.swap([Tag("-2")], timeout_s=1.0)
        await call.send("b")
    assert call.sink.got == ["StartFrame", "b<-2", "EndFrame"]


@virtual
async def test_a_slot_knows_who_works_in_it() -> None:
    old, new = Tag("-1"), Tag("-2")
    async with live(old) as call:
        assert call.slot.holds(old)
        await call.slot.swap([new])
        assert (call.slot.holds(old), call.slot.holds(new), call.slot.holds(None)) == (False, True, False)


@virtual
async def test_a_filter_changes_over_with_what_it_holds_and_leaves_no_timer() -> None:
    async with live(await made("filter.dtmf")) as call:
        for key in "12":
            await call.worker.queue_frame(InputDTMFFrame(button=KeypadEntry(key)))
        await asyncio.sleep(0.1)
        await call.slot.swap([await made("filter.dtmf")])
        await call.send("a")
        await asyncio.sleep(20)
        for key in "34#":
            await call.worker.queue_frame(InputDTMFFrame(button=KeypadEntry(key)))
        await asyncio.sleep(0.1)
        assert call.sink.got == ["StartFrame", "Digitei 12.", "a<", "Digitei 34."]
        assert call.errors == []
