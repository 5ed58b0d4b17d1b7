"""mod_audio_fork as it was recorded and measured: one WebSocket out, L16 frames up, audio in steps of 80 ms down.

The module moves audio into the call only when at least 80 ms of it wait, and begins when two such steps are there:
a fresh stream's first sound comes 145-160 ms after ours, later ones within 35-85 ms. `killAudio` drops all of it.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidState, WebSocketException
from websockets.typing import Subprotocol

from control.peer.actions import OpenFork
from control.peer.clock import FRAME_S
from control.peer.sound import Resampler, Samples

CONNECT_TIMEOUT_S = 1.0
"""Built into the module."""
SUBPROTOCOL = "audio.drachtio.org"
STEP_MS = 80
FIRST_STEPS = 2

State = Literal["connect", "connect_failed", "disconnect"]


class Downlink:
    """What was sent to the call and is not heard yet. Pure.

    `take` gives 20 ms at a time, as they are heard; None while nothing is.
    """

    def __init__(self, rate: int) -> None:
        self._frame = rate // 50
        self._step = rate * STEP_MS // 1000
        self._came: list[Samples] = []
        self._waiting = 0
        self._moved: list[Samples] = []
        self._playing = False
        self.ran_empty = 0
        """How often nothing was there to be heard, while it played."""

    def put(self, samples: Samples) -> None:
        """Audio came from the service."""
        self._came.append(samples)
        self._waiting += len(samples)
        if self._waiting >= self._step:
            whole = np.concatenate(self._came)
            moved = len(whole) // self._step * self._step
            self._moved += [whole[at : at + self._frame] for at in range(0, moved, self._frame)]
            self._came, self._waiting = [whole[moved:]], len(whole) - moved

    def take(self) -> Samples | None:
        """The next 20 ms that the caller hears."""
        if not self._playing:
            self._playing = len(self._moved) * self._frame >= FIRST_STEPS * self._step
        if not self._playing:
            return None
        if not self._moved:
            self._playing = False
            self.ran_empty += 1
            return None
        return self._moved.pop(0)

    def kill(self) -> None:
        """Nothing of it is heard any more."""
        self._came, self._waiting, self._moved, self._playing = [], 0, [], False


class ForkStream:
    """One media bug with its WebSocket; the same face as a unicast `Stream`.

    Args:
        rate: of the channel's codec, in Hz; the module resamples where another was ordered.
        heard: gets (moment, samples) of each 20 ms heard.
        arrived: gets (moment, octets, samples) of each message that came.
        told: what the module tells by events.
    """

    def __init__(
        self,
        order: OpenFork,
        rate: int,
        heard: Callable[[float, Samples], None],
        arrived: Callable[[float, int, Samples], None],
        told: Callable[[State], None],
    ) -> None:
        self.order = order
        size = round(rate * FRAME_S)
        self._heard, self._arrived, self._told = heard, arrived, told
        self._silence = np.zeros(size, dtype=np.int16)
        self._missing = np.full(size, -1, dtype=np.int16)
        self._up, self._down = Resampler(rate, order.rate), Resampler(order.rate, rate)
        self._downlink = Downlink(order.rate)
        self._socket: ClientConnection | None = None
        self.ran_empty_at: list[float] = []
        """When the module had nothing to play although it was playing (monotonic seconds)."""
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="audio fork")

    def send(self, samples: Samples | None) -> None:
        """20 ms to the service; None = silence. Also plays 20 ms of what came."""
        self._play()
        self._transmit(self._silence if samples is None else samples)

    def send_filler(self) -> None:
        """The caller sends no RTP: samples of -1 keep the cadence."""
        self._play()
        self._transmit(self._missing)

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
        """The bug is gone: the module closes in order."""
        self._closing = True
        if self._socket is not None:
            self._socket.transport.resume_reading()
            self._closer = asyncio.get_running_loop().create_task(self._socket.close(1000), name="close audio fork")
        else:
            self._task.cancel()

    def _play(self) -> None:
        before = self._downlink.ran_empty
        samples, now = self._downlink.take(), time.monotonic()
        if self._downlink.ran_empty > before and self._socket is not None and not self._closing:
            self.ran_empty_at.append(now)
        if samples is not None and not self._closing:
            self._heard(now, self._down.take(samples))

    def _transmit(self, samples: Samples) -> None:
        if self._socket is None or self._closing:
            return
        with contextlib.suppress(InvalidState):  # it is ending, which is told when it has ended
            self._socket.protocol.send_binary(self._up.take(samples).astype("<i2").tobytes())
            self._socket.send_data()

    async def _run(self) -> None:
        metadata = json.dumps({"call": self.order.call_id}, separators=(",", ":"))
        try:
            socket = await connect(
                self.order.url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                open_timeout=CONNECT_TIMEOUT_S,
                ping_interval=None,
                close_timeout=1.0,
                user_agent_header=None,
            )
        except (OSError, TimeoutError, WebSocketException):
            self._tell("connect_failed")
            return
        async with socket:
            await socket.send(metadata)
            self._tell("connect")
            self._socket = socket
            with contextlib.suppress(ConnectionClosed):
                async for message in socket:
                    self._take(message)
        self._socket = None
        self._tell("disconnect")

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            samples = np.frombuffer(message[: len(message) // 2 * 2], dtype="<i2").astype(np.int16)
            self._arrived(time.monotonic(), len(message), samples)
            self._downlink.put(samples)
        elif '"killAudio"' in message:
            self._downlink.kill()

    def _tell(self, state: State) -> None:
        if not self._closing:
            self._told(state)
