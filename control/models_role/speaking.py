"""`POST /v1/audio/speech`, as https://platform.openai.com/docs/api-reference/audio has it.

Of its formats there is `pcm`: S16LE, mono, 24 kHz, without a header, sent clause by clause as it is made. Who goes away
has what was not rendered dropped. No word of it is logged.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

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
from processors.tts.mouth import Manner, Mouth
from processors.tts.voices import speech_language

SPEEDS: Final = (0.25, 4.0)
"""As the reference has it."""
LANGUAGES: Final[Mapping[str, str]] = {"a": "en", "b": "en", "e": "es", "p": "pt"}
"""By the first letter of a voice's name."""


def speaking(shelf: Shelf) -> HTTPRouteHandler:
    """The endpoint."""

    @post(protocol.SPEECH, status_code=200)
    async def speech(request: Ask) -> Stream:
        """JSON: `model`, `input`, `voice`, `speed`, `response_format`."""
        asking.set(client_of(request))
        asked = body_of(await request.body(), SpeechRequest)
        manner = _manner(request, asked)
        mouth = await shelf.mouth(asked.model, manner)
        pieces = _rehearsed if request.headers.get(protocol.REHEARSAL) == "1" else _spoken
        begun = await _begun(request, pieces(mouth, asked.input, manner))
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


async def _rehearsed(mouth: Mouth, text: str, manner: Manner) -> AsyncGenerator[bytes, None]:
    yield (await mouth.rehearse(text, manner)).tobytes()


async def _begun(request: Ask, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same, whose first piece is there: what fails before it is answered with a status."""
    first = await unless_gone(request, _first(pieces))

    async def every() -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return every()


async def _first(pieces: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(pieces, b"")
