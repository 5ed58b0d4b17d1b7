"""Every sentence that we can say on an event socket, and nothing else.

A command is a value of this closed set; its fields are enums, numbers, addresses and channel ids. There is
no free text but a file that FreeSWITCH itself named, and what is written to somebody, which is a body in JSON;
`esl_encoding` makes its bytes.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from base.ids import CallId
from transports.freeswitch.esl_switch_commands import BreakAll, Bridge, Kill, Originate, SendDigits, SetVariables
from transports.freeswitch.esl_values import Variable
from transports.freeswitch.words import DoorName, HangupCause, Route


class EventClass(Enum):
    """Kinds of event that `myevents` does not bring."""

    BACKGROUND_JOB = "BACKGROUND_JOB"
    DTMF = "DTMF"
    PLAYBACK_START = "PLAYBACK_START"
    PLAYBACK_STOP = "PLAYBACK_STOP"
    # Modules' own, which come behind CUSTOM.
    FORK_CONNECT = "mod_audio_fork::connect"
    FORK_CONNECT_FAILED = "mod_audio_fork::connect_failed"
    FORK_DISCONNECT = "mod_audio_fork::disconnect"
    STREAM_PLAY = "mod_audio_stream::play"
    STREAM_DISCONNECT = "mod_audio_stream::disconnect"
    STREAM_ERROR = "mod_audio_stream::error"
    # Ours: whoever has an event socket of the switch, or a script on it, writes into a call with it.
    TEXT = "atende::text"


class Connect(Struct, frozen=True):
    """Ask for the channel's data; FreeSWITCH is silent until this."""


class Linger(Struct, frozen=True):
    """Keep the connection for late events after the channel is gone."""

    linger_s: int


class MyEvents(Struct, frozen=True):
    """Subscribe to this channel's own events."""


class EventPlain(Struct, frozen=True):
    """Subscribe to more kinds of this channel's events. Only after MyEvents."""

    classes: tuple[EventClass, ...]


class ExecuteAnswer(Struct, frozen=True):
    """Answer the call (200 OK); done when CHANNEL_ANSWER comes."""


class ExecuteSetDoor(Struct, frozen=True):
    """Say where the dialplan goes on, by the channel's own queue (works without knowing the channel id)."""

    door: DoorName


class SetDoor(Struct, frozen=True):
    """Say where the dialplan goes on, at once, also under unicast."""

    call_id: CallId
    door: DoorName


class Unset(Struct, frozen=True):
    """Take a variable off the channel."""

    call_id: CallId
    variable: Variable


class Hangup(Struct, frozen=True):
    """End the call; the dialplan does not go on."""

    cause: HangupCause


class Unicast(Struct, frozen=True):
    """Send and take the call's audio as raw datagrams. `local` is FreeSWITCH's end, `remote` is ours.

    Dangerous: three of the four orders that crash a whole FreeSWITCH have this command in them.
    Only `DoorMachine` may decide to send it.
    """

    local_host: str
    local_port: int
    remote_host: str
    remote_port: int
    native: bool = False
    """As it comes in the call's RTP packets; else FreeSWITCH decodes and sends L16, whatever the call's codec is."""


class SendSilenceWhenIdle(Struct, frozen=True):
    """Let the park write silence, into which a fork's audio is mixed. Read once, when media is first ready: before the
    answer. Under unicast it would be all that is heard.
    """

    call_id: CallId


class ForkStart(Struct, frozen=True):
    """Stream the call both ways over a WebSocket of mod_audio_fork, L16 mono at `sample_rate` Hz.

    Dangerous: before the answer it crashes a whole FreeSWITCH. Only `DoorMachine` may decide to send it.
    """

    call_id: CallId
    url: str
    sample_rate: int


class ForkStop(Struct, frozen=True):
    """End the stream; also what is left of one that the other end has closed."""

    call_id: CallId


class KeysDoNotStop(Struct, frozen=True):
    """Let a file play on when the caller presses `*`, which stops it otherwise."""

    call_id: CallId


class StreamStart(Struct, frozen=True):
    """Stream the caller's audio to a WebSocket of mod_audio_stream, L16 mono at 8000 or 16000 Hz."""

    call_id: CallId
    url: str
    sample_rate: int


class StreamStop(Struct, frozen=True):
    """End the stream; also what is left of one that the other end has closed. The module removes its files."""

    call_id: CallId


class Play(Struct, frozen=True):
    """Play a file behind those that were asked for before: the channel's queue is kept in order by `event-lock`."""

    file: str


class SendText(Struct, frozen=True):
    """Tell a text of this call to whoever listens to the switch for CUSTOM `atende::text-out`.

    mod_event_socket.c, read and not observed: an event with a live channel's Unique-ID is given to the channel, whose
    park tells it with all that it knows of the call.
    """

    call_id: CallId
    text: str


class Exit(Struct, frozen=True):
    """Let go of the channel; the dialplan goes on (with socket_resume)."""


class Transfer(Struct, frozen=True):
    """Send the caller on in the dialplan: the switch does what `destination` says; the call is not ours any more."""

    call_id: CallId
    destination: Route


Command = (
    Connect | Linger | MyEvents | EventPlain | ExecuteAnswer | ExecuteSetDoor | SetDoor | Hangup | Unicast
    | SendSilenceWhenIdle | ForkStart | ForkStop | KeysDoNotStop | StreamStart | StreamStop | Play | BreakAll
    | Originate | Bridge | Kill | SetVariables | Unset | SendDigits | SendText | Transfer | Exit
)  # fmt: skip

SHARED_API_COMMANDS: Final = (BreakAll, Bridge, Kill, SetVariables, SendDigits)
"""Said on an inbound connection in the same words, and answered alike."""
API_COMMANDS: Final = (
    SetDoor, Unset, SendSilenceWhenIdle, ForkStart, ForkStop, KeysDoNotStop, StreamStart, StreamStop, Transfer,
    *SHARED_API_COMMANDS,
)  # fmt: skip
"""Answered by an `api/response`; all others by a `command/reply`."""
