"""Every sentence that we can say on an inbound connection to a switch, and nothing else.

As in `esl_commands`, a command is a value of a closed set and its fields are enums, numbers, ids and values that
`esl_values` has quoted. Byte-true to the `us` side of the recordings of port 8021.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from base.ids import CallId
from base.secret import Secret
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_commands import checked_call_id
from transports.freeswitch.esl_values import Variable, assigned, dialled, host, listed, token
from transports.freeswitch.words import HangupCause

MAX_EVENT_CLASSES: Final = 64


class SwitchEvent(Enum):
    """Kinds of event of the whole switch that we ask for."""

    BACKGROUND_JOB = "BACKGROUND_JOB"
    CHANNEL_CREATE = "CHANNEL_CREATE"
    CHANNEL_PROGRESS = "CHANNEL_PROGRESS"
    CHANNEL_PROGRESS_MEDIA = "CHANNEL_PROGRESS_MEDIA"
    CHANNEL_ANSWER = "CHANNEL_ANSWER"
    CHANNEL_PARK = "CHANNEL_PARK"
    CHANNEL_EXECUTE = "CHANNEL_EXECUTE"
    CHANNEL_EXECUTE_COMPLETE = "CHANNEL_EXECUTE_COMPLETE"
    CHANNEL_BRIDGE = "CHANNEL_BRIDGE"
    CHANNEL_UNBRIDGE = "CHANNEL_UNBRIDGE"
    CHANNEL_HANGUP = "CHANNEL_HANGUP"
    CHANNEL_HANGUP_COMPLETE = "CHANNEL_HANGUP_COMPLETE"
    CHANNEL_DESTROY = "CHANNEL_DESTROY"
    DTMF = "DTMF"
    PLAYBACK_START = "PLAYBACK_START"
    PLAYBACK_STOP = "PLAYBACK_STOP"
    HEARTBEAT = "HEARTBEAT"
    # Behind CUSTOM, which `encode` puts before the first of them.
    STREAM_CONNECT = "mod_audio_stream::connect"
    STREAM_DISCONNECT = "mod_audio_stream::disconnect"
    STREAM_ERROR = "mod_audio_stream::error"
    STREAM_PLAY = "mod_audio_stream::play"
    STREAM_JSON = "mod_audio_stream::json"
    FORK_CONNECT = "mod_audio_fork::connect"
    FORK_CONNECT_FAILED = "mod_audio_fork::connect_failed"
    FORK_DISCONNECT = "mod_audio_fork::disconnect"
    FORK_KILL_AUDIO = "mod_audio_fork::kill_audio"

    @property
    def custom(self) -> bool:
        """Whether it is a module's own, a subclass of CUSTOM."""
        return "::" in self.value


class Module(Enum):
    """Modules whose presence matters."""

    EVENT_SOCKET = "mod_event_socket"
    AUDIO_FORK = "mod_audio_fork"
    AUDIO_STREAM = "mod_audio_stream"
    SOFIA = "mod_sofia"
    DPTOOLS = "mod_dptools"
    VERTO = "mod_verto"
    XML_RPC = "mod_xml_rpc"


class Auth(Struct, frozen=True):
    """The switch's password."""

    password: Secret


class UserAuth(Struct, frozen=True):
    """A user of the directory, as `user@domain`, with its own password."""

    user: str
    password: Secret


class Events(Struct, frozen=True):
    """Ask for kinds of event, `plain` or `json`. Adds to those asked for before."""

    form: str
    classes: tuple[SwitchEvent, ...]


class NoEvents(Struct, frozen=True):
    """Ask for no events any more."""


class FilterCall(Struct, frozen=True):
    """Let only events of this channel through (and of other filters); takes away again with `remove`."""

    call_id: CallId
    remove: bool = False


class FilterEvent(Struct, frozen=True):
    """Let events of this kind through, whatever channel they are of."""

    kind: SwitchEvent
    remove: bool = False


class Version(Struct, frozen=True):
    """`FreeSWITCH Version 1.11.2-release+…`"""


class Status(Struct, frozen=True):
    """Up time, sessions and rates, for people."""


class HasModule(Struct, frozen=True):
    """`true` or `false`."""

    module: Module


class CodecList(Struct, frozen=True):
    """The codecs that are loaded, one a line."""


class CountChannels(Struct, frozen=True):
    """`N total.`"""


class CallExists(Struct, frozen=True):
    """`true` or `false`."""

    call_id: CallId


class GetVariable(Struct, frozen=True):
    """A channel variable's value; `_undef_` where it is not set."""

    call_id: CallId
    name: Variable


class SetVariables(Struct, frozen=True):
    """Set plain values at once."""

    call_id: CallId
    variables: tuple[tuple[Variable, str], ...]


class Kill(Struct, frozen=True):
    """Hang a channel up."""

    call_id: CallId
    cause: HangupCause


class BreakAll(Struct, frozen=True):
    """Stop the running file and forget the queued ones."""

    call_id: CallId


class SendDigits(Struct, frozen=True):
    """Send keys to the other end."""

    call_id: CallId
    digits: str


class Bridge(Struct, frozen=True):
    """Connect two channels."""

    one: CallId
    other: CallId


class Device(Struct, frozen=True):
    """An extension's own telephones: no forward, no voicemail, a person or nobody."""

    number: str
    domain: str


