"""`POST /v1/audio/speech`, as https://platform.openai.com/docs/api-reference/audio has it.

Of its formats there is `pcm`: S16LE, mono, 24 kHz, without a header, sent clause by clause as it is made. Who goes away
has what was not rendered dropped. No word of it is logged.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from control.models_role.gone import unless_gone
from control.models_role.ledger import asking
from control.models_role.refusals import RequestRefusedError
from control.models_role.requests import Ask, body_of, client_of
from control.models_role.shelf import Shelf
from processors.served import protocol
from processors.served.protocol import SpeechRequest
from processors.tts.cache import Pcm16
from processors.tts.mouth import Manner, Mouth
from processors.tts.voices import speech_language

SPEEDS: Final = (0.25, 4.0)
"""As the reference has it."""
LANGUAGES: Final[Mapping[str, str]] = {"a": "en", "b": "en", "e": "es", "p": "pt"}
"""By the first letter of a voice's name."""
Key = tuple[str, str, Manner]


class SpeechBrokenOffError(Exception):
    """Nothing follows what was sent."""


def speaking(shelf: Shelf) -> HTTPRouteHandler:
    """The endpoint."""
    rehearsals = Rehearsals()

    @post(protocol.SPEECH, status_code=200)
    async def speech(request: Ask) -> Stream:
        """JSON: `model`, `input`, `voice`, `speed`, `response_format`."""
        asking.set(client_of(request))
        asked = body_of(await request.body(), SpeechRequest)
        manner = _manner(request, asked)
        mouth = await shelf.mouth(asked.model, manner)
        if request.headers.get(protocol.REHEARSAL) == "1":
            pieces = _whole(rehearsals, mouth, asked, manner)
        else:
            pieces = _spoken(mouth, asked.input, manner)
        begun = await _begun(request, pieces)
        return Stream(begun, media_type=f"{protocol.PCM_TYPE};rate={protocol.PCM_RATE}")

    return speech


def _manner(request: Ask, asked: SpeechRequest) -> Manner:
    """Raises RequestRefusedError."""
    if asked.response_format != "pcm":
        raise RequestRefusedError("response_format")
    if not SPEEDS[0] <= asked.speed <= SPEEDS[1]:
        raise RequestRefusedError("speed")
    if not 0 < len(asked.input) <= protocol.MAX_INPUT_CHARS:
        raise RequestRefusedError("input")
    told, own = request.headers.get(protocol.SPOKEN_LANGUAGE), LANGUAGES.get(asked.voice[:1])
    if told is None and own is None:
        raise RequestRefusedError("voice")
    language = told or speech_language(own or "", asked.voice)
    return Manner(voice=asked.voice, language=language, speech=language, speed=asked.speed)


async def _spoken(mouth: Mouth, text: str, manner: Manner) -> AsyncGenerator[bytes, None]:
    async with aclosing(mouth.speak(text, manner)) as pieces:
        async for piece in pieces:
            yield piece.samples.tobytes()


async def _whole(
    rehearsals: "Rehearsals", mouth: Mouth, asked: SpeechRequest, manner: Manner
) -> AsyncGenerator[bytes, None]:
    yield await rehearsals.pcm((asked.model, asked.input, manner), lambda: mouth.rehearse(asked.input, manner))


class Rehearsals:
    """Whole sentences that are being rendered: a node's processes all rehearse the same at their start."""

    def __init__(self) -> None:
        self._under_way: dict[Key, _Rehearsal] = {}

    async def pcm(self, key: Key, render: Callable[[], Coroutine[Any, Any, Pcm16]]) -> bytes:
        """Rendered once for all that ask meanwhile; given up when none of them waits any more."""
        found = self._under_way.get(key)
        if found is None:
            found = self._under_way[key] = _Rehearsal(asyncio.create_task(render(), name="a rehearsal"))
            found.task.add_done_callback(lambda task: self._forget(key, task))
        found.waiting += 1
        try:
            return (await asyncio.shield(found.task)).tobytes()
        finally:
            found.waiting -= 1
            if not found.waiting and not found.task.done():
                self._forget(key, found.task)
                found.task.cancel()

    def _forget(self, key: Key, task: "asyncio.Task[Pcm16]") -> None:
        if key in self._under_way and self._under_way[key].task is task:
            del self._under_way[key]


@dataclass
class _Rehearsal:
    task: asyncio.Task[Pcm16]
    waiting: int = 0


async def _begun(request: Ask, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same, whose first piece is there: what fails before it is answered with a status."""
    first = await unless_gone(request, _first(pieces))

    async def every() -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces):
            yield first
            try:
                async for piece in pieces:
                    yield piece
            except Exception as error:
                # The server logs whatever comes out of here: its type alone, as `refusals` has it.
                raise SpeechBrokenOffError(type(error).__name__) from None

    return every()


async def _first(pieces: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(pieces, b"")
