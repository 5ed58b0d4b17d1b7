"""mod_audio_stream: what was recorded of it, whose files are played, and audio that is handed over ahead of time."""

import base64
import json
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import CallId
from tests.transports.freeswitch.captures import KINDS, STREAM_KINDS, is_reply, messages, script
from tests.transports.freeswitch.test_esl_door import (
    API_OK,
    FORK_ERR,
    FORK_OK,
    OK,
    OURS,
    SWITCH,
    UUID,
    answered,
    custom,
    event,
    forking,
    live,
    unicasting,
)
from tests.transports.freeswitch.test_fork import rows, uplink
from transports.freeswitch.door_events import (
    DoorEvent,
    FileOver,
    FilePlays,
    FileReady,
    FileUnusable,
    Refused,
    SocketAccepted,
)
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.fork import Uplink
from transports.freeswitch.lead import Lead
from transports.freeswitch.stream import TYPICAL_DELAY_S, Playlist, message
from transports.freeswitch.words import Answered, Disconnected, DoorName, Dtmf, HungUp, MediaEnded

URL = "ws://127.0.0.1:8085/media/abc-DEF_123"
SETVAR = f"api uuid_setvar {UUID} playback_terminators none\n\n".encode()
START = f"api uuid_audio_stream {UUID} start {URL} mono 8k\n\n".encode()
STOP = f"api uuid_audio_stream {UUID} stop\n\n".encode()
BREAK = f"api uuid_break {UUID} all\n\n".encode()
FILE = f"/var/lib/freeswitch/tmp/{UUID}_%d.tmp.r8"
CALL = CallId(UUID)


def playback(file: str) -> bytes:
    return (
        f"sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: {file}\nevent-lock: true\n\n"
    ).encode()


def told(subclass: str, body: str = "") -> bytes:
    inner = f"Event-Subclass: mod_audio_stream%3A%3A{subclass}\nEvent-Name: CUSTOM\nUnique-ID: {UUID}\n"
    inner += f"Event-Sequence: 300\nContent-Length: {len(body)}\n\n{body}"
    return f"Content-Length: {len(inner)}\nContent-Type: text/event-plain\n\n{inner}".encode()


def ready(file: str) -> bytes:
    return told("play", json.dumps({"audioDataType": "raw", "sampleRate": 8000, "file": file}))


def streaming() -> DoorMachine:
    machine = answered()
    machine.media.stream(URL)
    assert machine.data_to_send() == SETVAR + START
    assert machine.receive(API_OK + FORK_OK) == [SocketAccepted()]
    return machine


class Replay:
    """The recording's FreeSWITCH before our machine, asked what the recording's service asked as soon as it may be.

    That service did not wait for CHANNEL_ANSWER; a reply that comes before our command waits for it here.
    """

    def __init__(self, name: str) -> None:
        self.machine, self.events, self.said = DoorMachine(), list[DoorEvent](), list[bytes]()
        self._replies: deque[bytes] = deque()
        self._unanswered = 0
        self._playlist: Playlist | None = None
        wishes = {"connect": self.machine.greet, "answer": self.machine.answer, "break": self._break}
        for step in script(name, kinds=KINDS | STREAM_KINDS):
            if step.eof:
                self.events += self.machine.receive_eof()
            elif step.kind is None:
                for found in messages(step.data):
                    self._hear(found)
            else:
                wishes.get(step.kind, lambda: None)()
                self._write()

    def _hear(self, found: bytes) -> None:
        if is_reply(found):
            self._replies.append(found)
        else:
            self._react(self.machine.receive(found))
        self._write()

    def _write(self) -> None:
        while True:
            commands = [c + b"\n\n" for c in self.machine.data_to_send().split(b"\n\n") if c]
            self.said += commands
            self._unanswered += len(commands)
            if not (self._unanswered and self._replies):
                return
            self._unanswered -= 1
            self._react(self.machine.receive(self._replies.popleft()))

    def _react(self, events: list[DoorEvent]) -> None:
        self.events += events
        for happened in events:
            match happened:
                case Answered():
                    self.machine.media.stream("ws://127.0.0.1:9090/audio_stream/x")
                    self._playlist = Playlist(self.machine.hello.call_id)
                    for _ in range(11):
                        self._playlist.sent(0.0)
                case FileReady(file):
                    assert self._playlist is not None
                    if self._playlist.ready(file):
                        self.machine.media.play(file)

    def _break(self) -> None:
        assert self._playlist is not None
        self._playlist.cancel()
        self.machine.media.break_all()


