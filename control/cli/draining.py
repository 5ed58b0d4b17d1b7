"""The HTTP server of a service that lets its live calls end before it ends itself."""

import time
from types import FrameType
from typing import Final

import structlog
import uvicorn

from control.process import Process

LEAVE_S: Final = 8.0
"""A last sentence of the assistants has this long."""

log = structlog.get_logger()


class DrainingServer(uvicorn.Server):
    """At the first signal no further call is taken, and `/health/ready` says so. When `drain_s` are over, callers are
    told that the call cannot go on. At the last call's end, `LEAVE_S` after that, or at the second signal the service
    ends: what still lives goes back to its dialplan.
    """

    def __init__(self, config: uvicorn.Config, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._until: float | None = None
        """When the live calls' time is over; None: nobody has told it to end."""
        self._draining = False
        self._process: Process | None = None
        self._signals = 0
        self._others = self._leaving = False

    def serves(self, process: Process) -> None:
        """The service has begun to take calls."""
        self._process = process

    def drain(self, *, others: bool = False, within_s: float | None = None) -> None:
        """As at the first signal. `others` take the calls that come; without, they are refused.

        Live calls have `within_s` from now, None: `drain_s`. Told again they have no longer than they had.
        """
        self._others = others
        self._end_within(self._drain_s if within_s is None else within_s)
        if self._process is None:
            self.should_exit = True
        elif self._signals:
            self._process.drain(others=others)
        self._signals = max(1, self._signals)

    def end(self) -> None:
        """As at the second signal."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came. Only noted: `on_tick` looks ten times a second."""
        self._signals += 1
        if self._process is None or self._signals > 1:
            super().handle_exit(sig, frame)
        else:
            self._captured_signals.append(sig)

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end."""
        if self._signals and self._process is not None and not self.should_exit:
            self.should_exit = self._drained(self._process)
        return await super().on_tick(counter)

    def _drained(self, process: Process) -> bool:
        now = time.monotonic()
        until = self._end_within(self._drain_s) if self._until is None else self._until
        if not self._draining:
            self._draining = True
            process.drain(others=self._others)
            if process.live_calls:
                log.info("no further call is taken", live_calls=process.live_calls, drain_s=round(until - now))
        if process.live_calls and now >= until and not self._leaving:
            self._leaving = True
            log.warning("calls outlive the drain and go back to their dialplans", calls=process.live_calls)
            process.take_leave()
        return not process.live_calls or now >= until + LEAVE_S

    def _end_within(self, limit_s: float) -> float:
        """When the live calls' time is over, which is in `limit_s` at the latest; in seconds of the monotonic clock."""
        until = time.monotonic() + limit_s
        self._until = until if self._until is None else min(self._until, until)
        return self._until
