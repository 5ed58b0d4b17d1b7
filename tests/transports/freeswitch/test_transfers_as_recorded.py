"""Announced transfers against a FreeSWITCH that says what was recorded, in its order: the same conversation is had.

The recording's service sat on an inbound event socket with every event of both legs. Not ours, by design:
- `OURS_ALONE`: keys must not stop a file; what still plays is broken and what keeps the two talking if we die is set
  ahead of the bridge; the socket lingers once there is a leg, and is let go at the end. Answered here as elsewhere.
- `THEIRS_ALONE`: filters and its login (our socket is the call's own), its hold, announcement and regret out of a file
  (ours are the assistant's voice; that they play is told and left out), and `park_after_bridge` (ours comes back
  through the door).
- The caller's audio ends *behind* the bridge: should that fail, the call is ours as before.
- A caller's end is `hangup` on his own socket instead of `uuid_kill`, and ours comes as soon as nobody is reached.
- A job bears the leg's id, since there is one for each.
"""

import re
from collections import deque
from typing import NamedTuple

import pytest

from base.ids import CallId
from tests.transports.freeswitch.captures import from_us, is_reply, kind_of, messages, names, script
from tests.transports.freeswitch.test_esl_door import API_OK, NOTICE, OK, hello
from transports.freeswitch.door_events import (
    DoorEvent,
    FileOver,
    FilePlays,
    Joined,
    LegAnswered,
    LegEnded,
    SocketAccepted,
)
from transports.freeswitch.door_legs import LegWish
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.words import Device, Disconnected, HangupCause, HungUp

SAME = {
    "stream": rb"api uuid_audio_stream \S+ start .*\n\n",
    "originate": rb"bgapi originate (?s:.*)",
    "bridge": rb"api uuid_bridge \S+ \S+\n\n",
    "leg_kill": rb"api uuid_kill \S+ ORIGINATOR_CANCEL\n\n",
}
"""Said by both: FreeSWITCH's recorded answer is given to ours, where it gave it."""
MOVED = {
    "stream_stop": rb"api uuid_audio_stream \S+ stop\n\n",
    "hang_up": rb"(api uuid_kill \S+ |sendmsg\ncall-command: hangup\nhangup-cause: )NORMAL_CLEARING\n\n",
}
"""Said by both, at another place or in other words: answered at once."""
OURS_ALONE = {
    "terminators": rb"api uuid_setvar \S+ playback_terminators none\n\n",
    "break": rb"api uuid_break \S+ all\n\n",
    "linger": rb"linger \d+\n\n",
    "resume": rb"api uuid_setvar_multi \S+ socket_resume=false;hangup_after_bridge=true\n\n",
    "exit": rb"exit\n\n",
}
THEIRS_ALONE = re.compile(
    rb"auth |event plain ALL|filter |api uuid_setvar \S+ park_after_bridge true"
    rb"|sendmsg \S+\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: /var/lib/freeswitch/wav/"
)
KNOWN = SAME | MOVED | OURS_ALONE


def kind(command: bytes) -> str:
    found = kind_of(command, KNOWN)
    assert found is not None, f"said by neither: {command!r}"
    return found


class Scene(NamedTuple):
    """What has to come of a recording."""

    name: str
    outcome: list[type[DoorEvent]]
    said: list[str]
    cause: str = ""

    @property
    def recording(self) -> str:
        return f"announced_transfer_{self.name}.esl"


BRIDGED = ["terminators", "stream", "linger", "originate", "break", "resume", "bridge", "break", "stream_stop", "exit"]
UNREACHED = ["terminators", "stream", "linger", "originate", "hang_up", "exit"]
SCENES = [
    Scene("ok_agent_hangs_up", [SocketAccepted, LegAnswered, Joined, Disconnected], BRIDGED),
    Scene("ok_park_after_bridge", [SocketAccepted, LegAnswered, Joined, Disconnected], BRIDGED),
    Scene("busy", [SocketAccepted, LegEnded, HungUp, Disconnected], UNREACHED, "USER_BUSY"),
    Scene("no_answer", [SocketAccepted, LegEnded, HungUp, Disconnected], UNREACHED, "NO_ANSWER"),
    Scene(
        "caller_gone_while_ringing",
        [SocketAccepted, HungUp, Disconnected],
        ["terminators", "stream", "linger", "originate", "leg_kill", "exit"],
    ),
]


