"""A model server that goes away and comes back, one of others that knows only the reference, and one that is odd."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar import Litestar, Request, Response, get, post
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from msgspec.structs import replace

from base.secret import Secret
from control.models_role.app import models_app
from control.models_role.shelf import OwnShelf
from control.settings import Settings
from knowledge.embedder import UseEmbedder, Vectors
from knowledge.passages import KnowledgeError
from processors.compute import ComputeLanes
from processors.factory import PrepareError
from processors.models.store import ModelStore
from processors.served.answers import AWAY
from processors.served.client import ServedModels, open_models
from processors.served.embedding import ASK_AGAIN_S, ServedEmbedder
from processors.served.protocol import Model, ModelServerError, SpeechRequest, Transcribed
from processors.served.stages import ServedEars, ServedMouth
from processors.stt.ears import Asked
from processors.stt.recogniser import Recognition
from processors.tts.mouth import Manner
from tests.control.models_role.serving import (
    EARS,
    MOUTH,
    VOICES,
    Engines,
    Gate,
    MockShelf,
    mock_app,
    reached,
    served_on,
    serving,
    until,
)

OTHER_MOUTH = "kokoro-v1.0-torch"

UTTERANCE = Transcribed(
    model=EARS, pcm=bytes(16_000), sample_rate=8000, language="en", prompt="", beam_size=1, tell_language=False
)
SENTENCE = SpeechRequest(model=MOUTH, input="Good day.", voice="af_heart", response_format="pcm")
MANNER = Manner(voice="alloy", language="en", speech="en-us", speed=1.0)


async def spoken(server: ServedModels, text: str = SENTENCE.input) -> bytes:
    async with aclosing(server.speak(replace(SENTENCE, input=text), "en-us")) as stream:
        return b"".join([part async for part in stream])


async def test_what_was_asked_while_it_was_away_is_answered_when_it_is_back(tmp_path: Path) -> None:
    path, engines = tmp_path / "m.sock", Engines()
    async with AsyncExitStack() as after:
        async with serving(mock_app(tmp_path, engines), path) as url:
            server = await after.enter_async_context(open_models(url))
            await server.model(EARS)
            await server.model(MOUTH)
            assert not server.away
        utterance = asyncio.create_task(server.transcribe(UTTERANCE))
        sentence = asyncio.create_task(spoken(server))
        await until(lambda: server.away)
        assert server.look("stt").problem == server.look("tts").problem == AWAY
        fresh = Engines()
        async with serving(mock_app(tmp_path, fresh), path):
            assert (await utterance).text == engines.found.text
            assert len(await sentence) > 4800
            assert sorted(fresh.loaded) == sorted([EARS, MOUTH]), "before anybody waited for them"
            assert server.look("stt").problem == ""


class TwoMouths(MockShelf):
    """One of them is there as long as the file is."""

    file = Path()

    async def model(self, name: str) -> Model:
        if name != OTHER_MOUTH:
            return await super().model(name)
        if not self.file.exists():
            raise PrepareError(f"the model {name} is missing")
        return Model(id=name, voices=VOICES)


async def test_a_model_that_is_gone_after_a_restart_is_missed_by_its_own_documents_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, settings = tmp_path / "weights", Settings(data_dir=tmp_path)
    file.touch()
    monkeypatch.setattr(TwoMouths, "file", file)

    def app() -> Litestar:
        return models_app(settings, shelf_of=lambda ledger: TwoMouths(Engines(), ledger))

    async with AsyncExitStack() as after:
        async with serving(app(), tmp_path / "m.sock") as url:
            server = await after.enter_async_context(open_models(url, patience_s=2.0))
            for name in (EARS, MOUTH, OTHER_MOUTH):
                await server.model(name)
        await until(lambda: server.away)
        file.unlink()
        async with serving(app(), tmp_path / "m.sock"):
            await until(lambda: not server.away)
            assert server.look("stt").problem == server.look("tts").problem == ""
            assert await spoken(server)
            with pytest.raises(PrepareError, match=f"{re.escape(OTHER_MOUTH)} is missing"):
                await server.model(OTHER_MOUTH)


async def test_who_waits_too_long_is_told_and_a_model_that_cannot_be_had_is_a_stage_that_is_not_ready(
    tmp_path: Path,
) -> None:
    async with open_models(f"unix://{tmp_path / 'nobody.sock'}", patience_s=0.05) as server:
        assert server.away
        with pytest.raises(ModelServerError, match=AWAY):
            await server.transcribe(UTTERANCE)
        with pytest.raises(ModelServerError, match=AWAY):
            await spoken(server)
        with pytest.raises(PrepareError, match=r"whisper-base.*ATENDE_MODELS_URL"):
            await server.model(EARS)


async def test_one_that_has_never_answered_is_waited_for_once_and_found_when_it_is_there(tmp_path: Path) -> None:
    async with open_models(f"unix://{tmp_path / 'm.sock'}", patience_s=3.0) as server:
        async with asyncio.timeout(20):
            for _ in range(100):  # of as many companies when the service starts
                with pytest.raises(PrepareError, match=AWAY):
                    await server.model(EARS)
        async with serving(mock_app(tmp_path, Engines()), tmp_path / "m.sock"):
            await until(lambda: not server.away)
            assert (await server.model(EARS)).id == EARS
        await until(lambda: server.away)
        asked = asyncio.create_task(server.model(EARS))
        async with serving(mock_app(tmp_path, Engines()), tmp_path / "m.sock"):
            assert (await asked).id == EARS, "it is waited for again"


async def test_it_tells_how_much_it_does_for_whom(tmp_path: Path) -> None:
    engines, gate = Engines(), Gate()
    app = mock_app(tmp_path, engines)
    async with serving(app, tmp_path / "m.sock") as url, open_models(url) as mine, open_models(url) as theirs:
        engines.before = gate
        asked = [asyncio.create_task(mine.transcribe(UTTERANCE)) for _ in range(9)]
        await reached(gate)
        await until(lambda: mine.look("stt").waiting == 9 - mine.look("stt").threads)
        await until(lambda: theirs.look("stt").wait_s > 0)
        gate.open()
        await asyncio.gather(*asked)
        await until(lambda: mine.look("stt").busy_s > 0 and theirs.look("stt").others_s > 0)
        assert mine.look("stt").others_s == 0
        assert theirs.look("stt").busy_s == 0
        assert mine.look("tts").busy_s == theirs.look("tts").others_s == 0
        engines.before = lambda: time.sleep(0.02)
        await spoken(theirs, "One two three four, five six seven eight.")
        await until(lambda: theirs.look("tts").busy_s >= 0.04 and mine.look("tts").others_s >= 0.04)
        assert mine.look("tts").busy_s == theirs.look("tts").others_s == 0


async def test_a_voice_or_model_that_is_not_there_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    async with serving(mock_app(tmp_path, Engines()), tmp_path / "m.sock") as url, open_models(url) as server:
        with pytest.raises(PrepareError, match=f"has {MOUTH}, use-multilingual-v3, {EARS}"):
            await server.model("whisper-enormous")
        nobody = SpeechRequest(model=MOUTH, input="Good day.", voice="pm_santa", response_format="pcm")
        with pytest.raises(ModelServerError, match="atende models pull kokoro-voices"):
            async with aclosing(server.speak(nobody, "en-us")) as stream:
                await anext(stream)


def others(asked: list[Any], *, key: str = "", rate: str = "") -> Litestar:
    """A server of others, strict in what the reference has and without anything else."""

    def let_in(request: Request[Any, Any, Any]) -> None:
        assert request.headers.get("Authorization", "") == key

    @get("/v1/models")
    async def models(request: Request[Any, Any, Any]) -> dict[str, Any]:
        let_in(request)
        data = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in (EARS, MOUTH)]
        return {"object": "list", "data": data}

    @post("/v1/audio/transcriptions", status_code=200)
    async def transcriptions(request: Request[Any, Any, Any]) -> dict[str, Any]:
        form = await request.form()
        asked.append(sorted(form))
        segments = [
            {"id": 0, "start": 0.0, "end": 1.0, "text": " One.", "avg_logprob": -0.4, "no_speech_prob": 0.3},
            {"id": 1, "start": 1.0, "end": 4.0, "text": " Two.", "avg_logprob": -0.8, "no_speech_prob": 0.1},
        ]
        whole = {"text": " One. Two.", "language": "english", "duration": 4.0}
        return whole if form["prompt"] == "plain" else {**whole, "segments": segments, "x": 1}

    @post("/v1/audio/speech", status_code=200)
    async def speech(request: Request[Any, Any, Any]) -> Stream | Response[Any]:
        asked.append(await request.json())

        async def odd() -> AsyncIterator[bytes]:
            for part in (b"\1", b"\0\2", b"\0\3\0"):
                yield part

        return Stream(odd(), media_type="audio/pcm" + rate)

    return Litestar([models, transcriptions, speech], openapi_config=None)


async def test_a_server_that_has_only_what_the_reference_has_is_enough(tmp_path: Path) -> None:
    asked: list[Any] = []
    async with serving(others(asked), tmp_path / "m.sock") as url, open_models(url) as server:
        assert not server.away
        assert server.look("stt").problem == ""
        assert (await server.model(EARS)).languages is None
        with pytest.raises(PrepareError, match=r"has kokoro-v1\.0-int8, whisper-base"):
            await server.model("kokoro-v1.0-torch")
        ears, mouth = ServedEars(server, EARS), ServedMouth(server, MOUTH, None)
        plain = Asked(language="en", prompt="plain", beam_size=1)
        assert await ears.recognise(bytes(800), 8000, plain) == Recognition("One. Two.", 0.0, 0.0, None)
        told = Asked(language="en", prompt="Hello", beam_size=1)
        found = await ears.recognise(bytes(800), 8000, told)
        assert found._replace(confidence=0.0) == Recognition("One. Two.", 0.0, 0.1, None)
        assert found.confidence == pytest.approx(-0.7)
        pieces = [piece async for piece in mouth.speak("Hello.", MANNER)]
        assert np.concatenate([piece.samples for piece in pieces]).tolist() == [1, 2, 3]
    fields = ["file", "language", "model", "prompt", "response_format", "temperature"]
    assert asked == [
        fields,
        fields,
        {"model": MOUTH, "input": "Hello.", "voice": "alloy", "response_format": "pcm", "speed": 1.0},
    ]


async def test_a_server_of_others_that_sends_no_audio_has_not_spoken(tmp_path: Path) -> None:
    @post("/v1/audio/speech", status_code=200)
    async def speech() -> Response[bytes]:
        return Response(b"", media_type="audio/pcm")

    @get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": []}

    app = Litestar([speech, models], openapi_config=None)
    async with serving(app, tmp_path / "m.sock") as url, open_models(url) as server:
        mouth = ServedMouth(server, MOUTH, None)
        with pytest.raises(ModelServerError, match="without audio"):
            await mouth.rehearse("Good day.", MANNER)
        with pytest.raises(ModelServerError, match="without audio"):
            _ = [piece async for piece in mouth.speak("Good day.", MANNER)]
        assert [piece.last async for piece in mouth.speak("…", MANNER)] == [True]
        assert len(await ServedMouth(server, MOUTH, ("alloy",)).rehearse("Good day.", MANNER)) == 0


async def test_over_http_it_is_shown_the_key_and_a_rate_that_is_not_wanted_is_an_error() -> None:
    app = others([], key="Bearer k", rate=";rate=16000")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with served_on(app, listening):
            async with open_models(url, Secret("wrong"), patience_s=0.05) as server:
                assert server.away
            async with open_models(url, Secret("k")) as server:
                with pytest.raises(ModelServerError, match="16000"):
                    await spoken(server)


async def test_words_become_the_same_vectors(tmp_path: Path) -> None:
    texts = ["Abre aos sábados?", "Do you open on Saturdays?", "Abre aos sábados?"]
    lanes, shelves = ComputeLanes(), list[OwnShelf]()

    def shelf(_: Any) -> OwnShelf:
        shelves.append(OwnShelf(ModelStore(tmp_path), lanes))
        return shelves[-1]

    app = models_app(Settings(data_dir=tmp_path), shelf_of=shelf)
    own = UseEmbedder().encode(texts)
    async with serving(app, tmp_path / "m.sock") as url:
        served = ServedEmbedder(url)
        assert np.array_equal(await asyncio.to_thread(served.encode, texts), own)
        many = [f"{number} {texts[0]}" for number in range(300)]
        assert (await asyncio.to_thread(served.encode, many)).shape == (300, 512)
        assert served.encode([]).shape == (0, 512)
        served.close()
    for one in shelves:
        one.close()
    lanes.close()


# httpcore leaves a socket on which nobody listens to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_without_the_embedder_there_it_is_in_this_process_and_a_server_that_is_away_is_told(
    tmp_path: Path,
) -> None:
    own = UseEmbedder().encode(["Hello"])
    nobody = ServedEmbedder(f"unix://{tmp_path / 'nobody.sock'}")
    with pytest.raises(KnowledgeError, match="ConnectError"):
        nobody.encode(["Hello"])
    async with serving(Embeds(has=True).app(), tmp_path / "nobody.sock"):
        assert (await asyncio.to_thread(nobody.encode, ["Hello"])).shape == (1, 512), "it is back"
    nobody.close()
    async with serving(others([]), tmp_path / "m.sock") as url:
        elsewhere = ServedEmbedder(url)
        assert np.array_equal(await asyncio.to_thread(elsewhere.encode, ["Hello"]), own)
        elsewhere.close()


class Embeds:
    """A server that has the embedder, or does not."""

    def __init__(self, *, has: bool) -> None:
        self.has, self.asked, self.embedded = has, 0, 0

    def app(self) -> Litestar:
        @get("/v1/models/{name:str}")
        async def model(name: FromPath[str]) -> Response[Any]:
            self.asked += 1
            return Response({"id": name}, status_code=200 if self.has else 404)

        @post("/v1/embeddings", status_code=200)
        async def embeddings(data: JSONBody[dict[str, Any]]) -> Response[Any]:
            if not self.has:
                return Response({}, status_code=404)
            self.embedded += 1
            vectors = [{"index": at, "embedding": [1.0] + [0.0] * 511} for at, _ in enumerate(data["input"])]
            return Response({"data": vectors})

        return Litestar([model, embeddings], openapi_config=None)


class Light:
    """Has nothing to load."""

    def encode(self, texts: list[str]) -> Vectors:
        return np.zeros((len(texts), 512), dtype=np.float32)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_server_that_is_given_the_embedder_is_used_and_one_that_lost_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.served.embedding.UseEmbedder", Light)
    there, at, theirs = Embeds(has=False), 0.0, [1.0] + [0.0] * 511
    async with serving(there.app(), tmp_path / "m.sock") as url:
        served = ServedEmbedder(url, now=lambda: at)

        async def embedded(text: str) -> bool:
            """Whether the server did it."""
            return (await asyncio.to_thread(served.encode, [text]))[0].tolist() == theirs

        assert not await embedded("one")
        there.has = True
        assert not await embedded("two"), "it is not asked each time"
        at = ASK_AGAIN_S
        assert await embedded("three")
        there.has = False
        with pytest.raises(KnowledgeError):
            await embedded("four")
        assert not await embedded("four"), "it was asked anew"
        at = 2 * ASK_AGAIN_S
        assert not await embedded("five")
        assert there.asked == 4
    at = 3 * ASK_AGAIN_S
    assert not await embedded("six"), "what is here needs no server"
    served.close()
