"""What the caller writes, as words of a turn."""

from pipecat.frames.frames import Frame, InputTextRawFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.time import time_now_iso8601

from processors.frames import WrittenFrame
from processors.through import DOWN, Through


class Writing(Through):
    """Behind the ear: makes a transcript that is final of each InputTextRawFrame, which no voice must get to read out.

    All that follows is as for words that were said into silence: the turn begins, ends after the assistant's wait, and
    interrupts. While the caller is muted it is lost, as a voice is.
    """

    def __init__(self) -> None:
        super().__init__(name="writing", enable_direct_mode=True)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputTextRawFrame) and direction is DOWN:
            frame = WrittenFrame(frame.text, "caller", time_now_iso8601(), finalized=True)
        await super().let_through(frame, direction)
