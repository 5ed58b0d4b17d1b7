"""Takes connections off the kernel in a thread of its own, so that none waits for an event loop that is held up.

The kernel accepts whatever the process does. A switch that has been accepted waits 25 s for a first word, and its
caller hears nothing meanwhile; one that is turned away goes on with its fall-back at once.
"""

import asyncio
import contextlib
import select
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

_PAUSE_S: Final = 0.1
_NO_LINGER: Final = struct.pack("ii", 1, 0)
"""Closing sends a reset."""


class _Arrival:
    """A connection that has come, until the loop takes it or the porter turns it away."""

    def __init__(self, connection: socket.socket, due: float) -> None:
        self.connection = connection
        self.due = due
        self._lock = threading.Lock()
        self._gone = False

    def claim(self) -> bool:
        """Whether it is the asker's: true once."""
        with self._lock:
            was, self._gone = self._gone, True
            return not was


class Porter:
    """Listens from the moment it is made until `close`; made on the event loop that is to take the connections.

    Each connection becomes a protocol of `factory`; one that the loop has not taken `attend_timeout_s` after it came
    is reset. Closing order: stop accepting, close the listening socket, reset who waits.
    """

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        *,
        attend_timeout_s: float,
        hold_back_s: Callable[[], float] | None = None,
    ) -> None:
        """`listener` listens already, and is the porter's from now on.

        Where several processes listen on the same, `hold_back_s` tells how long this one leaves each connection to the
        others. Asked in the porter's thread.
        """
        self._hold_back_s = hold_back_s
        self._listener = listener
        self._factory = factory
        self._attend_timeout_s = attend_timeout_s
        self._loop = asyncio.get_running_loop()
        self._arrivals: deque[_Arrival] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake, self._sleep = socket.socketpair()
        self._listener.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="porter", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Listen no more: what comes is others', or nobody's. Idempotent."""
        with contextlib.suppress(OSError):  # closed
            self._wake.send(b"x")

    async def close(self) -> None:
        """Close in the order above. Idempotent."""
        self._wake.close()
        self._thread.join()  # it waits for nothing but this
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _watch(self) -> None:
        with self._sleep, self._listener, selectors.DefaultSelector() as selector:
            told = selector.register(self._sleep, selectors.EVENT_READ)
            arrives = selector.register(self._listener, selectors.EVENT_READ)
            while True:
                ready = [key for key, _ in selector.select(self._next_look_s())]
                if told in ready:
                    if not self._sleep.recv(16):
                        break
                    if self._listener.fileno() >= 0:
                        selector.unregister(self._listener)
                        self._listener.close()
                elif arrives in ready:
                    self._accept()
                self._turn_away(time.monotonic())
        self._turn_away(float("inf"))

    def _next_look_s(self) -> float | None:
        return max(0.0, self._arrivals[0].due - time.monotonic()) if self._arrivals else None

    def _accept(self) -> None:
        try:
            if self._hold_back_s is not None:
                if (hold_s := self._hold_back_s()) > 0:
                    select.select([self._sleep], [], [], hold_s)
                self._accept_one()  # whether the next one is ours, too, is another question
                return
            while True:
                self._accept_one()
        except (BlockingIOError, ConnectionAbortedError):
            pass
        except OSError as error:
            log.warning("no connection can be accepted", error=str(error))
            select.select([self._sleep], [], [], _PAUSE_S)  # no more files: wait until some are closed

    def _accept_one(self) -> None:
        connection, _ = self._listener.accept()
        with contextlib.suppress(OSError):  # reset already
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrival = _Arrival(connection, time.monotonic() + self._attend_timeout_s)
        self._arrivals.append(arrival)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody will take it
            self._loop.call_soon_threadsafe(self._take, arrival)

    def _turn_away(self, now: float) -> None:
        """Those that are due and still here."""
        while self._arrivals and self._arrivals[0].due <= now:
            arrival = self._arrivals.popleft()
            if arrival.claim():
                _reset(arrival.connection)

    def _take(self, arrival: _Arrival) -> None:
        if arrival.claim():
            task = self._loop.create_task(self._connect(arrival.connection), name="door connection")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:
            connection.close()  # reset before we saw it


def _reset(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
