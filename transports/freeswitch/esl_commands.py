"""Every sentence that we can say on an event socket, and nothing else.

A command is a value of this closed set; its fields are enums, numbers, addresses and channel ids. There is
no free text, so nothing that a caller, a document or a model says can add a line, an argument or a variable.
Byte-true to the `us` side of the captures.
"""

import re
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from msgspec import Struct

from base.ids import CallId
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.words import DoorName, HangupCause

_SOCKET_URL: Final = re.compile(r"wss?://[0-9A-Za-z.\[\]:-]{1,120}/[0-9A-Za-z/_-]{1,120}", re.ASCII)
_CALL_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}", re.ASCII)


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


class Exit(Struct, frozen=True):
    """Let go of the channel; the dialplan goes on (with socket_resume)."""


Command = (
    Connect | Linger | MyEvents | EventPlain | ExecuteAnswer | ExecuteSetDoor | SetDoor | Hangup | Unicast
    | SendSilenceWhenIdle | ForkStart | ForkStop | Exit
)  # fmt: skip

API_COMMANDS: Final = (SetDoor, SendSilenceWhenIdle, ForkStart, ForkStop)
"""Answered by an `api/response`; all others by a `command/reply`."""


def encode(command: Command) -> bytes:
    """The command's bytes. Raises LocalProtocolError for a field out of its range."""
    return ("\n".join(_lines(command)) + "\n\n").encode("ascii")


def checked_call_id(text: str) -> CallId:
    """`text` as a channel id that is safe as an argument. Raises LocalProtocolError."""
    if not _CALL_ID.fullmatch(text):
        raise LocalProtocolError(f"not a channel id: {text[:60]!r}")
    return CallId(text)


_BARE: Final[dict[type[Command], str]] = {Connect: "connect", MyEvents: "myevents", Exit: "exit"}


def _lines(command: Command) -> tuple[str, ...]:
    match command:
        case Linger(linger_s):
            return (f"linger {_number(linger_s, 1, 60)}",)
        case EventPlain(classes):
            words = [_word(c, EventClass) for c in classes]
            own, custom = [w for w in words if "::" not in w], [w for w in words if "::" in w]
            return (" ".join(("event plain", *own, *(("CUSTOM", *custom) if custom else ()))),)
        case ExecuteAnswer():
            return _execute("answer")
        case ExecuteSetDoor(door):
            return _execute("set", f"door={_word(door, DoorName)}")
        case SetDoor(call_id, door):
            return (f"api uuid_setvar {checked_call_id(call_id)} door {_word(door, DoorName)}",)
        case Hangup(cause):
            return ("sendmsg", "call-command: hangup", f"hangup-cause: {_word(cause, HangupCause)}")
        case Unicast():
            return _unicast(command)
        case SendSilenceWhenIdle() | ForkStart() | ForkStop():
            return (_fork(command),)
        case _:
            return (_BARE[type(command)],)


def _execute(application: str, argument: str | None = None) -> tuple[str, ...]:
    # event-lock keeps the channel's queue in order; without it a later command interrupts an earlier one.
    arguments = () if argument is None else (f"execute-app-arg: {argument}",)
    return ("sendmsg", "call-command: execute", f"execute-app-name: {application}", *arguments, "event-lock: true")


def _unicast(command: Unicast) -> tuple[str, ...]:
    return (
        "sendmsg",
        "call-command: unicast",
        f"local-ip: {_host(command.local_host)}",
        f"local-port: {_number(command.local_port, 1024, 65535)}",
        f"remote-ip: {_host(command.remote_host)}",
        f"remote-port: {_number(command.remote_port, 1024, 65535)}",
        "transport: udp",
        *(("flags: native",) if command.native else ()),
    )


def _fork(command: SendSilenceWhenIdle | ForkStart | ForkStop) -> str:
    call_id = checked_call_id(command.call_id)
    if isinstance(command, SendSilenceWhenIdle):
        return f"api uuid_setvar {call_id} send_silence_when_idle -1"
    if isinstance(command, ForkStop):
        return f"api uuid_audio_fork {call_id} stop"
    rate = _number(command.sample_rate, 8000, 48000)
    if rate % 8000 or not _SOCKET_URL.fullmatch(command.url):
        raise LocalProtocolError(f"not a rate and the URL of a media socket: {rate}")
    # The bug name, metadata and the last three arguments are needed for a downlink.
    return (
        f"api uuid_audio_fork {call_id} start {command.url} mono {rate // 1000}k audio_fork "
        f'{{"call":"{call_id}"}} true true {rate}'
    )


def _word(value: Enum, kind: type[Enum]) -> str:
    if not isinstance(value, kind):
        raise LocalProtocolError(f"not a {kind.__name__}: {value!r}"[:80])
    return str(value.value)


def _number(value: int, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise LocalProtocolError(f"{value!r} is not a number from {low} to {high}"[:80])
    return value


def _host(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise LocalProtocolError(f"not an IPv4 address: {text!r}"[:80]) from error
