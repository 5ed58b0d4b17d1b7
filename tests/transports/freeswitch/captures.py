"""Recordings of a real FreeSWITCH 1.11.2 (`tests/data/captures`), and a reader of them that shares nothing with ours.

`*.esl*.jsonl.gz`: one row per TCP read or write `{"t_ms", "dir": "fs"|"us", "b64"}`; `*.udp.jsonl.gz`: per datagram.
"""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "data" / "captures"


class Row(NamedTuple):
    by_switch: bool
    data: bytes
    eof: bool = False
    fs_port: int = 0


def names(pattern: str) -> list[str]:
    return sorted(p.name.removesuffix(".jsonl.gz") for p in FOLDER.glob(pattern + ".jsonl.gz"))


def load(name: str) -> list[Row]:
    rows = []
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            rows.append(
                Row(row["dir"] == "fs", base64.b64decode(row["b64"]), row.get("eof", False), row.get("fs_port", 0))
            )
    return rows


def from_switch(name: str) -> bytes:
    return b"".join(row.data for row in load(name) if row.by_switch)


def from_us(name: str) -> list[bytes]:
    """Each command of the recording's service, with its empty line."""
    stream = b"".join(row.data for row in load(name) if not row.by_switch)
    return [c + b"\n\n" for c in stream.split(b"\n\n") if c.strip()]


def messages(stream: bytes) -> list[bytes]:
    """The whole messages of a stream, cut by a second, plainer reading of the framing."""
    found, at = [], 0
    while at < len(stream):
        head_end = stream.index(b"\n\n", at) + 2
        length = re.search(rb"^Content-Length: (\d+)$", stream[at:head_end], re.MULTILINE)
        end = head_end + (int(length.group(1)) if length else 0)
        found.append(stream[at:end])
        at = end
    return found


def is_reply(message: bytes) -> bool:
    head = message.split(b"\n\n")[0]
    return b"Content-Type: command/reply" in head or b"Content-Type: api/response" in head


KINDS = {
    "connect": rb"connect\n\n",
    "myevents": rb"myevents\n\n",
    # One of the recordings asks for a module's events in a second command; we ask for all at once.
    "event": rb"event plain (?!CUSTOM).*\n\n",
    "answer": rb"sendmsg\n(?s:.*)execute-app-name: answer\n(?s:.*)",
    "set_door": rb"sendmsg\n(?s:.*)execute-app-name: set\nexecute-app-arg: door=(?s:.*)",
    "setvar_door": rb"api uuid_setvar \S+ door .*\n\n",
    "hangup": rb"sendmsg\ncall-command: hangup\n(?s:.*)",
    "unicast": rb"sendmsg\ncall-command: unicast\n(?s:.*)",
    "silence": rb"api uuid_setvar \S+ send_silence_when_idle -1\n\n",
    "fork": rb"api uuid_audio_fork \S+ start .*\n\n",
    "fork_stop": rb"api uuid_audio_fork \S+ stop\n\n",
    "exit": rb"exit\n\n",
}


def kind_of(command: bytes) -> str | None:
    """Which of the sentences that we also say; None for others of the recording's service."""
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, command)), None)


class Step(NamedTuple):
    """Either a command that the service said, or bytes of FreeSWITCH's."""

    kind: str | None
    data: bytes
    eof: bool = False


def script(name: str, without: str = "") -> list[Step]:
    """The recording with the commands that we never say taken out, and the replies to them; `without` one more."""
    steps: list[Step] = []
    waiting: list[str | None] = []
    buffered = b""
    for row in load(name):
        if row.eof:
            steps.append(Step("eof" if not row.by_switch else None, b"", eof=True))
        elif row.by_switch:
            buffered += row.data
            whole, buffered = _whole(buffered)
            kept = [m for m in whole if not is_reply(m) or waiting.pop(0) is not None]
            if kept:
                steps.append(Step(None, b"".join(kept)))
        else:
            for command in (c + b"\n\n" for c in row.data.split(b"\n\n") if c.strip()):
                kind = kind_of(command)
                waiting.append(kind if kind != without else None)
                if waiting[-1] is not None:
                    steps.append(Step(waiting[-1], command))
    return steps


def _whole(stream: bytes) -> tuple[list[bytes], bytes]:
    found: list[bytes] = []
    at = 0
    while (head_end := stream.find(b"\n\n", at)) >= 0:
        length = re.search(rb"^Content-Length: (\d+)$", stream[at:head_end], re.MULTILINE)
        end = head_end + 2 + (int(length.group(1)) if length else 0)
        if end > len(stream):
            break
        found.append(stream[at:end])
        at = end
    return found, stream[at:]
