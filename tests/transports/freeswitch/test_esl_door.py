"""The machine of one connection: what it makes of real calls, and the orders that it must never make."""

import random

import pytest

from tests.transports.freeswitch.captures import script
from tests.transports.freeswitch.test_esl import mangled, seeds
from transports.freeswitch.door_events import DoorEvent, Ready, Refused, SocketAccepted, UnicastAccepted
from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.unicast_guard import MAX_TRIES, MIN_SILENCE_S, NoDatagrams
from transports.freeswitch.words import (
    Answered,
    Disconnected,
    DoorName,
    Dtmf,
    HangupCause,
    HungUp,
    MediaEnded,
)

UUID = "d2317f64-4e50-42fb-9843-0f0a0848899e"
SWITCH, OURS = ("127.0.0.1", 40001), ("127.0.0.1", 40000)
EVENTS = (
    b"event plain BACKGROUND_JOB DTMF PLAYBACK_START PLAYBACK_STOP CUSTOM mod_audio_fork::connect "
    b"mod_audio_fork::connect_failed mod_audio_fork::disconnect mod_audio_stream::play "
    b"mod_audio_stream::disconnect mod_audio_stream::error atende::text\n\n"
)
OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
API_OK = b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n"
ERR = b"Content-Type: command/reply\nReply-Text: -ERR no\n\n"
NOTICE = b"Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\nContent-Length: 3\n\nbye"
ANSWER = b"sendmsg\ncall-command: execute\nexecute-app-name: answer\nevent-lock: true\n\n"


def hello(*lines: str, call_id: str = UUID) -> bytes:
    extra = "".join(f"{line}\n" for line in lines)
    return (
        f"Event-Name: CHANNEL_DATA\nUnique-ID: {call_id}\nEvent-Sequence: 100\n{extra}"
        "Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: async\nControl: full\n\n"
    ).encode()


def event(name: str, *lines: str, call_id: str = UUID, sequence: int = 200) -> bytes:
    body = f"Event-Name: {name}\nUnique-ID: {call_id}\nEvent-Sequence: {sequence}\n"
    body += "".join(f"{line}\n" for line in lines) + "\n"
    return f"Content-Length: {len(body)}\nContent-Type: text/event-plain\n\n{body}".encode()


ANSWERED = event("CHANNEL_ANSWER", "Answer-State: answered", "Channel-Read-Codec-Rate: 8000")


def live(*lines: str) -> DoorMachine:
    """A machine that has been told its call."""
    machine = DoorMachine()
    machine.greet()
    for reply in (hello(*lines), OK, OK):
        events = machine.receive(reply)
    assert [type(e) for e in events] == [Ready]
    machine.data_to_send()
    return machine


def answered() -> DoorMachine:
    machine = live("Answer-State: ringing")
    machine.answer()
    assert machine.receive(OK + ANSWERED) == [Answered(8000)]
    machine.data_to_send()
    return machine


def unicasting() -> DoorMachine:
    machine = answered()
    machine.media.unicast(SWITCH, OURS)
    assert machine.receive(OK) == [UnicastAccepted(40001)]
    machine.data_to_send()
    return machine


def replay(name: str, without: str = "") -> tuple[list[DoorEvent], DoorMachine]:
    """Run a recording: its service's wishes are asked when it asked them, and must be said in the same bytes."""
    machine, said, events = DoorMachine(), b"", list[DoorEvent]()
    wishes = {
        "connect": machine.greet,
        "answer": machine.answer,
        "hangup": lambda: machine.hang_up(HangupCause(data.split(b"hangup-cause: ")[1].strip().decode())),
        "set_door": lambda: machine.refuse(DoorName(data.split(b"door=")[1].split(b"\n")[0].decode())),
        "setvar_door": lambda: machine.give_back(DoorName(data.split()[4].decode())),
        "unicast": lambda: machine.media.unicast(*addresses(data), native=b"flags: native\n" in data),
        "silence": machine.media.prepare_fork,
        "fork": lambda: machine.media.fork(data.split()[4].decode()),
        # The recording's service stops the stream first; ours does so when it leaves.
        "fork_stop": lambda: machine.refuse(DoorName.BUSY),
        "eof": lambda: events.extend(machine.receive_eof("we died")),
    }
    for kind, data, eof in script(name, without):
        if kind is None:
            events += machine.receive(data) if not eof else machine.receive_eof()
            continue
        wishes.get(kind, lambda: None)()
        said += machine.data_to_send()
        expected = EVENTS if kind == "event" else data
        assert said.startswith(expected)
        said = said.removeprefix(expected)
    assert said == b""
    return events, machine


