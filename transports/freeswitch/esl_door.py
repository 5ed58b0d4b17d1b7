"""One outbound event-socket connection as a pure machine: bytes and wishes in, bytes and events out.

It follows one call from `connect` to the end of the socket (FreeSWITCH 1.11.2, dialplan
`socket host:port async full` with `socket_resume=true`). Four orders of commands crash a whole FreeSWITCH with
all of its calls. Whatever is asked, none of them leaves this machine:

- `unicast` before the call has media: only after CHANNEL_ANSWER has come, or `connect` said that it had;
- `answer` and `unicast` in one breath: the same wait;
- a second `unicast` while a first may run: `UnicastGuard`;
- `uuid_audio_fork` before the answer: the same wait for CHANNEL_ANSWER.

What concerns the call's audio is asked of `media`; a second leg is `DoorLegs`', and how a call is left `DoorLeaving`'s.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from base.ids import CallId
from transports.freeswitch.door_events import DoorEvent, Joined, Ready, Refused
from transports.freeswitch.door_leaving import DoorLeaving
from transports.freeswitch.door_legs import DoorLegs, LegWish
from transports.freeswitch.door_media import DoorMedia
from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl import (
    ApiResponse,
    CommandReply,
    DisconnectNotice,
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
    Hangup,
    MyEvents,
    SendText,
    Transfer,
)
from transports.freeswitch.esl_dialogue import Dialogue
from transports.freeswitch.esl_encoding import encode
from transports.freeswitch.esl_facts import digit_of, hello_of, sequence_of, who_hung_up
from transports.freeswitch.esl_switch_commands import Bridge, Originate, SendDigits, SetVariables
from transports.freeswitch.esl_values import Variable, checked_route, dialled, listed, word
from transports.freeswitch.text import text_of
from transports.freeswitch.words import (
    Answered,
    Disconnected,
    DoorName,
    HangupCause,
    Hello,
    HungUp,
    MediaEnded,
    Note,
    Route,
)

EXTRA_EVENTS: Final = (
    EventClass.BACKGROUND_JOB,
    EventClass.DTMF,
    EventClass.PLAYBACK_START,
    EventClass.PLAYBACK_STOP,
    EventClass.FORK_CONNECT,
    EventClass.FORK_CONNECT_FAILED,
    EventClass.FORK_DISCONNECT,
    EventClass.STREAM_PLAY,
    EventClass.STREAM_DISCONNECT,
    EventClass.STREAM_ERROR,
    EventClass.TEXT,
)


class _Phase(Enum):
    NEW = auto()
    GREETING = auto()
    LIVE = auto()
    ENDING = auto()
    OVER = auto()


class DoorMachine:
    """The rules of one connection. After every call, also of `media`, write what `data_to_send` gives.

    Verbs that end the call are final and idempotent: the first wins, later ones do nothing.
    """

    def __init__(self) -> None:
        self._dialogue = Dialogue[Command](encode, lambda command: isinstance(command, API_COMMANDS))
        self._phase = _Phase.NEW
        self.media: Final = DoorMedia(self._say, self._require_live)
        self._legs = DoorLegs(self._say)
        self._hello: Hello | None = None
        self._answer_asked = False
        self._answer_seen = False
        self._cause: str | None = None
        self._hung_up = False
        self._let_go = False
        self._leaving = DoorLeaving(self._say)
        self._untold: list[DoorEvent] = []
        """The loss of the audio, while it may be a person who has the call in a moment."""

    @property
    def hello(self) -> Hello:
        """Raises LocalProtocolError before `connect` was answered."""
        if self._hello is None:
            raise LocalProtocolError("the call has not been told yet")
        return self._hello

    @property
    def sample_rate(self) -> int | None:
        """The read codec's rate in Hz once the call is answered and has media; None before."""
        return self.media.rate

    @property
    def codec(self) -> str:
        """The read codec's name as FreeSWITCH has it; empty where `sample_rate` is None."""
        return self.media.codec

    @property
    def live(self) -> bool:
        """Whether `answer` and `unicast` may be asked: told, not hung up, no final verb asked, socket up.

        A join is final unless it fails: then the call is live again.
        """
        return self._phase is _Phase.LIVE and self._cause is None and not self._legs.joining

    @property
    def second_leg(self) -> CallId | None:
        """The leg that rings or has answered; None without one, and while it is being joined."""
        return None if self._legs.joining else self._legs.present

    @property
    def joining(self) -> bool:
        """Whether the caller is being connected: not `live`, and may become it again."""
        return self._legs.joining and self._phase is _Phase.LIVE and self._cause is None

    @property
    def legs_settled(self) -> bool:
        """Whether the end of every leg that was given up is known."""
        return self._legs.settled

    @property
    def listens(self) -> bool:
        """Whether what is written into the call may be read: also while the caller is being connected, which may fail,
        and when the call is about to come back.
        """
        comes_back = self._phase is _Phase.ENDING and self._leaving.comes_back
        return self._cause is None and (self._phase is _Phase.LIVE or comes_back)

    @property
    def over(self) -> bool:
        """Whether the socket has ended."""
        return self._phase is _Phase.OVER

    @property
    def hangup_cause(self) -> str:
        """Why the call was hung up, by whomever; empty while it was not, as far as FreeSWITCH has told."""
        return self._cause or ""

    @property
    def buffered_bytes(self) -> int:
        """What is held of a message that is not whole, and what is still to be written."""
        return self._dialogue.buffered_bytes

    def data_to_send(self) -> bytes:
        """Bytes to write now; each is given once."""
        return self._dialogue.data_to_send()

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
            self._answer_asked = self.media.answering = True
            self._say(ExecuteAnswer())

    def send_digits(self, digits: str) -> None:
        """Send keys to the caller's side. Raises LocalProtocolError for what is no key."""
        self._require_live("digits")
        self._say(SendDigits(self.hello.call_id, dialled(digits)))

    def send_text(self, text: str) -> None:
        """Tell a text of this call on the switch. Raises LocalProtocolError for one that is empty or too long."""
        self._require_live("text")
        self._say(SendText(self.hello.call_id, text))

    def note(self, notes: Mapping[Note, str]) -> None:
        """Leave variables of ours on the channel, for the PBX's records and its dialplan. They outlive us.

        Raises LocalProtocolError for another name, or a value that is not one plain argument; nothing was said then.
        """
        self._require_live("note")
        variables = tuple((Variable(word(name, Note)), value) for name, value in notes.items())
        listed(variables)
        self._say(SetVariables(self.hello.call_id, variables))

    def reach(self, wish: LegWish) -> None:
        """Call somebody beside the caller, who stays with us; LegAnswered or LegEnded follows.

        Raises LocalProtocolError when a second leg is there already, or for a number that cannot be dialled.
        """
        self._require_live("reach")
        self._legs.reach(wish, self.hello)

    def drop_leg(self) -> None:
        """Give the second leg up; also when the caller has gone. Idempotent."""
        if self._phase in {_Phase.LIVE, _Phase.ENDING}:
            self._legs.drop()

    def join(self, back_to: str | None = None) -> None:
        """Connect the caller with who has answered; Joined follows, or LegEnded. Final when it succeeds.

        When they have talked the caller is hung up, or comes back through the door of the context `back_to`.
        Raises LocalProtocolError when nobody has answered.
        """
        self._require_live("join")
        self._legs.check_answered()
        self.media.quieten()
        self._legs.join(self.hello, back_to)

    def transfer(self, destination: Route) -> None:
        """Send the caller on in the dialplan, and let go. Final. Raises LocalProtocolError for no such number.

        `socket_resume` is taken off ahead of it: with that, our leaving would fetch the caller back from there.
        """
        command = Transfer(self.hello.call_id, checked_route(destination))
        self._end(lambda: self._leaving.transfer(command))

    def hang_up(self, cause: HangupCause) -> None:
        """End the call with `cause`; FreeSWITCH closes the socket behind it. Final."""
        self._end(lambda: self._say(Hangup(cause)), keeps_media=True)

    def refuse(self, door: DoorName) -> None:
        """Let the dialplan answer in our place, at `door_<door>`; an unanswered call stays unanswered. Final."""
        self._end(lambda: self._say(ExecuteSetDoor(door)))

    def give_back(self, door: DoorName) -> None:
        """Let the dialplan go on with the call at `door_<door>`, also out of unicast. Final.

        A caller whom somebody else has connected talks on instead: with `socket_resume` our leaving would cut the two.
        `AGAIN` re-enters the door: a new connection comes with the same channel id and a fresh park.
        """
        self._end(lambda: self._leaving.give_back(self.hello.call_id, door))

    def receive(self, data: bytes) -> list[DoorEvent]:
        """Take bytes as they came. Raises RemoteProtocolError on nonsense: the connection must then be closed."""
        events: list[DoorEvent] = []
        for message in self._dialogue.messages(data, lambda: self.over):
            events += self._take(message)
        return events

    def receive_eof(self, reason: str = "the socket was closed") -> list[DoorEvent]:
        """The stream ended. Idempotent."""
        if self._phase is _Phase.OVER:
            return []
        self._phase = _Phase.OVER
        self._dialogue.end()
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
        _, command = self._dialogue.answered(reply)
        match command:
            case Connect() | MyEvents() | EventPlain():
                if not reply.ok:
                    raise RemoteProtocolError(f"{type(command).__name__} was refused: {reply.text[:80]!r}")
                return self._greeting_step(command, reply)
            case Originate() | Bridge():
                return self._leg_replied(command, reply)
        if self._leaving.replied(command, self.hello.call_id, ok=reply.ok, hung_up=self._hung_up):
            return [] if reply.ok else [Refused(command, reply.text[:200])]
        return self.media.replied(command, reply.text[:200], ok=reply.ok, live=self.live)

    def _leg_replied(self, command: Originate | Bridge, reply: CommandReply | ApiResponse) -> list[DoorEvent]:
        joined, events = self._legs.replied(command, reply.text[:200], ok=reply.ok, call_id=self.hello.call_id)
        if not joined:
            untold, self._untold = self._untold, []
            return [*events, *untold]
        # Only now is our audio not needed any more. And while they talk is the time to go: a socket that is let go
        # later would take the call with it.
        self.media.leave()
        self._say(Exit())
        self._phase = _Phase.ENDING
        return [Joined()]

    def _greeting_step(
        self, command: Connect | MyEvents | EventPlain, reply: CommandReply | ApiResponse
    ) -> list[DoorEvent]:
        match command:
            case Connect():
                assert isinstance(reply, CommandReply)
                self._hello = hello_of(reply.headers)
                self.media.told(self._hello, sequence_of(reply.headers))
                if self._hello.answered:
                    self._answer_seen = True
                    self.media.has_codec(reply.headers)
                self._say(MyEvents())
            case MyEvents():
                self._say(EventPlain(EXTRA_EVENTS))
            case EventPlain():
                self._phase = _Phase.LIVE
                return [Ready(self.hello)]
        return []

    def _event(self, event: Event) -> list[DoorEvent]:
        if event.name == "BACKGROUND_JOB":
            told = self._legs.job(event)
            self._let_go_of_the_gone()
            return told
        if self._hello is None or event.headers.get("Unique-ID") != self._hello.call_id or self._hung_up:
            return []  # another leg's, or too late to mean anything
        match event.name:
            case "DTMF":
                digit = digit_of(event.headers)
                return [digit] if digit is not None else []
            case "CHANNEL_HANGUP":
                self._cause = event.headers.get("Hangup-Cause", "NONE")
                self._legs.drop()
                return []
            case "CHANNEL_HANGUP_COMPLETE":
                # Only this one tells who hung up; it follows CHANNEL_HANGUP by 1 to 3 ms.
                self._cause = event.headers.get("Hangup-Cause", self._cause or "NONE")
                hung_up = self._hang_up_seen(who_hung_up(event.headers))
                self._let_go_of_the_gone()
                return [hung_up]
            case "CHANNEL_ANSWER":
                self._answer_seen = True
            case "CUSTOM" if event.headers.get("Event-Subclass") == EventClass.TEXT.value:
                return [text_of(event.body)] if self.listens else []
            case "CHANNEL_BRIDGE" | "CHANNEL_UNBRIDGE" if not self._legs.joining:
                self._leaving.taken = event.name == "CHANNEL_BRIDGE"
            case "CUSTOM":
                return self._if_ours(self.media.custom(event, live=self._cause is None))
        return self._media_news(event) if self._cause is None else []

    def media_lost(self, reason: str, *, for_good: bool) -> list[DoorEvent]:
        """The media socket is of no use any more, as our end of it knows: what to tell. Each loss is told once."""
        if self._cause is not None or self._phase is not _Phase.LIVE or not self.media.socket_lost():
            return []
        return self._if_ours([MediaEnded(reason, for_good)])

    def _if_ours(self, news: list[DoorEvent]) -> list[DoorEvent]:
        """What is told of the audio while the caller is being connected concerns nobody, unless that fails."""
        if not self._legs.joining:
            return news
        self._untold += [event for event in news if isinstance(event, MediaEnded)]
        return []

    def _media_news(self, event: Event) -> list[DoorEvent]:
        if self._answer_seen and self.media.rate is None:
            # CHANNEL_ANSWER itself names the codec; should it not, the next event does.
            self.media.has_codec(event.headers)
            return [Answered(self.media.rate)] if self.media.rate is not None else []
        return self._if_ours(self.media.event(event))

    def _let_go_of_the_gone(self) -> None:
        """A lingering socket is let go once nothing is left to be done over it."""
        if self._hung_up and self._legs.lingers and self._legs.settled and not self._let_go:
            self._say(Exit())

    def _hang_up_seen(self, by_caller: bool | None) -> HungUp:
        self._hung_up = True
        return HungUp(self._cause or "NONE", by_caller)

    def _say(self, command: Command) -> None:
        self._let_go |= isinstance(command, Exit)
        self._dialogue.say(command)

    def _require_live(self, wish: str) -> None:
        if not self.live:
            raise LocalProtocolError(f"{wish}: the call is not live")

    def _end(self, leave: Callable[[], None], *, keeps_media: bool = False) -> None:
        if self._phase in {_Phase.ENDING, _Phase.OVER} or self._hung_up:
            return
        if self._phase is not _Phase.LIVE:
            raise LocalProtocolError("the call has not been told yet")
        self._legs.drop()
        if not keeps_media:
            self.media.leave()
        leave()
        self._phase = _Phase.ENDING
