"""One outbound event-socket connection as a pure machine: bytes and wishes in, bytes and events out.

It follows one call from `connect` to the end of the socket (FreeSWITCH 1.11.2, dialplan
`socket host:port async full` with `socket_resume=true`). Four orders of commands crash a whole FreeSWITCH with
all of its calls. Whatever is asked, none of them leaves this machine:

- `unicast` before the call has media: only after CHANNEL_ANSWER has come, or `connect` said that it had;
- `answer` and `unicast` in one breath: the same wait;
- a second `unicast` while a first may run: `UnicastGuard`;
- `uuid_audio_fork` before the answer: the same wait for CHANNEL_ANSWER.
"""

from collections import deque
from enum import Enum, auto
from typing import Final

from transports.freeswitch.door_events import DoorEvent, ForkAccepted, Ready, Refused, UnicastAccepted
from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl import (
    ApiResponse,
    CommandReply,
    DisconnectNotice,
    EslDecoder,
    Event,
    LogData,
    Message,
)
from transports.freeswitch.esl_commands import (
    API_COMMANDS,
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
    MyEvents,
    SendSilenceWhenIdle,
    SetDoor,
    Unicast,
    encode,
)
from transports.freeswitch.esl_facts import digit_of, hello_of, read_rate_of, sequence_of, who_hung_up
from transports.freeswitch.fork_guard import ForkGuard
from transports.freeswitch.unicast_guard import NoDatagrams, UnicastGuard
from transports.freeswitch.words import (
    Answered,
    Disconnected,
    DoorName,
    HangupCause,
    Hello,
    HungUp,
    MediaEnded,
)

EXTRA_EVENTS: Final = (
    EventClass.DTMF,
    EventClass.PLAYBACK_START,
    EventClass.PLAYBACK_STOP,
    EventClass.FORK_CONNECT,
    EventClass.FORK_CONNECT_FAILED,
    EventClass.FORK_DISCONNECT,
)
_SILENCE: Final = "send_silence_when_idle"
_ENDS_FORK: Final = {
    EventClass.FORK_CONNECT_FAILED.value: "the switch could not connect",
    EventClass.FORK_DISCONNECT.value: "the media socket was lost",
}
_ENDS_UNICAST: Final = {"PLAYBACK_START": "playback", "CHANNEL_BRIDGE": "bridge", "CHANNEL_UNPARK": "unpark"}


class _Phase(Enum):
    NEW = auto()
    GREETING = auto()
    LIVE = auto()
    ENDING = auto()
    OVER = auto()