def addresses(unicast: bytes) -> tuple[tuple[str, int], tuple[str, int]]:
    fields = dict(line.split(": ", 1) for line in unicast.decode().split("\n") if ": " in line)
    return (fields["local-ip"], int(fields["local-port"])), (fields["remote-ip"], int(fields["remote-port"]))


class TestRealCalls:
    def test_refused_politely(self) -> None:
        (ready, gone), machine = replay("door_refuse_politely.esl")
        assert isinstance(ready, Ready)
        assert ready.hello.call_id == "5c6227f6-1973-4ed3-b331-885a55884047"
        assert (ready.hello.caller_number, ready.hello.caller_name) == ("1001", "Lab Caller")
        assert (ready.hello.answered, ready.hello.codec, ready.hello.sample_rate) == (False, "", 0)
        assert ready.hello.variables["door"] == "failed"
        assert ready.hello.variables["sip_full_from"].startswith('"Lab Caller" <sip:1001@127.0.0.1>')
        assert gone == Disconnected("FreeSWITCH let go of the call")
        assert machine.over

    def test_hung_up_with_a_cause(self) -> None:
        events, _ = replay("door_hangup_with_cause.esl")
        assert events[1:] == [HungUp("CALL_REJECTED", False), Disconnected("FreeSWITCH let go of the call")]

    def test_answered_unicast_given_back(self) -> None:
        events, machine = replay("door_unicast_give_back_voicemail.esl")
        assert events[1:] == [Answered(8000), UnicastAccepted(9721), Disconnected("FreeSWITCH let go of the call")]
        assert machine.sample_rate == 8000

    def test_a_bridge_ends_the_media_and_the_door_is_entered_again(self) -> None:
        first, _ = replay("door_bridge_and_back.esl1")
        assert [type(e) for e in first] == [Ready, Answered, UnicastAccepted, MediaEnded, Disconnected]
        second, _ = replay("door_bridge_and_back.esl2")
        assert [type(e) for e in second] == [Ready, UnicastAccepted, HungUp, Disconnected]
        one, two = first[0], second[0]
        assert isinstance(one, Ready)
        assert isinstance(two, Ready)
        assert one.hello.call_id == two.hello.call_id
        assert (two.hello.answered, two.hello.codec, two.hello.sample_rate) == (True, "PCMU", 8000)
        assert second[2] == HungUp("NORMAL_CLEARING", True)

    def test_a_fork_is_started_and_stopped_before_the_door_is_left(self) -> None:
        events, machine = replay("door_audio_fork_give_back.esl")
        kinds = [type(e) for e in events]
        assert kinds == [Ready, Answered, SocketAccepted, Disconnected]
        assert machine.over

    def test_the_service_dies(self) -> None:
        events, machine = replay("door_service_dies_under_unicast.esl")
        assert events[-1] == Disconnected("we died")
        assert machine.data_to_send() == b""

    def test_the_caller_hangs_up_and_the_socket_lingers(self) -> None:
        # The dialplan had answered; that service said `answer` all the same, we do not.
        events, _ = replay("esl_outbound_answered_caller_hangup.esl", without="answer")
        assert isinstance(events[0], Ready)
        assert events[0].hello.variables["sip_h_X-Tenant"]
        digits = [e for e in events if isinstance(e, Dtmf)]
        assert "".join(d.digit for d in digits) == "123*#123*#"
        assert {d.duration_ms for d in digits} == {160}
        assert events[-2:] == [HungUp("NORMAL_CLEARING", True), Disconnected("FreeSWITCH let go of the call")]

    def test_our_hang_up_queued_behind_a_playback(self) -> None:
        events, _ = replay("esl_outbound_unanswered_we_hangup.esl")
        assert events[-2] == HungUp("NORMAL_CLEARING", False)

    def test_a_busy_refusal(self) -> None:
        events, _ = replay("esl_outbound_unanswered_reject_busy.esl")
        assert events[-2] == HungUp("USER_BUSY", False)

    def test_a_playback_ends_unicast_and_another_in_its_park_is_refused(self) -> None:
        steps = script("unicast_l16_8k.esl")
        third = [i for i, s in enumerate(steps) if s.kind == "unicast"][1]
        machine, events = DoorMachine(), list[DoorEvent]()
        machine.greet()
        for kind, data, _ in steps[:third]:
            if kind == "answer":
                machine.answer()
            elif kind == "unicast":
                machine.media.unicast(*addresses(data))
            elif kind is None:
                events += machine.receive(data)
        assert [type(e) for e in events] == [Ready, Answered, UnicastAccepted, Dtmf, Dtmf, MediaEnded]
        assert events[-1] == MediaEnded("playback")
        with pytest.raises(LocalProtocolError, match="re-enter"):
            machine.media.unicast(*addresses(steps[third].data))

    def test_answering_an_answered_call_says_nothing(self) -> None:
        machine = live("Answer-State: answered", "Channel-Read-Codec-Rate: 16000")
        machine.answer()
        assert machine.data_to_send() == b""
        assert machine.sample_rate == 16000


