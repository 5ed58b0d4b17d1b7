"""What `DoorMachine` tells, beside the news of the call itself (`words.PhoneEvent`)."""

from msgspec import Struct

from transports.freeswitch.esl_commands import Command
from transports.freeswitch.words import Hello, PhoneEvent


class Ready(Struct, frozen=True):
    """The call is told and the events are subscribed; wishes may be made from now on."""

    hello: Hello


class Refused(Struct, frozen=True):
    """FreeSWITCH answered a wish with an error."""

    command: Command
    text: str


class UnicastAccepted(Struct, frozen=True):
    """`+OK` to `unicast`. Only datagrams prove that it runs: a failed bind is accepted too."""

    port: int


class SocketAccepted(Struct, frozen=True):
    """`+OK` to a fork or a stream. Only its socket proves that it runs."""


class FileReady(Struct, frozen=True):
    """mod_audio_stream has written what was said to a file, which somebody has to play."""

    file: str


class FilePlays(Struct, frozen=True):
    """A file's first sound goes to the caller."""

    file: str


class FileOver(Struct, frozen=True):
    """A file was played to its `whole` length, or was broken."""

    file: str
    whole: bool


FileEvent = FileReady | FilePlays | FileOver
DoorEvent = Ready | Refused | UnicastAccepted | SocketAccepted | FileEvent | PhoneEvent