def test_a_recorded_call_is_played_and_broken_with_the_same_words() -> None:
    replayed = Replay("audio_stream_8k_mono.esl")
    files = [e.file for e in replayed.events if isinstance(e, FileReady)]
    assert [file.rpartition("_")[2] for file in files] == [f"{n}.tmp.r8" for n in range(11)]
    played = [
        step.data for step in script("audio_stream_8k_mono.esl", kinds=KINDS | STREAM_KINDS) if step.kind == "play"
    ]
    ours = [said for said in replayed.said if b"playback\n" in said]
    assert ours == [b"".join(p.splitlines(keepends=True)[:-2]) + b"\n" for p in played], "all but the event-uuid"
    assert ours[-1].split(b"\n")[3].endswith(b"_9.tmp.r8"), "the one that was announced behind the break is not played"
    assert replayed.said.count(f"api uuid_break {replayed.machine.hello.call_id} all\n\n".encode()) == 1
    overs = [(e.file.rpartition("_")[2], e.whole) for e in replayed.events if isinstance(e, FileOver)]
    assert overs == [(f"{n}.tmp.r8", n != 4) for n in range(5)]
    assert sum(isinstance(e, FilePlays) for e in replayed.events) == 5
    assert Dtmf("5", 160) in replayed.events
    assert isinstance(replayed.events[-1], Disconnected)
    assert isinstance(replayed.events[-2], HungUp)


@pytest.mark.parametrize("name", ["audio_stream_8k_mono.ws", "audio_stream_8k_mono_buffer100.ws"])
def test_the_recorded_uplink_becomes_frames_of_20_ms(name: str) -> None:
    heard, codec = uplink(name), Uplink(8000)
    frames = [frame for one in heard for frame in codec.take(one)]
    assert {len(frame) for frame in frames} == {320}
    assert b"".join(frames) == b"".join(heard)


def test_what_is_said_is_the_message_that_the_module_took() -> None:
    [first, *_] = [r for r in rows("audio_stream_8k_mono.ws")[1:] if r["dir"] == "us" and r["kind"] == "text"]
    recorded = json.loads(first["text"])
    pcm = base64.b64decode(recorded["data"]["audioData"])
    assert json.loads(message(pcm, 8000)) == recorded
    for rate in (24000, 32000, 48000):
        with pytest.raises(ValueError, match="played rightly"):
            message(pcm, rate)


class TestMachine:
    def test_files_are_played_in_order_and_broken(self) -> None:
        machine = streaming()
        assert machine.receive(told("connect", '{"status":"connected"}')) == []
        assert machine.receive(ready(FILE % 0)) == [FileReady(FILE % 0)]
        machine.media.play(FILE % 0)
        machine.media.play(FILE % 1)
        machine.media.break_all()
        assert machine.data_to_send() == playback(FILE % 0) + playback(FILE % 1) + BREAK
        assert machine.receive(OK + OK + API_OK) == []
        path = f"Playback-File-Path: {FILE % 0}"
        assert machine.receive(event("PLAYBACK_START", path)) == [FilePlays(FILE % 0)]
        broken = event("PLAYBACK_STOP", path, "Playback-Status: break")
        assert machine.receive(broken) == [FileOver(FILE % 0, whole=False)]

    def test_an_answered_call_may_have_it_and_an_unanswered_one_not(self) -> None:
        machine = live("Answer-State: answered", "Channel-Read-Codec-Rate: 8000")
        machine.media.stream(URL)
        assert machine.data_to_send() == SETVAR + START
        ringing = live("Answer-State: ringing")
        with pytest.raises(LocalProtocolError, match="early media"):
            ringing.media.stream(URL)

    def test_one_park_carries_one_wire(self) -> None:
        with pytest.raises(LocalProtocolError, match="end unicast"):
            unicasting().media.stream(URL)
        with pytest.raises(LocalProtocolError, match="runs already"):
            forking().media.stream(URL)
        machine = streaming()
        for wish in (lambda: machine.media.stream(URL), lambda: machine.media.unicast(SWITCH, OURS)):
            with pytest.raises(LocalProtocolError, match="runs already"):
                wish()

    @pytest.mark.parametrize(
        "file",
        ["relative.r8", "/tmp/x.r24", "/tmp/x.wav", "/tmp/a b.r8", "/tmp/x.r8\nexit", "/tmp/../etc/x.r8", "/${x}.r8"],
    )
    def test_no_file_adds_an_argument(self, file: str) -> None:
        machine = streaming()
        assert machine.receive(ready(file)) == [FileUnusable()]
        with pytest.raises(LocalProtocolError):
            machine.media.play(file)
        assert machine.data_to_send() == b""

    @pytest.mark.parametrize("body", ["", "no json", "[]", '{"file":5}', '{"audioDataType":"raw"}'])
    def test_news_that_name_no_file_that_we_know_are_told(self, body: str) -> None:
        assert streaming().receive(told("play", body)) == [FileUnusable()]
        assert answered().receive(told("play", body)) == [], "nobody waits for a file"

    def test_what_a_former_stream_left_behind_is_cleared_once(self) -> None:
        machine = answered()
        machine.media.stream(URL)
        assert machine.receive(API_OK + FORK_ERR) == []
        assert machine.data_to_send() == SETVAR + START + STOP + START
        [refused] = machine.receive(FORK_OK + FORK_ERR)
        assert isinstance(refused, Refused)
        assert not machine.media.streaming

    @pytest.mark.parametrize("subclass", ["disconnect", "error"])
    def test_a_stream_that_is_lost_is_told_once(self, subclass: str) -> None:
        machine = streaming()
        [ended] = machine.receive(told(subclass, "{}") * 2)
        assert isinstance(ended, MediaEnded)
        assert machine.receive(custom("disconnect")) == []
        with pytest.raises(LocalProtocolError, match="nothing streams"):
            machine.media.play(FILE % 0)

    @pytest.mark.parametrize("leave", ["refuse", "give_back"])
    def test_it_is_silent_and_stopped_before_the_door_is_left(self, leave: str) -> None:
        machine = streaming()
        getattr(machine, leave)(DoorName.OPERATOR)
        said = machine.data_to_send()
        assert said.startswith(BREAK + STOP)
        assert b"door" in said.removeprefix(BREAK + STOP)


