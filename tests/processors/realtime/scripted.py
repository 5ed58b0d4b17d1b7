"""A server that speaks OpenAI's Realtime API, as far as it was told to, over a real socket."""

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from processors.realtime.speech_model import MODEL_RATE
from processors.tts.mock import tone

MS_100 = base64.b64encode(tone(MODEL_RATE)).decode()


class Answer:
    """What one response is: words, with 100 ms of audio for each, and what it asks for.

    `stops_after` words it goes no further until it is cancelled, and `says_on` after that. Each `item_of` words are an
    item; each word comes `word_s` after the one before it, and the first `begins_s` after it was asked for.
    """

    def __init__(
        self,
        text: str,
        *calls: tuple[str, dict[str, Any]],
        stops_after: int | None = None,
        says_on: bool = False,
        item_of: int = 100,
        word_s: float = 0.0,
        begins_s: float = 0.0,
        status: str = "completed",
        details: dict[str, Any] | None = None,
        usage: Any = None,
    ) -> None:
        self.usage = usage
        self.text, self.calls, self.stops_after, self.status = text, calls, stops_after, status
        self.says_on, self.item_of, self.word_s, self.begins_s = says_on, item_of, word_s, begins_s
        self.details = details


class Model:
    """The server. Answers in the order given, then `otherwise`; transcripts likewise, then "yes".

    `seen` holds what clients sent, but for audio, of which `heard` has the bytes of each commit.
    """

    def __init__(
        self,
        *answers: Answer | str,
        otherwise: str = "ok",
        transcripts: Sequence[str | None] = (),
        status: int = 0,
        location: str = "",
        transcript_s: float = 0.0,
        reads_s: float = 0.0,
        refuses: str = "",
        refuses_turns: Sequence[int] = (),
        silent: bool = False,
        hangs_up_after: int = -1,
        transcript_usage: Any = None,
    ) -> None:
        """A `status` refuses the handshake; `refuses` names an event that is answered with an error; `silent` says
        nothing at all; it hangs up instead of the response of that number. Commits of `refuses_turns` are refused;
        a transcript comes `transcript_s` after its turn, and of what is to be read a word each `reads_s`.
        """
        self._answers = [Answer(one) if isinstance(one, str) else one for one in answers]
        self._otherwise, self._transcripts = otherwise, list(transcripts)
        self._status, self._location = status, location
        self._reads_s = reads_s
        self._transcript_usage = transcript_usage
        self._transcript_s, self._refuses_turns = transcript_s, refuses_turns
        self._refuses, self._silent, self._hangs_up_after = refuses, silent, hangs_up_after
        self._server: Server | None = None
        self._numbers = 0
        self._responses = 0
        self._cancelled: dict[str, asyncio.Event] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._connection: ServerConnection | None = None
        self.requests: list[Request] = []
        self.seen: list[dict[str, Any]] = []
        self.heard: list[bytes] = []
        self.port = 0

    async def __aenter__(self) -> "Model":
        self._server = await serve(self._talk, "127.0.0.1", 0, process_request=self._shake)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        for task in self._answering:
            task.cancel()
        self._server.close()
        await self._server.wait_closed()

    async def hangs_up(self) -> None:
        """In the middle of whatever there is."""
        assert self._connection is not None
        await self._connection.close()

    async def sends(self, message: str) -> None:
        """Whatever it is."""
        assert self._connection is not None
        await self._connection.send(message)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.seen if event["type"] == kind]

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]

    @property
    def told(self) -> list[tuple[str, str]]:
        """The texts that were put into the conversation, with their roles."""
        items = [event["item"] for event in self.of("conversation.item.create")]
        return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]

    def _shake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self._status:
            return None
        response = connection.respond(HTTPStatus(self._status), "no\n")
        if self._location:
            response.headers["Location"] = self._location
        return response

    async def _talk(self, connection: ServerConnection) -> None:
        self._connection = connection
        if self._silent:
            await connection.wait_closed()
            return
        await _send(connection, "session.created", session={})
        appended = b""
        async for message in connection:
            event = json.loads(message)
            kind = event["type"]
            if kind == "input_audio_buffer.append":
                appended += base64.b64decode(event["audio"])
                continue
            self.seen.append(event)
            if self._refused(kind):
                fault = {"type": "invalid_request_error", "code": "told_to", "message": "secret words"}
                await _send(connection, "error", error=fault | {"event_id": event.get("event_id")})
            elif kind == "session.update":
                await _send(connection, "session.updated", session={})
            elif kind == "input_audio_buffer.commit":
                self.heard.append(appended)
                appended = b""
                await self._commit(connection)
            elif kind == "response.create":
                if self._responses == self._hangs_up_after:
                    self._hangs_up_after = -1
                    await connection.close()
                    return
                self._responses += 1
                self._begin(connection, event.get("response", {}))
            elif kind == "response.cancel":
                self._cancelled[event["response_id"]].set()

    def _refused(self, kind: str) -> bool:
        is_turn = kind == "input_audio_buffer.commit" and len(self.of(kind)) - 1 in self._refuses_turns
        return is_turn or kind == self._refuses

    async def _commit(self, connection: ServerConnection) -> None:
        item_id = self._id("item")
        await _send(connection, "input_audio_buffer.committed", item_id=item_id)
        text = self._transcripts.pop(0) if self._transcripts else "yes"
        task = asyncio.create_task(self._transcribe(connection, item_id, text))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _transcribe(self, connection: ServerConnection, item_id: str, text: str | None) -> None:
        await asyncio.sleep(self._transcript_s)
        kind = "conversation.item.input_audio_transcription." + ("failed" if text is None else "completed")
        with suppress(ConnectionClosed):
            told = {"transcript": text, "usage": self._transcript_usage, "error": {"type": "x"}}
            await _send(connection, kind, item_id=item_id, content_index=0, **told)

    def _begin(self, connection: ServerConnection, asked: dict[str, Any]) -> None:
        if asked.get("conversation") == "none":
            text = asked["input"][0]["content"][0]["text"].removeprefix("<read>").removesuffix("</read>")
            answer = Answer(text, word_s=self._reads_s)
        else:
            answer = self._answers.pop(0) if self._answers else Answer(self._otherwise)
        task = asyncio.create_task(self._answer(connection, answer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, connection: ServerConnection, answer: Answer) -> None:
        response_id, item_id = self._id("resp"), self._id("item")
        await asyncio.sleep(answer.begins_s)
        cancelled = self._cancelled[response_id] = asyncio.Event()
        await _send(connection, "response.created", response={"id": response_id, "status": "in_progress"})
        status = answer.status
        for number, word in enumerate(answer.text.split()):
            if number == answer.stops_after:
                await cancelled.wait()
            if cancelled.is_set():
                status = "cancelled"
                if not answer.says_on:
                    break
            if number and number % answer.item_of == 0:
                item_id = self._id("item")
            await asyncio.sleep(answer.word_s)
            place = {"response_id": response_id, "item_id": item_id, "content_index": 0, "output_index": 0}
            await _send(connection, "response.output_audio_transcript.delta", **place, delta=f"{word} ")
            await _send(connection, "response.output_audio.delta", **place, delta=MS_100)
        output: list[dict[str, Any]] = [{"type": "message", "id": item_id}]
        output += [
            {"type": "function_call", "name": name, "call_id": self._id("call"), "arguments": json.dumps(arguments)}
            for name, arguments in answer.calls
        ]
        done = {"id": response_id, "status": status, "status_details": answer.details, "output": output}
        done |= {"usage": answer.usage}
        await _send(connection, "response.done", response=done)

    def _id(self, kind: str) -> str:
        self._numbers += 1
        return f"{kind}_{self._numbers}"


async def _send(connection: ServerConnection, kind: str, **fields: Any) -> None:
    await connection.send(json.dumps({"type": kind, "event_id": "e", **fields}))