class DoorMachine:
    """The rules of one connection. After every call, write what `data_to_send` gives.

    Verbs that end the call are final and idempotent: the first wins, later ones do nothing.
    """

    def __init__(self) -> None:
        self._decoder = EslDecoder()
        self._out = bytearray()
        self._pending: deque[Command] = deque()
        self._phase = _Phase.NEW
        self._guard = UnicastGuard()
        self._fork = ForkGuard()
        self._hello: Hello | None = None
        self._told_at = 0
        self._answer_asked = False
        self._answer_seen = False
        self._rate: int | None = None
        self._cause: str | None = None
        self._hung_up = False

    @property
    def hello(self) -> Hello:
        """Raises LocalProtocolError before `connect` was answered."""
        if self._hello is None:
            raise LocalProtocolError("the call has not been told yet")
        return self._hello

    @property
    def sample_rate(self) -> int | None:
        """The read codec's rate in Hz once the call is answered and has media; None before."""
        return self._rate

    @property
    def live(self) -> bool:
        """Whether `answer` and `unicast` may be asked: told, not hung up, no final verb asked, socket up."""
        return self._phase is _Phase.LIVE and self._cause is None

    @property
    def over(self) -> bool:
        """Whether the socket has ended."""
        return self._phase is _Phase.OVER

    @property
    def hangup_cause(self) -> str:
        """Why the call was hung up, by whomever; empty while it was not, as far as FreeSWITCH has told."""
        return self._cause or ""

    @property
    def fork_chosen(self) -> bool:
        """Whether this park sends silence: audio goes by a fork, and by no unicast."""
        return self._fork.chosen

    @property
    def forking(self) -> bool:
        """Whether a fork was asked for and has not ended, as far as FreeSWITCH has told."""
        return self._fork.running

    @property
    def buffered_bytes(self) -> int:
        """What is held of a message that is not whole, and what is still to be written."""
        return self._decoder.buffered_bytes + len(self._out)

    def data_to_send(self) -> bytes:
        """Bytes to write now; each is given once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def greet(self) -> None:
        """Say `connect`. FreeSWITCH waits 25 s for it and holds the caller meanwhile."""
        if self._phase is not _Phase.NEW:
            raise LocalProtocolError("the call was greeted already")
        self._phase = _Phase.GREETING
        self._say(Connect())

    def answer(self) -> None:
        """Answer the call; Answered follows. Idempotent. Raises LocalProtocolError unless the call is live."""
        self._require_live("answer")
        if not (self._answer_asked or self._answer_seen):
            self._answer_asked = True
            self._say(ExecuteAnswer())

    def unicast(self, switch: tuple[str, int], ours: tuple[str, int], evidence: NoDatagrams | None = None) -> None:
        """Start the unicast stream between FreeSWITCH's (host, port) and ours.

        `evidence` is needed for another try in the same park. Raises LocalProtocolError when this could harm
        the switch: no media yet, a stream that may be alive, a port named before, a park that has had its one.
        """
        self._require_live("unicast")
        if self._fork.chosen:
            raise LocalProtocolError("unicast in a park that sends silence would not be heard: re-enter the door")
        if self._rate is None:
            raise LocalProtocolError("unicast before CHANNEL_ANSWER would crash the switch")
        self._guard.check(switch[1], evidence)
        self._say(Unicast(*switch, *ours))
        self._guard.asked(switch[1])

    def prepare_fork(self) -> None:
        """Choose mod_audio_fork for this park, before the answer: else nothing of ours is heard. Idempotent.

        Raises LocalProtocolError when the call is answered already and was not prepared then.
        """
        self._require_live("fork")
        if self._fork.choose(answered=self._answer_asked or self._answer_seen):
            self._say(SendSilenceWhenIdle(self.hello.call_id))

    def fork(self, url: str) -> None:
        """Start the stream to our WebSocket at `url`.

        Raises LocalProtocolError when this could harm the switch or would not be heard: no media yet, not prepared,
        a stream that runs already.
        """
        self._require_live("fork")
        if self._rate is None:
            raise LocalProtocolError("uuid_audio_fork before CHANNEL_ANSWER would crash the switch")
        self._fork.check()
        self._say(ForkStart(self.hello.call_id, url, self._rate))
        self._fork.asked()

    def datagram_heard(self) -> None:
        """The stream is alive: no other can be started in this park."""
        self._guard.heard()

    def hang_up(self, cause: HangupCause) -> None:
        """End the call with `cause`; FreeSWITCH closes the socket behind it. Final."""
        self._end(Hangup(cause))

    def refuse(self, door: DoorName) -> None:
        """Let the dialplan answer in our place, at `door_<door>`; an unanswered call stays unanswered. Final."""
        self._end(ExecuteSetDoor(door))

    def give_back(self, door: DoorName) -> None:
        """Let the dialplan go on with the call at `door_<door>`, also out of unicast. Final.

        `AGAIN` re-enters the door: a new connection comes with the same channel id and a fresh park.
        """
        self._end(SetDoor(self.hello.call_id, door))

    def receive(self, data: bytes) -> list[DoorEvent]:
        """Take bytes as they came. Raises RemoteProtocolError on nonsense: the connection must then be closed.

        What comes behind the end is not looked at: nonsense there must not swallow the end.
        """
        events: list[DoorEvent] = []
        for message in self._decoder.feed(data) if not self.over else ():
            events += self._take(message)
            if self.over:
                break
        return events

    def receive_eof(self, reason: str = "the socket was closed") -> list[DoorEvent]:
        """The stream ended. Idempotent."""
        if self._phase is _Phase.OVER:
            return []
        self._phase = _Phase.OVER
        self._out.clear()
        hung_up = [self._hang_up_seen(None)] if self._cause is not None and not self._hung_up else []
        return [*hung_up, Disconnected(reason)]

    def _take(self, message: Message) -> list[DoorEvent]:
        match message:
            case Event():
                return self._event(message)
            case CommandReply() | ApiResponse():
                return self._reply(message)
            case DisconnectNotice(lingering=False):
                return self.receive_eof("FreeSWITCH let go of the call")
            case DisconnectNotice() | LogData():
                return []
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} on an outbound connection")

    def _reply(self, reply: CommandReply | ApiResponse) -> list[DoorEvent]:
        if not self._pending:
            raise RemoteProtocolError("a reply to nothing that was asked")
        command = self._pending.popleft()
        if isinstance(reply, ApiResponse) is not isinstance(command, API_COMMANDS):
            raise RemoteProtocolError(f"{type(reply).__name__} as the reply to {type(command).__name__}")
        match command:
            case Connect() | MyEvents() | EventPlain():
                if not reply.ok:
                    raise RemoteProtocolError(f"{type(command).__name__} was refused: {reply.text[:80]!r}")
                return self._greeting_step(command, reply)
            case SetDoor() | ExecuteSetDoor():
                # Only now: an `exit` that overtook it would lead to the fall-back.
                self._say(Exit())
            case Unicast():
                self._guard.replied(reply.ok)
            case ForkStart():
                return self._fork_answered(command, reply)
        if not reply.ok:
            # What is left of a fork may be gone by itself: `stop` then finds nothing.
            return [] if isinstance(command, ForkStop) else [Refused(command, reply.text[:200])]
        return [UnicastAccepted(command.local_port)] if isinstance(command, Unicast) else []

    def _fork_answered(self, command: ForkStart, reply: CommandReply | ApiResponse) -> list[DoorEvent]:
        if reply.ok:
            return [ForkAccepted()]
        if self.live and self._fork.again():
            self._say(ForkStop(command.call_id))
            self._say(command)
            return []
        self._fork.end()
        return [Refused(command, reply.text[:200])]

    def _greeting_step(
        self, command: Connect | MyEvents | EventPlain, reply: CommandReply | ApiResponse
    ) -> list[DoorEvent]:
        match command:
            case Connect():
                assert isinstance(reply, CommandReply)
                self._hello = hello_of(reply.headers)
                self._told_at = sequence_of(reply.headers)
                # The dialplan, or we in an earlier park of this channel.
                self._fork.chosen = self._hello.variables.get(_SILENCE, "0") not in {"", "0", "false"}
                if self._hello.answered:
                    self._answer_seen = True
                    self._rate = read_rate_of(reply.headers)
                self._say(MyEvents())
            case MyEvents():
                self._say(EventPlain(EXTRA_EVENTS))
            case EventPlain():
                self._phase = _Phase.LIVE
                return [Ready(self.hello)]
        return []

    def _event(self, event: Event) -> list[DoorEvent]:
        if self._hello is None or event.headers.get("Unique-ID") != self._hello.call_id or self._hung_up:
            return []  # another leg's, or too late to mean anything
        match event.name:
            case "DTMF":
                digit = digit_of(event.headers)
                return [digit] if digit is not None else []
            case "CHANNEL_HANGUP":
                self._cause = event.headers.get("Hangup-Cause", "NONE")
                return []
            case "CHANNEL_HANGUP_COMPLETE":
                # Only this one tells who hung up; it follows CHANNEL_HANGUP by 1 to 3 ms.
                self._cause = event.headers.get("Hangup-Cause", self._cause or "NONE")
                return [self._hang_up_seen(who_hung_up(event.headers))]
            case "CHANNEL_ANSWER":
                self._answer_seen = True
            case "CUSTOM":
                return self._fork_news(event)
        return self._media_news(event) if self._cause is None else []

    def _media_news(self, event: Event) -> list[DoorEvent]:
        if self._answer_seen and self._rate is None:
            # CHANNEL_ANSWER itself names the codec; should it not, the next event does.
            self._rate = read_rate_of(event.headers)
            return [Answered(self._rate)] if self._rate is not None else []
        reason = _ENDS_UNICAST.get(event.name)
        if reason is None or sequence_of(event.headers) < self._told_at:
            return []  # what happened before this connection belongs to an earlier park
        return [MediaEnded(reason)] if self._guard.spoil() else []

    def _fork_news(self, event: Event) -> list[DoorEvent]:
        reason = _ENDS_FORK.get(event.headers.get("Event-Subclass", ""))
        if reason is None or not self._fork.end():
            return []
        return [MediaEnded(reason)] if self._cause is None else []

    def _hang_up_seen(self, by_caller: bool | None) -> HungUp:
        self._hung_up = True
        return HungUp(self._cause or "NONE", by_caller)

    def _say(self, command: Command) -> None:
        self._out += encode(command)
        self._pending.append(command)

    def _require_live(self, wish: str) -> None:
        if not self.live:
            raise LocalProtocolError(f"{wish}: the call is not live")

    def _end(self, command: Command) -> None:
        if self._phase in {_Phase.ENDING, _Phase.OVER} or self._hung_up:
            return
        if self._phase is not _Phase.LIVE:
            raise LocalProtocolError("the call has not been told yet")
        if not isinstance(command, Hangup) and self._fork.end():
            # The stream would outlive the door and listen in on whoever comes next.
            self._say(ForkStop(self.hello.call_id))
        self._say(command)
        self._phase = _Phase.ENDING
