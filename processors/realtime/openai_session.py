"""One call's connection to a server that speaks OpenAI's Realtime API."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Literal, Protocol

import structlog
from msgspec import UNSET, Struct

from processors.realtime import openai_events as api
from processors.realtime.openai_bill import SessionBill
from processors.realtime.speech_model import (
    MODEL_RATE,
    Brief,
    Done,
    Heard,
    Sound,
    SpeechEvent,
    SpeechModelError,
    Wanted,
    Words,
)

log = structlog.get_logger()

BYTES_PER_MS: Final = MODEL_RATE * 2 // 1000
HARMLESS: Final = frozenset({"response_cancel_not_active"})
"""The answer was complete before our wish to cancel it came."""
SEND_TIMEOUT_S: Final = 5.0
"""A network that takes nothing for so long is gone."""
MAX_UNSENT: Final = 500
"""Messages; a caller makes ten a second."""
MAX_WAITING: Final = 8
"""Answers that wait for one another; a call asks for one or two."""
MAX_ANSWER_MS: Final = 180_000
"""Of audio in one answer; whatever a server sends, it stays in this process until it has been heard."""


class Socket(Protocol):
    """A WebSocket, as far as it is used here."""

    async def send(self, message: str) -> None:
        """Raises when the connection is gone."""
        ...

    async def recv(self) -> str | bytes:
        """The next message. Raises when the connection is gone."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...


class _Item(Struct):
    """A piece of the conversation that the model has spoken."""

    id: str
    content_index: int
    ms: float = 0.0


class _Asked(Struct):
    """An answer that was asked for; without a `body` it belongs to the conversation."""

    event_id: str
    body: Mapping[str, Any] | None
    more: bool = False
    """Of the answer before it."""
    id: str = ""
    cancelled: bool = False
    ms: float = 0.0
    odd: bytes = b""
    """Half a sample at the end of its last piece."""


