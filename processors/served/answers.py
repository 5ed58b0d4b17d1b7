"""What a model server answers, and what becomes of an answer that is none."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import httpx
import msgspec

from processors.compute import LaneFullError
from processors.served import protocol
from processors.served.protocol import ModelServerError, ServerHealth

MAX_SPEECH_BYTES: Final = 600 * 2 * protocol.PCM_RATE
"""Ten minutes: no text of ours takes so long."""
NOT_FOUND: Final = frozenset({404, 405, 501})
OVERLOADED: Final = frozenset({429, 503})
AWAY: Final = "the model server does not answer"

T = TypeVar("T")


async def begun(opening: AbstractAsyncContextManager[httpx.Response]) -> AsyncGenerator[bytes]:
    """The audio of an answer that has begun. Raises what `decoded` does."""
    stream = _streamed(opening)
    await anext(stream)
    return stream


async def _streamed(opening: AbstractAsyncContextManager[httpx.Response]) -> AsyncGenerator[bytes]:
    """Nothing, when the answer has begun well, then its audio."""
    async with opening as answer:
        if answer.status_code != httpx.codes.OK:
            await answer.aread()
            raise _refusal(answer)
        _require_rate(answer.headers.get("Content-Type", ""))
        yield b""
        received = 0
        async for part in answer.aiter_raw():
            received += len(part)
            if received > MAX_SPEECH_BYTES:
                raise ModelServerError("the model server speaks without end")
            yield part


def _require_rate(media_type: str) -> None:
    """Raises ModelServerError where another rate is stated than that of the reference."""
    for parameter in media_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "rate" and value.strip('"') != str(protocol.PCM_RATE):
            raise ModelServerError(f"the model server speaks at {value} Hz, and {protocol.PCM_RATE} are wanted")


def health_of(answer: httpx.Response) -> ServerHealth | None:
    """None: it is another server than ours."""
    try:
        return msgspec.json.decode(answer.content, type=ServerHealth) if answer.is_success else None
    except msgspec.DecodeError:
        return None


def decoded(answer: httpx.Response, kind: type[T]) -> T:
    """Raises ModelServerError, LaneFullError."""
    if not answer.is_success:
        raise _refusal(answer)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as error:
        raise ModelServerError(f"the model server's answer is none that we understand: {error}") from error


def _refusal(answer: httpx.Response) -> Exception:
    """Of what the server says mostly the code alone: a message may repeat what was spoken."""
    if answer.status_code in OVERLOADED:
        return LaneFullError("the model server has too much to do")
    try:
        error = msgspec.json.decode(answer.content, type=protocol.ErrorAnswer).error
    except msgspec.DecodeError:
        error = protocol.ErrorBody()
    if error.code == protocol.NOT_READY:
        return ModelServerError(error.message)
    code = f" ({error.code[:60]})" if error.code else ""
    return ModelServerError(f"the model server refuses: {answer.status_code}{code}")


def failure(error: httpx.HTTPError) -> ModelServerError:
    """There was no answer."""
    return ModelServerError(f"{AWAY} ({type(error).__name__})")
