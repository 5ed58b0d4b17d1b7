"""What a channel's machine wants done."""

from dataclasses import dataclass
from typing import Literal

EndedBy = Literal["caller", "service", "leg"]


@dataclass(frozen=True)
class Send:
    """Bytes for the service, one write each."""

    parts: tuple[bytes, ...]


@dataclass(frozen=True)
class OpenUnicast:
    """Bind `local`, send to `remote` and take what comes."""

    local: tuple[str, int]
    remote: tuple[str, int]
    native: bool
    muted: bool
    """The caller will hear only silence (send_silence_when_idle was set)."""
    leaks: bool
    """The stream that was open stays open, for ever: only a second `unicast` in one park does that."""


@dataclass(frozen=True)
class OpenFork:
    """Connect a WebSocket to `url` and stream both ways, L16 mono at `rate` Hz."""

    call_id: str
    url: str
    rate: int
    muted: bool
    """The caller will hear nothing of it: nobody writes to the channel (send_silence_when_idle came too late)."""
    native: bool = True
    """What comes is L16 at the order's rate, whatever the channel's codec."""


@dataclass(frozen=True)
class OpenStream:
    """Connect a WebSocket to `url` and send the caller's audio, L16 mono at `rate` Hz."""

    call_id: str
    url: str
    rate: int
    muted: bool = True
    """What comes back is not heard: it becomes files."""
    native: bool = False


@dataclass(frozen=True)
class PlayFile:
    """A file's first sound goes to the caller."""

    path: str


@dataclass(frozen=True)
class StopFile:
    """The file is over or broken."""


@dataclass(frozen=True)
class CloseUnicast:
    """The stream has ended, of whichever wire."""

    reason: str


@dataclass(frozen=True)
class Answered:
    """200 OK went to the caller."""


@dataclass(frozen=True)
class EventSent:
    """The service had an event of its own told, `CUSTOM` of this subclass."""

    subclass: str
    body: str


@dataclass(frozen=True)
class CloseSocket:
    """FreeSWITCH closes the connection."""


@dataclass(frozen=True)
class WentOn:
    """The dialplan went on to `door_<door>`; the channel lives."""

    door: str


@dataclass(frozen=True)
class Transferred:
    """`uuid_transfer` took the channel elsewhere."""

    to: str


@dataclass(frozen=True)
class HungUp:
    """The channel is gone."""

    cause: str
    by: EndedBy


MediaAction = OpenUnicast | OpenFork | OpenStream | PlayFile | StopFile | CloseUnicast
Action = MediaAction | Send | EventSent | Answered | CloseSocket | WentOn | Transferred | HungUp
