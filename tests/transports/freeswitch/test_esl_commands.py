"""What we say is byte for byte what was said to a real FreeSWITCH, and nothing else can be said."""

import re
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import CallId
from tests.transports.freeswitch.captures import from_us, kind_of, names
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_commands import (
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
    Linger,
    MyEvents,
    SendSilenceWhenIdle,
    SetDoor,
    Unicast,
    checked_call_id,
    encode,
)
from transports.freeswitch.words import DoorName, HangupCause


def ours(said: bytes) -> Command | None:  # noqa: C901 (a table)
    """The same wish in our words."""
    text = said.decode()
    fields = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)
    match kind_of(said):
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
        case "exit":
            return Exit()
    return Linger(int(text.split()[1])) if text.startswith("linger") else None


def test_byte_true_to_the_recordings() -> None:
    seen: Counter[str] = Counter()
    for name in [*names("esl_outbound_*"), *names("door_*.esl*"), *names("unicast_*.esl")]:
        for said in from_us(name):
            if (command := ours(said)) is None:
                continue
            assert encode(command) == said
            seen[type(command).__name__] += 1
            seen["native"] += isinstance(command, Unicast) and command.native
    assert set(seen) - {"native"} == {kind.__name__ for kind in Command.__args__}
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
    assert verbs == {b"connect", b"linger", b"myevents", b"event", b"sendmsg", b"api", b"exit"}
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
    *(ExecuteSetDoor(d) for d in DoorName),
    *(SetDoor(CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"), d) for d in DoorName),
    *(Hangup(c) for c in HangupCause),
    GOOD,
    Exit(),
]
