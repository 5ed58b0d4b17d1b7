"""What a unicast datagram is, without a socket.

Stock FreeSWITCH `unicast` without flags: each datagram is 20 ms of the call as S16LE at the read codec's rate,
no header (320 bytes at 8 kHz, 640 at 16 kHz, 1920 at 48 kHz). While the caller sends no RTP, FreeSWITCH keeps the
cadence with datagrams of 0xFF: as L16 these have the same size and all samples -1.
"""

from transports.audio import frame_bytes


class UnicastCodec:
    """Checks datagrams of one call at `sample_rate` Hz."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.frame_bytes = frame_bytes(sample_rate)
        self._filler = b"\xff" * self.frame_bytes
        self._silence = bytes(self.frame_bytes)

    def decode(self, datagram: bytes) -> bytes | None:
        """One 20 ms frame of S16LE; None for a datagram that is not of this call's size."""
        if len(datagram) != self.frame_bytes:
            return None
        return self._silence if datagram == self._filler else datagram
