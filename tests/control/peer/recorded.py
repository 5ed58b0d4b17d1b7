"""Reads the recordings of a real FreeSWITCH."""

import base64
import gzip
import json
from pathlib import Path

CAPTURES = Path(__file__).parents[2] / "data" / "captures"


def capture(name: str) -> list[dict[str, object]]:
    """The lines of a recording of a real FreeSWITCH."""
    with gzip.open(CAPTURES / f"{name}.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def side(name: str, who: str) -> bytes:
    """All that one side sent."""
    return b"".join(base64.b64decode(str(row["b64"])) for row in capture(name) if row.get("dir") == who)


Message = tuple[dict[str, str], list[str], str]
"""Headers, their names in order, body."""


def messages(stream: bytes) -> list[Message]:
    """Cuts what FreeSWITCH sent into messages; an event's own headers stand in place of the outer ones."""
    found = []
    while b"\n\n" in stream:
        head, stream = stream.split(b"\n\n", 1)
        headers, names = _headers(head)
        size = int(headers.get("Content-Length", 0))
        body, stream = stream[:size], stream[size:]
        if headers.get("Content-Type") == "text/event-plain":
            head, _, body = body.partition(b"\n\n")
            headers, names = _headers(head)
        found.append((headers, names, body.decode()))
    return found


def _headers(head: bytes) -> tuple[dict[str, str], list[str]]:
    pairs = [line.split(": ", 1) for line in head.decode().split("\n")]
    return dict(pairs), [name for name, _ in pairs]
