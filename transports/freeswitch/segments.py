"""The account of sentences: what of each was played, and which voice contexts are open or given up."""

from collections import OrderedDict
from dataclasses import dataclass

from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

from transports.audio import FRAME_MS
from transports.freeswitch.heard import DEFAULT_PACE, HeardTextFrame, heard_prefix, spoken_weight, unheard_from

MAX_REMEMBERED = 64
"""Cancelled contexts that are kept in mind; more cannot have audio under way."""
ALMOST = 0.999
"""A sentence that may go on is never told as heard to its end."""


@dataclass(slots=True)
class Segment:
    """One announced sentence and its audio, in chunks of 20 ms."""

    announcement: AggregatedTextFrame
    known: int = 0
    played: int = 0
    """The next chunk to be played; set back when some are to be played again."""
    heard: int = 0
    """Chunks that were heard before some of them are played again."""
    first_audible: int = 0
    after_audible: int = 0
    text: TTSTextFrame | None = None
    """There once all of its audio is."""

    @property
    def context_id(self) -> str | None:
        return self.announcement.context_id

    def add(self, audible: bool) -> None:
        """One more chunk was queued."""
        if audible:
            if not self.after_audible:
                self.first_audible = self.known
            self.after_audible = self.known + 1
        self.known += 1

    @property
    def audible(self) -> int:
        """Chunks from the first sound to the last; all of them when there is no sound at all."""
        return self.after_audible - self.first_audible if self.after_audible else self.known

    def share(self, pace: float, unheard: int = 0) -> float:
        """How much of the sentence was heard (0 to 1). `pace` is the voice's weight per second; of the chunks that were
        played the last `unheard` were not heard.
        """
        heard = max(0, max(self.heard, self.played - unheard) - self.first_audible)
        if self.text is not None:
            return min(1.0, heard / self.audible) if self.audible else 1.0
        return min(ALMOST, heard / self._length(pace))

    def again_from(self, pace: float, unheard: int = 0) -> int:
        """The chunk with which the first word begins that was not heard to its end. What was heard stays heard."""
        self.heard = max(self.heard, self.played - unheard)
        share = max(0, self.heard - self.first_audible) / self._length(pace)
        begin = int(unheard_from((self.text or self.announcement).text, share) * self._length(pace))
        return min(self.first_audible + begin, self.played - unheard)

    def _length(self, pace: float) -> float:
        """Chunks of sound; an estimate, while more may come."""
        if self.text is not None:
            return max(self.audible, 1)
        return max(spoken_weight(self.announcement.text) / pace * 1000 / FRAME_MS, self.audible, 1)


class Contexts:
    """Voice contexts: open between TTSStarted and TTSStopped; those given up by an interruption are stale."""

    def __init__(self) -> None:
        self._open: dict[str, TTSStartedFrame] = {}
        self._cancelled: OrderedDict[str, None] = OrderedDict()

    def stale(self, frame: Frame, context_id: str | None) -> bool:
        """Whether a frame belongs to a context that an interruption ended. A new start revives a context."""
        if context_id is None or context_id not in self._cancelled:
            return False
        return frame.interruptible and not isinstance(frame, TTSStartedFrame)

    def note(self, frame: Frame) -> None:
        """See a frame on its way into the queue."""
        if isinstance(frame, TTSStartedFrame) and frame.context_id is not None:
            self._cancelled.pop(frame.context_id, None)
            self._open[frame.context_id] = frame
        elif isinstance(frame, TTSStoppedFrame) and frame.context_id is not None:
            self._open.pop(frame.context_id, None)

    def kept(self, context_id: str | None) -> bool:
        """Whether what is spoken in this context belongs into the conversation."""
        started = self._open.get(context_id) if context_id is not None else None
        return started.append_to_context if started is not None else True

    def cancel(self, context_id: str | None) -> None:
        """Refuse what still comes of a context."""
        if context_id is None:
            return
        self._open.pop(context_id, None)
        self._cancelled[context_id] = None
        while len(self._cancelled) > MAX_REMEMBERED:
            self._cancelled.popitem(last=False)

    def cancel_open(self) -> None:
        """Refuse what still comes of every context that may be interrupted."""
        for context_id, started in list(self._open.items()):
            if started.interruptible:
                self.cancel(context_id)


class SegmentBook:
    """Which sentence is being queued and which one is being heard."""

    def __init__(self) -> None:
        self.current: Segment | None = None
        """The sentence whose audio is coming in."""
        self._closed: dict[int, Segment] = {}
        self.heard_now: Segment | None = None
        """The sentence whose audio is being played and whose text has not been told."""
        self._pace = DEFAULT_PACE
        self.said = ""
        """The sentence that is being heard, or was heard last."""

    def note(self, frame: AggregatedTextFrame) -> None:
        """An announcement opens a sentence, its TTSTextFrame closes it."""
        if not isinstance(frame, TTSTextFrame):
            if frame.will_be_spoken:
                self.current = Segment(frame)
            return
        segment = self.current
        if segment is not None and frame.segment_id == segment.announcement.id and segment.known:
            segment.text = frame
            self._closed[frame.id] = segment
            self._learn_pace(segment)
            self.current = None

    def played(self, segment: Segment) -> None:
        """A chunk of this sentence went out."""
        segment.played += 1
        self.heard_now = segment
        self.said = segment.announcement.text

    def again_from(self, segment: Segment, unheard: int) -> int:
        """The chunk of a sentence with which it goes on after a hold; see `Segment.again_from`."""
        return max(0, segment.again_from(self._pace, unheard))

    def heard(self, frame: TTSTextFrame) -> TTSTextFrame:
        """A sentence's text comes out of the queue: all of its audio was played."""
        segment = self._closed.pop(frame.id, None)
        if segment is None:
            return frame
        if segment is self.heard_now:
            self.heard_now = None
        return _heard(frame, frame.text, append=frame.append_to_context)

    def cut(self, contexts: Contexts, unheard: int = 0) -> HeardTextFrame | None:
        """The words heard of the sentence that is interrupted, less the last `unheard` chunks; None when none were."""
        segment = self.heard_now
        self._closed = {key: kept for key, kept in self._closed.items() if not _may_cut(kept)}
        if self.current is not None and self.current.announcement.interruptible:
            self.current = None
        if segment is None or not _may_cut(segment):
            return None
        self.heard_now = None
        source = segment.text or segment.announcement
        words = heard_prefix(source.text, segment.share(self._pace, unheard))
        append = segment.text.append_to_context if segment.text is not None else contexts.kept(segment.context_id)
        return _heard(source, words, append=append) if words.strip() else None

    def _learn_pace(self, segment: Segment) -> None:
        weight = spoken_weight(segment.announcement.text)
        if weight >= DEFAULT_PACE and segment.audible:
            self._pace += (weight * 1000 / (segment.audible * FRAME_MS) - self._pace) / 2


def _may_cut(segment: Segment) -> bool:
    return (segment.text or segment.announcement).interruptible


def _heard(source: AggregatedTextFrame, words: str, *, append: bool) -> HeardTextFrame:
    segment_id = source.segment_id if isinstance(source, TTSTextFrame) else source.id
    whole = words == source.text
    frame = HeardTextFrame(
        words,
        source.text_type,
        context_id=source.context_id,
        raw_text=source.raw_text if whole and isinstance(source, TTSTextFrame) else None,
        segment_id=segment_id,
    )
    frame.append_to_context = append
    frame.will_be_spoken = True
    frame.includes_inter_frame_spaces = source.includes_inter_frame_spaces
    frame.metadata = source.metadata
    return frame
