"""`MediaSocket` against whoever connects: requests for a WebSocket, frames, and neither."""

import asyncio
from random import Random
from typing import Any, Final

from benchmarks.fuzzer import grammar, recorded
from benchmarks.fuzzer.codec import Pieces, require
from benchmarks.fuzzer.mutate import mutated
from transports.freeswitch.fork import MAX_MESSAGE_BYTES
from transports.freeswitch.media_socket import FULL, MAX_UNSENT_BYTES, REFUSED, MediaSocket

PATH: Final = "/media/x"
FLOODS: Final = (
    [(b"\x89\xe4" + bytes(4 + 100)) * 500] * 3,
    [b"\x02\x80" + bytes(4)] + [(b"\x00\x80" + bytes(4)) * 500] * 3,
    [b"\x02\x80" + bytes(4)] + [b"\x00\xfe\xff\xff" + bytes(4 + 65535)] * 18,
)
"""Pings without end, an empty message without end, and one that grows without end."""


class FakeWire(asyncio.Transport):
    """The transport below it: counts what is written; its other end may read nothing of it."""

    def __init__(self, *, unread: bool) -> None:
        super().__init__()
        self._unread = unread
        self.written = bytearray()
        self.closing = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        require(not self.closing, "it writes after it has closed")
        self.written += data

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return len(self.written) if self._unread else 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5060) if name == "peername" else default


class MediaCodec:
    """`MediaSocket`: whatever comes, nothing is raised, and who breaks the rules is let go."""

    name: Final = "media"
    most_buffered_bytes: Final = 2 * MAX_MESSAGE_BYTES + MAX_UNSENT_BYTES
    refuses_with: Final = ()

    def start(self, chance: Random) -> "_Socket":
        return _Socket(chance)


class _Socket:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._wire = FakeWire(unread=chance.random() < 0.5)
        self._socket = MediaSocket(self._admit)
        self._heard = self._admitted = self._ends = 0
        self._pieces = Pieces(chance, self._said())
        self._socket.connection_made(self._wire)

    def _said(self) -> list[bytes]:
        """A request, right or wrong, and what comes after it (or with it)."""
        chance = self._chance
        if chance.random() < 0.002:
            return [grammar.upgrade(PATH), *chance.choice(FLOODS)]
        request = grammar.upgrade(PATH) if chance.random() < 0.85 else chance.choice(recorded.upgrades())[1]
        if chance.random() < 0.25:
            request = mutated(chance, request, [raw for _, raw in recorded.upgrades()])
        frames = [self._frame() for _ in range(int(chance.random() * 6))]
        return [request + frames.pop(0), *frames] if frames and chance.random() < 0.1 else [request, *frames]

    def _frame(self) -> bytes:
        chance = self._chance
        luck = chance.random()
        if luck < 0.4:
            return grammar.frame(chance, chance.choice(recorded.payloads()))
        if luck < 0.5:
            return grammar.frame(chance, b"\x03\xe8" + chance.randbytes(int(chance.random() * 4)), 8)
        if luck < 0.6:
            return mutated(chance, grammar.frame(chance, bytes(20)), recorded.payloads())
        return grammar.frame(chance, chance.randbytes(int(chance.random() * 130)))

    def _admit(self, socket: MediaSocket, path: str) -> int:
        self._admitted += 1
        socket.on_end = self._ended
        socket.listen(self._hear)
        socket.listen_text(self._read)
        return 0 if path == PATH else FULL if len(path) == 8 else REFUSED

    def _ended(self) -> None:
        self._ends += 1

    def _hear(self, message: bytes) -> None:
        self._heard += 1
        luck = self._chance.random()
        if luck < 0.2:
            self._socket.send_audio(message)
        elif luck < 0.22:
            self._socket.close()

    def _read(self, text: str) -> None:
        self._heard += 1
        if self._chance.random() < 0.2:
            self._socket.send_text(text)

    def next(self) -> bytes | None:
        return None if self._wire.closing else self._pieces.take()

    def feed(self, data: bytes) -> int:
        before = self._heard
        self._socket.data_received(data)
        return self._heard - before

    @property
    def buffered_bytes(self) -> int:
        return self._socket.buffered_bytes + self._wire.get_write_buffer_size()

    def finish(self, refused: Exception | None) -> str:
        how = "let go" if self._wire.closing else "stayed"
        if not self._wire.closing and self._chance.random() < 0.5:
            self._socket.eof_received()
        self._socket.connection_lost(None)
        require(self._socket.closed.is_set() and not self._socket.open, "open after its end")
        require(self._admitted <= 1 and self._ends <= 1, "admitted or ended twice")
        first = bytes(self._wire.written[9:12]).decode()
        self._socket.send_audio(bytes(320))
        return f"{first or 'no'} answer, {how}"
