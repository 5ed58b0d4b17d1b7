"""What is still to be played, and what of it the caller has heard. No I/O and no clock of its own.

Audio is cut into 20 ms chunks; every other frame waits between them, so that it comes out when the audio
before it has been played. `tick` is called once per 20 ms and gives at most one chunk.

A sentence's life: the voice announces it (`AggregatedTextFrame` with `will_be_spoken`), its audio follows,
then its `TTSTextFrame` with the announcement's id as `segment_id` (pipecat's TTSService, 1.14). When its
audio is out that text comes out as a `HeardTextFrame`; when it is cut, `cut` gives the words heard so far.
Voices with word timestamps put a `pts` on their text: those frames come out by the pipeline's clock.

`hold` stops all of this between two ticks and keeps it; `resume` goes on with the first word that was not heard to
its end, of which a part is played again; `cut` drops it for good. The caller's voice holds what may be interrupted; a
wire that is lost holds everything, also what comes meanwhile, until it is back. Who holds does not undo the other's.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from pipecat.frames.frames import (
    AggregatedTextFrame,
    EndFrame,
    Frame,
    HeartbeatFrame,
    OutputAudioRawFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

from transports.audio import FRAME_MS, frame_bytes
from transports.freeswitch.chunks import Chunk, History, Kind, chunks_of
from transports.freeswitch.segments import Contexts, SegmentBook

SPEECH_GAP_TICKS = 350 // FRAME_MS
"""Silence after which a speech stream counts as stopped (pipecat's BOT_VAD_STOP_SECS)."""
IDLE_TICKS = 3000 // FRAME_MS
"""Nothing to play for so long, and the bot has stopped, whatever its voice says (BOT_VAD_STOP_FALLBACK_SECS)."""
UNDERRUN_TICKS = 200 // FRAME_MS
"""Nothing to play for so long, and what is left of less than a chunk is played as it is."""
SPEAKING_TICKS = 1000 // FRAME_MS
"""See `SPEAKING_FRAMES` of the input."""
TICK_NS = FRAME_MS * 1_000_000


class Bot(Enum):
    """What a tick tells about who speaks."""

    STARTED = "started"
    SPEAKING = "speaking"
    STOPPED = "stopped"


class Holder(Enum):
    """Why nothing comes out."""

    VOICE = "voice"
    WIRE = "wire"


@dataclass(slots=True)
class Beat:
    """What one tick gives: a chunk (None = silence) and what comes out ahead of it, in order."""

    pcm: bytes | None = None
    out: list[Frame | Bot] = field(default_factory=list)
    ended: bool = False
    """The EndFrame came out: all that was to be played has been."""
    gap_ms: int = 0
    """The sentence of which this is a chunk was silent for so long, for want of more of its audio."""


class Playout:
    """One call's queue of audio and frames."""

    def __init__(self, sample_rate: int) -> None:
        self._chunk_bytes = frame_bytes(sample_rate)
        self._queue: deque[Chunk | Frame] = deque()
        self._chunks = 0
        self._timed: list[tuple[int, int, Frame]] = []
        self._rest = bytearray()
        self._rest_from: OutputAudioRawFrame | None = None
        self._contexts = Contexts()
        self._book = SegmentBook()
        self._idle_ticks = 1
        self._speaking_ticks = 0
        self._quiet_ticks = 0
        self._tts_heard = False
        self.speaking = False
        self._ticks = 0
        self._history = History()
        self._holders: set[Holder] = set()
        self._on_way = 0
        """While it is held: of what was played, the chunks that were still on their way."""
        self._late_ns = 0
        """By how much holding has put off what is being said."""

    @property
    def queued_ms(self) -> int:
        """Audio not yet played."""
        return self._chunks * FRAME_MS

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing was played by the last tick."""
        return not self._queue and not self._rest and self._idle_ticks > 0 and not self.held

    @property
    def held(self) -> bool:
        """Nothing comes out until `resume`, or until `cut` where no wire is lost."""
        return bool(self._holders)

    def put_audio(self, frame: OutputAudioRawFrame) -> None:
        """Queue mono audio at the wire's rate. Audio of an interrupted context is dropped."""
        context_id = frame.context_id if isinstance(frame, TTSAudioRawFrame) else None
        if self._contexts.stale(frame, context_id):
            return
        self._rest += frame.audio
        self._rest_from = frame
        whole = len(self._rest) // self._chunk_bytes * self._chunk_bytes
        if whole:
            self._queue_chunks(bytes(self._rest[:whole]), frame)
            del self._rest[:whole]

    def put(self, frame: Frame) -> Beat:
        """Queue a frame behind the audio so far; it comes out at once when there is none."""
        beat = Beat()
        if isinstance(frame, TTSStartedFrame | TTSStoppedFrame | AggregatedTextFrame):
            if self._contexts.stale(frame, frame.context_id):
                return beat
            self._contexts.note(frame)
        if frame.pts and not isinstance(frame, TTSStoppedFrame | EndFrame):
            heapq.heappush(self._timed, (frame.pts, frame.id, frame))
            return beat
        idle = self.idle
        if not isinstance(frame, TextFrame | HeartbeatFrame):
            self._pad_rest()
        if isinstance(frame, AggregatedTextFrame):
            self._book.note(frame)
        if idle:
            self._come_out(frame, beat)
        else:
            self._queue.append(frame)
        return beat

    def may_cut(self, unheard_ms: int, ahead_ms: int) -> bool:
        """Whether the wire has anything that an interruption drops.

        Of the last `unheard_ms` that were played, what plays now, and the `ahead_ms` that it was given early.
        """
        ahead = islice((item for item in self._queue if isinstance(item, Chunk)), ahead_ms // FRAME_MS)
        late = max(self._on_the_way(unheard_ms), 0 if self._idle_ticks else 1)
        return self._history.interruptible(late) or any(chunk.interruptible for chunk in ahead)

    def upcoming(self, skip: int, most: int) -> list[bytes]:
        """The chunks that the next ticks will play, without the first `skip`, at most `most`; they stay queued."""
        chunks = (item.pcm for item in self._queue if isinstance(item, Chunk))
        return list(islice(chunks, skip, skip + most))

    def tick(self, now_ns: int) -> Beat:
        """20 ms have passed. `now_ns` is the pipeline's clock, for frames with a `pts`."""
        beat = Beat()
        if self.held:
            self._late_ns += TICK_NS
            return beat
        self._ticks += 1
        while self._timed and self._timed[0][0] <= now_ns - self._late_ns:
            beat.out.append(heapq.heappop(self._timed)[2])
        while self._queue and not isinstance(self._queue[0], Chunk):
            self._come_out(self._queue.popleft(), beat)
        if self._queue:
            chunk = self._queue.popleft()
            assert isinstance(chunk, Chunk)
            self._chunks -= 1
            self._play(chunk, beat)
        else:
            self._nothing_to_play(beat)
        return beat

    def hold(self, unheard_ms: int = 0, by: Holder = Holder.VOICE) -> str | None:
        """Stop between two ticks and keep everything; the sentence being said, "" where its text is not known.

        None, and no voice holds anything, when nothing is being said or it may not be interrupted. Of the audio played
        last, `unheard_ms` were still on their way and will not be heard.
        """
        last = self._history.last
        if by is Holder.VOICE and not (self.speaking and last is not None and last.interruptible):
            return None
        if not self._holders:
            self._on_way = self._on_the_way(unheard_ms)
        self._holders.add(by)
        return self._book.said

    def resume(self, by: Holder = Holder.VOICE) -> None:
        """After a hold: go on with the first word that was not heard to its end. Does nothing while another holds."""
        if by not in self._holders:
            return
        self._holders.discard(by)
        if self._holders:
            return
        again = self._history.take_back(self._book, self._on_way)
        self._queue.extendleft(reversed(again))
        self._chunks += len(again)
        self._late_ns += len(again) * TICK_NS

    def cut(self, unheard_ms: int = 0) -> list[Frame]:
        """Interrupt: drop what may be dropped; the words heard of the sentence being spoken, if any.

        Audio and frames that are not interruptible stay in their order. Later audio of the contexts
        that were dropped will be refused. Of the audio played last, `unheard_ms` were still on their way;
        what is held was told that when it was held.
        """
        late = self._on_way if self.held else self._on_the_way(unheard_ms)
        heard = self._book.cut(self._contexts, self._history.of(self._book.heard_now, late))
        self._history.clear()
        self._on_way = self._late_ns = 0
        self._holders.discard(Holder.VOICE)
        for item in self._queue:
            if item.interruptible:
                self._contexts.cancel(_context_of(item))
        self._contexts.cancel_open()
        self._queue = deque(item for item in self._queue if not item.interruptible)
        self._chunks = sum(isinstance(item, Chunk) for item in self._queue)
        self._timed = [timed for timed in self._timed if not timed[2].interruptible]
        heapq.heapify(self._timed)
        if self._rest_from is not None and self._rest_from.interruptible:
            self._rest.clear()
        if not self._chunks:
            self._tts_heard = False
        return [heard] if heard is not None else []

    def stop_speaking(self) -> bool:
        """After a cut: whether the bot has stopped by it. Uninterruptible audio lets it speak on."""
        if self.speaking and not self._chunks:
            self.speaking = False
            return True
        return False

    def take_frames(self) -> list[Frame]:
        """Give up all audio; the frames that waited, but for texts, which nobody has heard, and the end."""
        frames = [item for item in self._queue if not isinstance(item, Chunk)]
        frames += [timed[2] for timed in sorted(self._timed)]
        frames = [frame for frame in frames if not isinstance(frame, AggregatedTextFrame | EndFrame)]
        self._holders.clear()
        self._queue.clear()
        self._timed.clear()
        self._rest.clear()
        self._chunks = 0
        return frames

    def _on_the_way(self, unheard_ms: int) -> int:
        """Chunks that may not have been heard. A part of one counts as a whole: the switch's 20 ms are not ours, and
        what we had begun was perhaps not begun there.
        """
        return self._history.since(self._ticks - -(-unheard_ms // FRAME_MS))

    def _queue_chunks(self, pcm: bytes, frame: OutputAudioRawFrame) -> None:
        for chunk in chunks_of(pcm, self._chunk_bytes, frame, self._book.current):
            if chunk.segment is not None:
                chunk.segment.add(chunk.audible)
            self._queue.append(chunk)
            self._chunks += 1

    def _pad_rest(self) -> None:
        if self._rest and self._rest_from is not None:
            padded = bytes(self._rest) + bytes(self._chunk_bytes - len(self._rest))
            self._rest.clear()
            self._queue_chunks(padded, self._rest_from)

    def _come_out(self, frame: Frame | Chunk, beat: Beat) -> None:
        assert isinstance(frame, Frame)
        if isinstance(frame, EndFrame):
            beat.ended = True
            return
        if isinstance(frame, TTSStoppedFrame) and self._tts_heard:
            self._stop(beat)
        beat.out.append(self._book.heard(frame) if isinstance(frame, TTSTextFrame) else frame)

    def _play(self, chunk: Chunk, beat: Beat) -> None:
        beat.pcm = chunk.pcm
        if self._idle_ticks and chunk.segment is not None and chunk.segment is self._book.heard_now:
            beat.gap_ms = self._idle_ticks * FRAME_MS
        self._idle_ticks = 0
        self._history.add(self._ticks, chunk)
        if chunk.segment is not None:
            self._book.played(chunk.segment)
        if chunk.kind is Kind.TTS:
            self._tts_heard = True
            self._speak(beat)
        elif chunk.kind is Kind.SPEECH:
            self._quiet_ticks = 0 if chunk.audible else self._quiet_ticks + 1
            if chunk.audible:
                self._speak(beat)
            elif self._quiet_ticks > SPEECH_GAP_TICKS:
                self._stop(beat)

    def _nothing_to_play(self, beat: Beat) -> None:
        self._idle_ticks += 1
        if self._idle_ticks == UNDERRUN_TICKS:
            self._pad_rest()
        elif self._idle_ticks == IDLE_TICKS:
            self._stop(beat)

    def _speak(self, beat: Beat) -> None:
        if not self.speaking:
            self.speaking = True
            self._speaking_ticks = 0
            beat.out.append(Bot.STARTED)
        if self._speaking_ticks % SPEAKING_TICKS == 0:
            beat.out.append(Bot.SPEAKING)
        self._speaking_ticks += 1

    def _stop(self, beat: Beat) -> None:
        self._tts_heard = False
        self._history.clear()
        self._late_ns = 0
        if self.speaking:
            self.speaking = False
            beat.out.append(Bot.STOPPED)


def _context_of(item: Chunk | Frame) -> str | None:
    if isinstance(item, Chunk):
        return item.segment.context_id if item.segment is not None else None
    if isinstance(item, TTSStartedFrame | TTSStoppedFrame | AggregatedTextFrame):
        return item.context_id
    return None
