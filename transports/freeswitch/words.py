"""The words of the phone door: what a call tells us and what we may ask of it.

A closed vocabulary above every wire. Nothing here does I/O.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, get_args

from msgspec import Struct

from base.ids import CallId

Wire = Literal["unicast", "audio_fork", "audio_stream"]
"""How a call's audio comes to us and goes back: FreeSWITCH's own unicast, or one of two modules."""
WIRES: Final[tuple[Wire, ...]] = get_args(Wire)

WIRE_VARIABLE: Final = "atende_wire"
"""Channel variable by which a dialplan chooses the wire; ours where it does not."""


class HangupCause(Enum):
    """The causes that we give (names of ITU-T Q.850 causes as FreeSWITCH spells them)."""

    NORMAL_CLEARING = "NORMAL_CLEARING"
    USER_BUSY = "USER_BUSY"
    CALL_REJECTED = "CALL_REJECTED"
    NORMAL_TEMPORARY_FAILURE = "NORMAL_TEMPORARY_FAILURE"
    UNALLOCATED_NUMBER = "UNALLOCATED_NUMBER"
    NO_USER_RESPONSE = "NO_USER_RESPONSE"
    ORIGINATOR_CANCEL = "ORIGINATOR_CANCEL"


class DoorName(Enum):
    """Where the dialplan goes on when the socket ends: `transfer door_${door}`."""

    FAILED = "failed"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    OPERATOR = "operator"
    AGAIN = "again"


class Note(Enum):
    """What we tell the PBX of a call: channel variables that its records and its dialplan can read."""

    ASSISTANT = "atende_assistant"
    REVISION = "atende_revision"
    CALL = "atende_call"
    OUTCOME = "atende_outcome"
    AGAIN_AT = "atende_again_at"
    """`host:port` of the process that has the call: where `door_again` of its dialplan opens the socket."""


class Hello(Struct, frozen=True, kw_only=True):
    """The first words of a call: the reply to `connect`."""

    call_id: CallId
    caller_number: str
    caller_name: str
    destination: str
    context: str
    """Of the dialplan that the call came from: data, to be checked where it becomes part of a command."""
    answered: bool
    codec: str
    sample_rate: int
    """Of the channel's read codec, in Hz."""
    variables: Mapping[str, str]
    """Channel variables, without the `variable_` prefix. Data from outside: never trusted unsigned."""


class Answered(Struct, frozen=True):
    """CHANNEL_ANSWER came: media exists now."""

    sample_rate: int
    """Of the channel's read codec, in Hz."""


class Device(Struct, frozen=True):
    """An extension's own telephones: no forward, no voicemail, a person or nobody."""

    number: str
    domain: str


class Route(Struct, frozen=True):
    """Whatever a domain's dialplan does with a number: ring groups, queues, outside numbers."""

    number: str
    domain: str


class Dtmf(Struct, frozen=True):
    """The caller pressed a key (0-9, A-D, *, #)."""

    digit: str
    duration_ms: int


class Text(Struct, frozen=True):
    """Somebody has written into the call: words in one line. Data from outside, and as private as what is spoken."""

    text: str


class MediaEnded(Struct, frozen=True):
    """The audio ended although the call did not: something ended unicast, or a media socket was lost.

    To have it again, re-enter the door (unicast), or start the fork or stream once more.
    """

    reason: str
    for_good: bool = False
    """It cannot be had again: somebody else has taken the call, or what comes next would end the same way."""


class HungUp(Struct, frozen=True):
    """The call is over. `by_caller` is None when FreeSWITCH does not say."""

    cause: str
    by_caller: bool | None


class Disconnected(Struct, frozen=True):
    """The event socket ended; the call may live on in the dialplan."""

    reason: str


PhoneEvent = Answered | Dtmf | Text | MediaEnded | HungUp | Disconnected
