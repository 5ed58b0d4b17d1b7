"""Whether `unicast` may be said now without harm to the switch. Pure; one guard for one park.

FreeSWITCH 1.11.2: a second `unicast` while a first still runs leaks the first one's thread and port for ever,
and a datagram to that port after the call aborts the whole process. A `playback` or `bridge` ends unicast for
the rest of the park: another one is accepted and shut down at once.
"""

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from transports.freeswitch.errors import LocalProtocolError

MIN_SILENCE_S: Final = 0.2
"""How long a unicast must have brought nothing before it may be called dead. A live one sends its first
datagram within 40 ms, also when the caller sends none."""
MAX_TRIES: Final = 5


class NoDatagrams(Struct, frozen=True):
    """Evidence that the unicast on FreeSWITCH's `port` never came up (its port was taken, say)."""

    port: int
    waited_s: float
    """Seconds listened after FreeSWITCH's `+OK`, with the socket read to its end."""


class _State(Enum):
    FREE = auto()
    ASKED = auto()
    ACCEPTED = auto()
    HEARD = auto()
    SPOILED = auto()


class UnicastGuard:
    """Remembers what was asked in this park and which of FreeSWITCH's ports have been named."""

    def __init__(self) -> None:
        self._state = _State.FREE
        self._ports: list[int] = []

    @property
    def alive(self) -> bool:
        """Whether one was asked for and not ended, as far as is known."""
        return self._state in {_State.ASKED, _State.ACCEPTED, _State.HEARD}

    def check(self, port: int, evidence: NoDatagrams | None) -> None:
        """Raises LocalProtocolError when a `unicast` on FreeSWITCH's `port` could harm the switch or be in vain."""
        if self._state is _State.SPOILED:
            raise LocalProtocolError("unicast has ended in this park: re-enter the door first")
        if self._state is not _State.FREE:
            self._check_dead(evidence)
        if port in self._ports:
            raise LocalProtocolError(f"port {port} was named in this park before")

    def asked(self, port: int) -> None:
        """The command was sent."""
        self._ports.append(port)
        self._state = _State.ASKED

    def replied(self, ok: bool) -> None:
        """FreeSWITCH answered it. After an error the park is not tried again."""
        if self._state is _State.ASKED:
            self._state = _State.ACCEPTED if ok else _State.SPOILED

    def heard(self) -> None:
        """A datagram came: the stream is alive."""
        if self._state in {_State.ASKED, _State.ACCEPTED}:
            self._state = _State.HEARD

    def spoil(self) -> bool:
        """Something ended unicast for this park. Returns whether one was asked for and not yet ended."""
        was, self._state = self.alive, _State.SPOILED
        return was

    def _check_dead(self, evidence: NoDatagrams | None) -> None:
        if self._state is not _State.ACCEPTED or evidence is None:
            raise LocalProtocolError("a second unicast while one may run would crash the switch")
        if evidence.port != self._ports[-1]:
            raise LocalProtocolError(f"the evidence is of port {evidence.port}, the stream on {self._ports[-1]}")
        if not evidence.waited_s >= MIN_SILENCE_S:
            raise LocalProtocolError(f"{evidence.waited_s} s of silence; {MIN_SILENCE_S} s are needed")
        if len(self._ports) >= MAX_TRIES:
            raise LocalProtocolError(f"no unicast after {MAX_TRIES} ports")
