"""Whatever is asked, in whatever order of the world: no bytes that crash a switch ever leave the machine.

A switch and a caller of the machine are played at random; `Watchdog` reads the bytes with its own eyes and knows only
what a real FreeSWITCH knows of the channel.
"""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.transports.freeswitch.captures import KINDS, STREAM_KINDS, kind_of
from tests.transports.freeswitch.test_esl_door import API_OK, ERR, NOTICE, OK, event, hello
from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.unicast_guard import NoDatagrams
from transports.freeswitch.words import DoorName, HangupCause

LETS_TALK = {"resume_off": rb"api uuid_setvar_multi \S+ socket_resume=false\n\n"}
"""Said of a call whose caller somebody else has connected: our leaving would cut the two, else."""
PORTS = st.sampled_from([40001, 40003, 40005])
RARELY = st.sampled_from([False] * 7 + [True])
WAITS = st.sampled_from([0.0, 0.1, 0.199, 0.2, 0.5, float("nan"), float("inf")])


class Watchdog:
    """The switch's side: what it knows, and what it has been told."""

    def __init__(self) -> None:
        self.answered = False
        self.media = False  # answered, and a codec seen since
        self.spoiled = False
        self.bridged = False  # somebody else has connected the caller
        self.alive: int | None = None  # the port of a stream that may run
        self.proven_dead: set[int] = set()
        self.ports: set[int] = set()
        self.silence = False
        self.said: list[str] = []
        self.waiting: deque[str] = deque()

    def hear(self, data: bytes) -> None:
        for command in (c + b"\n\n" for c in data.split(b"\n\n") if c):
            kind = kind_of(command, KINDS | STREAM_KINDS | LETS_TALK)
            assert kind is not None, command
            assert not {"exit", "hangup"} & set(self.said), f"{kind} behind the end"
            assert kind in {"unicast", "fork", "fork_stop", *STREAM_KINDS} or kind not in self.said, f"{kind} twice"
            assert self.said or kind == "connect"
            if kind == "unicast":
                self._unicast(command)
            self._fork(kind)
            if kind == "resume_off":
                assert self.bridged, "nobody would have the caller"
            if kind == "exit":
                assert {"set_door", "setvar_door", "resume_off"} & set(self.said)
                assert not self.waiting, "exit before the door was set"
            if {"set_door", "setvar_door", "resume_off"} & set(self.said):
                assert kind == "exit"
            self.said.append(kind)
            self.waiting.append(kind)

    def _fork(self, kind: str) -> None:
        if kind == "silence":
            assert not self.answered, "silence that comes too late"
            self.silence = True
        elif kind == "fork":
            assert self.media, "CRASH: uuid_audio_fork on a call without media"
            assert self.silence, "a fork that is not heard"
            assert self.fork_tries < 2, "a fork for ever"
            self.fork_tries += 1
        elif kind == "fork_stop":
            assert self.fork_tries, "nothing to stop"
        elif kind == "stream":
            assert self.media, "early media that nobody asked for"
            assert self.alive is None or self.spoiled, "files that end the unicast under way"
            assert self.stream_tries < 2, "a stream for ever"
            self.stream_tries += 1
        elif kind == "stream_stop":
            assert self.stream_tries, "nothing to stop"

    fork_tries = stream_tries = 0

    def _unicast(self, command: bytes) -> None:
        assert not self.silence, "unicast that is not heard"
        port = int(command.split(b"local-port: ")[1].split(b"\n")[0])
        assert self.media, "CRASH: unicast on a call without media"
        assert "answer" not in self.waiting or self.media, "CRASH: unicast behind an answer that is not done"
        assert self.alive is None or self.alive in self.proven_dead, "CRASH: a second unicast while one may run"
        assert port not in self.ports, "CRASH: a port named twice"
        assert not self.spoiled, "unicast in vain"
        self.ports.add(port)
        self.alive = port


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.machine = DoorMachine()
        self.dog = Watchdog()
        self.broken = False

    @initialize(answered=st.booleans(), codec=st.booleans(), far=st.integers(0, 4))
    def comes(self, answered: bool, codec: bool, far: int) -> None:
        """Chance alone seldom gets far: begin at any stage of a call that goes well."""
        self.answered, self.codec = answered, codec
        self.machine.greet()
        if far >= 1:
            for _ in range(3):
                self.what_is_said_harms_nobody()
                self.replies(ok=True)
        if far >= 2:
            self.asks_to_answer()
        if far >= 3:
            self.what_is_said_harms_nobody()
            if self.dog.waiting:
                self.replies(ok=True)
            self.answer_comes(codec=True, of_another=False)
        if far >= 4:
            self.asks_for_unicast(40001)
            self.what_is_said_harms_nobody()
            self.replies(ok=True)

    # The switch.

    def feed(self, data: bytes) -> None:
        try:
            self.machine.receive(data)
        except RemoteProtocolError:
            self.broken = True

    @precondition(lambda self: self.dog.waiting and not self.broken)
    @rule(ok=st.sampled_from([True, True, True, False]))
    def replies(self, ok: bool) -> None:
        kind = self.dog.waiting.popleft()
        if kind == "connect":
            lines = ["Answer-State: answered" if self.answered else "Answer-State: ringing"]
            lines += ["Channel-Read-Codec-Rate: 8000"] if self.codec else []
            self.dog.answered = self.answered
            self.dog.media = self.answered and self.codec
            self.feed(hello(*lines))
        elif kind in {"setvar_door", "silence", "fork", "fork_stop", *STREAM_KINDS, *LETS_TALK}:
            self.feed(API_OK if ok else b"Content-Type: api/response\nContent-Length: 5\n\n-ERR\n")
        else:
            self.feed(OK if ok or kind in {"myevents", "event"} else ERR)
            self.dog.spoiled |= kind == "unicast" and not ok

    @precondition(lambda self: not self.broken)
    @rule(codec=st.booleans(), of_another=st.booleans())
    def answer_comes(self, codec: bool, of_another: bool) -> None:
        told = "event" in self.dog.said or "myevents" in self.dog.said
        lines = ["Answer-State: answered", *(["Channel-Read-Codec-Rate: 8000"] if codec else [])]
        self.feed(
            event("CHANNEL_ANSWER", *lines, call_id="another" if of_another else "d2317f64-4e50-42fb-9843-0f0a0848899e")
        )
        self.dog.answered |= told and not of_another
        self.dog.media |= told and codec and not of_another

    @precondition(lambda self: not self.broken)
    @rule(name=st.sampled_from(["CHANNEL_EXECUTE", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_PARK", "DTMF"]))
    def something_happens(self, name: str) -> None:
        self.feed(event(name, "Answer-State: early", "Channel-Read-Codec-Rate: 8000", "DTMF-Digit: 5"))
        self.dog.media |= self.dog.answered

    @precondition(lambda self: not self.broken and self.machine.live and self.machine.sample_rate is not None)
    @rule(name=st.sampled_from(["PLAYBACK_START", "CHANNEL_BRIDGE", "CHANNEL_UNPARK"]), sure=RARELY)
    def media_is_ended(self, name: str, sure: bool) -> None:
        if sure:
            self.feed(event(name))
            self.dog.spoiled = True
            self.dog.bridged |= name == "CHANNEL_BRIDGE"

    @precondition(lambda self: not self.broken)
    @rule(name=st.sampled_from(["CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE"]), sure=RARELY)
    def caller_goes(self, name: str, sure: bool) -> None:
        if sure:
            self.feed(event(name, "Hangup-Cause: NORMAL_CLEARING"))

    @precondition(lambda self: not self.broken)
    @rule(notice=st.booleans(), sure=RARELY)
    def socket_ends(self, notice: bool, sure: bool) -> None:
        if not sure:
            return
        if notice:
            self.feed(NOTICE)
        else:
            self.machine.receive_eof()
        self.broken = True

    # Whoever holds the machine, careless.

    def ask(self, wish: str, *args: object) -> None:
        try:
            asked = self.machine if hasattr(self.machine, wish) else self.machine.media
            getattr(asked, wish)(*args)
        except LocalProtocolError:
            assert self.machine.data_to_send() == b"", "a refused wish was said all the same"

    @rule()
    def asks_to_answer(self) -> None:
        self.ask("answer")

    @rule(sure=RARELY)
    def chooses_the_fork(self, sure: bool) -> None:
        if sure:
            self.ask("prepare_fork")

    @rule()
    def asks_for_a_stream(self) -> None:
        if self.dog.stream_tries < 1:
            self.ask("stream", "ws://127.0.0.1:8085/media/abc")

    @rule()
    def asks_for_a_fork(self) -> None:
        if self.dog.fork_tries < 1:
            self.ask("fork", "ws://127.0.0.1:8085/media/abc")

    @rule(port=PORTS)
    def asks_for_unicast(self, port: int) -> None:
        self.ask("unicast", ("127.0.0.1", port), ("127.0.0.1", port - 1))

    @rule(port=PORTS, of=PORTS, waited_s=WAITS)
    def asks_for_unicast_again(self, port: int, of: int, waited_s: float) -> None:
        # True evidence, as far as the switch can know: that stream was accepted, and nobody heard it.
        if of == self.dog.alive and "unicast" not in self.dog.waiting and waited_s >= 0.2 and not self.heard:
            self.dog.proven_dead.add(of)
        self.ask("unicast", ("127.0.0.1", port), ("127.0.0.1", port - 1), NoDatagrams(of, waited_s))

    heard = False

    @precondition(lambda self: self.dog.alive is not None)
    @rule()
    def datagram_comes(self) -> None:
        self.machine.media.datagram_heard()
        self.heard = True

    @rule(wish=st.sampled_from(["refuse", "give_back"]), door=st.sampled_from(list(DoorName)), sure=RARELY)
    def asks_to_leave(self, wish: str, door: DoorName, sure: bool) -> None:
        if sure or not self.machine.live:
            self.ask(wish, door)

    @rule(cause=st.sampled_from(list(HangupCause)), sure=RARELY)
    def asks_to_hang_up(self, cause: HangupCause, sure: bool) -> None:
        if sure or not self.machine.live:
            self.ask("hang_up", cause)

    @invariant()
    def what_is_said_harms_nobody(self) -> None:
        self.dog.hear(self.machine.data_to_send())


AnyOrder.TestCase.settings = settings(max_examples=600, stateful_step_count=25, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_a_caller_whom_somebody_else_connected_is_left_to_him() -> None:
    state = AnyOrder()
    state.comes(answered=False, codec=False, far=3)
    state.what_is_said_harms_nobody()
    state.media_is_ended(name="CHANNEL_BRIDGE", sure=True)
    state.asks_to_leave(wish="give_back", door=DoorName.FAILED, sure=True)
    state.what_is_said_harms_nobody()
    assert state.dog.said[-1] == "resume_off"
    state.replies(ok=True)
    state.what_is_said_harms_nobody()
    assert state.dog.said[-1] == "exit"
