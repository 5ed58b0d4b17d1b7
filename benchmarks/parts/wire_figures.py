"""What calls by a wire were like, from what the peer kept of them and what the service's probes told. Pure."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.parts.marked import Resumed, first_frames, resumed, utterances
from benchmarks.parts.served import Noted
from benchmarks.parts.wire_calls import RATE, Rung
from control.peer.clock import FRAME_S, ReferenceClock
from control.peer.media import Media
from control.peer.sound import Samples

LATEST_S = 1.0
"""What comes later than this behind a note of the service's belongs to something else."""
HELD_S = 0.1
"""A pause from which on a sentence was held; what a busy machine drops is shorter."""


def pacing_errors_ms(times: Sequence[float], streams: Sequence[int], reference: ReferenceClock) -> list[float]:
    """How far each gap between two datagrams of a stream is from 20 ms; not where the machine itself was late."""
    late = [reference.excludes(at) for at in times]
    return [
        abs(times[at] - times[at - 1] - FRAME_S) * 1000
        for at in range(1, len(times))
        if streams[at] == streams[at - 1] and not (late[at] or late[at - 1])
    ]


ROUNDING_S = 1e-6
"""Two ticks of a clock are not quite 20 ms apart, as floating-point numbers go."""


@dataclass(frozen=True)
class Sentences:
    """The sentences of calls that were left in peace."""

    heard: int
    whole: int
    """Of these: every sample was heard, the last one included, in order, once, and nothing else."""
    gaps: int
    """Pauses of 20 ms or more inside a sentence, but for moments in which the machine was late.

    Of a module's audio by the switch's own 20 ms clock: a tick in which there was nothing to be heard. That the
    scripted switch did a tick late is no pause of the service's.
    """
    longest_gap_ms: float


def sentences(calls: Sequence[Rung], frames: int, reference: ReferenceClock) -> Sentences:
    """Sentences of `frames` frames each, as the callers heard them."""
    heard = [said for rung in calls for said in utterances(_by_the_tick(rung.call.media), RATE)]
    gaps = [
        gap
        for said in heard
        for before, at, gap in zip(said.times, said.times[1:], said.gaps_s(), strict=False)
        if not _late_within(before, at, reference)
    ]
    return Sentences(
        heard=len(heard),
        whole=sum(said.is_whole(frames) for said in heard),
        gaps=sum(gap >= FRAME_S - ROUNDING_S for gap in gaps),
        longest_gap_ms=max(gaps, default=0.0) * 1000,
    )


def _by_the_tick(media: Media) -> list[tuple[float, Samples]]:
    """What the caller heard, at the moments of the switch's clock."""
    return [(due, samples) for due, (_, samples) in zip(media.frames_due, media.frames_heard, strict=True)]


@dataclass
class Spans:
    """Times from one moment to another, and how many are left out of them: what is dropped is told."""

    reference: ReferenceClock
    ms: list[float] = field(default_factory=list)
    late: int = 0
    """The machine itself was late meanwhile."""
    unmatched: int = 0
    """The other moment was not found."""

    def take(self, begin: float | None, end: float | None) -> None:
        """One more, in seconds; None where a moment was not found."""
        if begin is None or end is None:
            self.unmatched += 1
        elif _late_within(begin, end, self.reference):
            self.late += 1
        else:
            self.ms.append((end - begin) * 1000)

    @property
    def unmatched_share(self) -> float:
        """Of all that there should be; NaN of nothing."""
        every = len(self.ms) + self.late + self.unmatched
        return self.unmatched / every if every else math.nan


def held(calls: Sequence[Rung], reference: ReferenceClock) -> Spans:
    """Of each interruption: the caller's first speech sample → the last sample heard of the voice."""
    found = Spans(reference)
    for rung in calls:
        for spoken, turn in zip(rung.call.media.caller.spoken, rung.result.turns, strict=True):
            began = spoken.speech_began_at
            until = None if began is None or turn.barge_in_ms is None else began + turn.barge_in_ms / 1000
            found.take(began, until)
    return found


def _late_within(begin: float, end: float, reference: ReferenceClock) -> bool:
    return any(late.since < end and begin < late.until for late in reference.late)


@dataclass(frozen=True)
class Disturbed:
    """One noise over a sentence."""

    name: str
    found: Resumed
    turns: int
    """What the record has of the caller."""
    told_whole: bool
    """The record has the sentence as heard to its end."""


def disturbances(calls: Sequence[Rung], frames: int, sentence: str) -> list[Disturbed]:
    """What became of each sentence over which a caller made one sound."""
    judged = []
    for rung in calls:
        for noise in rung.call.media.caller.spoken:
            if rung.record is None or noise.speech_began_at is None or noise.speech_ended_at is None:
                continue
            parts = utterances(rung.call.media.frames_heard, RATE, HELD_S)
            said = [turn for turn in rung.record.turns if turn.role == "assistant"]
            judged.append(
                Disturbed(
                    noise.sound.name,
                    resumed(parts, noise.speech_began_at, noise.speech_ended_at, frames),
                    sum(turn.role == "caller" for turn in rung.record.turns),
                    [turn.text for turn in said] == [sentence] and not said[0].interrupted,
                )
            )
    return judged


def mouth_to_vad(calls: Sequence[Rung], notes: Sequence[Noted], reference: ReferenceClock) -> Spans:
    """The caller's frame that completed the detector's deciding window leaves the peer → the detector's start is at the
    pipeline's first stage.
    """
    found = Spans(reference)
    for rung in calls:
        left: dict[int, list[float]] = {}
        media = rung.call.media
        for at, (_, samples) in zip(media.frames_left_at, media.frames_uttered, strict=True):
            left.setdefault(zlib.crc32(samples.astype("<i2").tobytes()), []).append(at)
        for note in _of(notes, rung, "voice_found"):
            sent = [at for at in left.get(note.frame, ()) if 0 <= note.at - at < LATEST_S]
            found.take(sent[-1] if sent else None, note.at)
    return found


def voice_to_wire(calls: Sequence[Rung], notes: Sequence[Noted], reference: ReferenceClock) -> Spans:
    """A sentence's first audio leaves the voice → the datagram, message or file piece with it is at the peer."""
    found = Spans(reference)
    for rung in calls:
        came = first_frames(rung.call.media.frames_came, RATE)
        for note in _of(notes, rung, "voice_begins"):
            found.take(note.at, next((at for at in came if 0 <= at - note.at < LATEST_S), None))
    return found


def pacing_ms(calls: Sequence[Rung], reference: ReferenceClock) -> list[float]:
    """Pacing errors of all datagrams of all calls."""
    found: list[float] = []
    for rung in calls:
        arrivals = rung.call.media.arrivals
        found += pacing_errors_ms(arrivals.times, arrivals.streams, reference)
    return found


def _of(notes: Sequence[Noted], rung: Rung, what: str) -> list[Noted]:
    return [note for note in notes if note.call_id == rung.result.call_id and note.what == what]
