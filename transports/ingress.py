"""What a wire asks of a voice activity detector, and what a listener of the audio is told.

The detector runs at the edge, before any pipeline: a `vad.*` stage's `prepare` returns an
`IngressVad`, the phone door hands it to the transport, and one batched session serves all calls.
"""

from collections.abc import Callable
from typing import Final, Protocol

from base.speech import VadEdge

__all__ = ["TOLD_AHEAD_MS", "AudioTap", "IngressVad", "VadEdge", "VadStream"]


class VadStream(Protocol):
    """One call's place in the detector."""

    start_secs: float
    """Speech that must be heard before STARTED, in seconds."""
    stop_secs: float
    """Silence that must be heard before STOPPED, in seconds."""

    def feed(self, pcm: bytes) -> None:
        """Take mono S16LE audio of any length; never blocks. Edges come through the callback, later."""
        ...

    def close(self) -> None:
        """Give the place back; no callback comes after this. Idempotent."""
        ...


class IngressVad(Protocol):
    """A detector that serves many calls at once."""

    def open(self, sample_rate: int, on_edge: Callable[[VadEdge], None]) -> VadStream:
        """A place for one call at 8000 or 16000 Hz. `on_edge` runs on the event loop and must not block."""
        ...


TOLD_AHEAD_MS: Final = 200
"""A wire that plays even later has a delay that nobody measured well."""


class AudioTap(Protocol):
    """Hears both sides of a call as the caller says and hears them, ungated; times are seconds of the media clock."""

    def from_caller(self, pcm: bytes, at: float) -> None: ...

    def to_caller(self, pcm: bytes, at: float) -> None:
        """Heard from `at` on, which may be later than now by up to `TOLD_AHEAD_MS`."""
        ...

    def unheard(self, at: float) -> None:
        """From `at` on nothing is heard of what was told so far."""
        ...
