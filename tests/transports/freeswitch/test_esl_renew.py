"""Audio that ended and is had again: what is said to the switch for it, in which order, and what is not believed."""

from collections.abc import Callable

import pytest

from tests.transports.freeswitch import test_stream
from tests.transports.freeswitch.test_esl_door import (
    API_OK,
    FORK_ERR,
    FORK_OK,
    START,
    STOP,
    UUID,
    custom,
    event,
    forking,
    live,
    unicasting,
)
from tests.transports.freeswitch.test_esl_door import URL as FORK_URL
from tests.transports.freeswitch.test_legs import GONE, HANGUP, LEG, taken
from tests.transports.freeswitch.test_stream import streaming, told
from transports.freeswitch.door_events import LegEnded, SocketAccepted
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.words import DoorName, MediaEnded

Start = Callable[[DoorMachine], None]
TERMINATORS = test_stream.SETVAR
STREAM_AGAIN = TERMINATORS + test_stream.STOP + test_stream.START


def fork(machine: DoorMachine) -> None:
    machine.media.fork(FORK_URL)


def stream(machine: DoorMachine) -> None:
    machine.media.stream(test_stream.URL)


MODULES = pytest.mark.parametrize(
    ("made", "start", "lost", "again"),
    [
        (forking, fork, custom("disconnect"), STOP + START),
        (streaming, stream, told("disconnect", "{}"), STREAM_AGAIN),
        (streaming, stream, told("error", "{}"), STREAM_AGAIN),
    ],
)


@MODULES
def test_what_was_lost_is_stopped_before_the_next_is_started(
    made: Callable[[], DoorMachine], start: Start, lost: bytes, again: bytes
) -> None:
    machine = made()
    [ended] = machine.receive(lost)
    assert isinstance(ended, MediaEnded)
    assert not ended.for_good
    assert not machine.media.alive
    assert machine.data_to_send() == b"", "nothing is said before somebody wants it"
    start(machine)
    assert machine.data_to_send() == again
    assert machine.media.alive
    replies = FORK_ERR + FORK_OK if start is fork else API_OK + FORK_ERR + FORK_OK
    assert machine.receive(replies) == [SocketAccepted()], "there may be nothing left to be stopped"


@MODULES
def test_what_is_told_late_of_the_lost_one_does_not_end_the_next(
    made: Callable[[], DoorMachine], start: Start, lost: bytes, again: bytes
) -> None:
    machine = made()
    assert [type(e) for e in machine.media_lost("our end closed", for_good=False)] == [MediaEnded]
    start(machine)
    closed = custom("disconnect") if start is fork else told("disconnect", "{}")
    assert machine.receive(closed) == []
    assert machine.media.alive
    machine.media.socket_came()
    [ended] = machine.receive(closed)
    assert isinstance(ended, MediaEnded), "this one is its own"


@MODULES
def test_a_loss_is_told_once_whoever_knows_it_first(
    made: Callable[[], DoorMachine], start: Start, lost: bytes, again: bytes
) -> None:
    machine = made()
    assert len(machine.receive(lost)) == 1
    assert machine.media_lost("the media socket ended", for_good=False) == []


@pytest.mark.parametrize("made", [forking, streaming])
def test_a_call_that_is_hung_up_has_lost_nothing(made: Callable[[], DoorMachine]) -> None:
    machine = made()
    machine.receive(HANGUP)
    assert machine.media_lost("the media socket ended", for_good=False) == []
    for start in (fork, stream):
        with pytest.raises(LocalProtocolError, match="not live"):
            start(machine)


@pytest.mark.parametrize(("made", "lost"), [(forking, custom("disconnect")), (streaming, told("disconnect", "{}"))])
def test_a_loss_while_the_caller_is_being_connected_waits_for_what_becomes_of_that(
    made: Callable[[], DoorMachine], lost: bytes
) -> None:
    machine = taken(made())
    machine.join()
    assert machine.receive(API_OK if made is forking else API_OK + API_OK) == []
    assert machine.receive(lost) == []
    for start in (fork, stream):
        with pytest.raises(LocalProtocolError, match="not live"):
            start(machine)
    ended, loss = machine.receive(GONE)
    assert ended == LegEnded(LEG, "Invalid uuid")
    assert isinstance(loss, MediaEnded)


def test_a_file_that_somebody_else_plays_leads_through_the_door_again() -> None:
    machine = unicasting()
    assert machine.receive(event("PLAYBACK_START")) == [MediaEnded("playback")]
    assert not machine.media.alive
    machine.give_back(DoorName.AGAIN)
    assert machine.data_to_send() == f"api uuid_setvar {UUID} door again\n\n".encode()
    machine.receive(API_OK)
    assert machine.data_to_send() == b"exit\n\n", "only when the door is set"


