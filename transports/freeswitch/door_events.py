"""What `DoorMachine` tells, beside the news of the call itself (`words.PhoneEvent`)."""

from msgspec import Struct

from base.ids import CallId
from transports.freeswitch.esl_commands import Command
from transports.freeswitch.words import Hello, PhoneEvent


class Ready(Struct, frozen=True):
    """The call is told and the events are subscribed; wishes may be made from now on."""

    hello: Hello


class Refused(Struct, frozen=True):
    """FreeSWITCH answered a wish with an error."""

    command: Command
    text: str


class TextRefused(Struct, frozen=True):
    """Something came where texts come, and is none that we take; `reason` has no word of it."""

    reason: str


class UnicastAccepted(Struct, frozen=True):
    """`+OK` to `unicast`. Only datagrams prove that it runs: a failed bind is accepted too."""

    port: int


class SocketAccepted(Struct, frozen=True):
    """`+OK` to a fork or a stream. Only its socket proves that it runs."""


class FileReady(Struct, frozen=True):
    """mod_audio_stream has written what was said to a file, which somebody has to play."""

    file: str


class FileUnusable(Struct, frozen=True):
    """mod_audio_stream has named a file that we do not take for one of its own: nothing can be played."""


class FilePlays(Struct, frozen=True):
    """A file's first sound goes to the caller."""

    file: str


class FileOver(Struct, frozen=True):
    """A file was played to its `whole` length, or was broken."""

    file: str
    whole: bool


class LegAnswered(Struct, frozen=True):
    """Somebody has taken the second leg, which is parked now."""

    leg_id: CallId


class LegEnded(Struct, frozen=True):
    """The second leg is gone before it was joined; `cause` as FreeSWITCH names it (USER_BUSY, NO_ANSWER, …)."""

    leg_id: CallId
    cause: str


class Joined(Struct, frozen=True):
    """The caller and the second leg are connected; the call is not ours any more."""


FileEvent = FileReady | FileUnusable | FilePlays | FileOver
LegEvent = LegAnswered | LegEnded | Joined
DoorEvent = Ready | Refused | TextRefused | UnicastAccepted | SocketAccepted | FileEvent | LegEvent | PhoneEvent
