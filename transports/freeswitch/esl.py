"""The event socket as values: bytes in, messages out. It opens no socket and awaits nothing.

Wire format: header lines `Name: value` up to an empty line, then `Content-Length` bytes of body
(FreeSWITCH 1.11.2, mod_event_socket.c; what it really sends is in `tests/data/captures`).
Values are URL-encoded inside events and in the reply to `connect`, and nowhere else.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from transports.freeswitch.errors import RemoteProtocolError

MAX_LINE_BYTES: Final = 128 * 1024
"""One header line. The longest seen is an SDP of 600 bytes; a channel variable may hold far more."""
MAX_HEADER_BYTES: Final = 512 * 1024
"""One header block. A reply to `connect` has 5 to 9 KB, on a busy FusionPBX some ten times that."""
MAX_HEADERS: Final = 4096
MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""One body. Events have up to 20 KB."""

Headers = Mapping[str, str]


class AuthRequest(Struct, frozen=True):
    """FreeSWITCH wants the password (inbound connections only)."""


class CommandReply(Struct, frozen=True):
    """The answer to the oldest unanswered command. The reply to `connect` brings the channel's data as headers."""

    text: str
    headers: Headers

    @property
    def ok(self) -> bool:
        return self.text.startswith("+OK")


class ApiResponse(Struct, frozen=True):
    """What an `api` command printed; also an answer to the oldest unanswered command."""

    text: str

    @property
    def ok(self) -> bool:
        return not self.text.startswith("-ERR")


class Event(Struct, frozen=True):
    """Something happened; decoded from `text/event-plain` or `text/event-json`."""

    name: str
    headers: Headers
    body: str = ""


class DisconnectNotice(Struct, frozen=True):
    """FreeSWITCH lets go of the channel. While it lingers, late events still come before a second notice."""

    lingering: bool
    text: str


class Rejection(Struct, frozen=True):
    """`text/rude-rejection`: an access list keeps us out (inbound connections only)."""

    text: str


class LogData(Struct, frozen=True):
    """A line of the switch's log."""

    headers: Headers
    text: str


Message = AuthRequest | CommandReply | ApiResponse | Event | DisconnectNotice | Rejection | LogData


class _Want(Enum):
    HEADERS = auto()
    BODY = auto()


class EslDecoder:
    """Turns a byte stream, cut anywhere, into messages; the same stream always gives the same messages.

    Work is linear in the bytes fed. After a RemoteProtocolError the decoder is spent and raises it again.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._want = _Want.HEADERS
        self._headers: dict[str, str] = {}
        self._length = 0
        self._failed: RemoteProtocolError | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes held because their message is not whole; never above the bounds plus one feed."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take bytes and yield each message that they complete.

        The iterator must be drained before the next feed. Raises RemoteProtocolError on nonsense.
        """
        if self._failed is not None:
            raise self._failed
        self._buffer += data
        try:
            while (message := self._next()) is not None:
                yield message
        except RemoteProtocolError as error:
            self._failed = error
            self._buffer.clear()
            raise

    def _next(self) -> Message | None:
        if self._want is _Want.HEADERS and not self._take_headers():
            return None
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._want = _Want.HEADERS
        return _interpret(self._headers, body)

    def _take_headers(self) -> bool:
        self._skip_blank_lines()
        end = self._buffer.find(b"\n\n", max(self._searched - 1, 0))
        if end < 0:
            self._searched = len(self._buffer)
        # The last byte may be half of the end: the bound is the same wherever the stream is cut.
        if max(end, self._searched - 1) > MAX_HEADER_BYTES:
            raise RemoteProtocolError(f"a header block of more than {MAX_HEADER_BYTES} bytes")
        if end < 0:
            return False
        block = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._searched = 0
        # Only the reply to `connect` is itself an event, with its values encoded.
        self._headers = parse_headers(block, encoded=block.startswith(b"Event-Name:"))
        self._length = _length(self._headers.get("Content-Length", "0"))
        self._want = _Want.BODY
        return True

    def _skip_blank_lines(self) -> None:
        # A reply whose text ends in a line feed leaves one more empty line behind it.
        if self._searched:
            return
        blank = 0
        while blank < len(self._buffer) and self._buffer[blank] == 0x0A:
            blank += 1
        del self._buffer[:blank]


def parse_headers(block: bytes, *, encoded: bool) -> dict[str, str]:
    """The header lines of a block, the first of equal names winning.

    Raises RemoteProtocolError for a line without a colon, a line too long, or too many of them.
    """
    headers: dict[str, str] = {}
    # Counted before they are cut: a body of line feeds would take twenty times its size.
    if block.count(b"\n") >= MAX_HEADERS:
        raise RemoteProtocolError(f"more than {MAX_HEADERS} headers")
    for line in block.split(b"\n"):
        if len(line) > MAX_LINE_BYTES:
            raise RemoteProtocolError(f"a header line of more than {MAX_LINE_BYTES} bytes")
        name, colon, value = line.decode(errors="replace").partition(":")
        if not colon or not name:
            raise RemoteProtocolError(f"a header line without a name: {line[:60]!r}")
        value = value.removeprefix(" ")
        headers.setdefault(name, unquote(value) if encoded else value)
    return headers


def _length(text: str) -> int:
    # isdecimal also admits other scripts' digits, and int() signs, spaces and underscores.
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_BODY_BYTES))):
        raise RemoteProtocolError(f"Content-Length: {text[:40]!r}")
    length = int(text)
    if length > MAX_BODY_BYTES:
        raise RemoteProtocolError(f"a body of {length} bytes, more than {MAX_BODY_BYTES}")
    return length


def _interpret(headers: dict[str, str], body: bytes) -> Message:
    match headers.get("Content-Type"):
        case "text/event-plain":
            return _plain_event(body)
        case "command/reply":
            return CommandReply(headers.get("Reply-Text", "").rstrip("\n"), headers)
        case "api/response":
            return ApiResponse(_text(body).rstrip("\n"))
        case "text/event-json":
            return _json_event(body)
        case "text/disconnect-notice":
            return DisconnectNotice(headers.get("Content-Disposition") == "linger", _text(body).strip())
        case "log/data":
            return LogData(headers, _text(body))
        case "auth/request":
            return AuthRequest()
        case "text/rude-rejection":
            return Rejection(_text(body).strip())
        case other:
            raise RemoteProtocolError(f"Content-Type: {other!r}"[:80])


def _plain_event(body: bytes) -> Event:
    block, _, rest = body.partition(b"\n\n")
    headers = parse_headers(block, encoded=True)
    length = _length(headers.get("Content-Length", "0"))
    if length > len(rest):
        raise RemoteProtocolError(f"an event promises a body of {length} bytes and brings {len(rest)}")
    return Event(_event_name(headers), headers, _text(rest[:length]))


def _json_event(body: bytes) -> Event:
    try:
        raw = msgspec.json.decode(body, type=dict[str, str | list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteProtocolError("an event that is not a JSON object of texts") from error
    if len(raw) > MAX_HEADERS:
        raise RemoteProtocolError(f"more than {MAX_HEADERS} headers")
    # A variable with several values is an array here and `ARRAY::a|:b` in the plain format.
    headers = {k: v if isinstance(v, str) else "ARRAY::" + "|:".join(v) for k, v in raw.items()}
    text = headers.pop("_body", "")
    return Event(_event_name(headers), headers, text)


def _event_name(headers: Headers) -> str:
    name = headers.get("Event-Name")
    if not name:
        raise RemoteProtocolError("an event without Event-Name")
    return name


def _text(body: bytes) -> str:
    return body.decode(errors="replace")
