"""A place in a call's pipeline whose processors can be exchanged while the call lives.

pipecat 1.14 has no public way to do that. Private names of pipecat that we use:
`_setup_finished`, `_setup_processors` and `_cleanup_processors` of `BasePipeline`; two more stand in `through.py`.
"""

import asyncio
from collections.abc import Sequence
from weakref import WeakSet

from pipecat.frames.frames import CancelFrame, EndFrame, ErrorFrame, Frame, StartFrame
from pipecat.pipeline.base_pipeline import BasePipeline
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from pipelines.through import ThroughSink, ThroughSource
from pipelines.unlink import everything_in, unlink
from processors.through import ACTED_ON, DOWN, Through


class SwapError(Exception):
    """The candidate came up unusable and was not swapped in; what was there is still there."""


class _Segment:
    """Processors between a source and a sink of their own.

    Until it is active, what its processors push is held back; until it is started, their errors are
    kept in `errors` and reach nobody.
    """

    def __init__(self, slot: "HotSlot", processors: Sequence[FrameProcessor], *, active: bool) -> None:
        self._slot = slot
        self._active = active
        self._started = active
        self._held: list[tuple[Frame, FrameDirection]] = []
        self._own: dict[int, asyncio.Event] = {}
        self.errors: list[str] = []
        self._source, self._sink = ThroughSource(self._out), ThroughSink(self._out)
        self.pipeline = Pipeline(list(processors), source=self._source, sink=self._sink)

    def unusable(self) -> list[str]:
        """Names of processors that cannot do their job."""
        return [processor.name for processor in everything_in(self.pipeline) if not processor.is_usable]

    async def enter(self, frame: Frame, direction: FrameDirection) -> None:
        """A frame from outside; not one that pipecat's own pipeline acts on."""
        await (self._source if direction is DOWN else self._sink).let_through(frame, direction)

    async def pass_through(self, frame: Frame, timeout_s: float) -> bool:
        """Send a lifecycle frame that is meant for this segment alone; False if it did not arrive in time."""
        arrived = self._own[frame.id] = asyncio.Event()
        await self.pipeline.queue_frame(frame, FrameDirection.DOWNSTREAM)
        try:
            async with asyncio.timeout(timeout_s):
                await arrived.wait()
        except TimeoutError:
            return False
        return True

    def started(self) -> None:
        """It has proved itself: its errors are the call's from now on."""
        self._started = True

    async def activate(self) -> None:
        """From now on frames pass; those held back go first."""
        while self._held:
            await self._slot.leave(*self._held.pop(0))
        self._active = True

    def forget(self) -> None:
        """It is over: what is left of its processors is free at once.

        Else calls that change over again and again would have the garbage collector free half a million objects in one
        go, half a second in which no call gets its audio.
        """
        unlink(self.pipeline)
        del self._source, self._sink, self.pipeline

    async def _out(self, frame: Frame, direction: FrameDirection) -> None:
        if frame.id in self._own:
            self._own[frame.id].set()
        elif self._active:
            await self._slot.leave(frame, direction)
        elif isinstance(frame, ErrorFrame) and not self._started:
            self.errors.append(frame.error)
        else:
            self._held.append((frame, direction))


class Candidate:
    """Processors that work, and that nobody hears yet."""

    def __init__(self, segment: _Segment) -> None:
        self.segment = segment

    def require_usable(self) -> None:
        """Raises SwapError when it cannot do its job (any more)."""
        if unusable := self.segment.unusable():
            raise SwapError(f"{', '.join(unusable)} cannot work: {'; '.join(self.segment.errors) or 'no reason given'}")


