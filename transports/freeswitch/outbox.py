"""Frames on their way out of a processor: one order, whoever they come from, and one task instead of one per frame."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from pipecat.frames.frames import BotSpeakingFrame, Frame, InputAudioRawFrame, UserSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection

log = structlog.get_logger()

DISPENSABLE = (InputAudioRawFrame, BotSpeakingFrame, UserSpeakingFrame)
"""Kinds that are dropped when the pipeline does not take its frames."""

Routed = tuple[Frame, FrameDirection]
DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM


class Outbox:
    """Callbacks post, the owner's task (`run`) pushes; `send` pushes at once, behind all that was posted."""

    def __init__(self, push: Callable[[Frame, FrameDirection], Awaitable[None]], *, max_frames: int = 500) -> None:
        """At `max_frames` waiting, audio and "is speaking" frames are dropped; others never are."""
        self._push = push
        self._max_frames = max_frames
        self._waiting: deque[Routed] = deque()
        self._posted = asyncio.Event()
        self._pushing = asyncio.Lock()
        self.dropped = 0

    def post(self, frame: Frame, direction: FrameDirection = DOWN) -> None:
        """Push a frame soon. Never blocks."""
        if len(self._waiting) >= self._max_frames and isinstance(frame, DISPENSABLE):
            if not self.dropped:
                log.warning("pipeline does not take frames", waiting=len(self._waiting))
            self.dropped += 1
            return
        self._waiting.append((frame, direction))
        self._posted.set()

    def broadcast(self, kind: type[Frame], **fields: Any) -> None:
        """Push a frame both ways soon, the two linked as pipecat's `broadcast_frame` links them."""
        for frame, direction in siblings(kind, **fields):
            self.post(frame, direction)

    async def send(self, *frames: Routed) -> None:
        """Push all that waits, then `frames`, now."""
        async with self._pushing:
            await self._drain()
            for frame, direction in frames:
                await self._push(frame, direction)

    async def run(self) -> None:
        """Push what is posted, until cancelled."""
        while True:
            await self._posted.wait()
            async with self._pushing:
                await self._drain()

    async def _drain(self) -> None:
        self._posted.clear()
        while self._waiting:
            await self._push(*self._waiting.popleft())


def siblings(kind: type[Frame], **fields: Any) -> tuple[Routed, Routed]:
    """One frame for each direction, each knowing the other's id."""
    down, up = kind(**fields), kind(**fields)
    down.broadcast_sibling_id, up.broadcast_sibling_id = up.id, down.id
    return (down, DOWN), (up, UP)
