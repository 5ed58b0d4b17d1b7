"""A process that hangs is worse than one that dies: FreeSWITCH notices only the second.

The kernel goes on acknowledging for a hung process, so its callers would sit in silence for ever; of a dead one the
dialplan hears within milliseconds and goes on with its fall-back. So a thread watches the event loop and, when that
has not turned for `limit_s`, writes every thread's stack to standard error and ends the process.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""
LOOKS = 5
"""In `limit_s`."""


class Watchdog:
    """Watches the running event loop from the moment it is made until `stop`."""

    def __init__(self, limit_s: float = 10.0, end: Callable[[], None] | None = None) -> None:
        """`end` replaces the end of the process, for tests."""
        self._limit_s = limit_s
        self._end = end or _die
        self._loop = asyncio.get_running_loop()
        self._missed = 0
        """Looks in a row at which the loop had not turned. Counted, not timed: a process that was stopped and goes on
        has not hung."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Idempotent."""
        self._stopped.set()
        self._thread.join(timeout=1.0)

    def _turned(self) -> None:
        self._missed = 0

    def _watch(self) -> None:
        while not self._stopped.wait(self._limit_s / LOOKS):
            if self._missed >= LOOKS:
                self._end()
                return
            self._missed += 1
            try:
                self._loop.call_soon_threadsafe(self._turned)
            except RuntimeError:
                return  # the loop is closed: there is nothing left to watch


def _die() -> None:
    print("the event loop hangs; ending the process so that FreeSWITCH takes its calls back", file=sys.stderr)
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    sys.stderr.flush()
    os._exit(EXIT_CODE)
