"""The bytes of a switch's commands: enums, numbers, ids and values that `esl_values` has quoted, nothing else.

Byte-true to the `us` side of the recordings of port 8021.
"""

from typing import Final

from base.secret import Secret
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_switch_commands import (
    Auth,
    BreakAll,
    Bridge,
    CallExists,
    CodecList,
    CountChannels,
    Events,
    EventSocketConfig,
    FilterCall,
    FilterEvent,
    GetVariable,
    HasModule,
    IsLetIn,
    Kill,
    Leave,
    Module,
    NoEvents,
    Originate,
    SendDigits,
    SetVariables,
    Status,
    SwitchCommand,
    SwitchEvent,
    UserAuth,
    Version,
)
from transports.freeswitch.esl_values import (
    Variable,
    access_name,
    assigned,
    checked_call_id,
    dialled,
    event_kinds,
    host,
    listed,
    token,
    word,
)
from transports.freeswitch.words import Device, HangupCause, Route

MAX_EVENT_CLASSES: Final = 64

_API: Final = (
    Version, Status, HasModule, CodecList, EventSocketConfig, IsLetIn, CountChannels, CallExists, GetVariable,
    SetVariables, Kill, BreakAll, SendDigits, Bridge,
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
            return f"filter {'delete ' if remove else ''}Event-Name {word(kind, SwitchEvent)}"
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
    EventSocketConfig: "xml_locate configuration configuration name event_socket.conf",
    CountChannels: "show channels count",
}


def _api(command: SwitchCommand) -> str:
    match command:
        case HasModule(module):
            return f"module_exists {word(module, Module)}"
        case IsLetIn(address, access_list):
            return f"acl {access_name(address)} {access_name(access_list)}"
        case CallExists(call_id):
            return f"uuid_exists {checked_call_id(call_id)}"
        case GetVariable(call_id, name):
            return f"uuid_getvar {checked_call_id(call_id)} {word(name, Variable)}"
        case SetVariables(call_id, variables):
            return f"uuid_setvar_multi {checked_call_id(call_id)} {listed(variables)}"
        case Kill(call_id, cause):
            return f"uuid_kill {checked_call_id(call_id)} {word(cause, HangupCause)}"
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
    return event_kinds([word(kind, SwitchEvent) for kind in classes])


def _one_line(secret: Secret) -> str:
    value = secret.reveal()
    if not value or not value.isprintable():
        raise LocalProtocolError("the event socket's password is empty or holds a control character")
    return value