class RecordedSwitch:
    """FreeSWITCH as it was recorded, before our machine; a service that wishes what the recording's wished."""

    def __init__(self, recording: str) -> None:
        [originate] = [said for said in from_us(recording) if said.startswith(b"bgapi originate")]
        fields = dict(pair.split(b"=", 1) for pair in re.findall(rb"([a-z_]+=[^,}']+|[a-z_]+='[^']*')", originate))
        self.leg = CallId(fields[b"origination_uuid"].decode())
        self.caller = CallId(fields[b"other_leg"].decode())
        self._ring_s = int(fields[b"originate_timeout"])
        self._job_id = originate.split(b"Job-UUID: ")[1].strip()
        self.said: list[bytes] = []
        self.events: list[DoorEvent] = []
        self._waiting: deque[bytes] = deque()
        self.machine = self._told()
        self._play(recording)

    def _told(self) -> DoorMachine:
        """The call is answered and has been told; its audio comes by mod_audio_stream."""
        machine = DoorMachine()
        machine.greet()
        caller = ("Caller-Caller-ID-Name: Clínica, Ana Souza", "Caller-Caller-ID-Number: 5511999990000")
        media = ("Answer-State: answered", "Channel-Read-Codec-Name: PCMU", "Channel-Read-Codec-Rate: 8000")
        for reply in (hello(*media, *caller, call_id=self.caller), OK, OK):
            machine.receive(reply)
        machine.data_to_send()
        return machine

    def _play(self, recording: str) -> None:
        self.machine.media.stream("ws://127.0.0.1:9090/audio_stream/x")
        self._write()
        expected: str | None = None
        for step in script(recording, kinds=SAME):
            if self.machine.over:
                return  # what the two say to each other is theirs
            if step.kind is not None:
                if step.kind == "originate":
                    # Its moment is the service's to choose; all others follow from what FreeSWITCH says.
                    self.machine.reach(LegWish(leg_id=self.leg, destination=Device("9100", "x"), ring_s=self._ring_s))
                    self._write()
                expected = step.kind
                continue
            for found in messages(step.data.replace(self._job_id, self.leg.encode())):
                if is_reply(found):
                    assert self._waiting, f"the recording's service had said {expected}, ours has not"
                    assert kind(self._waiting[0]) == expected
                    self._waiting.popleft()
                if b"Content-Type: auth/request" not in found:
                    self._hear(found)
        assert not self._waiting, "everything that we said was answered"

    def _hear(self, found: bytes) -> None:
        events = self.machine.receive(found)
        self.events += events
        for happened in events:
            match happened:
                case LegAnswered():
                    self.machine.join()
                case LegEnded():
                    self.machine.hang_up(HangupCause.NORMAL_CLEARING)
        self._write()

    def _write(self) -> None:
        """Take what our side says; answer at once what was not recorded here, in the order in which it was said."""
        for command in [c + b"\n\n" for c in self.machine.data_to_send().split(b"\n\n") if c]:
            self.said.append(command)
            self._waiting.append(command)
        while self._waiting and kind(self._waiting[0]) not in SAME:
            command = self._waiting.popleft()
            self._hear(API_OK if command.startswith(b"api ") else OK)
            if command == b"exit\n\n":
                self._hear(NOTICE)


@pytest.fixture(params=SCENES, ids=[scene.name for scene in SCENES])
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found


def test_the_same_conversation_is_had(scene: Scene) -> None:
    switch = RecordedSwitch(scene.recording)
    outcome = [type(event) for event in switch.events if not isinstance(event, FilePlays | FileOver)]
    assert outcome == scene.outcome
    assert [kind(command) for command in switch.said] == scene.said
    ended = [event.cause for event in switch.events if isinstance(event, LegEnded)]
    assert ended == ([scene.cause] if scene.cause else [])
    assert switch.machine.over


def test_what_both_said_is_said_in_the_same_order(scene: Scene) -> None:
    """But for the end of the audio, behind the bridge with us, and the second stream of a call that came back."""
    recorded = [said for said in from_us(scene.recording) if not THEIRS_ALONE.match(said)]
    theirs = [kind(said) for said in recorded]
    ours = [kind(said) for said in RecordedSwitch(scene.recording).said]
    if "bridge" in theirs:
        assert theirs.index("stream_stop") + 1 == theirs.index("bridge")
        assert ours.index("stream_stop") > ours.index("bridge")
    if scene.name == "ok_park_after_bridge":
        assert theirs.pop() == "stream"
    both = [*SAME, "hang_up"]
    assert [said for said in ours if said in both] == [said for said in theirs if said in both]


def test_what_both_said_is_said_in_the_same_words(scene: Scene) -> None:
    recorded = {kind(said): said for said in reversed(from_us(scene.recording)) if not THEIRS_ALONE.match(said)}
    ours = {kind(said): said for said in RecordedSwitch(scene.recording).said}
    for name in ("bridge", "leg_kill", "stream_stop"):
        assert ours.get(name) == recorded.get(name)
    mine, theirs = parts(ours["originate"]), parts(recorded["originate"])
    assert mine[1:] == theirs[1:], "the park"
    # Notes of the recording's service, which ours keeps to itself.
    shared = {name: value for name, value in theirs[0].items() if name not in {"call_note", "other_leg"}}
    assert shared.items() <= mine[0].items()
    assert mine[0].keys() - shared.keys() == {"hangup_after_bridge", "park_timeout", "atende_call"}


def parts(originate: bytes) -> tuple[dict[str, str], str]:
    """The variables of an originate, and what becomes of the leg."""
    inside, behind = originate.decode().partition("{")[2].split("}", 1)
    pairs = re.findall(r"(\w+)=('(?:[^'\\]|\\.)*'|[^,]*)", inside)
    return dict(pairs), behind.split(" ", 1)[1].split("\n")[0]


def test_a_caller_who_hangs_up_is_told_as_the_one_who_did() -> None:
    switch = RecordedSwitch("announced_transfer_caller_gone_while_ringing.esl")
    assert HungUp("NORMAL_CLEARING", True) in switch.events
    busy = RecordedSwitch("announced_transfer_busy.esl")
    assert HungUp("NORMAL_CLEARING", False) in busy.events


def test_no_recorded_transfer_is_left_out() -> None:
    assert sorted(scene.recording for scene in SCENES) == names("announced_transfer_*.esl")
