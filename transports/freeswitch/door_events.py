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


class ForkAccepted(Struct, frozen=True):
    """`+OK` to a fork. Only its socket proves that it runs."""


DoorEvent = Ready | Refused | UnicastAccepted | ForkAccepted | PhoneEvent
