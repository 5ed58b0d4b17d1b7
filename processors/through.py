"""Processors that only hand frames on, without what pipecat does between two processors.

A hop of pipecat's costs 8 µs (observers, four event handlers, a trace line that nobody reads) where 1 does, and a
talking call's frames make some two hundred of them a second. What works in a queue of its own needs it; what stands
between does not. An observer sees a frame where its maker pushes it, not at each of these.
"""

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    FrameProcessorPauseFrame,
    FrameProcessorPauseUrgentFrame,
    FrameProcessorResumeFrame,
    FrameProcessorResumeUrgentFrame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
)
from pipecat.processors.frame_processor import FrameCallback, FrameDirection, FrameProcessor

DOWN = FrameDirection.DOWNSTREAM
UP = FrameDirection.UPSTREAM
ACTED_ON = (
    StartFrame,
    StopFrame,
    EndFrame,
    CancelFrame,
    InterruptionFrame,
    FrameProcessorPauseFrame,
    FrameProcessorPauseUrgentFrame,
    FrameProcessorResumeFrame,
    FrameProcessorResumeUrgentFrame,
)
"""Frames to which pipecat's FrameProcessor itself does something: these take its own way."""


class Through(FrameProcessor):
    """A processor in direct mode. `let_through` gets every frame but those that are acted on."""

    async def queue_frame(
        self, frame: Frame, direction: FrameDirection = DOWN, callback: FrameCallback | None = None
    ) -> None:
        if callback is not None or isinstance(frame, ACTED_ON):
            await super().queue_frame(frame, direction, callback)
        else:
            await self.let_through(frame, direction)

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        """To the neighbour, if there is one."""
        neighbour = self.next if direction is DOWN else self.previous
        if neighbour is not None:
            await neighbour.queue_frame(frame, direction)