class Route(Struct, frozen=True):
    """Whatever a domain's dialplan does with a number: ring groups, queues, outside numbers."""

    number: str
    domain: str


class Originate(Struct, frozen=True, kw_only=True):
    """Call a destination and park it: by `bgapi`, the result comes as the job's."""

    job_id: str
    call_id: CallId
    """Of the new channel."""
    destination: Device | Route
    variables: tuple[tuple[Variable, str], ...] = ()
    timeout_s: int = 30


class Leave(Struct, frozen=True):
    """End the connection in good order."""


SwitchCommand = (
    Auth | UserAuth | Events | NoEvents | FilterCall | FilterEvent | Version | Status | HasModule | CodecList
    | CountChannels | CallExists | GetVariable | SetVariables | Kill | BreakAll | SendDigits | Bridge | Originate
    | Leave
)  # fmt: skip

_API: Final = (
    Version, Status, HasModule, CodecList, CountChannels, CallExists, GetVariable, SetVariables, Kill, BreakAll,
    SendDigits, Bridge,
)  # fmt: skip


def answered_by_api(command: SwitchCommand) -> bool:
    """Whether the answer is an `api/response`; else it is a `command/reply`."""
    return isinstance(command, _API)


def encode_switch(command: SwitchCommand) -> bytes:
    """The command's bytes; the last to touch a password. Raises LocalProtocolError for a field out of its range."""
    return (_text(command) + "\n\n").encode()


def _text(command: SwitchCommand) -> str:
    match command:
        case Auth(password):
            return f"auth {_one_line(password)}"
        case UserAuth(user, password):
            return f"userauth {token(user)}:{_one_line(password)}"
        case Events(form, classes):
            return f"event {_form(form)} {_classes(classes)}"
        case NoEvents():
            return "noevents"
        case FilterCall(call_id, remove):
            return f"filter {'delete ' if remove else ''}Unique-ID {checked_call_id(call_id)}"
        case FilterEvent(kind, remove):
            return f"filter {'delete ' if remove else ''}Event-Name {_kind(kind)}"
        case Originate():
            return _originate(command)
        case Leave():
            return "exit"
        case _:
            return f"api {_api(command)}"


_BARE_API: Final[dict[type, str]] = {
    Version: "version",
    Status: "status",
    CodecList: "show codec",
    CountChannels: "show channels count",
}


def _api(command: SwitchCommand) -> str:
    match command:
        case HasModule(module):
            return f"module_exists {module.value}"
        case CallExists(call_id):
            return f"uuid_exists {checked_call_id(call_id)}"
        case GetVariable(call_id, name):
            return f"uuid_getvar {checked_call_id(call_id)} {name.value}"
        case SetVariables(call_id, variables):
            return f"uuid_setvar_multi {checked_call_id(call_id)} {listed(variables)}"
        case Kill(call_id, cause):
            return f"uuid_kill {checked_call_id(call_id)} {cause.value}"
        case BreakAll(call_id):
            return f"uuid_break {checked_call_id(call_id)} all"
        case SendDigits(call_id, digits):
            return f"uuid_send_dtmf {checked_call_id(call_id)} {dialled(digits)}"
        case Bridge(one, other):
            return f"uuid_bridge {checked_call_id(one)} {checked_call_id(other)}"
        case _:
            return _BARE_API[type(command)]


def _originate(command: Originate) -> str:
    if not 1 <= command.timeout_s <= 120:
        raise LocalProtocolError(f"a ringing time of {command.timeout_s} s; 1 to 120")
    fixed = (
        (Variable.ORIGINATION_UUID, checked_call_id(command.call_id)),
        (Variable.ORIGINATE_TIMEOUT, str(command.timeout_s)),
    )
    own = {name for name, _ in fixed}
    if any(name in own for name, _ in command.variables):
        raise LocalProtocolError("a variable that the command sets itself")
    head = f"bgapi originate {assigned((*fixed, *command.variables))}{_dial_string(command.destination)} &park()"
    return f"{head}\nJob-UUID: {checked_call_id(command.job_id)}"


def _dial_string(destination: Device | Route) -> str:
    number, domain = dialled(destination.number), host(destination.domain)
    # Without context and dialplan behind it, `loopback` would use the caller's.
    return f"user/{number}@{domain}" if isinstance(destination, Device) else f"loopback/{number}/{domain}/XML"


def _form(form: str) -> str:
    if form not in {"plain", "json"}:
        raise LocalProtocolError(f"events are plain or json, not {form[:20]!r}")
    return form


def _classes(classes: tuple[SwitchEvent, ...]) -> str:
    if not 1 <= len(classes) <= MAX_EVENT_CLASSES:
        raise LocalProtocolError(f"{len(classes)} kinds of event; 1 to {MAX_EVENT_CLASSES}")
    own = [_kind(kind) for kind in classes if not kind.custom]
    custom = [_kind(kind) for kind in classes if kind.custom]
    return " ".join([*own, *(["CUSTOM", *custom] if custom else [])])


def _kind(kind: SwitchEvent) -> str:
    if not isinstance(kind, SwitchEvent):
        raise LocalProtocolError(f"not a SwitchEvent: {kind!r}"[:80])
    return kind.value


def _one_line(secret: Secret) -> str:
    value = secret.reveal()
    if not value or not value.isprintable():
        raise LocalProtocolError("the event socket's password is empty or holds a control character")
    return value
