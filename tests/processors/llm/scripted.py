"""A model's server that answers as it was told, over a real socket."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

OPENAI_HI = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": "Das oito "}}]},
    {"choices": [{"index": 0, "delta": {"content": "às seis."}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
_USAGE = {"input_tokens": 5, "output_tokens": 2}
ANTHROPIC_HI = [
    {
        "type": "message_start",
        "message": {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "claude-haiku-5-5",
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _USAGE,
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Das oito "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "às seis."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": _USAGE},
    {"type": "message_stop"},
]


class Script:
    """What the server does with each request: a status, events, and where it stops.

    `stall_after` events it sends no more but keeps the connection (0: not even the head); `break_after`
    events it closes it. `seen` holds (headers, body) of each request.
    """

    def __init__(
        self,
        events: Sequence[dict[str, Any]] = (),
        *,
        status: int = 200,
        error: str = "",
        stall_after: int | None = None,
        break_after: int | None = None,
    ) -> None:
        self.events = events
        self.status = status
        self.error = error
        self.stall_after = stall_after
        self.break_after = break_after
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.port = 0
        self._released = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Script":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._released.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            headers = await _head(reader)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.seen.append((headers, json.loads(body)))
            if self.status != 200:
                echoed = json.dumps({"error": {"type": "x", "message": f"{self.error} {headers}"}}).encode()
                writer.write(_reply(self.status, "application/json", echoed))
            else:
                await self._stream(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        if self.stall_after == 0:
            await self._released.wait()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for count, event in enumerate(self.events):
            if count == self.stall_after:
                await writer.drain()
                await self._released.wait()
            if count == self.break_after:
                return
            name = f"event: {event['type']}\n" if "type" in event else ""
            data = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"} | event
            sent = f"{name}data: {json.dumps(event if name else data)}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(sent), sent))
        done = b"data: [DONE]\n\n"
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done))


async def _head(reader: asyncio.StreamReader) -> dict[str, str]:
    await reader.readline()
    headers: dict[str, str] = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers


def _reply(status: int, kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
