"""Who keeps the event loop: a stage that computes where it should wait holds up every call's audio, and is named.

A thread asks the loop to turn, again and again. Where it has not for `limit_s`, the stack of the loop's thread is
looked at once, and the innermost stage on it is to blame. It is told when the loop turns again, with how long it took;
a loop that never does is the watchdog's.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog
from msgspec import Struct
from pipecat.processors.frame_processor import FrameProcessor

from processors.factory import ProcessorFactory

LIMIT_S: Final = 0.25
LOOK_S: Final = 0.05

log = structlog.get_logger()


class Blocked(Struct, frozen=True, kw_only=True):
    """The loop was kept once."""

    ms: float
    where: str
    """Function, module and line in which it was seen; of a stage, where there is one on the stack."""
    stage: str = ""
    """Class of the stage, or its name in a document while it is being prepared or made; empty: it was no stage."""
    processor: FrameProcessor | None = None


class SlowLoop:
    """Watches the running event loop from the moment it is made until `stop`. `tell` is called on the loop."""

    def __init__(self, tell: Callable[[Blocked], None], *, limit_s: float = LIMIT_S) -> None:
        self._tell, self._limit_s = tell, limit_s
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._asked_at = self._turned_at = time.monotonic()
        self._seen: Blocked | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slow loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Idempotent."""
        self._stopped.set()
        self._thread.join(timeout=1.0)

    def _turned(self) -> None:
        self._turned_at = time.monotonic()
        seen, self._seen = self._seen, None
        if seen is not None:
            ms = (self._turned_at - self._asked_at) * 1000
            self._tell(Blocked(ms=ms, where=seen.where, stage=seen.stage, processor=seen.processor))

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_S):
            if self._turned_at < self._asked_at:
                if self._seen is None and time.monotonic() - self._asked_at >= self._limit_s:
                    frames = sys._current_frames()  # noqa: SLF001 - documented, and there is no other way
                    self._seen = look_at(frames.get(self._loop_thread))
                continue
            self._asked_at = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(self._turned)
            except RuntimeError:
                return  # the loop is closed


def look_at(frame: FrameType | None) -> Blocked:
    """Who is at work in this stack."""
    top = frame
    while frame is not None:
        mine = frame.f_locals.get("self")
        if isinstance(mine, FrameProcessor):
            return Blocked(ms=0.0, where=_where(frame), stage=type(mine).__name__, processor=mine)
        if isinstance(mine, ProcessorFactory):
            return Blocked(ms=0.0, where=_where(frame), stage=mine.use)
        frame = frame.f_back
    return Blocked(ms=0.0, where=_where(top) if top is not None else "")


def _where(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__", "?")
    return f"{frame.f_code.co_qualname} in {module}, line {frame.f_lineno}"


def told(blocked: Blocked, blame: Callable[[FrameProcessor, str], None]) -> None:
    """One line in the log, and an error of the stage where it is a live call's."""
    log.warning("the event loop was kept", ms=round(blocked.ms), stage=blocked.stage or None, where=blocked.where)
    if blocked.processor is not None:
        blame(blocked.processor, f"kept the event loop for {blocked.ms:.0f} ms ({blocked.where})")
