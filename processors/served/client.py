"""A model server as this process asks it, and how it fares, looked at twice a second.

While it is away whoever asks waits for it a little: it is started anew within seconds, and what callers said or wait
to hear is asked for once more. No call is taken meanwhile (`look` says why).
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import structlog

from base.secret import Secret
from base.tasks import beside
from processors.compute import LaneFullError, LaneLoad
from processors.factory import PrepareError
from processors.served import protocol
from processors.served.answers import AWAY, NOT_FOUND, begun, decoded, failure, health_of
from processors.served.protocol import (
    LaneName,
    Model,
    Models,
    ModelServerError,
    ServerHealth,
    SpeechRequest,
    Transcribed,
    Transcription,
)
from processors.served.stages import wav
from processors.served.transport import client_of

LOOK_S: Final = 0.5
LOOK_TIMEOUT_S: Final = 2.0
MISSED: Final = 2
"""Looks in a row without an answer in time: then it is away. Where nobody listens it is so at once."""
PATIENCE_S: Final = 12.0
"""Whoever asks while it is away waits so long for it, if his own time is not over before."""
LOAD_TIMEOUT_S: Final = 120.0
"""For a model to be loaded, on a machine that is busy."""

T = TypeVar("T")

log = structlog.get_logger()


class ServedModels:
    """Satisfies `protocol.ModelServer`. Belongs to one event loop; use it as `async with open_models(...)`."""

    def __init__(self, url: str, client: httpx.AsyncClient, patience_s: float = PATIENCE_S) -> None:
        self._url = url
        self._client = client
        self._patience_s = patience_s
        self._there = asyncio.Event()
        self._look_now = asyncio.Event()
        self._known: dict[str, Model] = {}
        self._health: ServerHealth | None = None
        self._missed = 0
        self._lost_once = False
        self._seen = self._never_there = False

    @property
    def url(self) -> str:
        return self._url

    @property
    def away(self) -> bool:
        """Whether nothing can be asked of it."""
        return not self._there.is_set()

    def look(self, lane: LaneName) -> LaneLoad:
        """As `ComputeLanes.look`; what a server of others has to do is not known."""
        state = None if self._health is None else self._health.lanes.get(lane)
        problem = AWAY if self.away else ""
        if state is None:
            return LaneLoad(threads=1, waiting=0, wait_s=0.0, busy_s=0.0, problem=problem)
        return LaneLoad(
            threads=state.threads,
            waiting=state.waiting,
            wait_s=state.wait_s,
            busy_s=state.yours_s,
            others_s=state.busy_s - state.yours_s,
            problem=problem,
        )

    async def model(self, name: str) -> Model:
        try:
            found = await self._patiently(lambda: self._loaded(name))
        except (ModelServerError, LaneFullError) as error:
            raise PrepareError(f"the model {name!r} cannot be had: {error}; see ATENDE_MODELS_URL") from error
        self._known[name] = found
        return found

    async def transcribe(self, asked: Transcribed) -> Transcription:
        headers = {protocol.BEAM_SIZE: str(asked.beam_size)}
        if asked.tell_language:
            headers[protocol.TELL_LANGUAGE] = "1"
        fields = {
            "model": asked.model,
            "language": asked.language,
            "response_format": "verbose_json",
            "temperature": "0",
        }
        if asked.prompt:
            fields["prompt"] = asked.prompt
        file = {"file": ("utterance.wav", wav(asked.pcm, asked.sample_rate), "audio/wav")}

        async def ask() -> Transcription:
            answer = await self._client.post(protocol.TRANSCRIPTIONS, data=fields, files=file, headers=headers)
            return decoded(answer, Transcription)

        return await self._patiently(ask)

    async def speak(self, asked: SpeechRequest, language: str, *, rehearsal: bool = False) -> AsyncGenerator[bytes]:
        headers = {"Content-Type": "application/json", protocol.SPOKEN_LANGUAGE: language}
        if rehearsal:
            headers[protocol.REHEARSAL] = "1"
        request = {"content": msgspec.json.encode(asked), "headers": headers}
        stream = await self._patiently(lambda: begun(self._client.stream("POST", protocol.SPEECH, **request)))  # type: ignore[arg-type]
        async with aclosing(stream):
            try:
                async for part in stream:
                    yield part
            except httpx.HTTPError as error:
                self._lost()
                raise failure(error) from error

    async def watch(self) -> None:
        """Look at it for ever."""
        while True:
            try:
                await self._look()
            except Exception:
                # Without this look nothing would ever say that it is back.
                log.exception("the model server cannot be looked at")
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer; a server that went away meanwhile is asked once more when it is back."""
        if self.away:
            await self._back()
        try:
            return await ask()
        except httpx.TimeoutException as error:
            raise failure(error) from error
        except httpx.TransportError:
            self._lost()
        await self._back()
        try:
            return await ask()
        except httpx.HTTPError as error:
            raise failure(error) from error

    async def _back(self) -> None:
        """One that has never answered, since its URL is wrong, is waited for once: not by each company at the start."""
        if self._never_there:
            raise ModelServerError(AWAY)
        try:
            async with asyncio.timeout(self._patience_s):
                await self._there.wait()
        except TimeoutError as error:
            self._never_there = not self._seen
            raise ModelServerError(AWAY) from error

    def _lost(self) -> None:
        """A request has failed: nobody is sent there before it was seen to answer."""
        self._there.clear()
        self._look_now.set()

    async def _loaded(self, name: str) -> Model:
        answer = await self._client.get(f"{protocol.MODELS}/{quote(name, safe='')}", timeout=LOAD_TIMEOUT_S)
        if answer.status_code not in NOT_FOUND:
            return decoded(answer, Model)
        listed = await self._client.get(protocol.MODELS)
        names = {one.id: one for one in decoded(listed, Models).data}
        if name not in names:
            raise ModelServerError(f"the model server has {', '.join(sorted(names)) or 'no model'}")
        return names[name]

    async def _look(self) -> None:
        try:
            answer = await self._client.get(protocol.HEALTH, timeout=LOOK_TIMEOUT_S)
            health = health_of(answer)
            if health is None:
                decoded(await self._client.get(protocol.MODELS, timeout=LOOK_TIMEOUT_S), Models)
            elif self._health is None or health.instance != self._health.instance:
                await self._load_again()
        except httpx.TimeoutException:
            self._missed += 1
            if self._missed >= MISSED:
                self._gone()
        except (httpx.HTTPError, ModelServerError, LaneFullError):
            self._gone()
        else:
            self._missed, self._health, self._seen, self._never_there = 0, health, True, False
            if self.away:
                if self._lost_once:
                    log.warning("the model server answers again")
                self._there.set()

    async def _load_again(self) -> None:
        """All at once, before anybody waits for it in a call. One that is not to be had any more is missed by the
        documents that name it, and by nobody else while there is another that hears, or speaks, as it did.
        """
        names = tuple(self._known)
        found = await asyncio.gather(*map(self._loaded, names), return_exceptions=True)
        there = {_does(one) for one in found if isinstance(one, Model)}
        for name, one in zip(names, found, strict=True):
            if not isinstance(one, BaseException):
                continue
            if not isinstance(one, ModelServerError) or _does(self._known[name]) not in there:
                raise one
            log.error("the model server has a model no longer", model=name, reason=str(one))

    def _gone(self) -> None:
        if not self.away:
            log.error(AWAY)
        self._lost_once = True
        self._there.clear()
        self._health = None


def _does(model: Model) -> str:
    """What it is for, as our server tells it."""
    return "speaks" if model.voices is not None else "hears"


@asynccontextmanager
async def open_models(
    url: str, key: Secret | None = None, *, patience_s: float = PATIENCE_S
) -> AsyncIterator[ServedModels]:
    """Of this process, while the block runs; whether it is there is known when it begins."""
    async with client_of(url, str(uuid.uuid4()), key) as client:
        models = ServedModels(url, client, patience_s)
        await models._look()  # noqa: SLF001 - ours
        async with beside(watch_the_model_server=models.watch()):
            yield models
