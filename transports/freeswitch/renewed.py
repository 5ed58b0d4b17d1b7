"""A call's wire for as long as the call lives, whatever carries it at the moment."""

from collections.abc import Callable
from typing import Final

import structlog

from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.fork_media import ForkMedia
from transports.freeswitch.stream_media import StreamMedia
from transports.freeswitch.unicast_socket import UnicastMedia

log = structlog.get_logger()

Media = UnicastMedia | ForkMedia | StreamMedia


class RenewedWire:
    """Carries what its present media carries. Satisfies `MediaWire`.

    Between `lose` and `renew` there is none: nothing is heard, and what is sent is dropped. `close` closes the media;
    so does `renew` with the one before, which may have lived on and is of no use any more.
    """

    def __init__(self, media: Media) -> None:
        self.sample_rate: Final = media.sample_rate
        self.lead_ms: Final = media.lead_ms
        self.burst_ms: Final = media.burst_ms
        self._media = media
        self._lost = False
        self._callback: Callable[[bytes], None] = _unheard

    @property
    def media(self) -> Media:
        """What carries the call, or did so last."""
        return self._media

    @property
    def lag_ms(self) -> int:
        """See MediaWire; nothing is on its way without media."""
        return 0 if self._lost else self._media.lag_ms

    def listen(self, callback: Callable[[bytes], None]) -> None:
        """See MediaWire; a media to come is listened to, too."""
        self._callback = callback
        if not self._lost:
            self._media.listen(callback)

    def send(self, pcm: bytes) -> None:
        """See MediaWire."""
        if not self._lost:
            self._media.send(pcm)

    def flush(self) -> None:
        """See MediaWire."""
        if not self._lost:
            self._media.flush()

    def lose(self) -> None:
        """The media has ended, or is of no use. Idempotent."""
        self._lost = True
        self._media.listen(_unheard)

    def renew(self, media: Media) -> None:
        """Go on with another. Raises MediaUnavailableError, and closes it, when it is not of the call's kind."""
        if (media.sample_rate, media.lead_ms) != (self.sample_rate, self.lead_ms):
            media.close()
            raise MediaUnavailableError(f"the call's audio came back at {media.sample_rate} Hz, not {self.sample_rate}")
        self.close()
        self._media, self._lost = media, False
        media.listen(self._callback)

    def close(self) -> None:
        """See MediaWire."""
        counters = self._media.counters
        log.debug("media", **{name: getattr(counters, name) for name in counters.__struct_fields__})
        self._media.close()


def _unheard(_pcm: bytes) -> None:
    """Nobody listens."""
