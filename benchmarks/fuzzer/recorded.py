"""What a real FreeSWITCH and its modules sent: the seeds of most inputs."""

import base64
from functools import cache

from tests.transports.freeswitch.captures import from_switch, from_us, load, messages, names
from tests.transports.freeswitch.captures_ws import rows, ws_frames

SHORT_BYTES = 700
"""Most inputs are made of messages of at most so many bytes; events are cut to their first lines for it."""


@cache
def esl_messages() -> tuple[bytes, ...]:
    """Whole messages, three of each kind and recording."""
    found: dict[tuple[str, bytes], list[bytes]] = {}
    for name in names("*esl*"):
        for message in messages(from_switch(name)):
            head, _, body = message.partition(b"\n\n")
            kind = body.split(b"\n")[0] if b"event-plain" in head else head.split(b"Content-Type: ")[-1].split(b"\n")[0]
            found.setdefault((name, kind), []).append(message)
    return tuple(message for same in found.values() for message in same[:3])


@cache
def short_esl_messages() -> tuple[bytes, ...]:
    """The same, and of each event no more than its first lines."""
    return tuple(short for message in esl_messages() if len(short := _short(message)) <= SHORT_BYTES)


@cache
def commands() -> tuple[bytes, ...]:
    """What was said to FreeSWITCH, each once."""
    return tuple(dict.fromkeys(command for name in names("*esl*") for command in from_us(name)))


@cache
def datagrams() -> tuple[bytes, ...]:
    """Of unicast streams, each size and content once."""
    return tuple(dict.fromkeys(row.data for name in names("*.udp") for row in load(name) if row.by_switch))


@cache
def upgrades() -> tuple[tuple[bytes, bytes], ...]:
    """(path, whole request) of each recorded WebSocket."""
    first = [rows(name)[0]["upgrade"] for name in names("*.ws*")]
    return tuple((row["request_line"].split()[1].encode(), base64.b64decode(row["raw_b64"])) for row in first)


@cache
def payloads() -> tuple[bytes, ...]:
    """Of the frames that the modules sent: audio, metadata, pings and closes; a few of each recording."""
    found: dict[tuple[str, int], list[bytes]] = {}
    for name in names("*.ws*"):
        for opcode, payload in ws_frames(name, "fs"):
            found.setdefault((name, opcode), []).append(payload)
    return tuple(data for same in found.values() for data in same[:20])


def _short(message: bytes) -> bytes:
    head, _, body = message.partition(b"\n\n")
    if b"event-plain" in head:
        body = b"\n".join(body.split(b"\n\n")[0].split(b"\n")[:8]) + b"\n\n"
    elif b"event-json" in head:
        body = b",".join(body.split(b",")[:5]) + b"}"
    else:
        return message
    return b"Content-Length: %d\nContent-Type: %b\n\n%b" % (len(body), head.split(b"Content-Type: ")[1], body)
