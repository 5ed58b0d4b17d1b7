"""The recorded WebSockets (`*.ws*.jsonl.gz`), and a plain reader and writer of frames that share nothing with ours.

The first row is the upgrade, then one row per frame: `{"t_ms", "dir": "fs"|"us", "kind", "text"|"b64"|"code"}`.
"""

import base64
import gzip
import json
import struct
from typing import Any, NamedTuple

from tests.transports.freeswitch.captures import FOLDER

OPCODES = {"text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a WebSocket's recording."""
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


class WsFrame(NamedTuple):
    opcode: int
    payload: bytes


def ws_frames(name: str, side: str) -> list[WsFrame]:
    """The frames that `fs` or `us` sent, in order."""
    return [
        WsFrame(OPCODES[row["kind"]], _payload(row))
        for row in rows(name)[1:]
        if row["dir"] == side and row["kind"] in OPCODES
    ]


def masked(frame: WsFrame, key: bytes) -> bytes:
    """A client's frame on the wire (RFC 6455, 5.2)."""
    size = len(frame.payload)
    length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    mask = (key * (size // 4 + 1))[:size]
    return bytes([0x80 | frame.opcode]) + length + key + bytes(a ^ b for a, b in zip(frame.payload, mask, strict=True))


def unmasked(stream: bytes) -> list[WsFrame]:
    """The frames of a server's stream; all whole."""
    found, at = [], 0
    while at < len(stream):
        size, begin = stream[at + 1], at + 2
        if size == 126:
            size, begin = int.from_bytes(stream[at + 2 : at + 4], "big"), at + 4
        found.append(WsFrame(stream[at] & 0x0F, stream[begin : begin + size]))
        at = begin + size
    return found


def _payload(row: dict[str, Any]) -> bytes:
    if row["kind"] == "close":
        return b"" if row["code"] is None else struct.pack("!H", row["code"]) + (row.get("reason") or "").encode()
    return base64.b64decode(row["b64"]) if "b64" in row else row["text"].encode()
