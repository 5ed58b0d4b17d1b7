"""What of the caller's audio goes into the pipeline, and in which pieces. No I/O, no time but the audio's own."""

from collections import deque

from transports.audio import FRAME_MS


class SpeechGate:
    """Lets audio through around speech and joins 20 ms frames into longer blocks.

    Closed, it keeps the last `preroll_ms`; `opened` gives them out. After `closed` another `tail_ms` go through.
    A continuous gate lets everything through, in blocks; `opened` has nothing to give then.
    """

    def __init__(self, *, preroll_ms: int, tail_ms: int, block_ms: int, continuous: bool) -> None:
        self.continuous = continuous
        self._preroll: deque[bytes] = deque(maxlen=preroll_ms // FRAME_MS)
        self._tail_frames = tail_ms // FRAME_MS
        self._block_frames = max(1, block_ms // FRAME_MS)
        self._held: list[bytes] = []
        self._open = False
        self._tail_left = 0

    def audio(self, pcm: bytes) -> bytes | None:
        """Take one frame; a block if one is complete."""
        if not (self._open or self.continuous or self._tail_left):
            self._preroll.append(pcm)
            return None
        self._held.append(pcm)
        if not self._open and self._tail_left:
            self._tail_left -= 1
            if not self._tail_left and not self.continuous:
                return self._taken()
        return self._taken() if len(self._held) >= self._block_frames else None

    def opened(self) -> list[bytes]:
        """Speech began: what was kept, in blocks, all of it at once."""
        self._open, self._tail_left = True, 0
        if self.continuous:
            return []
        frames = [*self._held, *self._preroll]
        self._held.clear()
        self._preroll.clear()
        size = self._block_frames
        return [b"".join(frames[at : at + size]) for at in range(0, len(frames), size)]

    def closed(self) -> bytes | None:
        """Speech ended: what was not yet given out."""
        self._open, self._tail_left = False, self._tail_frames
        return self._taken()

    def _taken(self) -> bytes | None:
        if not self._held:
            return None
        block = b"".join(self._held)
        self._held.clear()
        return block