class TestOrdersThatCrashASwitch:
    def test_unicast_before_the_answer(self) -> None:
        machine = live("Answer-State: ringing")
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(SWITCH, OURS)
        machine.answer()
        assert machine.data_to_send() == ANSWER

    def test_unicast_behind_answer_before_it_came_true(self) -> None:
        machine = live("Answer-State: ringing")
        machine.answer()
        machine.receive(OK + event("CHANNEL_PROGRESS_MEDIA", "Channel-Read-Codec-Rate: 8000", "Answer-State: early"))
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(SWITCH, OURS)
        assert machine.data_to_send() == ANSWER
        machine.receive(ANSWERED)
        machine.media.unicast(SWITCH, OURS)

    def test_unicast_on_an_answered_call_without_a_codec(self) -> None:
        machine = live("Answer-State: answered")
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(SWITCH, OURS)
        assert machine.receive(event("CHANNEL_EXECUTE", "Channel-Read-Codec-Rate: 16000")) == [Answered(16000)]
        machine.media.unicast(SWITCH, OURS)

    @pytest.mark.parametrize("native", [False, True])
    def test_native_is_a_flag_of_the_same_guarded_command(self, native: bool) -> None:
        with pytest.raises(LocalProtocolError, match="crash"):
            live("Answer-State: ringing").media.unicast(SWITCH, OURS, native=native)
        machine = answered()
        machine.media.unicast(SWITCH, OURS, native=native)
        said = machine.data_to_send()
        assert said.endswith(b"transport: udp\nflags: native\n\n" if native else b"transport: udp\n\n")
        machine.receive(OK)
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(("127.0.0.1", 40003), OURS, native=native)

    def test_the_codec_comes_with_the_rate(self) -> None:
        machine = live("Answer-State: ringing")
        assert machine.codec == ""
        machine.answer()
        machine.receive(OK + event("CHANNEL_ANSWER", "Channel-Read-Codec-Name: PCMA", "Channel-Read-Codec-Rate: 8000"))
        assert (machine.codec, machine.sample_rate) == ("PCMA", 8000)
        assert live("Answer-State: answered", *OPUS).codec == "opus"

    def test_another_calls_answer_does_not_count(self) -> None:
        machine = live("Answer-State: ringing")
        other = event("CHANNEL_ANSWER", "Channel-Read-Codec-Rate: 8000", call_id="other")
        assert machine.receive(other) == []
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(SWITCH, OURS)

    def test_a_second_unicast_in_one_park(self) -> None:
        machine = answered()
        machine.media.unicast(SWITCH, OURS)
        evidence = NoDatagrams(40001, 5.0)
        for step in (lambda: None, lambda: machine.receive(OK)):
            step()
            with pytest.raises(LocalProtocolError):
                machine.media.unicast(("127.0.0.1", 40003), OURS)
        machine.media.datagram_heard()
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(("127.0.0.1", 40003), OURS, evidence)

    @pytest.mark.parametrize(
        "evidence",
        [
            None,
            NoDatagrams(40001, MIN_SILENCE_S - 0.001),
            NoDatagrams(40001, float("nan")),
            NoDatagrams(40003, 1.0),
        ],
    )
    def test_a_retry_needs_evidence_of_that_stream(self, evidence: NoDatagrams | None) -> None:
        machine = unicasting()
        with pytest.raises(LocalProtocolError):
            machine.media.unicast(("127.0.0.1", 40005), OURS, evidence)
        assert machine.data_to_send() == b""
        machine.media.unicast(("127.0.0.1", 40005), OURS, NoDatagrams(40001, MIN_SILENCE_S))
        assert b"local-port: 40005" in machine.data_to_send()

    def test_a_retry_waits_for_the_reply_of_the_first(self) -> None:
        machine = answered()
        machine.media.unicast(SWITCH, OURS)
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.unicast(("127.0.0.1", 40005), OURS, NoDatagrams(40001, 1.0))

    def test_a_port_is_named_once(self) -> None:
        machine = unicasting()
        with pytest.raises(LocalProtocolError, match="before"):
            machine.media.unicast(SWITCH, OURS, NoDatagrams(40001, 1.0))

    def test_tries_end(self) -> None:
        machine = unicasting()
        for n in range(1, MAX_TRIES):
            machine.media.unicast(("127.0.0.1", 40001 + 2 * n), OURS, NoDatagrams(40001 + 2 * n - 2, 1.0))
            machine.receive(OK)
        with pytest.raises(LocalProtocolError, match="no unicast after"):
            machine.media.unicast(("127.0.0.1", 41001), OURS, NoDatagrams(40001 + 2 * (MAX_TRIES - 1), 1.0))

    def test_a_refused_unicast_is_not_tried_again(self) -> None:
        machine = answered()
        machine.media.unicast(SWITCH, OURS)
        assert [type(e) for e in machine.receive(ERR)] == [Refused]
        with pytest.raises(LocalProtocolError, match="re-enter"):
            machine.media.unicast(("127.0.0.1", 40003), OURS, NoDatagrams(40001, 1.0))

    @pytest.mark.parametrize("what", ["PLAYBACK_START", "CHANNEL_BRIDGE", "CHANNEL_UNPARK"])
    def test_no_unicast_in_a_spoiled_park(self, what: str) -> None:
        machine = answered()
        assert machine.receive(event(what)) == []
        with pytest.raises(LocalProtocolError, match="re-enter"):
            machine.media.unicast(SWITCH, OURS)

    def test_an_event_of_the_former_park_spoils_nothing(self) -> None:
        machine = answered()
        assert machine.receive(event("CHANNEL_UNPARK", sequence=99)) == []
        machine.media.unicast(SWITCH, OURS)


