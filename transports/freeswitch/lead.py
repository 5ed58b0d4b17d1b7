"""Audio for a wire that wants it ahead of the moment when it is heard. Pure.

mod_audio_stream plays files one after the other without a gap, as long as the next one waits before the last is over.
Our clock says what is heard; this says what is handed over, up to `lead_ms` earlier.
"""

from collections.abc import Callable, Sequence
from typing import Final

from transports.audio import FRAME_MS

FIRST_MS: Final = 160
"""An utterance begins when so much of it is there, or `PATIENCE_MS` after its first sound came from the voice."""
PATIENCE_MS: Final = 60
NEXT_MS: Final = 200
"""Smaller pieces are not worth a file of their own, unless the last one is nearly over (`URGENT_MS`)."""
URGENT_MS: Final = 100


class Lead:
    """Counts what a wire was given and our clock has not played yet."""

    def __init__(self, lead_ms: int) -> None:
        self._most = lead_ms // FRAME_MS
        self._given = 0
        self._waited = 0

    @property
    def given_ms(self) -> int:
        """Audio that the wire has and nobody was to hear yet."""
        return self._given * FRAME_MS

    def holds(self, queued_ms: int) -> bool:
        """Once per tick: whether the clock is to wait, since an utterance's first sound is too little for a file."""
        if self._given or not 0 < queued_ms < FIRST_MS or self._waited >= PATIENCE_MS // FRAME_MS:
            self._waited = 0
            return False
        self._waited += 1
        return True

    def take(self, played: bytes | None, upcoming: Callable[[int, int], Sequence[bytes]]) -> bytes:
        """What to hand over now. `played` is the tick's frame (None: silence), `upcoming(skip, most)` gives the frames
        that follow it in the queue.
        """
        piece: list[bytes] = []
        if played is None:
            # Silence: the clock has played all it had. Should there be more it begins anew.
            self._given = 0
            return b""
        if self._given:
            self._given -= 1
        else:
            piece.append(played)
        if piece or self._given <= self._most // 2:
            ahead = upcoming(self._given, self._most - self._given)
            urgent = self._given <= URGENT_MS // FRAME_MS
            if ahead and (piece or urgent or len(ahead) >= NEXT_MS // FRAME_MS):
                piece += ahead
                self._given += len(ahead)
        return b"".join(piece)

    def cut(self) -> None:
        """The wire has forgotten what it had."""
        self._given = 0
