"""What filters have in common: they hand frames on at once, and know when a turn or a call is over."""

import asyncio
from collections.abc import Awaitable, Callable

from pipecat.frames.frames import EndFrame, Frame, InterruptionFrame, StopFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.through import DOWN, Through


class Filter(Through):
    """Passes every frame on in the order in which it came. `sees` may keep one back, or put others in its place.

    It has no queue: what it does is done in the task of the stage that pushed the frame, and has to be quick.
    """

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            await self.interrupted()
        elif isinstance(frame, EndFrame | StopFrame) and direction is DOWN:
            await self.ends()
        await self.push_frame(frame, direction)

    async def let_through(self, frame: Frame, direction: FrameDirection) -> None:
        try:
            passes = await self.sees(frame, direction)
        except Exception as error:
            # It must not be laid at the door of the stage that pushed the frame, nor cost the frame.
            await self.push_error(
                f"{type(self).__name__} cannot work on a {type(frame).__name__}: {type(error).__name__}"
            )
            passes = True
        if passes:
            await self.hand_on(frame, direction)

    async def hand_on(self, frame: Frame, direction: FrameDirection = DOWN) -> None:
        """To the neighbour."""
        await super().let_through(frame, direction)

    async def sees(self, frame: Frame, direction: FrameDirection) -> bool:
        """Whether the frame passes. Other frames may be handed on ahead of it, or in its place."""
        return True

    async def interrupted(self) -> None:
        """The caller has the turn: nothing of the assistant's may come any more."""

    async def ends(self) -> None:
        """The last chance to hand on what is kept; the pipeline ends behind it."""


class Alarm:
    """Calls back once, some time after it was set last. Belongs to a processor, which puts it `off` in `cleanup`."""

    def __init__(self, owner: FrameProcessor, rings: Callable[[], Awaitable[None]]) -> None:
        self._owner = owner
        self._rings = rings
        self._waiting: asyncio.Task[None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is going to ring."""
        return self._waiting is not None

    async def set(self, after_s: float) -> None:
        """From now on; what was set before does not ring."""
        await self.off()
        self._waiting = self._owner.create_task(self._wait(after_s), f"{self._owner}::alarm")

    async def off(self) -> None:
        """It does not ring. Not to be called from what it calls."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            await self._owner.cancel_task(waiting)

    async def _wait(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._waiting = None  # it rings: nothing is to be put off any more
        await self._rings()
