"""mod_audio_stream (community) as it was recorded: L16 frames up over a WebSocket; what comes down becomes files.

It offers no subprotocol, tells by events what happened, numbers its files from 0 for each socket, and plays nothing.
"""

import base64
import binascii
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus, WebSocketException

from control.peer.actions import OpenStream
from control.peer.bug import MediaBug
from control.peer.sound import Samples

CONNECT_TIMEOUT_S = 1.0
"""Built into the module."""
FOLDER = "/var/lib/freeswitch/tmp"

News = Literal["connect", "disconnect", "error", "json", "play"]


class FilePlayer:
    """The running `playback` of a channel, as the caller hears it. Pure."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._frames: deque[Samples] = deque()

    def start(self, samples: Samples) -> None:
        """A file begins."""
        whole = np.pad(samples, (0, -len(samples) % self._size))
        self._frames = deque(whole.reshape(-1, self._size))

    def stop(self) -> None:
        """It is broken or over."""
        self._frames.clear()

    def take(self) -> Samples | None:
        """The next 20 ms that the caller hears."""
        return self._frames.popleft() if self._frames else None


class AudioStream(MediaBug):
    """One media bug with its WebSocket; the same face as a unicast `Stream`.

    Args:
        rate: of the channel's codec, in Hz; the module resamples where another was ordered.
        arrived: gets (moment, octets) of each message that came.
        told: what the module tells by events, with the body.
        written: gets each new file's path and its samples at the order's rate.
    """

    name, farewell = "audio stream", "Normal closure"

    def __init__(
        self,
        order: OpenStream,
        rate: int,
        arrived: Callable[[float, int], None],
        told: Callable[[News, str], None],
        written: Callable[[str, Samples, int], None],
    ) -> None:
        self.order = order
        self._arrived, self._told, self._written = arrived, told, written
        self._files = 0
        super().__init__(rate, order.rate)

    async def _run(self) -> None:
        try:
            socket = await connect(
                self.order.url,
                compression=None,
                open_timeout=CONNECT_TIMEOUT_S,
                ping_interval=None,
                close_timeout=1.0,
                user_agent_header=None,
                max_size=None,
            )
        except InvalidStatus:
            self._failed(6, "WebSocket upgrade failed")
            return
        except TimeoutError:
            self._failed(10, "Timeout")
            return
        except (OSError, WebSocketException):
            self._failed(6, "Connection refused (system error 111)")
            return
        async with socket:
            self._tell("connect", {"status": "connected"})
            self._socket = socket
            try:
                async for message in socket:
                    self._take(message)
            except ConnectionClosed as end:
                self._socket = None
                self._ended(end)
                return
        self._socket = None
        reason = {"code": socket.close_code, "reason": socket.close_reason}
        self._tell("disconnect", {"status": "disconnected", "message": reason})

    def _ended(self, end: ConnectionClosed) -> None:
        if isinstance(end, ConnectionClosedOK) or end.rcvd is not None:
            code = end.rcvd.code if end.rcvd is not None else 1000
            self._tell("disconnect", {"status": "disconnected", "message": {"code": code, "reason": ""}})
        else:
            self._failed(1, "Connection reset by peer (system error 104)")

    def _failed(self, code: int, text: str) -> None:
        self._tell("error", {"status": "error", "message": {"code": code, "error": text}})

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            return  # ignored, silently
        self._arrived(time.monotonic(), len(message))
        with contextlib.suppress(ValueError, KeyError, TypeError, binascii.Error):
            parsed = json.loads(message)
            if parsed["type"] == "streamAudio":
                data = parsed["data"]
                raw = base64.b64decode(data.pop("audioData"), validate=True)
                self._write(data, raw)
                return
        if not self._closing:
            self._told("json", message)

    def _write(self, data: dict[str, object], raw: bytes) -> None:
        rate = int(str(data["sampleRate"]))
        file = f"{FOLDER}/{self.order.call_id}_{self._files}.tmp.r{rate // 1000}"
        self._files += 1
        self._written(file, np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.int16), rate)
        self._tell("play", data | {"file": file})

    def _tell(self, news: News, body: dict[str, object]) -> None:
        if not self._closing:
            self._told(news, json.dumps(body, separators=(",", ":"), ensure_ascii=False))
