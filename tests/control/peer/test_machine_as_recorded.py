"""The peer gets what a service once wrote to a real FreeSWITCH, and must answer as that one did."""

import base64
import re

import pytest

from control.peer.actions import Action, HungUp, OpenUnicast, Send, WentOn
from control.peer.esl import EventWriter
from control.peer.facts import Dialed
from control.peer.machine import ChannelMachine
from control.peer.script import Codec
from control.peer.variables import new_channel
from tests.control.peer.recorded import Message, capture, messages, side

SOUNDS = {"/var/lib/freeswitch/wav/short.wav": 0.5, "/var/lib/freeswitch/wav/prompt.wav": 10.2}
BYE = "bye"
NOON = 1_795_340_000_000_000
Doing = tuple[float, str]
"""Milliseconds in the recording, and what the caller did then: `bye`, or a key let go."""

STATES = (
    *("Channel-State", "Channel-State-Number", "Channel-Call-State", "Answer-State", "Hangup-Cause", "Application"),
    *("Application-Data", "Application-Response", "variable_endpoint_disposition", "DTMF-Digit", "DTMF-Duration"),
    *("Channel-Read-Codec-Rate", "Playback-Status", "variable_sip_hangup_disposition", "variable_hangup_cause_q850"),
)
DIALOG = {f"variable_sip_{name}" for name in ("to_tag", "from_tag", "cseq", "call_id", "full_via", "from_display")}
DIALOG |= {"variable_sip_full_from", "variable_sip_full_to"}
BRIDGED = re.compile(
    "Callee-ID|bridge|originate|DIALSTATUS|switch_m_sdp|signal_bond|callee|continue_on_fail|sip_reason"
    "|sip_hangup_phrase|_media_flow$|socket_resume"
)
"""Headers that a bridge adds or writes anew; and socket_resume, which that dialplan did not set a second time."""

ONE_DOOR = [
    ("door_refuse_politely.esl", [], "busy"),
    ("door_hangup_with_cause.esl", [], "CALL_REJECTED"),
    ("door_unicast_give_back_voicemail.esl", [], "voicemail"),
    ("door_service_dies_under_unicast.esl", [], "failed"),
    ("esl_outbound_unanswered_reject_busy.esl", [], "USER_BUSY"),
    ("esl_outbound_missing_file_and_unknown_app.esl", [], "DESTINATION_OUT_OF_ORDER"),
    ("unicast_l16_8k.esl", [(4450, "9"), (4790, "#"), (14493.01, BYE)], "NORMAL_CLEARING"),
    ("unicast_pcmu.esl", [(4460, "9"), (4810, "#"), (14522.94, BYE)], "NORMAL_CLEARING"),
]


class Replay:
    """A channel of the peer under the recorded commands of a service, on the recording's clock."""

    def __init__(self, name: str, doings: list[Doing]) -> None:
        recorded = messages(side(name, "fs"))
        greeting = recorded[0][0]
        dialed = Dialed(number=greeting["Caller-Destination-Number"], context="lab")
        channel = new_channel(dialed, Codec.PCMU, NOON, session_id=1, socket="127.0.0.1:8084 async full")
        channel.uuid = greeting["Unique-ID"]
        if "variable_door" not in greeting:  # recorded before the door was invented
            for variable in ("DP_MATCH", "door", "socket_resume"):
                channel.variables.put(variable, "")
        self.machine = ChannelMachine(
            channel,
            EventWriter("6b9450f1-a0cd-4556-8a45-17d8ed3c2594"),
            lambda now: NOON + int(now * 1e6),
            socket="127.0.0.1:8084 async full",
            files=SOUNDS,
        )
        self.actions: list[Action] = []
        self.recorded = recorded
        self._play(name, doings)

    def _play(self, name: str, doings: list[Doing]) -> None:
        todo: list[tuple[float, str, bytes]] = [(at, doing, b"") for at, doing in doings]
        ours = [row for row in capture(name) if row["dir"] == "us"]
        todo += [(float(str(row["t_ms"])), "close" if row.get("eof") else "write", _bytes(row)) for row in ours]
        tick = 0.0
        for at, what, data in sorted(todo):
            while tick <= at:
                self.actions += self.machine.tick(tick / 1000)
                tick += 20
            self._do(what, data, at / 1000)
        for _ in range(400):
            self.actions += self.machine.tick(tick / 1000)
            tick += 20

    def _do(self, what: str, data: bytes, now: float) -> None:
        if what == "write":
            self.actions += self.machine.receive(data, now)
        elif what == "close":
            self.machine.socket_closed(now)
        elif what == BYE:
            self.machine.caller_hangs_up()
        else:
            self.actions += self.machine.digit(what, now)

    def sent(self) -> list[Message]:
        return messages(b"".join(part for action in self.actions if isinstance(action, Send) for part in action.parts))


