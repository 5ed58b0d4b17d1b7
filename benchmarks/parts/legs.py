"""The audio of one caller, as lean as sockets go: what is measured is the server, so its peer has to be cheap.

Arrivals are the kernel's own time stamps, for datagrams and for TCP alike: a peer that reads late measures no less
exactly. Nothing that comes is listened to; it is only told from silence.
"""

import asyncio
import socket
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from control.peer.unicast import SO_TIMESTAMPNS, arrival

MAX_BYTES = 65536
QUIET_S = 0.4
"""A voice that comes after this much without one begins an answer."""


class Heard:
    """When audio came, and when a voice began in it. Seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.times = array("d")
        self.answers = array("d")
        self.bytes = 0
        self.voice = asyncio.Event()
        """The first voice was heard."""
        self._voice_at = 0.0

    def note(self, at: float, audio: bytes) -> None:
        """One datagram or message."""
        self.times.append(at)
        self.bytes += len(audio)
        if audio.count(0) == len(audio):
            return
        if at - self._voice_at > QUIET_S:
            self.answers.append(at)
            self.voice.set()
        self._voice_at = at

    def forget(self) -> None:
        """Count from now on."""
        self.times, self.answers, self.bytes = array("d"), array("d"), 0


class Leg(Protocol):
    """One caller's audio."""

    def send(self, pcm: bytes) -> None:
        """20 ms of S16LE."""
        ...

    def close(self) -> None:
        """Frees the socket. Idempotent."""
        ...


def _read_all(sock: socket.socket, take: Callable[[float, bytes], None]) -> bool:
    """All that waits, each read with its arrival; False at the end of a stream."""
    while True:
        try:
            data, ancillary, _, _ = sock.recvmsg(MAX_BYTES, 64)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return sock.type is socket.SOCK_DGRAM  # an ICMP error of an earlier send
        take(arrival(ancillary, time.monotonic()), data)
        if not data:
            return False


class UnicastLeg:
    """FreeSWITCH's end of one `unicast`."""

    def __init__(self, local: tuple[str, int], remote: tuple[str, int], heard: Heard) -> None:
        """Raises OSError when `local` cannot be bound."""
        self._remote, self._heard = remote, heard
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(local)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), lambda: _read_all(self._socket, heard.note))

    def send(self, pcm: bytes) -> None:
        with suppress(OSError):
            self._socket.sendto(pcm, self._remote)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()


class SocketLeg:
    """A WebSocket whose binary messages are L16, as mod_audio_fork opens one."""

    def __init__(self, sock: socket.socket, protocol: ClientProtocol, heard: Heard) -> None:
        self._socket, self._protocol, self._heard = sock, protocol, heard
        self._unsent = bytearray()
        self._at = 0.0
        self._loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[bool] = self._loop.create_future()
        self._loop.add_reader(sock.fileno(), self._readable)

    @classmethod
    async def connect(cls, url: str, heard: Heard, subprotocol: str | None = None) -> "SocketLeg":
        """A socket that the server has accepted. Raises OSError, ConnectionError when it refuses."""
        parts = urlsplit(url)
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (parts.hostname, parts.port))
        offered = None if subprotocol is None else [Subprotocol(subprotocol)]
        leg = cls(sock, ClientProtocol(parse_uri(url), subprotocols=offered), heard)
        leg._protocol.send_request(leg._protocol.connect())
        leg._flush()
        if not await leg.accepted:
            leg.close()
            raise ConnectionError("the WebSocket was refused")
        return leg

    def send(self, pcm: bytes) -> None:
        if not self._protocol.close_expected():
            self._protocol.send_binary(pcm)
            self._flush()

    def say(self, text: str) -> None:
        """A text message."""
        self._protocol.send_text(text.encode())
        self._flush()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._unsent += data
        if self._unsent:
            with suppress(OSError):
                del self._unsent[: self._socket.send(self._unsent)]

    def _readable(self) -> None:
        if not _read_all(self._socket, self._take):
            self.close()
            self._settle(accepted=False)

    def _take(self, at: float, data: bytes) -> None:
        self._protocol.receive_data(data) if data else self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.BINARY:
                    self._heard.note(at, bytes(event.data))
            elif isinstance(event, Response):
                self._settle(accepted=event.status_code == 101)
        self._flush()

    def _settle(self, *, accepted: bool) -> None:
        if not self.accepted.done():
            self.accepted.set_result(accepted)