class OpenAiSession:
    """A `SpeechSession`. `open` first."""

    def __init__(self, socket: Socket, bill: SessionBill) -> None:
        self._socket = socket
        self._bill = bill
        self._events = 0
        self._active: _Asked | None = None
        self._waiting: deque[_Asked] = deque()
        self._said: list[_Item] = []
        """Of the last answer, with all that is more of it."""
        self._unsent: asyncio.Queue[str] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None
        self._ended: deque[tuple[str, int]] = deque()
        """Turns of which the item is not known yet: the commit's event id, and the number."""
        self._turns: dict[str, int] = {}
        self._closed = False

    async def open(self, brief: Brief, *, voice: str, transcription_model: str, max_tokens: int) -> None:
        """Have the brief taken. Raises SpeechModelError."""
        update = api.session_update(brief, voice=voice, transcription_model=transcription_model, max_tokens=max_tokens)
        try:
            await self._socket.send(update)
            self._sending = asyncio.create_task(self._send_all(), name="to the realtime model")
        except Exception as error:
            raise SpeechModelError(f"the realtime model hung up on us ({type(error).__name__})") from error
        while True:
            try:
                told = api.read(await self._socket.recv())
            except Exception as error:
                raise SpeechModelError(f"the realtime model hung up on us ({type(error).__name__})") from error
            if isinstance(told, api.Fault):
                raise SpeechModelError(f"the realtime model refused its brief ({_name(told.error.code)})")
            if isinstance(told, api.SessionUpdated):
                return

    async def events(self) -> AsyncIterator[SpeechEvent]:
        while True:
            try:
                message = await self._socket.recv()
            except Exception as error:
                if not self._closed:
                    log.info("the realtime model's connection ended", error=type(error).__name__)
                return
            try:
                told = api.read(message)
                events = self._told(told) if told is not None else ()
            except ValueError:
                log.warning("the realtime model sent what cannot be read")
                continue
            for event in events:
                yield event

    async def hear(self, pcm: bytes) -> None:
        self._send(api.audio(pcm))

    async def end_turn(self, turn: int) -> None:
        event_id = self._event_id()
        self._send(api.event("input_audio_buffer.commit", event_id=event_id))
        self._ended.append((event_id, turn))

    async def tell(self, role: Literal["user", "assistant"], text: str) -> None:
        self._send(api.event("conversation.item.create", item=api.message(role, text)))

    async def answer(self, *, more: bool = False) -> None:
        self._bill.answer()
        self._ask(_Asked(self._event_id(), None, more))

    async def say(self, text: str) -> None:
        self._bill.sentence()
        self._ask(_Asked(self._event_id(), api.word_for_word(text)))

    async def cancel(self, heard_ms: int) -> None:
        self._waiting.clear()
        active = self._active
        if active is not None and not active.cancelled:
            active.cancelled = True
            if active.id:
                self._send(api.event("response.cancel", response_id=active.id))
        said, self._said = self._said, []
        begin = 0.0
        for item in said:
            if heard_ms <= begin:
                self._send(api.event("conversation.item.delete", item_id=item.id))
            elif heard_ms < begin + item.ms:
                place = {"item_id": item.id, "content_index": item.content_index, "audio_end_ms": int(heard_ms - begin)}
                self._send(api.event("conversation.item.truncate", **place))
            begin += item.ms

    async def give(self, wanted: Wanted, result: str) -> None:
        item = {"type": "function_call_output", "call_id": wanted.id, "output": result}
        self._send(api.event("conversation.item.create", item=item))

    async def close(self) -> None:
        self._closed = True
        if self._active is not None and self._active.id:
            self._bill.broken_off(self._active.ms)
        self._active = None
        if self._sending is not None:
            self._sending.cancel()
        try:
            await self._socket.close()
        except Exception as error:
            log.debug("the realtime model's connection was gone", error=type(error).__name__)

    def _ask(self, asked: _Asked) -> None:
        if self._active is None:
            self._create(asked)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(asked)
        else:
            raise SpeechModelError("the realtime model does not end its answers")

    def _create(self, asked: _Asked) -> None:
        """The server refuses an answer while another is being made."""
        body = UNSET if asked.body is None else asked.body
        self._send(api.event("response.create", event_id=asked.event_id, response=body))
        self._active = asked
        if not asked.more:
            self._said = []

    def _told(self, told: api.ServerEvent) -> tuple[SpeechEvent, ...]:
        self._bill.told(told)
        match told:
            case api.AudioDelta() if self._is_wanted(told.response_id):
                return self._sound(told)
            case api.TranscriptDelta() if self._is_wanted(told.response_id):
                return (Words(told.delta),)
            case api.ResponseCreated():
                self._created(told.response.id)
            case api.ResponseDone():
                return self._done(told)
            case api.Committed() if self._ended:
                self._turns[told.item_id] = self._ended.popleft()[1]
            case api.Transcribed() | api.NotTranscribed() if told.item_id in self._turns:
                text = told.transcript.strip() if isinstance(told, api.Transcribed) else ""
                return (Heard(self._turns.pop(told.item_id), text),)
            case api.Fault():
                return self._refused(told)
        return ()

    def _sound(self, told: api.AudioDelta) -> tuple[SpeechEvent, ...]:
        active = self._active
        assert active is not None
        pcm = active.odd + told.pcm
        whole = len(pcm) // 2 * 2
        pcm, active.odd = pcm[:whole], pcm[whole:]
        active.ms += len(pcm) / BYTES_PER_MS
        if active.ms > MAX_ANSWER_MS:
            raise SpeechModelError("the realtime model does not end its answer")
        if active.body is None:
            if not self._said or self._said[-1].id != told.item_id:
                self._said.append(_Item(told.item_id, told.content_index))
            self._said[-1].ms += len(pcm) / BYTES_PER_MS
        return (Sound(pcm),)

    def _is_wanted(self, response_id: str) -> bool:
        return self._active is not None and self._active.id == response_id and not self._active.cancelled

    def _created(self, response_id: str) -> None:
        active = self._active
        if active is None or active.id:
            return
        active.id = response_id
        if active.cancelled:
            self._send(api.event("response.cancel", response_id=response_id))

    def _done(self, told: api.ResponseDone) -> tuple[SpeechEvent, ...]:
        active = self._active
        if active is None or active.id != told.response.id:
            return ()
        wants = tuple(
            Wanted(item.call_id, item.name, api.arguments_of(item))
            for item in told.response.output
            if item.type == "function_call"
        )
        return self._over(active, Done(self._why_failed(told), wants))

    def _why_failed(self, told: api.ResponseDone) -> str:
        details = told.response.status_details
        reason = _name((details.error.code if details.error else None) or details.reason) if details else "unknown"
        if told.response.status == "failed":
            return f"the realtime model's answer failed ({reason})"
        if told.response.status == "incomplete":
            # It has been heard as far as it goes.
            log.warning("the realtime model broke its answer off", reason=reason)
        return ""

    def _over(self, active: _Asked, done: Done) -> tuple[SpeechEvent, ...]:
        self._active = None
        if self._waiting:
            self._create(self._waiting.popleft())
        return () if active.cancelled else (done,)

    def _refused(self, fault: api.Fault) -> tuple[SpeechEvent, ...]:
        code, event_id = _name(fault.error.code), fault.error.event_id
        active = self._active
        if active is not None and event_id == active.event_id:
            return self._over(active, Done(f"the realtime model refused to answer ({code})"))
        for ended in [ended for ended in self._ended if ended[0] == event_id]:
            # Too short to be heard, for one.
            self._ended.remove(ended)
            return (Heard(ended[1], ""),)
        if code not in HARMLESS:
            log.warning("the realtime model refused something", code=code)
        return ()

    def _event_id(self) -> str:
        self._events += 1
        return f"atende_{self._events}"

    def _send(self, message: str) -> None:
        """In order, and as quickly as the network takes it."""
        if self._closed or self._sending is None or self._sending.done():
            raise SpeechModelError("the realtime model is not there any more")
        if self._unsent.qsize() >= MAX_UNSENT:
            raise SpeechModelError("the realtime model takes nothing any more")
        self._unsent.put_nowait(message)

    async def _send_all(self) -> None:
        try:
            while True:
                message = await self._unsent.get()
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send(message)
        except Exception as error:
            log.info("the realtime model takes nothing any more", error=type(error).__name__)
            # Whoever reads of it learns that it is gone.
            await self._socket.close()


def _name(code: str | None) -> str:
    """A name of the provider's, and nothing else of what it sent."""
    code = code or "unknown"
    return code if code.replace("_", "").isalnum() and code.isascii() and len(code) <= 60 else "unknown"
