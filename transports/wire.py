"""What a media wire promises to the transport above it."""

from collections.abc import Callable
from typing import Final, Protocol

RATES: Final = (8000, 16000)
"""Sample rates in Hz that a call's audio may have above the wire: those that ears and detectors take."""


def carried_rate(read_rate: int) -> int:
    """At which of `RATES` a call is carried whose read codec has `read_rate` Hz (Opus: 48000)."""
    return read_rate if read_rate in RATES else max(RATES)


class MediaWire(Protocol):
    """A call's audio both ways, as 20 ms frames of mono S16LE at one rate.

    Whoever opened the wire closes it; the transport only listens and sends.
    """

    @property
    def sample_rate(self) -> int:
        """One of `RATES`, the same both ways and for the whole call."""
        ...

    @property
    def lag_ms(self) -> int:
        """How much of what was sent last may not have been heard yet: what the wire keeps, and `flush` drops."""
        ...

    @property
    def lead_ms(self) -> int:
        """How far ahead of its hearing the wire wants audio; 0 for one that takes 20 ms at a time, silence too.

        With a lead, `send` gets any number of frames at once, and nothing at all (`b""`) while nothing is said.
        """
        ...

    @property
    def burst_ms(self) -> int:
        """How much audio at once has the wire play without delay what it keeps back else; 0: it keeps nothing."""
        ...

    def listen(self, callback: Callable[[bytes], None]) -> None:
        """Hand every frame from the caller to `callback`, on the event loop. The last callback given wins."""
        ...

    def send(self, pcm: bytes) -> None:
        """Put one frame on the wire now, or `burst_ms` of them (with a lead: see there).

        Never blocks, never raises; nothing after `close`.
        """
        ...

    def flush(self) -> None:
        """Forget what was sent and is not played yet, where the wire keeps any; the next frames are heard at once."""
        ...

    def close(self) -> None:
        """Idempotent; no callback comes after this."""
        ...
