"""The UDP end of one unicast stream.

A plain non-blocking socket on the event loop: a send that would block is dropped and counted (asyncio's own datagram
transport would queue it without a bound).
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from transports.freeswitch.unicast import UnicastCodec

RECEIVE_BUFFER_BYTES: Final = 512 * 1024
"""Room for bursts: some 4 s of 20 ms datagrams with the kernel's own overhead."""
SEND_BUFFER_BYTES: Final = 64 * 1024
MAX_DATAGRAMS_READ_OUT: Final = 64
_MAX_DATAGRAM_BYTES: Final = 4096


class MediaCounters(Struct):
    """What passed and what did not, in datagrams."""

    received: int = 0
    filler: int = 0
    """Of the received: the caller sent no RTP."""
    dropped_size: int = 0
    """Of the announced peer's, so the stream is alive."""
    dropped_sender: int = 0
    sent: int = 0
    send_errors: int = 0


class UnicastMedia:
    """Audio of one call both ways: mono S16LE frames of 20 ms at `sample_rate` Hz. Satisfies `MediaWire`.

    Takes datagrams from the announced peer only, and sends nothing before a first frame has come: a port of
    FreeSWITCH's at which no stream of ours lives must never be hit. Sending keeps no clock; who sends, paces.
    `close` is idempotent; after it nothing is delivered and `send` does nothing.
    """

    def __init__(self, sock: socket.socket, peer: tuple[str, int], codec: UnicastCodec) -> None:
        self._sock = sock
        self._codec = codec
        self._callback: Callable[[bytes], None] | None = None
        self._heard = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.peer: Final = peer
        self.local: Final[tuple[str, int]] = sock.getsockname()[:2]
        self.counters: Final = MediaCounters()
        self.closed = False
        self._fd = sock.fileno()
        self._loop.add_reader(self._fd, self._readable)

    @classmethod
    def open(cls, local: tuple[str, int], peer: tuple[str, int], codec: UnicastCodec) -> "UnicastMedia":
        """Bind `local` (IPv4) for datagrams from `peer`. Raises OSError when the port is taken."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            sock.bind(local)
            return cls(sock, peer, codec)
        except BaseException:
            sock.close()
            raise

    @property
    def sample_rate(self) -> int:
        """Of both directions, in Hz."""
        return self._codec.sample_rate

    @property
    def frame_bytes(self) -> int:
        """Size of every frame, both ways."""
        return self._codec.frame_bytes

    @property
    def native(self) -> bool:
        """Whether the datagrams are the call's own G.711."""
        return self._codec.native

    @property
    def lag_ms(self) -> int:
        """Nothing: see `flush`."""
        return 0

    @property
    def heard(self) -> bool:
        """Whether a frame of the peer's has come."""
        return self._heard.is_set()

    @property
    def burst_ms(self) -> int:
        """It plays what it gets."""
        return 0

    @property
    def lead_ms(self) -> int:
        """Takes audio as it is heard."""
        return 0

    def listen(self, callback: Callable[[bytes], None]) -> None:
        """Deliver each frame of the caller's to `callback` on the event loop; it must not block or raise.

        Frames that come before are dropped. A later call replaces the callback.
        """
        self._callback = callback

    def send(self, pcm: bytes) -> None:
        """Send 20 ms to the caller now. Never blocks or raises; a frame that cannot leave is dropped and counted.

        So is one of another length than `frame_bytes`: FreeSWITCH makes one RTP packet of each datagram.
        """
        if self.closed or not self._heard.is_set() or len(pcm) != self.frame_bytes:
            self.counters.send_errors += 1
            return
        try:
            self._sock.sendto(self._codec.encode(pcm), self.peer)
            self.counters.sent += 1
        except OSError:
            self.counters.send_errors += 1

    def flush(self) -> None:
        """Nothing to do: what the switch has cannot be taken back. The media clock lets it be 60 ms at most."""

    async def first_datagram(self, timeout_s: float) -> bool:
        """Wait for the first frame; False when none came in `timeout_s`, with the socket read out.

        The stream may be alive all the same: `counters.dropped_size` tells of datagrams of another size.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), timeout_s)
        if not self._heard.is_set() and not self.closed:
            # A loop that was late must not call a live stream dead.
            for _ in range(MAX_DATAGRAMS_READ_OUT):
                if not self._read():
                    break
        return self._heard.is_set()

    def close(self) -> None:
        """Free the port. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._callback = None
        self._loop.remove_reader(self._fd)
        self._sock.close()

    def _readable(self) -> None:
        """One datagram; more wake the loop again. To ask in vain for a second costs as much as to read the first."""
        self._read()

    def _read(self) -> bool:
        """Whether there was anything to read."""
        if self.closed:
            return False
        try:
            data, sender = self._sock.recvfrom(_MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True  # an ICMP error of an earlier send
        self._take(data, sender)
        return True

    def _take(self, data: bytes, sender: tuple[str, int]) -> None:
        if sender != self.peer:
            self.counters.dropped_sender += 1
            return
        frame = self._codec.decode(data)
        if frame is None:
            self.counters.dropped_size += 1
            return
        self.counters.received += 1
        self.counters.filler += self._codec.is_filler(data)
        self._heard.set()
        if self._callback is not None:
            self._callback(frame)
