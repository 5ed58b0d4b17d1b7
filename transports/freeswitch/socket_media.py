"""What the two media modules have in common: the caller's audio over a WebSocket, in frames of 20 ms."""

from collections.abc import Callable
from typing import Final

from transports.freeswitch.fork import Uplink
from transports.freeswitch.media_socket import MediaSocket, SocketCounters


class SocketMedia:
    """The half of a `MediaWire` that does not depend on the module; the other half is how audio gets to the caller."""

    def __init__(self, socket: MediaSocket, sample_rate: int) -> None:
        self._socket = socket
        self._uplink = Uplink(sample_rate)
        self._callback: Callable[[bytes], None] | None = None
        self.sample_rate: Final = sample_rate
        socket.listen(self._take)

    @property
    def counters(self) -> SocketCounters:
        """What passed and what did not."""
        return self._socket.counters

    @property
    def closed(self) -> bool:
        """Whether the socket has ended, from whichever side."""
        return self._socket.closed.is_set()

    def listen(self, callback: Callable[[bytes], None]) -> None:
        """Deliver each frame of the caller's; see MediaWire."""
        self._callback = callback

    def send_text(self, message: str) -> bool:
        """Have the module tell this by an event of its own. Whether there was room."""
        return self._socket.send_text(message)

    def close(self) -> None:
        """End the socket; see MediaWire."""
        self._callback = None
        self._socket.close()

    def _take(self, message: bytes) -> None:
        for frame in self._uplink.take(message):
            if self._callback is not None:
                self._callback(frame)
