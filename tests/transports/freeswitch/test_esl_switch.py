"""The inbound connection's rules: byte-true to the recordings, replies in their place, whatever comes."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.ids import CallId
from base.secret import Secret
from tests.transports.freeswitch.captures import from_switch, from_us, load
from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl_switch import MAX_WAITING, Answer, Happened, JobDone, LoggedIn, Over, SwitchMachine
from transports.freeswitch.esl_switch_commands import (
    Auth,
    Bridge,
    CallExists,
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
    SwitchCommand,
    SwitchEvent,
    UserAuth,
    Version,
)
from transports.freeswitch.esl_switch_encoding import encode_switch
from transports.freeswitch.esl_values import Variable
from transports.freeswitch.words import Device, HangupCause, Route

CALL = CallId("375b5338-648a-4207-849e-bdbe7b8b8e18")
PASSWORD = Auth(Secret("ClueCon"))
LOGIN = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"


def reply(text: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def response(text: str) -> bytes:
    return f"Content-Type: api/response\nContent-Length: {len(text)}\n\n{text}".encode()


def logged_in() -> SwitchMachine:
    machine = SwitchMachine(PASSWORD)
    assert machine.receive(LOGIN + ACCEPTED) == [LoggedIn()]
    machine.data_to_send()
    return machine


def ours(said: bytes) -> SwitchCommand | None:  # noqa: C901 (a table)
    """The same wish in our words; None for what we never say."""
    words = said.decode().split()
    match words:
        case ["auth", password]:
            return Auth(Secret(password))
        case ["event", form, *names]:
            return Events(form, tuple(SwitchEvent(name) for name in names if name != "CUSTOM"))
        case ["noevents"]:
            return NoEvents()
        case ["filter", "Unique-ID", call]:
            return FilterCall(CallId(call))
        case ["filter", "Event-Name", name]:
            return FilterEvent(SwitchEvent(name))
        case ["filter", "delete", "Event-Name", name]:
            return FilterEvent(SwitchEvent(name), remove=True)
        case ["api", "version"]:
            return Version()
        case ["api", "show", "channels", "count"]:
            return CountChannels()
        case ["api", "uuid_exists", call]:
            return CallExists(CallId(call))
        case ["api", "uuid_send_dtmf", call, digits]:
            return SendDigits(CallId(call), digits)
        case ["exit"]:
            return Leave()
    return None


@pytest.mark.parametrize("name", ["esl_inbound.plain", "esl_inbound.json"])
def test_byte_true_to_the_recordings(name: str) -> None:
    seen = set()
    for said in from_us(name):
        if (command := ours(said)) is not None:
            assert encode_switch(command) == said
            seen.add(type(command))
    assert len(seen) >= 4


def test_what_the_recordings_do_not_hold() -> None:
    variables = ((Variable.SOCKET_RESUME, "false"), (Variable.HANGUP_AFTER_BRIDGE, "false"))
    said = {
        UserAuth("ana@sorriso.example.net", Secret("pa ss")): "userauth ana@sorriso.example.net:pa ss",
        EventSocketConfig(): "api xml_locate configuration configuration name event_socket.conf",
        IsLetIn("2001:db8::77", "10.77.0.0/24"): "api acl 2001:db8::77 10.77.0.0/24",
        HasModule(Module.AUDIO_FORK): "api module_exists mod_audio_fork",
        GetVariable(CALL, Variable.DOOR): f"api uuid_getvar {CALL} door",
        SetVariables(CALL, variables): f"api uuid_setvar_multi {CALL} socket_resume=false;hangup_after_bridge=false",
        Kill(CALL, HangupCause.USER_BUSY): f"api uuid_kill {CALL} USER_BUSY",
        Bridge(CALL, CallId("b")): f"api uuid_bridge {CALL} b",
        FilterCall(CALL, remove=True): f"filter delete Unique-ID {CALL}",
    }
    for command, text in said.items():
        assert encode_switch(command) == f"{text}\n\n".encode()


@pytest.mark.parametrize(
    ("destination", "dial_string"),
    [
        (Device("1001", "sorriso.example.net"), "user/1001@sorriso.example.net"),
        (Route("600", "sorriso.example.net"), "loopback/600/sorriso.example.net/XML"),
    ],
)
def test_an_originate_as_it_was_recorded(destination: Device | Route, dial_string: str) -> None:
    [recorded] = [said.decode() for said in from_us("esl_inbound.plain") if b"originate" in said]
    command = Originate(
        job_id="9f1f57c0-d279-4b72-8924-4aa46a46b69b",
        call_id=CALL,
        destination=destination,
        variables=((Variable.CALLER_NAME, "Clínica, Ana"), (Variable.CALLER_NUMBER, "5511999990000")),
        timeout_s=10,
    )
    text = encode_switch(command).decode()
    inside = re.compile(r"\{(.*)\}(\S+) (.*)", re.DOTALL)
    mine, theirs = inside.search(text), inside.search(recorded)
    assert mine is not None
    assert theirs is not None
    assert mine[2] == dial_string
    assert mine[3] == theirs[3], "the park and the job's id"
    assert set(mine[1].split(",")) == set(theirs[1].replace(",my_note='a b, c'", "").split(","))


@pytest.mark.parametrize(
    "command",
    [
        Kill(CallId("a b"), HangupCause.USER_BUSY),
        Events("xml", (SwitchEvent.DTMF,)),
        Events("plain", ()),
        UserAuth("ana sorriso", Secret("x")),
        IsLetIn("10.77.0.1", "lan hupall"),
        IsLetIn("10.77.0.1\n\nbye", "lan"),
        IsLetIn("10.77.0.1", ""),
        Auth(Secret("")),
        Auth(Secret("x\nexit")),
        SendDigits(CALL, "1;2"),
        Originate(job_id="j", call_id=CALL, destination=Device("1001&x", "d"), timeout_s=10),
        Originate(job_id="j", call_id=CALL, destination=Device("1001", "d"), timeout_s=0),
        Originate(
            job_id="j", call_id=CALL, destination=Route("1001", "d"), variables=((Variable.ORIGINATION_UUID, "x"),)
        ),
    ],
)
def test_what_is_out_of_range_is_not_said(command: SwitchCommand) -> None:
    with pytest.raises(LocalProtocolError) as told:
        encode_switch(command)
    assert "exit" not in str(told.value)


def test_no_password_is_ever_shown() -> None:
    for login in (PASSWORD, UserAuth("ana@x", Secret("ClueCon"))):
        assert "ClueCon" not in repr(login)
        assert "ClueCon" not in repr(SwitchMachine(login).__dict__)


def test_a_login_that_is_refused_says_so() -> None:
    machine = SwitchMachine(PASSWORD)
    news = machine.receive(from_switch("esl_inbound_auth_wrong_only"))
    assert news == [Over("the switch refused the login", refused=True)]
    assert machine.data_to_send() == b""
    assert machine.over


def test_an_access_list_that_keeps_us_out_says_so() -> None:
    machine = SwitchMachine(PASSWORD)
    text = "Access Denied, go away.\n"
    raw = f"Content-Type: text/rude-rejection\nContent-Length: {len(text)}\n\n{text}".encode()
    [over] = machine.receive(raw)
    assert isinstance(over, Over)
    assert over.refused
    assert "access list" in over.reason


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30))
def test_a_recorded_conversation_is_the_same_however_it_is_cut(seed: int) -> None:
    """What we never say is left out of the recording, as are the replies to it."""
    machine, rng = SwitchMachine(PASSWORD), random.Random(seed)
    answers: list[Answer] = []
    events: list[str] = []
    asked = 0
    for known, data in conversation("esl_inbound.plain"):
        if known is not None:
            if machine.ready:
                machine.ask(known)
                asked += 1
            continue
        at = 0
        while at < len(data):
            size = rng.randint(1, 4000)
            for item in machine.receive(data[at : at + size]):
                answers += [item] if isinstance(item, Answer) else []
                events += [item.event.name] if isinstance(item, Happened) else []
            at += size
    assert len(answers) == asked > 10
    assert [answer.ticket for answer in answers] == sorted(answer.ticket for answer in answers)
    assert answers[0].text.startswith("FreeSWITCH Version 1.11.2")
    assert events[:2] == ["CHANNEL_CREATE", "CHANNEL_ANSWER"]
    assert "BACKGROUND_JOB" not in events
    assert machine.over


def conversation(name: str) -> list[tuple[SwitchCommand | None, bytes]]:
    """Steps: a command of ours, or bytes of the switch with the replies to other commands cut out."""
    from tests.transports.freeswitch.captures import _whole, is_reply

    steps: list[tuple[SwitchCommand | None, bytes]] = []
    waiting: list[bool] = []
    buffered = b""
    for row in load(name):
        if row.by_switch:
            whole, buffered = _whole(buffered + row.data)
            steps += [(None, m) for m in whole if not is_reply(m) or waiting.pop(0)]
        else:
            for said in (c + b"\n\n" for c in row.data.split(b"\n\n") if c.strip()):
                command = ours(said)
                waiting.append(command is not None)
                if command is not None:
                    steps.append((command, b""))
    return steps


def test_replies_are_paired_by_their_place() -> None:
    machine = logged_in()
    first, second, third = (machine.ask(command) for command in (Version(), NoEvents(), CallExists(CALL)))
    news = machine.receive(response("FreeSWITCH 1") + reply("-ERR no") + response("true"))
    assert news == [Answer(first, True, "FreeSWITCH 1"), Answer(second, False, "-ERR no"), Answer(third, True, "true")]


def test_a_job_is_told_once_and_only_ours() -> None:
    machine = logged_in()
    machine.ask(Originate(job_id="job-1", call_id=CALL, destination=Device("1001", "d")))
    assert machine.receive(reply("+OK Job-UUID: job-1"))[0].ok  # type: ignore[union-attr]

    def job(job_id: str, body: str) -> bytes:
        inner = f"Event-Name: BACKGROUND_JOB\nJob-UUID: {job_id}\nContent-Length: {len(body)}\n\n{body}"
        return f"Content-Length: {len(inner)}\nContent-Type: text/event-plain\n\n{inner}".encode()

    assert machine.receive(job("another", "+OK x")) == []
    assert machine.receive(job("job-1", "-ERR USER_BUSY\n")) == [JobDone("job-1", False, "-ERR USER_BUSY")]
    assert machine.receive(job("job-1", "+OK again")) == []


def test_the_wrong_kind_of_reply_breaks_the_protocol() -> None:
    machine = logged_in()
    machine.ask(Version())
    with pytest.raises(RemoteProtocolError, match="CommandReply as the reply to Version"):
        machine.receive(reply("+OK"))
    with pytest.raises(RemoteProtocolError, match="nothing that was asked"):
        logged_in().receive(reply("+OK"))
    with pytest.raises(RemoteProtocolError, match="second request"):
        logged_in().receive(LOGIN)


def test_nothing_is_asked_out_of_turn() -> None:
    fresh = SwitchMachine(PASSWORD)
    with pytest.raises(LocalProtocolError, match="not connected"):
        fresh.ask(Version())
    machine = logged_in()
    with pytest.raises(LocalProtocolError, match="logged in already"):
        machine.ask(PASSWORD)
    for _ in range(MAX_WAITING):
        machine.ask(Version())
    with pytest.raises(LocalProtocolError, match="too many"):
        machine.ask(Version())
    machine.receive_eof()
    with pytest.raises(LocalProtocolError, match="not connected"):
        machine.ask(Version())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200) | st.sampled_from([LOGIN, ACCEPTED, reply("+OK"), response("x")]), max_size=12))
def test_nonsense_gives_an_error_or_nothing(chunks: list[bytes]) -> None:
    machine = SwitchMachine(PASSWORD)
    try:
        for chunk in chunks:
            machine.receive(chunk)
    except RemoteProtocolError:
        pass
    # Whatever came, nothing but one login was ever said.
    assert machine.data_to_send() in {b"", encode_switch(PASSWORD)}
