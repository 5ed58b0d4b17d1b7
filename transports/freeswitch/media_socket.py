"""One WebSocket of a media module: a thin shell round `websockets`' own protocol (RFC 6455), which does no I/O.

The upgrade is answered at once, since the modules give up after a second: 101 for a path that is expected, 403
for everything else, 503 when there are too many sockets. The path is never logged: it is a key.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, cast

import structlog
from msgspec import Struct
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from transports.freeswitch.fork import MAX_MESSAGE_BYTES, SUBPROTOCOL

log = structlog.get_logger()

MAX_UNSENT_BYTES: Final = 64 * 1024
"""Two to four seconds of audio that the other end does not take; more is dropped and counted."""
UPGRADE_TIMEOUT_S: Final = 5.0
REFUSED, FULL = 403, 503


class SocketCounters(Struct):
    """What passed and what did not, in messages."""

    received: int = 0
    received_texts: int = 0
    sent: int = 0
    dropped: int = 0
    """Audio of ours that found no room."""


class MediaSocket(asyncio.Protocol):
    """One connection. `admit` judges the path of its upgrade: 0 for yes, else the HTTP status.

    Closing order (ours): the close frame, then TCP at once: a module's `stop` blocks its event socket until we do.
    `close` is idempotent; after it nothing is delivered and sending does nothing.
    """

    def __init__(self, admit: "Callable[[MediaSocket, str], int]") -> None:
        self._admit = admit
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES, select_subprotocol=_subprotocol)
        self._transport: asyncio.Transport | None = None
        self._message = bytearray()
        self._is_text = False
        self._deadline: asyncio.TimerHandle | None = None
        self._on_audio: Callable[[bytes], None] | None = None
        self._on_text: Callable[[str], None] | None = None
        self.counters: Final = SocketCounters()
        self.on_connection: Callable[[MediaSocket], bool] | None = None
        """Whether a connection may wait for its upgrade."""
        self.peer_host = ""
        self.open = False
        """The upgrade was accepted and neither side has ended it."""
        self.closed: Final = asyncio.Event()
        self.on_end: Callable[[], None] | None = None
        """Called once when it has ended, unless `close` was asked first."""

    @property
    def buffered_bytes(self) -> int:
        """What is held of a request, frame or message that is not whole; never above twice the longest message."""
        return len(self._protocol.reader.buffer) + len(self._message)

    def listen(self, on_audio: Callable[[bytes], None]) -> None:
        """Deliver each binary message; the last callback given wins. It must not block or raise."""
        self._on_audio = on_audio

    def listen_text(self, on_text: Callable[[str], None]) -> None:
        """Deliver each text message, as `listen` does the others."""
        self._on_text = on_text

    def send_audio(self, data: bytes) -> None:
        """Send a binary message now. Never blocks, never raises; what finds no room is dropped and counted."""
        self._send(lambda: self._protocol.send_binary(data))

    def send_text(self, text: str) -> bool:
        """Send a text message now, in order with the audio. Whether there was room, see `send_audio`."""
        return self._send(lambda: self._protocol.send_text(text.encode()))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say that it is over, and close TCP. Idempotent."""
        self._on_audio = self._on_text = self.on_end = None
        if self.open:
            with suppress(InvalidState):  # the other side may have said it already
                self._protocol.send_close(code, reason)
            self._flush()
        self._end()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer_host = str(peer[0]).removeprefix("::ffff:") if peer else ""
        self._deadline = asyncio.get_running_loop().call_later(UPGRADE_TIMEOUT_S, self._too_slow)
        if self.on_connection is not None and not self.on_connection(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        if events and isinstance(events[0], Request) and (events[1:] or self._protocol.data_to_send()):
            # Frames before our answer are nothing that a client may send, and `websockets` has reacted to them already.
            self._end()
            return
        for event in events:
            if isinstance(event, Request):
                self._upgrade(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()
        if self._protocol.close_expected():
            self._end()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    # What follows from them

    def _upgrade(self, request: Request) -> None:
        self._disarm()
        response = self._protocol.accept(request)
        status = self._admit(self, request.path) if response.status_code == 101 else REFUSED
        if status:
            # One answer for whatever was wrong: who has no ticket learns nothing.
            response = self._protocol.reject(status, "")
        self._protocol.send_response(response)
        self.open = not status

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        self._message += frame.data
        if not frame.fin:
            return
        message = bytes(self._message)
        self._message.clear()
        if self._is_text:
            self.counters.received_texts += 1
            if self._on_text is not None:
                self._on_text(message.decode(errors="replace"))
            return
        self.counters.received += 1
        if self._on_audio is not None:
            self._on_audio(message)

    def _send(self, say: Callable[[], None]) -> bool:
        transport = self._transport
        if not self.open or transport is None or transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.counters.dropped += 1
            return False
        try:
            say()
        except InvalidState:
            self.counters.dropped += 1
            return False
        self.counters.sent += 1
        self._flush()
        return True

    def _flush(self) -> None:
        transport = self._transport
        for data in self._protocol.data_to_send():
            if transport is None or transport.is_closing():
                return
            if not data:
                transport.close()
            elif transport.get_write_buffer_size() <= MAX_UNSENT_BYTES:
                transport.write(data)
            # Else it is the answer to a ping of somebody who does not read: whole frames, so that none is missed.

    def _too_slow(self) -> None:
        log.warning("a media connection that asks for nothing", peer=self.peer_host)
        self._end()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._disarm()
        self.open = False
        if self._transport is not None:
            self._transport.close()
        self.closed.set()
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()


def _subprotocol(_protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """mod_audio_fork's own where it is offered; mod_audio_stream offers none."""
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None
