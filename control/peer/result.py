"""What a call was like, measured on the wire by the caller's side."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

What = Literal[
    "ringing",
    "connected",
    "answered",
    "media",
    "media_ended",
    "assistant_speaks",
    "assistant_silent",
    "caller_speaks",
    "caller_silent",
    "dtmf",
    "caller_writes",
    "text",
    "door",
    "ended",
]


class WireEvent(Struct, frozen=True, kw_only=True):
    """Something that happened, for showing live and for the report."""

    t_ms: float
    """Since the first ring."""
    what: What
    detail: str = ""
    ms: float | None = None
    """The latency that belongs to it: greeting or response with assistant_speaks, stop time with assistant_silent."""


class SpokenTurn(Struct, frozen=True, kw_only=True):
    """One sound said by the caller, and how the assistant took it. All `_at_ms` count from the first ring."""

    name: str
    began_at_ms: float
    """The sound's first sample, silence included, left on the wire."""
    speech_began_at_ms: float | None
    """The datagram with its first speech sample left."""
    speech_ended_at_ms: float | None
    """The datagram with its last speech sample left. None: no speech in it, or the call ended before."""
    response_ms: float | None
    """Last speech sample → first sample of the assistant's next voice, as heard. None: no answer was heard."""
    barge_in_ms: float | None
    """First speech sample → last sample heard of the voice that it interrupted. None: nobody was interrupted."""


class Lateness(Struct, frozen=True, kw_only=True):
    """How late the downlink's datagrams came against a 20 ms grid.

    The grid is that of the earliest datagram within a second before and after, so a sender who slips is late for a
    second. Means something for a sender that also sends its silence; one who pauses is late by the pause.
    """

    frames: int
    excluded_frames: int
    """Came while the reference clock itself was late (not in the other figures)."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Downlink(Struct, frozen=True, kw_only=True):
    """What came from the service."""

    datagrams: int
    octets: int
    sizes: dict[int, int]
    """Datagram size in octets → how many."""
    overflowed: int
    """Datagrams lost because 5.1 s were waiting to be played."""
    gaps: int
    """Silences on the wire longer than 60 ms inside a stream."""
    longest_gap_ms: float
    backlog_max_ms: float
    """The longest that a datagram waited before it was played: sound that a stop cannot take back."""
    ran_empty: int
    """audio_fork: how often the module had nothing to play while it played, but for moments in which the reference
    clock was late; 0 on other wires."""
    lateness: Lateness | None


class Uplink(Struct, frozen=True, kw_only=True):
    """What went to the service."""

    datagrams: int
    filler: int
    """Of these, 0xFF instead of a voice."""
    late_max_ms: float
    """How late our own sending was, at worst."""


class CallResult(Struct, frozen=True, kw_only=True):
    """One call, whole."""

    call_id: str
    tenant: str
    number: str
    codec: str
    sample_rate: int
    answered: bool
    ended_by: Literal["caller", "service", "leg", "dialplan", "transfer"]
    """Who ended it. `dialplan`: it went on to `door`."""
    cause: str
    """The hang-up cause, as FreeSWITCH names it."""
    door: str | None
    """Of `transfer door_${door}`, when the dialplan went on."""
    transferred_to: str | None = None
    """What `uuid_transfer` was given, when the service sent the caller on."""
    keys: str = ""
    """What the service sent to the caller as keys."""
    doors: tuple[str, ...]
    """Every door that the dialplan went through, `again` included."""
    connected_ms: float | None
    """First ring → the service accepted the connection."""
    answered_ms: float | None
    """First ring → answered."""
    media_ms: float | None
    """Answered → first datagram to the service."""
    greeting_ms: float | None
    """Answered → first sample of the assistant's voice, as heard."""
    ended_ms: float
    """First ring → end."""
    turns: tuple[SpokenTurn, ...]
    downlink: Downlink
    uplink: Uplink
    texts: tuple[str, ...]
    """What the service sent out of the call, each as it came: JSON, for a service that is right."""
    hazards: tuple[str, ...]
    """What the service did that a real FreeSWITCH may punish (nothing, for a service that is right)."""
    script_finished: bool
    """The script came to its end before the call did."""
    events: tuple[WireEvent, ...]

    def to_json(self) -> bytes:
        """The report, indented."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def save(self, path: Path) -> None:
        """Writes the report."""
        path.write_bytes(self.to_json() + b"\n")


class SwitchCrashed(RuntimeError):  # noqa: N818  (it is not our error: it is what happened to the switch)
    """The service gave an order that kills a whole FreeSWITCH, every call of it. Says which."""
