"""A call's audio over mod_audio_fork, as the transport above wants it."""

from collections.abc import Callable
from typing import Final

from transports.freeswitch.fork import KILL_AUDIO, LAG_MS, Uplink
from transports.freeswitch.media_socket import MediaSocket, SocketCounters


class ForkMedia:
    """Audio of one call both ways: mono S16LE frames of 20 ms at `sample_rate` Hz. Satisfies `MediaWire`.

    The module plays what comes in steps of 80 ms and keeps up to two of them: we send all the time, silence when
    nothing is said, so that an utterance's end is always pushed out by what follows. `flush` drops what it keeps.
    """

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
    def lag_ms(self) -> int:
        """What the module keeps at most."""
        return LAG_MS

    @property
    def closed(self) -> bool:
        """Whether the socket has ended, from whichever side."""
        return self._socket.closed.is_set()

    @property
    def lead_ms(self) -> int:
        """Takes audio as it is heard."""
        return 0

    def listen(self, callback: Callable[[bytes], None]) -> None:
        """Deliver each frame of the caller's; see MediaWire."""
        self._callback = callback

    def send(self, pcm: bytes) -> None:
        """Send 20 ms to the caller now; see MediaWire."""
        if len(pcm) != self._uplink.frame_bytes:
            self._socket.counters.dropped += 1
            return
        self._socket.send_audio(pcm)

    def flush(self) -> None:
        """Silence with the next packet; see MediaWire."""
        self._socket.send_text(KILL_AUDIO)

    def close(self) -> None:
        """End the socket; see MediaWire."""
        self._callback = None
        self._socket.close()

    def _take(self, message: bytes) -> None:
        for frame in self._uplink.take(message):
            if self._callback is not None:
                self._callback(frame)
