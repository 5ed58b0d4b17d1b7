"""What a unicast datagram is, without a socket.

Each datagram of stock FreeSWITCH's `unicast` is 20 ms of the call, no header. Without flags it is S16LE at the read
codec's rate, whatever the codec (320 bytes at 8 kHz, 640 at 16 kHz, 1920 at 48 kHz). With `flags: native` it is what
came in the RTP packet; we ask for that only of G.711 (160 bytes). While the caller sends no RTP (before the first
packet, under a key, when a telephone suppresses silence), FreeSWITCH keeps the cadence with datagrams of 0xFF of the
linear size, also in a native stream.
"""

from collections.abc import Callable
from typing import Final, Literal

from transports.audio import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw, frame_bytes
from transports.resample import FrameResampler
from transports.wire import carried_rate

Law = Literal["PCMU", "PCMA"]
"""Of G.711, as FreeSWITCH names the read codec."""
G711_RATE: Final = 8000

Recode = Callable[[bytes], bytes]
_LAWS: Final[dict[Law, tuple[Recode, Recode]]] = {
    "PCMU": (decode_mulaw, encode_mulaw),
    "PCMA": (decode_alaw, encode_alaw),
}


def native_law(codec: str, read_rate: int) -> Law | None:
    """The law of a call that could be had as it comes; None: FreeSWITCH has to decode it."""
    if read_rate != G711_RATE:
        return None
    return next((law for law in _LAWS if law == codec), None)


class UnicastCodec:
    """One call's datagrams as frames of 20 ms of S16LE, and back.

    Args:
        read_rate: of the call's read codec, in Hz. One that is not carried above the wire is resampled, see
            `transports.wire.carried_rate`.
        law: the stream is native, in this law.
    """

    def __init__(self, read_rate: int, law: Law | None = None) -> None:
        self.sample_rate: Final = carried_rate(read_rate)
        self.frame_bytes: Final = frame_bytes(self.sample_rate)
        self.native: Final = law is not None
        linear_bytes = frame_bytes(read_rate)
        self.datagram_bytes: Final = linear_bytes if law is None else linear_bytes // 2
        self._filler = b"\xff" * linear_bytes
        self._silence = bytes(linear_bytes)
        self._expand, self._compress = (_as_it_is, _as_it_is) if law is None else _LAWS[law]
        self._up, self._down = _between(read_rate, self.sample_rate), _between(self.sample_rate, read_rate)

    def is_filler(self, datagram: bytes) -> bool:
        """Whether it stands for a packet that the caller did not send."""
        return datagram == self._filler

    def decode(self, datagram: bytes) -> bytes | None:
        """One frame: silence for filler, None for a datagram that is not of this call's size."""
        if datagram == self._filler:
            return self._up(self._silence)
        if len(datagram) != self.datagram_bytes:
            return None
        return self._up(self._expand(datagram))

    def encode(self, pcm: bytes) -> bytes:
        """The datagram of one frame. Raises ValueError for a frame of another length than `frame_bytes`."""
        if len(pcm) != self.frame_bytes:
            raise ValueError(f"{len(pcm)} bytes are no frame of {self.frame_bytes}")
        return self._compress(self._down(pcm))


def _between(rate_in: int, rate_out: int) -> Recode:
    return _as_it_is if rate_in == rate_out else FrameResampler(rate_in, rate_out).take


def _as_it_is(data: bytes) -> bytes:
    return data
