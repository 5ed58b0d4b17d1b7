"""A call's audio over mod_audio_fork, as the transport above wants it."""

from transports.audio import FRAME_MS
from transports.freeswitch.fork import KILL_AUDIO, LAG_MS
from transports.freeswitch.socket_media import SocketMedia


class ForkMedia(SocketMedia):
    """Audio of one call both ways: mono S16LE frames of 20 ms at `sample_rate` Hz. Satisfies `MediaWire`.

    The module plays what comes in steps of 80 ms and keeps up to two of them: we send all the time, silence when
    nothing is said, so that an utterance's end is always pushed out by what follows. `flush` drops what it keeps.
    """

    @property
    def lag_ms(self) -> int:
        """What the module keeps at most."""
        return LAG_MS

    @property
    def burst_ms(self) -> int:
        """The module begins when it has what it keeps."""
        return LAG_MS

    @property
    def lead_ms(self) -> int:
        """Takes audio as it is heard."""
        return 0

    def send(self, pcm: bytes) -> None:
        """Send 20 ms to the caller now, or `burst_ms` in one message; see MediaWire."""
        size = self._uplink.frame_bytes
        if len(pcm) not in {size, size * LAG_MS // FRAME_MS}:
            self._socket.counters.dropped += 1
            return
        self._socket.send_audio(pcm)

    def flush(self) -> None:
        """Silence with the next packet; see MediaWire."""
        self._socket.send_text(KILL_AUDIO)