class TestEnding:
    @pytest.mark.parametrize("name", ["hang_up", "refuse", "give_back", "again"])
    def test_the_first_final_verb_wins(self, name: str) -> None:
        machine = unicasting()
        verbs = {
            "hang_up": lambda: machine.hang_up(HangupCause.USER_BUSY),
            "refuse": lambda: machine.refuse(DoorName.BUSY),
            "give_back": lambda: machine.give_back(DoorName.VOICEMAIL),
            "again": lambda: machine.give_back(DoorName.AGAIN),
        }
        verbs[name]()
        said = machine.data_to_send()
        assert said.count(b"\n\n") == 1
        for verb in verbs.values():
            verb()
        assert machine.data_to_send() == b""
        for late in (machine.answer, lambda: machine.media.unicast(("127.0.0.1", 40003), OURS)):
            with pytest.raises(LocalProtocolError, match="not live"):
                late()

    def test_exit_is_said_only_when_the_door_is_set(self) -> None:
        machine = live()
        machine.give_back(DoorName.OPERATOR)
        assert machine.data_to_send() == f"api uuid_setvar {UUID} door operator\n\n".encode()
        machine.receive(API_OK)
        assert machine.data_to_send() == b"exit\n\n"

    def test_exit_is_said_also_when_the_channel_is_gone(self) -> None:
        machine = live()
        machine.give_back(DoorName.OPERATOR)
        events = machine.receive(b"Content-Type: api/response\nContent-Length: 22\n\n-ERR No such channel!\n\n")
        assert [type(e) for e in events] == [Refused]
        assert machine.data_to_send().endswith(b"exit\n\n")

    def test_a_caller_who_cancels(self) -> None:
        machine = live("Answer-State: ringing")
        machine.receive(event("CHANNEL_HANGUP", "Hangup-Cause: ORIGINATOR_CANCEL"))
        assert not machine.live
        done = event("CHANNEL_HANGUP_COMPLETE", "variable_sip_hangup_disposition: recv_cancel")
        assert machine.receive(done + event("DTMF", "DTMF-Digit: 1")) == [HungUp("ORIGINATOR_CANCEL", True)]
        assert machine.receive_eof() == [Disconnected("the socket was closed")]
        assert machine.receive_eof() == []

    def test_a_stream_that_ends_after_the_first_hang_up_event_still_tells_the_hang_up(self) -> None:
        machine = live()
        machine.receive(event("CHANNEL_HANGUP", "Hangup-Cause: NORMAL_CLEARING"))
        assert machine.receive_eof("gone") == [HungUp("NORMAL_CLEARING", None), Disconnected("gone")]

    def test_nothing_is_heard_behind_the_end(self) -> None:
        machine = live()
        assert machine.receive(NOTICE + event("DTMF", "DTMF-Digit: 1") + OK) == [
            Disconnected("FreeSWITCH let go of the call")
        ]


