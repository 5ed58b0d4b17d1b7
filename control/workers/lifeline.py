"""The line between a parent and one of its processes, as the process holds it.

The process says that its event loop turns, several times in a second. The parent says when it is to drain, and when to
end; when the line breaks the parent is gone, and the process ends: nobody would start it anew, or stop it.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import structlog

from base.tasks import beside

BEAT_S: Final = 0.2
BEAT: Final = b"."
UP: Final = b"u"
"""The process does what it is for."""
ENDING: Final = b"e"
"""Its event loop is about to stop for good."""
DRAIN: Final = b"d"
RELIEVED: Final = b"r"
"""Drain, and leave what comes to the others."""
END: Final = b"x"
ORPHAN_S: Final = 60.0
"""A process whose parent is gone has so long to put its things away: nobody else would end it."""
STACKS: Final = signal.SIGUSR2
"""The one wish that is no word on the line: it is heard where nobody listens any more."""

log = structlog.get_logger()


class Drain(Protocol):
    """Take no further call; `others` take what comes."""

    def __call__(self, *, others: bool) -> None: ...


class Lifeline:
    """Of one process. `up` and `ending` never wait."""

    def __init__(self, line: socket.socket, orphaned: Callable[[], None] = lambda: None) -> None:
        """`orphaned` is called when the parent is gone, before the process is told to end."""
        self._line = line
        self._orphaned = orphaned
        line.setblocking(False)

    def up(self) -> None:
        self._say(UP)

    def ending(self) -> None:
        self._say(ENDING)

    @asynccontextmanager
    async def held(self, drain: Drain, end: Callable[[], None]) -> AsyncIterator[None]:
        """While the block runs: the loop's beats are told, and what the parent wishes is done."""
        async with beside(beat=self._beat(), listen_to_the_parent=self._listen(drain, end)):
            yield

    async def _beat(self) -> None:
        while True:
            self._say(BEAT)
            await asyncio.sleep(BEAT_S)

    async def _listen(self, drain: Drain, end: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                said = await loop.sock_recv(self._line, 16)
            except OSError:
                said = b""
            if DRAIN in said or RELIEVED in said:
                drain(others=DRAIN not in said)
            if END in said or not said:
                if not said:
                    log.warning("the parent is gone: calls go back to their dialplans")
                    self._orphaned()
                end()
                return

    def _say(self, word: bytes) -> None:
        with suppress(OSError):  # a parent that is stopped, or gone, which is noticed otherwise
            self._line.send(word)


def end_at_last() -> None:
    """The process ends in `ORPHAN_S`, whatever its event loop does."""
    last = threading.Timer(ORPHAN_S, os.kill, (os.getpid(), signal.SIGKILL))
    last.daemon = True
    last.start()