def _bytes(row: dict[str, object]) -> bytes:
    return base64.b64decode(str(row["b64"]))


def events(found: list[Message]) -> list[Message]:
    """Without the first CHANNEL_PARK: whether it is seen is a race with `myevents`, on the real switch too."""
    seen = [message for message in found if "Event-Name" in message[0] and message[0].get("Control") != "full"]
    return seen[1:] if seen and seen[0][0]["Event-Name"] == "CHANNEL_PARK" else seen


def replies(found: list[Message]) -> list[tuple[str | None, str | None, str]]:
    return [
        (headers.get("Content-Type"), headers.get("Reply-Text"), body)
        for headers, _, body in found
        if "Content-Type" in headers
    ]


@pytest.fixture(params=ONE_DOOR, ids=lambda scene: scene[0])
def replay(request: pytest.FixtureRequest) -> Replay:
    name, doings, _ = request.param
    return Replay(name, doings)


def test_the_same_words_come_back_in_the_same_order(replay: Replay) -> None:
    assert replies(replay.sent()) == replies(replay.recorded)


def test_the_same_events_come_in_the_same_order(replay: Replay) -> None:
    names = [headers["Event-Name"] for headers, _, _ in events(replay.sent())]
    assert names == [headers["Event-Name"] for headers, _, _ in events(replay.recorded)]


def test_the_reply_to_connect_has_the_same_headers_in_the_same_order(replay: Replay) -> None:
    assert replay.sent()[0][1] == replay.recorded[0][1]


def test_every_event_has_the_same_headers_in_the_same_order(replay: Replay) -> None:
    for ours, theirs in zip(events(replay.sent()), events(replay.recorded), strict=True):
        assert _without_race(ours) == _without_race(theirs), ours[0]["Event-Name"]


def test_every_event_tells_the_same_states(replay: Replay) -> None:
    for ours, theirs in zip(events(replay.sent()), events(replay.recorded), strict=True):
        told = {name: ours[0].get(name) for name in STATES}
        assert told == {name: theirs[0].get(name) for name in STATES}, ours[0]["Event-Name"]


def test_each_event_is_written_as_header_and_body() -> None:
    replay = Replay("door_hangup_with_cause.esl", [])
    split = [action for action in replay.actions if isinstance(action, Send) and len(action.parts) == 2]
    assert len(split) == 7
    for action in split:
        header, body = action.parts
        assert header == f"Content-Length: {len(body)}\nContent-Type: text/event-plain\n\n".encode()


@pytest.mark.parametrize(("name", "doings", "end"), ONE_DOOR, ids=lambda value: str(value)[:40])
def test_the_call_ends_as_it_did(name: str, doings: list[Doing], end: str) -> None:
    (last,) = [action for action in Replay(name, doings).actions if isinstance(action, HungUp | WentOn)]
    assert end == (last.cause if isinstance(last, HungUp) else last.door)


def test_after_playback_unicast_comes_back_only_in_a_new_park() -> None:
    replay = Replay("unicast_l16_8k.esl", [])
    ports = [action.local[1] for action in replay.actions if isinstance(action, OpenUnicast)]
    assert ports == [9711, 9715]  # the order for 9713, in the old park, was answered +OK and forgotten
    assert replay.machine.hazards == []  # there was no socket_resume in that dialplan


def test_the_door_is_entered_again_with_the_headers_of_a_second_connection() -> None:
    replay = Replay("door_unicast_give_back_voicemail.esl", [])
    recorded = messages(side("door_bridge_and_back.esl2", "fs"))[0]
    replay.machine.reenter(5.0)
    (reply,) = replay.machine.receive(b"connect\n\n", 5.1)
    assert isinstance(reply, Send)
    ours = messages(reply.parts[0])[0]
    names = [name for name in ours[1] if not BRIDGED.search(name)]
    assert names == [name for name in recorded[1] if not BRIDGED.search(name)]
    for name in ("Caller-Destination-Number", "Channel-RDNIS", "Caller-Profile-Index", "variable_door"):
        assert ours[0][name] == recorded[0][name]


def _without_race(event: Message) -> list[str]:
    """SIP's dialog variables are written anew when the ACK comes: before or after `answer` is complete."""
    headers, names, _ = event
    if (headers["Event-Name"], headers.get("Application")) != ("CHANNEL_EXECUTE_COMPLETE", "answer"):
        return names
    return [name for name in names if name not in DIALOG]
