"""A listener that cannot hurt the call it listens to."""

import structlog

from transports.ingress import AudioTap

log = structlog.get_logger()


class GuardedTap:
    """Passes audio to a tap until that raises; from then on the call goes on without it (one error is logged)."""

    def __init__(self, tap: AudioTap | None) -> None:
        self._tap = tap

    def from_caller(self, pcm: bytes, at: float) -> None:
        """Never raises."""
        if self._tap is not None:
            try:
                self._tap.from_caller(pcm, at)
            except Exception as error:
                self._give_up(error)

    def to_caller(self, pcm: bytes, at: float) -> None:
        """Never raises."""
        if self._tap is not None:
            try:
                self._tap.to_caller(pcm, at)
            except Exception as error:
                self._give_up(error)

    def unheard(self, at: float) -> None:
        """Never raises."""
        if self._tap is not None:
            try:
                self._tap.unheard(at)
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        # A full disk must not silence a call: the media clock drops a subscriber that raises.
        log.error("audio tap failed, call goes on without it", exc_info=error)
        self._tap = None