class TestPlaylist:
    def test_late_files_of_a_cancelled_utterance_are_not_played(self) -> None:
        playlist = Playlist(CALL)
        playlist.sent(0.0)
        playlist.sent(0.0)
        assert playlist.ready(FILE % 0)
        playlist.cancel()
        playlist.sent(1.0)
        assert not playlist.ready(FILE % 1)
        assert playlist.ready(FILE % 2)

    def test_a_file_that_is_not_ours_is_not_played(self) -> None:
        playlist = Playlist(CALL)
        playlist.sent(0.0)
        assert not playlist.ready(FILE % 1), "never sent"
        assert not playlist.ready("/var/lib/freeswitch/tmp/other_0.tmp.r8")
        assert not playlist.ready(f"/var/lib/freeswitch/tmp/{UUID}_0.wav")

    def test_the_lag_is_what_the_last_beginning_took(self) -> None:
        playlist = Playlist(CALL)
        assert playlist.lag_s(0.0) == TYPICAL_DELAY_S
        playlist.sent(10.0)
        assert playlist.lag_s(10.5) == 0.5, "nothing was heard yet"
        playlist.plays(FILE % 0, 10.75)
        assert playlist.lag_s(12.0) == 0.75
        playlist.sent(12.0)
        playlist.plays(FILE % 1, 13.0)
        assert playlist.lag_s(13.0) == 0.75, "a later piece waits for the one before it"
        playlist.paused()
        playlist.sent(20.0)
        playlist.plays(FILE % 2, 20.25)
        assert playlist.lag_s(20.25) == 0.25


class Voice:
    """A queue of frames with numbers for audio, played by hand."""

    def __init__(self, lead_ms: int = 1000) -> None:
        self.lead, self.queue, self.played, self.given = Lead(lead_ms), deque[bytes](), list[bytes](), b""
        self.pieces: list[int] = []

    def tick(self) -> None:
        frame = None
        if not self.lead.holds(len(self.queue) * 20) and self.queue:
            frame = self.queue.popleft()
            self.played.append(frame)
        piece = self.lead.take(frame, lambda skip, most: list(self.queue)[skip : skip + most])
        self.given += piece
        if piece:
            self.pieces.append(len(piece))


def frames(first: int, count: int) -> list[bytes]:
    return [bytes([n % 256]) for n in range(first, first + count)]


class TestLead:
    def test_a_sentence_is_given_in_few_pieces_ahead_of_its_hearing(self) -> None:
        voice = Voice()
        voice.queue.extend(frames(0, 200))
        for _ in range(200):
            voice.tick()
            assert len(voice.given) >= min(200, len(voice.played) + 24), "half a second is there for what comes"
        assert voice.given == b"".join(frames(0, 200)) == b"".join(voice.played)
        assert len(voice.pieces) < 10

    def test_a_first_sound_waits_a_little_for_company(self) -> None:
        voice = Voice()
        voice.queue.extend(frames(0, 2))
        voice.tick()
        voice.tick()
        assert (voice.played, voice.given) == ([], b"")
        voice.queue.extend(frames(2, 10))
        voice.tick()
        assert voice.given == b"".join(frames(0, 12))

    def test_a_short_word_is_said_all_the_same(self) -> None:
        voice = Voice()
        voice.queue.extend(frames(0, 2))
        for _ in range(4):
            voice.tick()
        assert voice.given == b"".join(frames(0, 2))

    def test_after_a_cut_what_is_left_is_given_anew(self) -> None:
        voice = Voice()
        voice.queue.extend(frames(0, 100))
        voice.tick()
        voice.lead.cut()
        voice.given = b""
        voice.tick()
        assert voice.given.startswith(bytes([1]))
        assert voice.lead.given_ms > 0

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=30))
    def test_every_frame_is_given_once_in_order_and_never_late(self, bursts: list[tuple[int, int]]) -> None:
        voice, said = Voice(), 0
        for count, ticks in bursts:
            voice.queue.extend(frames(said, count))
            said += count
            for _ in range(ticks):
                voice.tick()
                assert voice.given[: len(voice.played)] == b"".join(voice.played)
        for _ in range(2000):
            voice.tick()
        assert voice.given == b"".join(voice.played) == b"".join(frames(0, said))
