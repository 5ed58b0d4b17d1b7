"""The figures of a call, from what went over the wire. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from control.peer.caller import Spoken
from control.peer.clock import FRAME_S, ReferenceClock
from control.peer.ears import Ears
from control.peer.result import Downlink, Lateness, SpokenTurn
from control.peer.unicast import Arrivals, Playout

GAP_S = 0.060
WINDOW = 50
"""Frames before and after that share a grid: 1 s each."""

Floats = npt.NDArray[np.float64]


def lateness_s(times: Floats) -> Floats:
    """How late each datagram of one stream came against the 20 ms grid of the earliest within a second around it."""
    offsets = times - np.arange(len(times)) * FRAME_S
    padded = np.pad(offsets, WINDOW, mode="edge")
    earliest: Floats = np.lib.stride_tricks.sliding_window_view(padded, 2 * WINDOW + 1).min(axis=1)
    return offsets - earliest


def late_ms(arrivals: Arrivals, reference: ReferenceClock | None) -> Floats:
    """How late each datagram of a call came, without those that came while the reference clock was late itself."""
    times, streams = arrivals.paced()
    if not len(times):
        return np.zeros(0)
    late: Floats = np.concatenate([lateness_s(times[streams == stream]) for stream in np.unique(streams)]) * 1000
    excluded = [reference is not None and reference.excludes(float(time)) for time in times]
    kept: Floats = late[~np.array(excluded)]
    return kept


def lateness(arrivals: Arrivals, reference: ReferenceClock | None) -> Lateness | None:
    """The figures over all streams of a call; None: nothing came that owes a beat."""
    owed = len(arrivals.paced()[0])
    if not owed:
        return None
    late = late_ms(arrivals, reference)
    kept = late if len(late) else np.zeros(1)
    p50, p95, p99, p999 = np.percentile(kept, [50, 95, 99, 99.9])
    return Lateness(
        frames=len(late),
        excluded_frames=owed - len(late),
        p50_ms=_ms(p50),
        p95_ms=_ms(p95),
        p99_ms=_ms(p99),
        p999_ms=_ms(p999),
        max_ms=_ms(kept.max()),
    )


def downlink(
    arrivals: Arrivals, playout: Playout, reference: ReferenceClock | None, ran_empty: Sequence[float] = ()
) -> Downlink:
    """What came from the service. `ran_empty`: when a fork's module had nothing to play."""
    times, streams = arrivals.paced()
    gaps = np.diff(times)[np.diff(streams) == 0] if len(times) > 1 else np.zeros(0)
    return Downlink(
        datagrams=len(arrivals.times),
        octets=sum(size * count for size, count in arrivals.sizes.items()),
        sizes=dict(arrivals.sizes),
        overflowed=playout.overflowed,
        gaps=int((gaps > GAP_S).sum()),
        longest_gap_ms=_ms(gaps.max() * 1000) if len(gaps) else 0.0,
        backlog_max_ms=_ms(playout.backlog_max_s * 1000),
        ran_empty=sum(reference is None or not reference.excludes(at) for at in ran_empty),
        lateness=lateness(arrivals, reference),
    )


def turns(spoken: list[Spoken], ears: Ears, began: float) -> tuple[SpokenTurn, ...]:
    """How the assistant took each sound. `began`: the first ring (monotonic seconds)."""
    ends = [*(later.speech_began_at or later.began_at for later in spoken[1:]), float("inf")]
    return tuple(_turn(turn, ears, began, until) for turn, until in zip(spoken, ends, strict=False))


def response_s(turn: Spoken, ears: Ears, until: float) -> float | None:
    """Last speech sample → first sample of the next voice that began before `until`."""
    if turn.speech_ended_at is None:
        return None
    voice = ears.next_after(turn.speech_ended_at)
    return voice.start - turn.speech_ended_at if voice is not None and voice.start < until else None


def barge_in_s(turn: Spoken, ears: Ears) -> float | None:
    """First speech sample → last sample of the voice that was being heard then."""
    if turn.speech_began_at is None:
        return None
    voice = ears.during(turn.speech_began_at)
    return voice.end - turn.speech_began_at if voice is not None else None


def _turn(turn: Spoken, ears: Ears, began: float, until: float) -> SpokenTurn:
    response, barge_in = response_s(turn, ears, until), barge_in_s(turn, ears)
    return SpokenTurn(
        name=turn.sound.name,
        began_at_ms=_ms((turn.began_at - began) * 1000),
        speech_began_at_ms=_since(turn.speech_began_at, began),
        speech_ended_at_ms=_since(turn.speech_ended_at, began),
        response_ms=None if response is None else _ms(response * 1000),
        barge_in_ms=None if barge_in is None else _ms(barge_in * 1000),
    )


def _since(at: float | None, began: float) -> float | None:
    return None if at is None else _ms((at - began) * 1000)


def _ms(value: float) -> float:
    return round(float(value), 2)


def warm_up() -> None:
    """Takes numpy's first-use costs (tens of milliseconds) before calls are live on the event loop."""
    arrivals = Arrivals()
    for index in range(3):
        arrivals.note(index * FRAME_S, 320, 1)
    lateness(arrivals, None)