class HotSlot(Through, BasePipeline):
    """Runs a list of processors as one; `swap` exchanges all of them without losing a frame."""

    def __init__(self, processors: Sequence[FrameProcessor]) -> None:
        super().__init__(enable_direct_mode=True)  # type: ignore[no-untyped-call]
        self._segment = _Segment(self, processors, active=True)
        self._former: WeakSet[FrameProcessor] = WeakSet()

    @property
    def processors(self) -> list[FrameProcessor]:
        return [self._segment.pipeline]

    @property
    def entry_processors(self) -> list[FrameProcessor]:
        return [self._segment.pipeline]

    def holds(self, processor: FrameProcessor | None) -> bool:
        """Whether a processor works in this slot now."""
        return processor is not None and any(processor is mine for mine in everything_in(self._segment.pipeline))

    def held(self, processor: FrameProcessor | None) -> bool:
        """Whether a processor worked here before an exchange: what it says of itself now is nobody's concern."""
        return processor is not None and processor in self._former

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]  # as FrameProcessor does
        await super().setup(setup)
        self._setup_finished()  # type: ignore[no-untyped-call]
        await self._setup_processors([self._segment.pipeline], setup)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._cleanup_processors([self._segment.pipeline])

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self._segment.pipeline.queue_frame(frame, direction)

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        await self._segment.enter(frame, direction)

    async def leave(self, frame: Frame, direction: FrameDirection) -> None:
        """A frame that comes out of the processors."""
        if isinstance(frame, ACTED_ON):
            await self.push_frame(frame, direction)
        else:
            await Through.let_through(self, frame, direction)

    def forget(self) -> None:
        """The call is over, and its pipeline was cleaned up: what worked here is free at once."""
        self._segment.forget()
        del self._segment

    async def swap(self, processors: Sequence[FrameProcessor], *, timeout_s: float = 5.0) -> None:
        """Exchange the processors. Frames already inside the old ones come out first.

        Set up and start the candidate, exchange by one assignment, then end the old ones. Each step
        has `timeout_s`. Raises SwapError when the candidate is not usable or not started in time.
        """
        candidate = await self.candidate(processors, timeout_s=timeout_s)
        candidate.require_usable()
        await self.exchange(candidate, timeout_s=timeout_s)

    async def candidate(self, processors: Sequence[FrameProcessor], *, timeout_s: float = 5.0) -> Candidate:
        """Set up and start processors that may take the place of those that work; nothing comes out of them yet.

        `exchange` or `dismiss` follows. Raises SwapError when they are not usable or not started in time.
        """
        candidate = Candidate(_Segment(self, processors, active=False))
        try:
            await self._start(candidate, timeout_s)
        except BaseException:
            await self._cleanup_processors([candidate.segment.pipeline])
            raise
        return candidate

    async def exchange(self, candidate: Candidate, *, timeout_s: float = 5.0) -> None:
        """Have the candidate work from now on; what the former ones hold comes out first, within `timeout_s`.

        Whether it still can is for the caller to ask (`require_usable`).
        """
        segment = candidate.segment
        segment.started()
        former, self._segment = self._segment, segment
        self._former.update(everything_in(former.pipeline))
        try:
            if not await former.pass_through(EndFrame(), timeout_s):
                await former.pass_through(CancelFrame(), timeout_s)
        finally:
            await segment.activate()
            await self._cleanup_processors([former.pipeline])
            former.forget()

    async def dismiss(self, candidate: Candidate, *, timeout_s: float = 5.0) -> None:
        """Let a candidate go that is not wanted."""
        await candidate.segment.pass_through(CancelFrame(), timeout_s)
        await self._cleanup_processors([candidate.segment.pipeline])
        candidate.segment.forget()

    async def _start(self, candidate: Candidate, timeout_s: float) -> None:
        segment = candidate.segment
        try:
            async with asyncio.timeout(timeout_s):
                await self._setup_processors([segment.pipeline], self.processor_setup)
        except TimeoutError as error:
            raise SwapError(f"the candidate was not set up within {timeout_s} s") from error
        if not segment.unusable() and not await segment.pass_through(StartFrame(), timeout_s):
            raise SwapError(f"the candidate was not started within {timeout_s} s")
        candidate.require_usable()
