"""One inbound event-socket connection (port 8021) as a pure machine: bytes and commands in, bytes and events out.

It logs in when FreeSWITCH asks (`auth/request`), pairs each reply with the oldest command that waits for one,
and each BACKGROUND_JOB with its `bgapi`. FreeSWITCH answers strictly in order (mod_event_socket.c, one thread a
connection): a waiter who gives up must leave the place taken.
"""

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl import (
    ApiResponse,
    AuthRequest,
    CommandReply,
    DisconnectNotice,
    Event,
    LogData,
    Message,
    Rejection,
)
from transports.freeswitch.esl_dialogue import Dialogue
from transports.freeswitch.esl_switch_commands import (
    Auth,
    Leave,
    Originate,
    SwitchCommand,
    UserAuth,
)
from transports.freeswitch.esl_switch_encoding import answered_by_api, encode_switch

MAX_WAITING: Final = 256
"""Commands without an answer at once."""
MAX_JOBS: Final = 1024
"""Background jobs without a result at once."""


class LoggedIn(Struct, frozen=True):
    """Commands may be asked from now on."""


class Answer(Struct, frozen=True):
    """The reply to the command that was asked as number `ticket`."""

    ticket: int
    ok: bool
    text: str


class JobDone(Struct, frozen=True):
    """The result of a background job of ours."""

    job_id: str
    ok: bool
    text: str


class Happened(Struct, frozen=True):
    """An event of the switch."""

    event: Event


class Over(Struct, frozen=True):
    """The connection has ended; `refused` when the switch would not have us, which trying again cannot mend."""

    reason: str
    refused: bool = False


SwitchNews = LoggedIn | Answer | JobDone | Happened | Over


class _Phase(Enum):
    NEW = auto()
    LOGGING_IN = auto()
    READY = auto()
    LEAVING = auto()
    OVER = auto()


class SwitchMachine:
    """The rules of one connection. After every call, write what `data_to_send` gives."""

    def __init__(self, login: Auth | UserAuth) -> None:
        self._login = login
        self._dialogue = Dialogue[SwitchCommand](encode_switch, answered_by_api)
        self._jobs: set[str] = set()
        self._phase = _Phase.NEW
        self._refused = False

    @property
    def ready(self) -> bool:
        """Whether commands may be asked."""
        return self._phase is _Phase.READY

    @property
    def over(self) -> bool:
        """Whether the connection has ended."""
        return self._phase is _Phase.OVER

    @property
    def buffered_bytes(self) -> int:
        """What is held of a message that is not whole, and what is still to be written."""
        return self._dialogue.buffered_bytes

    def data_to_send(self) -> bytes:
        """Bytes to write now; each is given once."""
        return self._dialogue.data_to_send()

    def ask(self, command: SwitchCommand) -> int:
        """Say a command; the number by which its Answer comes.

        Raises LocalProtocolError before the login, after the end, for a login, and when too much waits.
        """
        if not self.ready:
            raise LocalProtocolError(f"{type(command).__name__}: not connected to the switch")
        if isinstance(command, Auth | UserAuth):
            raise LocalProtocolError("the connection is logged in already")
        if self._dialogue.waiting >= MAX_WAITING or (isinstance(command, Originate) and len(self._jobs) >= MAX_JOBS):
            raise LocalProtocolError("too many commands wait for the switch")
        ticket = self._dialogue.say(command)
        if isinstance(command, Originate):
            self._jobs.add(command.job_id)
        elif isinstance(command, Leave):
            self._phase = _Phase.LEAVING
        return ticket

    def forget_job(self, job_id: str) -> None:
        """Nobody waits for its result any more."""
        self._jobs.discard(job_id)

    def receive(self, data: bytes) -> list[SwitchNews]:
        """Take bytes as they came. Raises RemoteProtocolError on nonsense: the connection must then be closed."""
        news: list[SwitchNews] = []
        for message in self._dialogue.messages(data, lambda: self.over):
            news += self._take(message)
        return news

    def receive_eof(self, reason: str = "the socket was closed") -> list[SwitchNews]:
        """The stream ended. Idempotent."""
        if self.over:
            return []
        self._phase = _Phase.OVER
        self._dialogue.end()
        return [Over(reason, self._refused)]

    def _take(self, message: Message) -> list[SwitchNews]:
        match message:
            case AuthRequest():
                return self._log_in()
            case CommandReply() | ApiResponse():
                return self._reply(message)
            case Event():
                return self._event(message)
            case Rejection(text):
                self._refused = True
                return self.receive_eof(f"the switch's access list keeps us out: {text[:80]}")
            case DisconnectNotice():
                return self.receive_eof("the switch refused the login" if self._refused else "the switch let go")
            case LogData():
                return []

    def _log_in(self) -> list[SwitchNews]:
        if self._phase is not _Phase.NEW:
            raise RemoteProtocolError("a second request to log in")
        self._phase = _Phase.LOGGING_IN
        self._dialogue.say(self._login)
        return []

    def _reply(self, reply: CommandReply | ApiResponse) -> list[SwitchNews]:
        ticket, command = self._dialogue.answered(reply)
        if self._phase is _Phase.LOGGING_IN:
            if not reply.ok:
                # A disconnect notice follows.
                self._refused = True
                return []
            self._phase = _Phase.READY
            return [LoggedIn()]
        if isinstance(command, Originate) and not reply.ok:
            self._jobs.discard(command.job_id)
        return [Answer(ticket, reply.ok, reply.text)]

    def _event(self, event: Event) -> list[SwitchNews]:
        if event.name == "BACKGROUND_JOB":
            job_id = event.headers.get("Job-UUID", "")
            if job_id in self._jobs:
                self._jobs.discard(job_id)
                text = event.body.strip()
                return [JobDone(job_id, text.startswith("+OK"), text[:200])]
            return []
        return [Happened(event)]
