"""What a switch or a media module might say: built from the rules of the wire, right or nearly so."""

import json
import struct
from random import Random
from typing import Final

CALL_ID: Final = "d2317f64-4e50-42fb-9843-0f0a0848899e"
OTHER_ID: Final = "5c6227f6-1973-4ed3-b331-885a55884047"
KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="

_EVENTS: Final = (
    "CHANNEL_ANSWER", "CHANNEL_ANSWER", "CHANNEL_ANSWER", "DTMF", "DTMF", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE",
    "CHANNEL_BRIDGE", "CHANNEL_UNPARK", "PLAYBACK_START", "PLAYBACK_STOP", "CHANNEL_EXECUTE",
    "CHANNEL_EXECUTE_COMPLETE", "CUSTOM", "CUSTOM", "BACKGROUND_JOB", "BACKGROUND_JOB", "HEARTBEAT", "CHANNEL_STATE",
)  # fmt: skip
_VALUES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "Channel-Read-Codec-Rate": (("8000", "16000", "48000"), ("7", "fast", "-8000", "9" * 30, "")),
    "Event-Sequence": (("500", "1"), ("-4", "9" * 25, "x")),
    "DTMF-Digit": (("1", "*", "#", "a"), ("", "12", "\u00df")),
    "DTMF-Duration": (("1280", "0"), ("-1", "99999999999", "1e3")),
    "Hangup-Cause": (("NORMAL_CLEARING", "USER_BUSY"), ("", "X" * 500)),
    "Answer-State": (("answered", "ringing"), ("", "?")),
    "Event-Subclass": (
        ("mod_audio_fork::connect", "mod_audio_fork::disconnect", "mod_audio_fork::connect_failed", "atende::text"),
        ("x", "::"),
    ),
    "variable_sip_hangup_disposition": (("recv_bye", "send_bye"), ("?", "")),
    "variable_send_silence_when_idle": (("-1", "0", "false"), ("", "true")),
    "Job-UUID": (("job-1", "job-2", "another"), ("", "\r")),
    "Caller-Caller-ID-Name": (("Ana", "\u00e7\u00e3o"), ("%00%0A", "%", "a\tb", "\u2028Content-Length: 9")),
}
"""Of each header: what it may be, and what it should not be."""
_NAMES: Final = tuple(_VALUES)
_TYPES: Final = (
    "command/reply", "api/response", "text/event-plain", "text/event-json", "text/disconnect-notice", "log/data",
    "auth/request", "text/rude-rejection", "text/html", "",
)  # fmt: skip


def reply(text: str) -> bytes:
    """A `command/reply`."""
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def response(text: str) -> bytes:
    """The answer to `api`."""
    body = text.encode()
    return b"Content-Type: api/response\nContent-Length: %d\n\n%b" % (len(body), body)


def hello(chance: Random) -> bytes:
    """The reply to `connect`."""
    head = f"Event-Name: CHANNEL_DATA\nUnique-ID: {CALL_ID}\nEvent-Sequence: 100\n{_some_headers(chance, 2)}"
    return f"{head}Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: async\n\n".encode()


def event(chance: Random) -> bytes:
    """An event, plain, sometimes JSON, sometimes of another call, sometimes with a body."""
    name, luck = chance.choice(_EVENTS) if chance.random() < 0.99 else chance.choice(("", "X" * 300)), chance.random()
    call_id = CALL_ID if luck < 0.9 else OTHER_ID
    if luck < 0.1:
        pairs = {"Event-Name": name, "Unique-ID": call_id, "DTMF-Digit": "1", "DTMF-Duration": "800", "_body": "x"}
        return _framed("text/event-json", json.dumps(pairs).encode())
    body = f"Event-Name: {name}\nUnique-ID: {call_id}\n{_some_headers(chance, 3)}"
    if luck > 0.8:
        text = chance.choice(("+OK job", "-ERR USER_BUSY", "\u00e9" * 9))
        return _framed("text/event-plain", f"{body}Content-Length: {len(text.encode())}\n\n{text}".encode())
    return _framed("text/event-plain", f"{body}\n".encode())


def message(chance: Random) -> bytes:
    """Any message; its length may be wrong by a little."""
    luck = chance.random()
    if luck < 0.5:
        return event(chance)
    if luck < 0.7:
        return reply(chance.choice(("+OK", "-ERR no", "", "+OK \u00e9\u2028x")))
    if luck < 0.8:
        return response(chance.choice(("+OK\n", "-ERR x\n", "true", "")))
    kind = chance.choice(_TYPES)
    body = b"" if luck < 0.85 else _some_headers(chance, 2).encode()
    off = chance.choice((0, 0, 0, 1, -1, 40))
    return b"Content-Length: %d\nContent-Type: %b\n\n%b" % (len(body) + off, kind.encode(), body)


def _some_headers(chance: Random, most: int) -> str:
    picked = (_NAMES[int(chance.random() * len(_NAMES))] for _ in range(int(chance.random() * (most + 1))))
    return "".join(f"{name}: {chance.choice(_VALUES[name][chance.random() < 0.06])}\n" for name in picked)


def _framed(kind: str, body: bytes) -> bytes:
    return b"Content-Length: %d\nContent-Type: %b\n\n%b" % (len(body), kind.encode(), body)


def upgrade(path: str) -> bytes:
    """As the modules ask for a WebSocket, without a space behind the colons."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host:127.0.0.1",
        "Upgrade:websocket",
        "Connection:Upgrade",
        "Sec-WebSocket-Version:13",
    )
    return "\r\n".join(lines).encode() + b"\r\nSec-WebSocket-Key:" + KEY + b"\r\n\r\n"


def frame(chance: Random, payload: bytes, opcode: int | None = None) -> bytes:
    """A client's frame, mostly right: masked, its length in the form that its size asks for."""
    luck = chance.random()
    if opcode is None:
        opcode = 2 if luck < 0.5 else chance.choice((0, 1, 8, 9, 10, 2, 3, 11))
    first = opcode | (0x80 if luck > 0.1 else 0) | (0x40 if luck > 0.98 else 0)
    masked = 0x80 if 0.01 < luck < 0.97 else 0
    length = (
        len(payload)
        if luck < 0.94
        else chance.choice((0, 1, 125, 126, 65_536, 1 << 20, (1 << 20) + 1, 1 << 40, 1 << 63))
    )
    if length < 126 and luck < 0.93:
        head = struct.pack("!BB", first, masked | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    return head + (bytes(4) if masked else b"") + payload