@pytest.mark.parametrize("name", ["CHANNEL_BRIDGE", "CHANNEL_UNPARK"])
def test_a_call_that_somebody_else_moves_is_lost_for_good(name: str) -> None:
    [ended] = unicasting().receive(event(name))
    assert isinstance(ended, MediaEnded)
    assert ended.for_good


@pytest.mark.parametrize(
    ("made", "stops"), [(unicasting, b""), (forking, STOP), (streaming, test_stream.BREAK + test_stream.STOP)]
)
def test_two_people_whom_somebody_else_connected_talk_on(made: Callable[[], DoorMachine], stops: bytes) -> None:
    machine = made()
    [ended] = machine.receive(event("CHANNEL_BRIDGE"))
    assert isinstance(ended, MediaEnded)
    assert ended.for_good
    machine.give_back(DoorName.FAILED)
    resume = f"api uuid_setvar_multi {UUID} socket_resume=false\n\n".encode()
    assert machine.data_to_send() == stops + resume, "and nobody listens in on them"
    replies = [API_OK] * (stops + resume).count(b"api ")
    assert machine.receive(b"".join(replies)) == []
    assert machine.data_to_send() == b"exit\n\n"


def test_who_is_alone_again_goes_where_the_dialplan_says() -> None:
    machine = unicasting()
    machine.receive(event("CHANNEL_BRIDGE") + event("CHANNEL_UNBRIDGE"))
    machine.give_back(DoorName.FAILED)
    assert machine.data_to_send() == f"api uuid_setvar {UUID} door failed\n\n".encode()


def test_who_is_alone_again_while_we_leave_goes_there_too() -> None:
    machine = unicasting()
    machine.receive(event("CHANNEL_BRIDGE"))
    machine.give_back(DoorName.VOICEMAIL)
    machine.give_back(DoorName.FAILED)
    machine.data_to_send()
    assert machine.receive(event("CHANNEL_UNBRIDGE")) == []
    assert machine.data_to_send() == b"", "in its order: the one that is on its way would undo it"
    assert machine.receive(API_OK) == []
    resumes = f"api uuid_setvar_multi {UUID} socket_resume=true\n\n"
    assert machine.data_to_send().decode() == f"{resumes}api uuid_setvar {UUID} door voicemail\n\n"
    assert machine.receive(API_OK + API_OK) == []
    assert machine.data_to_send() == b"exit\n\n"


def test_a_join_that_failed_leaves_no_way_back_behind() -> None:
    machine = taken()
    machine.join("clinica.example.net")
    machine.data_to_send()
    machine.receive(API_OK + GONE)
    said = machine.data_to_send().decode()
    assert f"api uuid_setvar {UUID} transfer_after_bridge\n\n" in said
    assert machine.live


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("true", "socket_resume=true;hangup_after_bridge=true"),
        ("Yes", "socket_resume=true;hangup_after_bridge=true"),
        ("false", "socket_resume=true;hangup_after_bridge=false"),
        ("x;door=again", "socket_resume=true;hangup_after_bridge=false"),
        ("", f"socket_resume=true\n\napi uuid_setvar {UUID} hangup_after_bridge"),
    ],
)
@pytest.mark.parametrize("back_to", ["clinica.example.net", None])
def test_nor_how_a_bridge_of_the_dialplan_ends(before: str, after: str, back_to: str | None) -> None:
    had = (f"variable_hangup_after_bridge: {before}",) if before else ()
    machine = taken(live("Answer-State: answered", "Channel-Read-Codec-Rate: 8000", *had))
    machine.join(back_to)
    machine.data_to_send()
    machine.receive(API_OK + GONE)
    assert machine.data_to_send().decode().startswith(f"api uuid_setvar_multi {UUID} {after}\n\n")


def test_so_does_a_file_that_somebody_else_plays_meanwhile() -> None:
    machine = taken(unicasting())
    machine.join()
    assert machine.receive(API_OK + event("PLAYBACK_START")) == []
    assert machine.receive(GONE) == [LegEnded(LEG, "Invalid uuid"), MediaEnded("playback")]
    assert not machine.media.alive


@pytest.mark.parametrize("context", ["", "a b", "x;door=failed", "${domain}", "a:XML:b", "x\nexit", "-x", "x" * 254])
def test_no_context_adds_anything(context: str) -> None:
    machine = taken()
    with pytest.raises(LocalProtocolError):
        machine.join(context)
    assert machine.data_to_send() == b""
