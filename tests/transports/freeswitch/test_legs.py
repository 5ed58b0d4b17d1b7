"""A second leg: its job as it was recorded, the order of what is said, and what becomes of it when anybody goes."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import CallId
from tests.transports.freeswitch.captures import from_switch, messages
from tests.transports.freeswitch.test_esl_door import (
    API_OK,
    ERR,
    NOTICE,
    OK,
    OURS,
    SWITCH,
    UUID,
    answered,
    event,
    forking,
    live,
    unicasting,
)
from tests.transports.freeswitch.test_stream import FILE, ready, streaming
from transports.freeswitch.door_events import FileReady, Joined, LegAnswered, LegEnded, Refused
from transports.freeswitch.door_legs import LegWish
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.esl_values import Variable
from transports.freeswitch.words import Device, Disconnected, DoorName, HangupCause, HungUp, MediaEnded, Note, Route

LEG = CallId("c83dee7a-15df-4f93-bfb2-3de98c3848b8")
WISH = LegWish(leg_id=LEG, destination=Device("200", "clinica.example.net"), ring_s=20)
BRIDGED = f"Content-Type: api/response\nContent-Length: 41\n\n+OK {LEG}\n".encode()
NO_CHANNEL = b"Content-Type: api/response\nContent-Length: 22\n\n-ERR No such channel!\n"
GONE = b"Content-Type: api/response\nContent-Length: 18\n\n-ERR Invalid uuid\n"
KILL = f"api uuid_kill {LEG} ORIGINATOR_CANCEL\n\n".encode()
HANGUP = event("CHANNEL_HANGUP", "Hangup-Cause: ORIGINATOR_CANCEL")
COMPLETE = event(
    "CHANNEL_HANGUP_COMPLETE", "Hangup-Cause: NORMAL_CLEARING", "variable_sip_hangup_disposition: recv_bye"
)


def job(scene: str) -> bytes:
    """The recorded BACKGROUND_JOB of this scene, as the job of our leg."""
    [found] = [
        m for m in messages(from_switch(f"announced_transfer_{scene}.esl")) if b"Event-Name: BACKGROUND_JOB" in m
    ]
    return re.sub(rb"Job-UUID: [0-9a-f-]{36}", b"Job-UUID: " + LEG.encode(), found)


def ringing(machine: DoorMachine | None = None) -> DoorMachine:
    machine = machine or unicasting()
    machine.reach(WISH)
    said = machine.data_to_send().decode()
    assert said.startswith("linger 5\n\nbgapi originate {origination_uuid=" + LEG + ",originate_timeout=20,")
    assert said.endswith(f"}}user/200@clinica.example.net &park()\nJob-UUID: {LEG}\n\n")
    assert machine.receive(OK + OK) == []
    return machine


def taken(machine: DoorMachine | None = None) -> DoorMachine:
    machine = ringing(machine)
    assert machine.receive(job("ok_agent_hangs_up")) == [LegAnswered(LEG)]
    return machine


def test_who_is_called_is_shown_the_caller_and_cannot_be_left_parked() -> None:
    machine = live(
        "Answer-State: ringing", "Caller-Caller-ID-Name: Ana, Clínica'}{x=1", "Caller-Caller-ID-Number: +5511"
    )
    machine.reach(WISH)
    said = machine.data_to_send().decode()
    assert "origination_caller_id_name='Ana\\, Clínica x=1'" in said
    assert "origination_caller_id_number=+5511" in said
    assert "park_timeout=30" in said
    assert f"atende_call={UUID}" in said


@pytest.mark.parametrize(
    ("scene", "cause"),
    [("busy", "USER_BUSY"), ("no_answer", "NO_ANSWER"), ("caller_gone_while_ringing", "ORIGINATOR_CANCEL")],
)
def test_the_recorded_refusals_are_told_and_another_may_be_called(scene: str, cause: str) -> None:
    machine = ringing()
    assert machine.receive(job(scene)) == [LegEnded(LEG, cause)]
    assert machine.receive(job(scene)) == [], "once"
    assert machine.live
    machine.reach(WISH)
    assert machine.data_to_send().startswith(b"bgapi originate"), "it lingers already"


def test_another_job_is_not_ours() -> None:
    machine = ringing()
    assert machine.receive(job("busy").replace(LEG.encode(), UUID.encode())) == []


def test_who_has_answered_is_joined_and_we_let_go_while_they_talk() -> None:
    machine = taken()
    machine.join()
    variables = f"api uuid_setvar_multi {UUID} socket_resume=false;hangup_after_bridge=true\n\n"
    assert machine.data_to_send().decode() == f"{variables}api uuid_bridge {UUID} {LEG}\n\n"
    bridge = event("CHANNEL_UNPARK") + event("CHANNEL_BRIDGE")
    assert machine.receive(API_OK + bridge + BRIDGED) == [Joined()], "our media's end is no loss"
    assert machine.data_to_send() == b"exit\n\n"
    machine.hang_up(HangupCause.NORMAL_CLEARING)
    assert machine.data_to_send() == b"", "it is not our call any more"
    assert machine.receive(OK + NOTICE) == [Disconnected("FreeSWITCH let go of the call")]


def test_a_caller_may_come_back_through_the_door() -> None:
    machine = taken()
    machine.join("clinica.example.net")
    assert (
        f"{UUID} socket_resume=false;hangup_after_bridge=false;"
        "transfer_after_bridge=door_again:XML:clinica.example.net\n\n"
    ) in machine.data_to_send().decode()


def test_a_fork_is_stopped_once_they_are_connected_and_not_before() -> None:
    machine = taken(forking())
    machine.join()
    assert b"uuid_audio_fork" not in machine.data_to_send(), "should the bridge fail, the call is ours as before"
    assert machine.receive(API_OK + BRIDGED) == [Joined()]
    assert machine.data_to_send() == f"api uuid_audio_fork {UUID} stop\n\nexit\n\n".encode()


def test_what_plays_is_broken_ahead_of_the_bridge() -> None:
    machine = taken(streaming())
    machine.join()
    assert machine.data_to_send().startswith(f"api uuid_break {UUID} all\n\n".encode())
    assert machine.receive(API_OK + API_OK + GONE + ready(FILE % 0)) == [
        LegEnded(LEG, "Invalid uuid"),
        FileReady(FILE % 0),
    ]
    machine.media.play(FILE % 0)


def test_while_they_are_being_connected_nothing_else_is_asked() -> None:
    machine = taken()
    machine.join()
    assert not machine.live
    for wish in (lambda: machine.send_digits("1"), machine.media.break_all, machine.join):
        with pytest.raises(LocalProtocolError):
            wish()


def test_when_the_other_side_has_gone_meanwhile_the_call_is_ours_again() -> None:
    machine = taken()
    machine.join()
    machine.data_to_send()
    assert machine.receive(API_OK + GONE) == [LegEnded(LEG, "Invalid uuid")]
    said = machine.data_to_send().decode()
    assert said == (
        f"api uuid_setvar_multi {UUID} socket_resume=true\n\napi uuid_setvar {UUID} hangup_after_bridge\n\n"
        f"api uuid_kill {LEG} NORMAL_CLEARING\n\n"
    )
    assert machine.live
    assert machine.receive(event("CHANNEL_BRIDGE")) == [MediaEnded("bridge", for_good=True)]


def test_a_leg_does_not_ring_on_when_the_caller_has_gone() -> None:
    machine = ringing()
    assert machine.receive(HANGUP) == []
    assert machine.data_to_send() == KILL
    assert machine.receive(COMPLETE) == [HungUp("NORMAL_CLEARING", True)]
    assert machine.data_to_send() == b"", "whoever answers before the switch knows of it has to be hung up"
    assert machine.receive(API_OK + job("caller_gone_while_ringing")) == []
    assert machine.data_to_send() == b"exit\n\n", "the socket would linger"


def test_a_leg_that_was_given_up_before_it_was_there_is_hung_up_when_it_is_answered() -> None:
    machine = ringing()
    machine.receive(HANGUP)
    machine.receive(COMPLETE)
    machine.data_to_send()
    assert machine.receive(NO_CHANNEL) == []
    assert machine.receive(job("ok_agent_hangs_up")) == []
    assert machine.data_to_send() == f"api uuid_kill {LEG} NORMAL_CLEARING\n\nexit\n\n".encode()


def test_a_person_is_not_left_alone_when_the_caller_goes_during_the_join() -> None:
    machine = taken()
    machine.join()
    machine.data_to_send()
    machine.receive(HANGUP)
    assert machine.data_to_send() == f"api uuid_kill {LEG} NORMAL_CLEARING\n\n".encode()
    machine.receive(COMPLETE)
    assert machine.data_to_send() == b"exit\n\n"


@pytest.mark.parametrize(
    "leave",
    [
        lambda m: m.hang_up(HangupCause.NORMAL_CLEARING),
        lambda m: m.give_back(DoorName.FAILED),
        lambda m: m.transfer(Route("300", "clinica.example.net")),
        lambda m: m.drop_leg(),
    ],
)
@pytest.mark.parametrize("stage", [ringing, taken])
def test_a_leg_is_hung_up_when_we_go(leave: Callable[[DoorMachine], None], stage: Callable[[], DoorMachine]) -> None:
    machine = stage()
    leave(machine)
    assert machine.data_to_send().startswith(f"api uuid_kill {LEG} ".encode())


def test_nobody_is_joined_who_has_not_answered() -> None:
    for machine in (unicasting(), ringing()):
        with pytest.raises(LocalProtocolError, match="nobody has answered"):
            machine.join()
        assert machine.data_to_send() == b""


def test_one_leg_at_a_time() -> None:
    with pytest.raises(LocalProtocolError, match="already"):
        ringing().reach(WISH)


@pytest.mark.parametrize("number", ["", "2 0", "200;exit", "${x}", "200@evil", "200\nexit", "sofia/x"])
def test_a_number_adds_nothing(number: str) -> None:
    machine = answered()
    for wish in (
        lambda: machine.reach(LegWish(leg_id=LEG, destination=Device(number, "example.net"))),
        lambda: machine.transfer(Route(number, "example.net")),
        lambda: machine.send_digits(number),
    ):
        with pytest.raises(LocalProtocolError):
            wish()
    assert machine.data_to_send() == b"", "what was refused left nothing behind"
    machine.reach(WISH)


def test_a_refused_originate_is_a_leg_that_ended() -> None:
    machine = answered()
    machine.reach(WISH)
    assert machine.receive(OK + ERR) == [LegEnded(LEG, "no")]


def resumes(value: str) -> str:
    return f"api uuid_setvar_multi {UUID} socket_resume={value}\n\n"


def sent_on(machine: DoorMachine) -> str:
    machine.transfer(Route("*99200", "clinica.example.net"))
    return machine.data_to_send().decode()


TRANSFER = f"{resumes('false')}api uuid_transfer {UUID} *99200 XML clinica.example.net\n\n"


@pytest.mark.parametrize(
    ("media", "stop"),
    [
        (unicasting, ""),
        (forking, f"api uuid_audio_fork {UUID} stop\n\n"),
        (streaming, f"api uuid_break {UUID} all\n\napi uuid_audio_stream {UUID} stop\n\n"),
    ],
)
def test_a_blind_transfer_ends_our_media_first_and_our_leaving_fetches_nobody_back(
    media: Callable[[], DoorMachine], stop: str
) -> None:
    machine = media()
    assert sent_on(machine) == stop + TRANSFER, "in one write: we cannot die in between"
    with pytest.raises(LocalProtocolError, match="not live"):
        machine.media.unicast(SWITCH, OURS)
    replies = API_OK * (stop + TRANSFER).count("\n\n")
    assert machine.receive(replies) == []
    assert machine.data_to_send() == b"exit\n\n", "once the call has left, and not before"
    assert sent_on(machine) == "", "it is final"
    assert machine.receive(OK + NOTICE) == [Disconnected("FreeSWITCH let go of the call")]


def test_a_transfer_that_is_refused_leaves_the_caller_to_the_fall_back() -> None:
    machine = unicasting()
    sent_on(machine)
    [refused] = machine.receive(API_OK + NO_CHANNEL)
    assert isinstance(refused, Refused)
    assert machine.data_to_send().decode() == resumes("true") + "exit\n\n"


def test_what_we_note_of_a_call_is_one_plain_argument_each_and_of_our_names() -> None:
    machine = unicasting()
    machine.note({Note.OUTCOME: "goodbye", Note.REVISION: "12"})
    said = f"api uuid_setvar_multi {UUID} atende_outcome=goodbye;atende_revision=12\n\n"
    assert machine.data_to_send().decode() == said
    for notes in ({Note.OUTCOME: "a;door=again"}, {Note.CALL: "a\n\nexit"}, {Note.CALL: ""}, {}, {Variable.DOOR: "x"}):
        with pytest.raises(LocalProtocolError):
            machine.note(notes)  # type: ignore[arg-type]
    assert machine.data_to_send() == b""


@given(st.dictionaries(st.sampled_from(Note), st.text(max_size=30) | st.text(";=\n \r\0'a1", max_size=9), min_size=1))
def test_nothing_that_is_noted_adds_a_variable_an_argument_or_a_line(notes: dict[Note, str]) -> None:
    machine = unicasting()
    try:
        machine.note(notes)
    except LocalProtocolError:
        assert machine.data_to_send() == b""
        return
    line, end, nothing = machine.data_to_send().decode().partition("\n\n")
    assert (end, nothing) == ("\n\n", "")
    api, command, call_id, assigned = line.split(" ")
    assert (api, command, call_id) == ("api", "uuid_setvar_multi", UUID)
    assert [pair.split("=") for pair in assigned.split(";")] == [[name.value, value] for name, value in notes.items()]
