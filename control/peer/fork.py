"""mod_audio_fork as it was recorded and measured: one WebSocket out, L16 frames up, audio in steps of 80 ms down.

The module moves audio into the call only when at least 80 ms of it wait, and begins when two such steps are there:
a fresh stream's first sound comes 145-160 ms after ours, later ones within 35-85 ms. `killAudio` drops all of it.
"""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from control.peer.actions import OpenFork
from control.peer.bug import MediaBug
from control.peer.sound import Resampler, Samples

CONNECT_TIMEOUT_S = 1.0
"""Built into the module."""
SUBPROTOCOL = "audio.drachtio.org"
STEP_MS = 80
FIRST_STEPS = 2

State = Literal["connect", "connect_failed", "disconnect", "json"]


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


class ForkStream(MediaBug):
    """One media bug with its WebSocket; the same face as a unicast `Stream`.

    Args:
        rate: of the channel's codec, in Hz; the module resamples where another was ordered.
        heard: gets (moment, samples) of each 20 ms heard.
        arrived: gets (moment, octets, samples) of each message that came.
        told: what the module tells by events, with the body.
    """

    name = "audio fork"

    def __init__(
        self,
        order: OpenFork,
        rate: int,
        heard: Callable[[float, Samples], None],
        arrived: Callable[[float, int, Samples], None],
        told: Callable[[State, str], None],
    ) -> None:
        self.order = order
        self._heard, self._arrived, self._told = heard, arrived, told
        self._down = Resampler(order.rate, rate)
        self._downlink = Downlink(order.rate)
        self.ran_empty_at: list[float] = []
        """When the module had nothing to play although it was playing (monotonic seconds)."""
        super().__init__(rate, order.rate)

    def send(self, samples: Samples | None) -> None:
        """20 ms to the service; None = silence. Also plays 20 ms of what came."""
        self._play()
        super().send(samples)

    def send_filler(self) -> None:
        """The caller sends no RTP: samples of -1 keep the cadence."""
        self._play()
        super().send_filler()

    def _play(self) -> None:
        before = self._downlink.ran_empty
        samples, now = self._downlink.take(), time.monotonic()
        if self._downlink.ran_empty > before and self._socket is not None and not self._closing:
            self.ran_empty_at.append(now)
        if samples is not None and not self._closing:
            self._heard(now, self._down.take(samples))

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
            return
        with contextlib.suppress(ValueError, KeyError, TypeError):  # such a thing is a line in the switch's log
            kind = json.loads(message)["type"]
            if kind == "killAudio":
                self._downlink.kill()
            elif kind == "json":
                self._tell("json", message)

    def _tell(self, state: State, body: str = "") -> None:
        if not self._closing:
            self._told(state, body)
