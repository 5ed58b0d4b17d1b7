"""Stock unicast as FreeSWITCH does it: one UDP socket, 20 ms datagrams out, whatever anyone sends in."""

import asyncio
import contextlib
import socket
import struct
import time
from array import array
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from control.peer.actions import OpenUnicast
from control.peer.clock import FRAME_S
from control.peer.script import Codec
from control.peer.sound import G711, Samples, g711_decode, g711_encode

SO_TIMESTAMPNS = 35
"""Linux: the kernel tells when a datagram came, however late we read it."""
MAX_DATAGRAM = 4096
MAX_WAITING = 255
"""Datagrams that the kernel's socket buffer holds: about 5.1 s of 20 ms."""


class Playout:
    """When each datagram is heard: at once, or 20 ms after the one before; what does not fit is lost. Pure."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free_at = 0.0
        self._waiting = array("d")
        self.overflowed = 0
        self.backlog_max_s = 0.0

    def take(self, arrived: float, samples: Samples) -> float | None:
        """When the first of the samples is heard (monotonic seconds); None: lost."""
        while self._waiting and self._waiting[0] <= arrived:
            self._waiting.pop(0)
        if len(self._waiting) >= MAX_WAITING:
            self.overflowed += 1
            return None
        at = max(arrived, self._free_at)
        if at > arrived:
            self._waiting.append(at)
        self._free_at = at + len(samples) / self._rate
        self.backlog_max_s = max(self.backlog_max_s, at - arrived)
        return at


class Stream:
    """One unicast stream of a channel.

    Args:
        heard: gets (arrival, octets, samples) of each datagram, in monotonic seconds.

    Raises:
        OSError: the address that the service asked for cannot be bound.
    """

    def __init__(
        self, order: OpenUnicast, codec: Codec, law: G711 | None, heard: Callable[[float, int, Samples], None]
    ) -> None:
        self.order = order
        self._law: G711 | None = law if order.native else None
        self._heard = heard
        self._size = int(codec.sample_rate * FRAME_S)
        self._silence = np.zeros(self._size, dtype=np.int16)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(order.local)
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, samples: Samples | None) -> None:
        """20 ms to the service; None = silence."""
        frame = self._silence if samples is None else samples
        self._transmit(frame.astype("<i2").tobytes() if self._law is None else g711_encode(frame, self._law))

    def send_filler(self) -> None:
        """What FreeSWITCH sends without caller RTP: 0xFF, sized as linear frames even where G.711 was ordered."""
        self._transmit(b"\xff" * (self._size * 2))

    def close(self) -> None:
        """Frees the port."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _transmit(self, payload: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody listens: as lost as on a real network
            self._socket.sendto(payload, self.order.remote)

    def _readable(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(MAX_DATAGRAM, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier send
            now = time.monotonic()
            self._heard(arrival(ancillary, now), len(data), self._decode(data))

    def _decode(self, data: bytes) -> Samples:
        if self._law is not None:
            return g711_decode(data, self._law)
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)


def arrival(ancillary: list[tuple[int, int, bytes]], now: float) -> float:
    """The kernel's time stamp as monotonic seconds; `now` where there is none or it is not believable."""
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) >= 16:
            seconds, nanoseconds = struct.unpack("qq", value[:16])
            waited = time.time() - (seconds + nanoseconds * 1e-9)
            return now - waited if 0 <= waited < 5 else now
    return now


class Arrivals:
    """What came down, for the figures."""

    def __init__(self) -> None:
        self.times = array("d")
        self.streams = array("H")
        """Which stream of the call each datagram belongs to."""
        self.sizes: Counter[int] = Counter()
        self.unpaced: set[int] = set()
        """Streams that owe no beat of 20 ms: mod_audio_stream's messages, which become files."""

    def paced(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Moments, and the streams that they belong to, of what owes a beat of 20 ms."""
        times, streams = np.array(self.times, dtype=np.float64), np.array(self.streams, dtype=np.int64)
        kept = ~np.isin(streams, list(self.unpaced))
        return times[kept], streams[kept]

    def note(self, at: float, octets: int, stream: int) -> None:
        """One datagram."""
        self.times.append(at)
        self.streams.append(stream)
        self.sizes[octets] += 1