class TestNonsense:
    @pytest.mark.parametrize(
        "data",
        [
            OK,
            API_OK,
            b"Content-Type: auth/request\n\n",
            event("CHANNEL_ANSWER", "Channel-Read-Codec-Rate: fast"),
            event("CHANNEL_ANSWER", "Channel-Read-Codec-Rate: 7"),
            event("DTMF", "DTMF-Digit: 1", "DTMF-Duration: -1"),
        ],
    )
    def test_is_the_remotes_fault(self, data: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            live().receive(data)

    @pytest.mark.no_cover
    def test_mangled_streams_raise_nothing_else(self) -> None:
        chance, good = random.Random(11), [*seeds(), OK, ANSWERED, event("DTMF", "DTMF-Digit: 1", "DTMF-Duration: 800")]
        refused = 0
        for _ in range(4_000):
            machine = unicasting()
            try:
                machine.receive(mangled(chance, good))
                machine.receive_eof()
            except RemoteProtocolError:
                refused += 1
            assert machine.data_to_send() == b""  # nothing that comes in makes a call in order say something
        assert 1_000 < refused < 4_000

    def test_a_reply_of_the_wrong_kind(self) -> None:
        machine = live()
        machine.answer()
        with pytest.raises(RemoteProtocolError, match="reply to ExecuteAnswer"):
            machine.receive(API_OK)

    @pytest.mark.parametrize("call_id", ["", "a b", "a%0Aexit"])
    def test_a_call_without_a_usable_id(self, call_id: str) -> None:
        machine = DoorMachine()
        machine.greet()
        with pytest.raises(RemoteProtocolError):
            machine.receive(hello(call_id=call_id))

    @pytest.mark.parametrize("replies", [(ERR,), (hello(), ERR), (hello(), OK, ERR)])
    def test_a_refused_greeting(self, replies: tuple[bytes, ...]) -> None:
        machine = DoorMachine()
        machine.greet()
        for reply in replies[:-1]:
            machine.receive(reply)
        with pytest.raises(RemoteProtocolError, match="refused"):
            machine.receive(replies[-1])

    def test_wishes_before_the_call_is_told(self) -> None:
        machine = DoorMachine()
        for wish in (machine.answer, lambda: machine.hang_up(HangupCause.USER_BUSY)):
            with pytest.raises(LocalProtocolError):
                wish()
        assert machine.data_to_send() == b""

    def test_a_hook_flash_is_no_digit(self) -> None:
        assert live().receive(event("DTMF", "DTMF-Digit: F", "DTMF-Duration: 800")) == []
        assert live().receive(event("DTMF", "DTMF-Digit: %2A", "DTMF-Duration: 800")) == [Dtmf("*", 100)]


URL = "ws://127.0.0.1:8085/media/abc-DEF_123"
FORK_OK = b"Content-Type: api/response\nContent-Length: 12\n\n+OK Success\n"
FORK_ERR = b"Content-Type: api/response\nContent-Length: 22\n\n-ERR Operation Failed\n"
OPUS = ("Channel-Read-Codec-Name: opus", "Channel-Read-Codec-Rate: 48000")
START = f'api uuid_audio_fork {UUID} start {URL} mono 8k audio_fork {{"call":"{UUID}"}} true true 8000\n\n'.encode()
STOP = f"api uuid_audio_fork {UUID} stop\n\n".encode()


def custom(subclass: str) -> bytes:
    return event("CUSTOM", f"Event-Subclass: mod_audio_fork::{subclass}")


def forking() -> DoorMachine:
    machine = live("Answer-State: ringing")
    machine.media.prepare_fork()
    machine.media.prepare_fork()
    machine.answer()
    assert machine.receive(API_OK + OK + ANSWERED) == [Answered(8000)]
    assert machine.data_to_send() == f"api uuid_setvar {UUID} send_silence_when_idle -1\n\n".encode() + ANSWER
    machine.media.fork(URL)
    assert machine.data_to_send() == START
    assert machine.receive(FORK_OK) == [SocketAccepted()]
    return machine


class TestFork:
    def test_it_is_chosen_before_the_answer_and_started_behind_it(self) -> None:
        machine = forking()
        assert machine.receive(custom("connect")) == []
        with pytest.raises(LocalProtocolError, match="runs already"):
            machine.media.fork(URL)
        with pytest.raises(LocalProtocolError, match="sends silence"):
            machine.media.unicast(SWITCH, OURS)

    def test_before_the_answer_it_would_crash_the_switch(self) -> None:
        machine = live("Answer-State: ringing")
        machine.media.prepare_fork()
        machine.answer()
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.fork(URL)
        machine.data_to_send()
        machine.receive(API_OK + OK)
        with pytest.raises(LocalProtocolError, match="crash"):
            machine.media.fork(URL)
        assert machine.data_to_send() == b""

    def test_what_would_not_be_heard_is_not_started(self) -> None:
        with pytest.raises(LocalProtocolError, match="not heard"):
            answered().media.fork(URL)
        with pytest.raises(LocalProtocolError, match="before the answer"):
            answered().media.prepare_fork()
        asked = live("Answer-State: ringing")
        asked.answer()
        with pytest.raises(LocalProtocolError, match="before the answer"):
            asked.media.prepare_fork()

    def test_a_park_that_sends_silence_already_takes_a_fork_and_no_unicast(self) -> None:
        machine = live("Answer-State: answered", "variable_send_silence_when_idle: -1", "Channel-Read-Codec-Rate: 8000")
        machine.media.prepare_fork()
        assert machine.data_to_send() == b"", "it was prepared before"
        with pytest.raises(LocalProtocolError, match="sends silence"):
            machine.media.unicast(SWITCH, OURS)
        machine.media.fork(URL)
        assert machine.data_to_send() == START

    def test_a_rate_that_no_ear_takes_is_left_to_the_module(self) -> None:
        machine = live("Answer-State: answered", "variable_send_silence_when_idle: -1", *OPUS)
        assert (machine.sample_rate, machine.codec) == (48000, "opus")
        machine.media.fork(URL)
        assert machine.data_to_send() == START.replace(b"8k", b"16k").replace(b" 8000\n", b" 16000\n")

    def test_what_a_former_stream_left_behind_is_cleared_once(self) -> None:
        machine = live("Answer-State: ringing")
        machine.media.prepare_fork()
        machine.answer()
        machine.receive(API_OK + OK + ANSWERED)
        machine.data_to_send()
        machine.media.fork(URL)
        assert machine.receive(FORK_ERR) == []
        assert machine.data_to_send() == START + STOP + START
        [refused] = machine.receive(FORK_OK + FORK_ERR)
        assert isinstance(refused, Refused)
        machine.media.fork(URL)
        assert machine.data_to_send() == START

    @pytest.mark.parametrize("subclass", ["disconnect", "connect_failed"])
    def test_a_stream_that_is_lost_is_told_once(self, subclass: str) -> None:
        machine = forking()
        [ended] = machine.receive(custom(subclass) + custom(subclass))
        assert isinstance(ended, MediaEnded)
        machine.refuse(DoorName.FAILED)
        assert STOP not in machine.data_to_send()

    @pytest.mark.parametrize("leave", ["refuse", "give_back"])
    def test_it_is_stopped_before_the_door_is_left(self, leave: str) -> None:
        machine = forking()
        getattr(machine, leave)(DoorName.OPERATOR)
        said = machine.data_to_send()
        assert said.startswith(STOP)
        assert b"door" in said.removeprefix(STOP)

    def test_a_hang_up_ends_it_by_itself(self) -> None:
        machine = forking()
        machine.hang_up(HangupCause.NORMAL_CLEARING)
        assert machine.data_to_send() == b"sendmsg\ncall-command: hangup\nhangup-cause: NORMAL_CLEARING\n\n"

    @pytest.mark.parametrize(
        "url", ["http://x/y", "ws://x", "ws://x/ y", "ws://x/y?z", "ws://x/y\nexit", "ws://u:p@x/y", "ws://x/${y}"]
    )
    def test_no_url_adds_an_argument(self, url: str) -> None:
        machine = live("Answer-State: ringing")
        machine.media.prepare_fork()
        machine.answer()
        machine.receive(API_OK + OK + ANSWERED)
        machine.data_to_send()
        with pytest.raises(LocalProtocolError):
            machine.media.fork(url)
        assert machine.data_to_send() == b""
        machine.media.fork(URL)
