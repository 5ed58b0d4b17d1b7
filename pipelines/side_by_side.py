"""Taps that get every frame at the same time, each in a branch of its own.

A private name of pipecat 1.14 that we use: `_seen_ids` of `ParallelPipeline`, which keeps the id of every
frame of a call for ever; ours keeps those of the last second or so.
"""

from collections.abc import Sequence
from typing import Final

from pipecat.pipeline.parallel_pipeline import ParallelPipeline
from pipecat.processors.frame_processor import FrameProcessor

MAX_SEEN: Final = 4096
"""Frames of which a branch may be behind another; some 20 s of a talking call."""


class SideBySide(ParallelPipeline):
    """Each branch gets every frame; a frame goes on once, when the first branch passes it on.

    Start, end and cancel frames go on when all branches have passed them on.
    """

    def __init__(self, branches: Sequence[Sequence[FrameProcessor]]) -> None:
        super().__init__(*map(list, branches))  # type: ignore[no-untyped-call]
        self._seen_ids = LastIds(MAX_SEEN)


class LastIds(set[int]):
    """A set that forgets: of the ids that were added, the last `most` at least and twice as many at most are in it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._former: set[int] = set()

    def __contains__(self, one: object) -> bool:
        return super().__contains__(one) or one in self._former

    def add(self, one: int) -> None:
        super().add(one)
        if len(self) >= self._most:
            self._former = set(self)
            self.clear()
