"""The two ends of a slot: where frames enter its processors and leave them, at the cost of handing them on."""

from pipecat.frames.frames import Frame
from pipecat.pipeline.pipeline import PipelineSink, PipelineSource
from pipecat.processors.frame_processor import FrameDirection

from processors.through import DOWN, Through


class ThroughSource(Through, PipelineSource):
    """Where frames enter a pipeline from above, and leave it upwards."""

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is DOWN:
            await super().let_through(frame, direction)
        else:
            await self._upstream_push_frame(frame, direction)


class ThroughSink(Through, PipelineSink):
    """Where frames enter a pipeline from below, and leave it downwards."""

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is DOWN:
            await self._downstream_push_frame(frame, direction)
        else:
            await super().let_through(frame, direction)
