"""Audio on its way to the caller in pieces of 20 ms, and which of those played last are to be played again. Pure."""

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice

import numpy as np
from pipecat.frames.frames import OutputAudioRawFrame, SpeechOutputAudioRawFrame, TTSAudioRawFrame

from transports.audio import FRAME_MS
from transports.freeswitch.segments import Segment, SegmentBook

AUDIBLE = 256
"""Peak of 16-bit samples from which on a chunk counts as sound (-42 dBFS)."""
REWIND_TICKS = 3000 // FRAME_MS
"""Longer than any word takes to say."""
DIP_TICKS = 120 // FRAME_MS
"""Where a word begins is an estimate: it goes on from a pause that is so shortly before."""


class Kind(Enum):
    """Where audio came from: only speech makes the bot "speaking"."""

    TTS = "tts"
    SPEECH = "speech"
    PLAIN = "plain"


@dataclass(slots=True)
class Chunk:
    """20 ms of audio."""

    pcm: bytes
    kind: Kind
    interruptible: bool
    peak: int
    segment: Segment | None

    @property
    def audible(self) -> bool:
        """Whether there is sound in it."""
        return self.peak >= AUDIBLE


def chunks_of(pcm: bytes, size: int, frame: OutputAudioRawFrame, segment: Segment | None) -> list[Chunk]:
    """Whole chunks of `size` bytes that came with a frame; only a voice's belong to a sentence."""
    peaks = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).reshape(-1, size // 2).max(axis=1)
    kind = _kind(frame)
    own = segment if kind is Kind.TTS else None
    starts = range(0, len(pcm), size)
    return [
        Chunk(pcm[at : at + size], kind, frame.interruptible, peak, own)
        for at, peak in zip(starts, peaks.tolist(), strict=True)
    ]


def _kind(frame: OutputAudioRawFrame) -> Kind:
    if isinstance(frame, TTSAudioRawFrame):
        return Kind.TTS
    return Kind.SPEECH if isinstance(frame, SpeechOutputAudioRawFrame) else Kind.PLAIN


class History:
    """What was played last, each chunk with the number of its tick."""

    def __init__(self) -> None:
        self._played: deque[tuple[int, Chunk]] = deque(maxlen=REWIND_TICKS)

    def add(self, tick: int, chunk: Chunk) -> None:
        self._played.append((tick, chunk))

    def clear(self) -> None:
        self._played.clear()

    @property
    def last(self) -> Chunk | None:
        """The chunk played last."""
        return self._played[-1][1] if self._played else None

    def since(self, tick: int) -> int:
        """How many were played after a tick."""
        return sum(then > tick for then, _ in self._played)

    def interruptible(self, last: int) -> bool:
        """Whether any of the `last` chunks may be cut."""
        return any(chunk.interruptible for _, chunk in islice(reversed(self._played), last))

    def of(self, segment: Segment | None, last: int) -> int:
        """How many of the `last` chunks are of this sentence."""
        return sum(chunk.segment is segment for _, chunk in islice(reversed(self._played), last))

    def take_back(self, book: SegmentBook, unheard: int) -> list[Chunk]:
        """The chunks to be played again, in order: the last `unheard`, and all of the word not heard to its end.

        They count as not played, here and in the account of sentences.
        """
        segment = book.heard_now
        unfinished = 0 if segment is None else self._unfinished(book, segment, unheard)
        again: list[Chunk] = []
        for _ in range(min(max(unheard, unfinished), len(self._played))):
            _, chunk = self._played.pop()
            if segment is not None and chunk.segment is segment:
                segment.played -= 1
            else:
                chunk = replace(chunk, segment=None)  # the text of its sentence has been told
            again.append(chunk)
        return again[::-1]

    def _unfinished(self, book: SegmentBook, segment: Segment, unheard: int) -> int:
        """Chunks of words that were not heard to their end, and a little more where a pause is near."""
        least = segment.played - book.again_from(segment, self.of(segment, unheard))
        most = min(least + DIP_TICKS, segment.played, len(self._played))
        if not 0 < least <= most:
            return max(0, min(least, most))
        dip = min(range(least, most + 1), key=self._peak)
        return dip if self._peak(dip) < self._peak(least) / 2 else least

    def _peak(self, last: int) -> int:
        return self._played[-last][1].peak
