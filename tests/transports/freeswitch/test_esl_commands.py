"""What we say is byte for byte what was said to a real FreeSWITCH, and nothing else can be said."""

import re
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import CallId
from tests.transports.freeswitch.captures import KINDS, STREAM_KINDS, from_us, kind_of, names
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_commands import (
    BreakAll,
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
from transports.freeswitch.esl_encoding import encode
from transports.freeswitch.esl_switch_commands import Bridge, Kill, Originate, SendDigits, SetVariables
from transports.freeswitch.esl_values import Variable, checked_call_id
from transports.freeswitch.words import Device, DoorName, HangupCause, Route


def ours(said: bytes) -> Command | None:  # noqa: C901 (a table)
    """The same wish in our words."""
    text = said.decode()
    fields = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)
    match kind_of(said, KINDS | STREAM_KINDS):
        case "connect":
            return Connect()
        case "myevents":
            return MyEvents()
        case "event" if set(text.split()[2:]) <= {*(c.value for c in EventClass), "CUSTOM"}:
            return EventPlain(tuple(EventClass(c) for c in text.split()[2:] if c != "CUSTOM"))
        case "silence":
            return SendSilenceWhenIdle(CallId(text.split()[2]))
        case "fork":
            return ForkStart(CallId(text.split()[2]), text.split()[4], int(text.split()[-1]))
        case "fork_stop":
            return ForkStop(CallId(text.split()[2]))
        case "answer":
            return ExecuteAnswer()
        case "set_door":
            return ExecuteSetDoor(DoorName(fields["execute-app-arg"].removeprefix("door=")))
        case "setvar_door":
            return SetDoor(CallId(text.split()[2]), DoorName(text.split()[4]))
        case "hangup":
            return Hangup(HangupCause(fields["hangup-cause"]))
        case "unicast":
            ends = fields["local-ip"], int(fields["local-port"]), fields["remote-ip"], int(fields["remote-port"])
            return Unicast(*ends, native=fields.get("flags") == "native")
        case "terminators":
            return KeysDoNotStop(CallId(text.split()[2]))
        case "stream" if "{" not in text:  # metadata, which we do not need
            return StreamStart(CallId(text.split()[2]), text.split()[4], 8000)
        case "stream_stop":
            return StreamStop(CallId(text.split()[2]))
        case "break":
            return BreakAll(CallId(text.split()[2]))
        case "play":
            return Play(fields["execute-app-arg"])
        case "exit":
            return Exit()
    return Linger(int(text.split()[1])) if text.startswith("linger") else None


ELSEWHERE = {Originate, Bridge, Kill, SetVariables, Unset, SendDigits, SendText, Transfer}
"""Recorded on inbound connections (test_esl_switch), but for a text, for the transfer, whose recordings go to inline
actions, and for taking a variable off: `uuid_setvar` without a value, by FreeSWITCH's own usage line.
"""


def test_byte_true_to_the_recordings() -> None:
    seen: Counter[str] = Counter()
    patterns = ("esl_outbound_*", "door_*.esl*", "unicast_*.esl", "audio_stream_*.esl")
    for name in (name for pattern in patterns for name in names(pattern)):
        for said in from_us(name):
            if (command := ours(said)) is None:
                continue
            # We know a file by its path.
            assert encode(command) == re.sub(rb"event-uuid: .*\n", b"", said)
            seen[type(command).__name__] += 1
            seen["native"] += isinstance(command, Unicast) and command.native
    assert set(seen) - {"native"} == {kind.__name__ for kind in set(Command.__args__) - ELSEWHERE}
    assert (seen["Unicast"], seen["native"]) == (10, 7)
    assert seen["SetDoor"] == 2


@given(st.text(max_size=40))
def test_no_channel_id_adds_a_line_or_an_argument(text: str) -> None:
    try:
        said = encode(SetDoor(CallId(text), DoorName.BUSY))
    except LocalProtocolError:
        return
    assert re.fullmatch(rb"api uuid_setvar [!-~]+ door busy\n\n", said)
    assert said.count(b" ") == 4


@pytest.mark.parametrize("bad", ["", "a b", "a\nexit", "a\r", "a;b=c", "é", "${uuid}", "-x", "a" * 129, "1\n"])
def test_what_is_no_channel_id(bad: str) -> None:
    with pytest.raises(LocalProtocolError):
        checked_call_id(bad)


GOOD = Unicast("127.0.0.1", 40001, "127.0.0.1", 40000)


@pytest.mark.parametrize(
    "bad",
    [
        msgspec.structs.replace(GOOD, local_host="127.0.0.1\nflags: native"),
        msgspec.structs.replace(GOOD, local_host="pbx.example"),
        msgspec.structs.replace(GOOD, remote_host="::1"),
        msgspec.structs.replace(GOOD, local_port=0),
        msgspec.structs.replace(GOOD, local_port=65536),
        msgspec.structs.replace(GOOD, remote_port=True),
        msgspec.structs.replace(GOOD, remote_port="40000\n\nexit"),  # type: ignore[arg-type]
        Linger(0),
        Linger(61),
        Hangup("USER_BUSY\nx: y"),  # type: ignore[arg-type]
        ExecuteSetDoor("busy"),  # type: ignore[arg-type]
        EventPlain(("ALL",)),  # type: ignore[arg-type]
    ],
)
def test_a_field_out_of_its_kind_is_refused(bad: Command) -> None:
    with pytest.raises(LocalProtocolError):
        encode(bad)


def test_there_is_no_other_sentence() -> None:
    verbs = {re.split(rb"[ \n]", encode(c))[0] for c in SAMPLES}
    assert {type(c) for c in SAMPLES} == set(Command.__args__)
    assert verbs == {b"connect", b"linger", b"myevents", b"event", b"sendmsg", b"api", b"bgapi", b"sendevent", b"exit"}
    assert all(encode(c).count(b"\n\n") == 1 for c in SAMPLES)
    forks = (ForkStart, ForkStop, EventPlain)
    assert all((b"audio_fork" in encode(c)) is isinstance(c, forks) for c in SAMPLES)


SAMPLES: list[Command] = [
    Connect(),
    Linger(5),
    MyEvents(),
    EventPlain(tuple(EventClass)),
    ExecuteAnswer(),
    SendSilenceWhenIdle(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e")),
    ForkStart(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), "ws://127.0.0.1:8085/media/a", 16000),
    ForkStop(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e")),
    KeysDoNotStop(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e")),
    StreamStart(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), "ws://127.0.0.1:8085/media/a", 8000),
    StreamStop(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e")),
    Play("/var/lib/freeswitch/tmp/x_0.tmp.r8"),
    BreakAll(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e")),
    Originate(
        job_id="d2317f64-4e50-42fb-9843-0f0a0848899f",
        call_id=CallId("d2317f64-4e50-42fb-9843-0f0a0848899f"),
        destination=Device("200", "clinica.example.net"),
    ),
    Bridge(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), CallId("d2317f64-4e50-42fb-9843-0f0a0848899f")),
    Kill(CallId("d2317f64-4e50-42fb-9843-0f0a0848899f"), HangupCause.ORIGINATOR_CANCEL),
    SetVariables(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), ((Variable.SOCKET_RESUME, "false"),)),
    SendDigits(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), "12#"),
    SendText(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), "Até já"),
    Transfer(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), Route("*99200", "clinica.example.net")),
    Unset(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), Variable.TRANSFER_AFTER_BRIDGE),
    *(ExecuteSetDoor(d) for d in DoorName),
    *(SetDoor(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), d) for d in DoorName),
    *(Hangup(c) for c in HangupCause),
    GOOD,
    Exit(),
]
