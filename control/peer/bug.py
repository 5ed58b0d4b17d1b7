"""What both media modules do with a call's audio on its way up: one media bug, one WebSocket, a message every 20 ms."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Final

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidState

from control.peer.clock import FRAME_S
from control.peer.sound import Resampler, Samples


class MediaBug(ABC):
    """The half of a module's stream that does not depend on the module; the other half opens `_socket` in `_run`."""

    name: str
    """For its tasks."""
    farewell = ""
    """The reason in its close."""

    def __init__(self, rate: int, order_rate: int) -> None:
        """`rate` is of the channel's codec, in Hz; the module resamples where `order_rate` is another."""
        size: Final = round(rate * FRAME_S)
        self._silence = np.zeros(size, dtype=np.int16)
        self._missing = np.full(size, -1, dtype=np.int16)
        self._up = Resampler(rate, order_rate)
        self._socket: ClientConnection | None = None
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.name)

    def send(self, samples: Samples | None) -> None:
        """20 ms to the service; None = silence."""
        self._transmit(self._silence if samples is None else samples)

    def send_filler(self) -> None:
        """The caller sends no RTP: samples of -1 keep the cadence."""
        self._transmit(self._missing)

    def write(self, text: str) -> None:
        """`send_text`."""
        if self._socket is not None and not self._closing:
            self._socket.protocol.send_text(text.encode())
            self._socket.send_data()

    def cut(self) -> None:
        """The connection breaks: the module notices, and tells."""
        if self._socket is not None:
            self._socket.transport.abort()

    def abort(self) -> None:
        """The process is gone."""
        self._closing = True
        if self._socket is not None:
            self._socket.transport.abort()

    def close(self) -> None:
        """The bug is gone: the module closes in order, and tells nothing."""
        self._closing = True
        if self._socket is None:
            self._task.cancel()
            return
        self._socket.transport.resume_reading()
        closing = self._socket.close(1000, self.farewell)
        self._closer = asyncio.get_running_loop().create_task(closing, name=f"close {self.name}")

    def _transmit(self, samples: Samples) -> None:
        if self._socket is None or self._closing:
            return
        with contextlib.suppress(InvalidState):  # it is ending, which is told when it has ended
            self._socket.protocol.send_binary(self._up.take(samples).astype("<i2").tobytes())
            self._socket.send_data()

    @abstractmethod
    async def _run(self) -> None:
        """Open the socket, and play the module's part until it ends."""
