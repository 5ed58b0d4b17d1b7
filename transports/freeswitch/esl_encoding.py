"""The bytes of what we say on an outbound event socket; byte-true to the `us` side of the captures.

Every field is checked here: no caller, document or model can add a line, an argument or a variable.
"""

import re
from ipaddress import IPv4Address
from typing import Final

from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_commands import (
    SHARED_API_COMMANDS,
    Command,
    Connect,
    EventClass,
    EventPlain,
    ExecuteAnswer,
    ExecuteSetDoor,
    Exit,
    ForkStart,
    ForkStop,
    Hangup,
    KeysDoNotStop,
    Linger,
    MyEvents,
    Play,
    SendSilenceWhenIdle,
    SendText,
    SetDoor,
    StreamStart,
    StreamStop,
    Transfer,
    Unicast,
    Unset,
)
from transports.freeswitch.esl_switch_commands import Originate
from transports.freeswitch.esl_switch_encoding import encode_switch
from transports.freeswitch.esl_values import Variable, checked_call_id, dialled, event_kinds, host, word
from transports.freeswitch.fork import metadata
from transports.freeswitch.text import message_of
from transports.freeswitch.words import DoorName, HangupCause, Route

TEXT_OUT: Final = "atende::text-out"
"""Subclass of the event that a text out of a call is, on wires without a media module."""
_SOCKET_URL: Final = re.compile(r"wss?://[0-9A-Za-z.\[\]:-]{1,120}/[0-9A-Za-z/_-]{1,120}", re.ASCII)
_SOUND_FILE: Final = re.compile(r"(/[0-9A-Za-z_.-]{1,80}){1,12}\.r(8|16)", re.ASCII)


def encode(command: Command) -> bytes:
    """The command's bytes. Raises LocalProtocolError for a field out of its range."""
    if isinstance(command, _SWITCH_COMMANDS):
        return encode_switch(command)
    if isinstance(command, SendText):
        return _text(command)
    return ("\n".join(_lines(command)) + "\n\n").encode("ascii")


def checked_sound_file(text: str) -> str:
    """`text` as the path of raw audio at 8 or 16 kHz, safe as an argument. Raises LocalProtocolError."""
    if ".." in text or not _SOUND_FILE.fullmatch(text):
        raise LocalProtocolError(f"not a file of raw audio: {text[:60]!r}")
    return text


_SWITCH_COMMANDS: Final = (Originate, *SHARED_API_COMMANDS)
"""Said on an inbound connection in the same words."""
_BARE: Final[dict[type[Command], str]] = {Connect: "connect", MyEvents: "myevents", Exit: "exit"}


def _lines(command: Command) -> tuple[str, ...]:
    match command:
        case Linger(linger_s):
            return (f"linger {_number(linger_s, 1, 60)}",)
        case EventPlain(classes):
            return (f"event plain {event_kinds([word(kind, EventClass) for kind in classes])}",)
        case ExecuteAnswer():
            return _execute("answer")
        case ExecuteSetDoor(door):
            return _execute("set", f"door={word(door, DoorName)}")
        case Hangup(cause):
            return ("sendmsg", "call-command: hangup", f"hangup-cause: {word(cause, HangupCause)}")
        case Unicast():
            return _unicast(command)
        case Play(file):
            return _execute("playback", checked_sound_file(file))
        case _ if type(command) in _BARE:
            return (_BARE[type(command)],)
        case _:
            return (f"api {_api(command)}",)


def _text(command: SendText) -> bytes:
    """The only command with a body: as long as it says, so that nothing in it is read as a line."""
    body = message_of(command.text).encode()
    head = f"sendevent CUSTOM\nEvent-Subclass: {TEXT_OUT}\nUnique-ID: {checked_call_id(command.call_id)}"
    return f"{head}\nContent-Length: {len(body)}\n\n".encode("ascii") + body


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


def _api(command: Command) -> str:
    match command:
        case SetDoor(call_id, door):
            return f"uuid_setvar {checked_call_id(call_id)} door {word(door, DoorName)}"
        case Unset(call_id, variable):
            return f"uuid_setvar {checked_call_id(call_id)} {word(variable, Variable)}"
        case SendSilenceWhenIdle(call_id):
            return f"uuid_setvar {checked_call_id(call_id)} send_silence_when_idle -1"
        case KeysDoNotStop(call_id):
            return f"uuid_setvar {checked_call_id(call_id)} playback_terminators none"
        case ForkStart():
            return _fork(command)
        case ForkStop(call_id):
            return f"uuid_audio_fork {checked_call_id(call_id)} stop"
        case StreamStart(call_id, url, rate):
            # What is said comes as .r8 or .r16: a .r24 would be read as 24-bit samples.
            where = f"{checked_call_id(call_id)} start {_socket_url(url)}"
            return f"uuid_audio_stream {where} mono {_rate(rate, 16000) // 1000}k"
        case StreamStop(call_id):
            return f"uuid_audio_stream {checked_call_id(call_id)} stop"
        case Transfer(call_id, Route(number, domain)):
            return f"uuid_transfer {checked_call_id(call_id)} {dialled(number)} XML {host(domain)}"
    raise LocalProtocolError(f"not a command: {command!r}"[:80])


def _fork(command: ForkStart) -> str:
    call_id, rate = checked_call_id(command.call_id), _rate(command.sample_rate, 48000)
    # The bug name, metadata and the last three arguments are needed for a downlink.
    return (
        f"uuid_audio_fork {call_id} start {_socket_url(command.url)} mono {rate // 1000}k audio_fork "
        f"{metadata(call_id)} true true {rate}"
    )


def _rate(rate: int, most: int) -> int:
    if _number(rate, 8000, most) % 8000:
        raise LocalProtocolError(f"not a rate of a media module: {rate}")
    return rate


def _socket_url(url: str) -> str:
    if not _SOCKET_URL.fullmatch(url):
        raise LocalProtocolError("not the URL of a media socket")  # which is a key: not shown
    return url


def _number(value: int, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise LocalProtocolError(f"{value!r} is not a number from {low} to {high}"[:80])
    return value


def _host(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise LocalProtocolError(f"not an IPv4 address: {text!r}"[:80]) from error
