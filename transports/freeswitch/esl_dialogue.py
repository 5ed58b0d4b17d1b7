"""What is said on one event-socket connection and what answers it, the same in either direction. Pure.

FreeSWITCH answers strictly in order and says nothing about a command but its answer: pairing is by place alone.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from transports.freeswitch.errors import RemoteProtocolError
from transports.freeswitch.esl import ApiResponse, CommandReply, EslDecoder, Message

C = TypeVar("C")


class Dialogue(Generic[C]):
    """Commands go out, messages come in, replies find their command.

    `by_api` tells whether a command is answered by an `api/response`; all others are by a `command/reply`.
    """

    def __init__(self, encode: Callable[[C], bytes], by_api: Callable[[C], bool]) -> None:
        self._encode: Final = encode
        self._by_api: Final = by_api
        self._decoder = EslDecoder()
        self._out = bytearray()
        self._waiting: deque[C] = deque()
        self.said = 0
        """Commands so far; the last one's number."""

    @property
    def waiting(self) -> int:
        """Commands without an answer."""
        return len(self._waiting)

    @property
    def buffered_bytes(self) -> int:
        """What is held of a message that is not whole, and what is still to be written."""
        return self._decoder.buffered_bytes + len(self._out)

    def say(self, command: C) -> int:
        """Queue a command; its number. Raises LocalProtocolError like `encode`, and nothing is said then."""
        self._out += self._encode(command)
        self._waiting.append(command)
        self.said += 1
        return self.said

    def data_to_send(self) -> bytes:
        """Bytes to write now; each is given once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def messages(self, data: bytes, over: Callable[[], bool]) -> Iterator[Message]:
        """The messages that these bytes complete. Raises RemoteProtocolError on nonsense.

        What comes behind the end is not looked at: nonsense there must not swallow the end.
        """
        if over():
            return
        for message in self._decoder.feed(data):
            yield message
            if over():
                return

    def answered(self, reply: CommandReply | ApiResponse) -> tuple[int, C]:
        """The number and the command that this answers. Raises RemoteProtocolError when it answers none.

        An `api` that may not run (a user of the directory has a list of what may) is refused by a `command/reply`.
        """
        if not self._waiting:
            raise RemoteProtocolError("a reply to nothing that was asked")
        number, command = self.said - len(self._waiting) + 1, self._waiting.popleft()
        refused = isinstance(reply, CommandReply) and not reply.ok
        if isinstance(reply, ApiResponse) is not self._by_api(command) and not refused:
            raise RemoteProtocolError(f"{type(reply).__name__} as the reply to {type(command).__name__}")
        return number, command

    def end(self) -> None:
        """Nothing is written any more, and nothing is waited for."""
        self._out.clear()
        self._waiting.clear()
