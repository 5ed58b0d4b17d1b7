"""The model server's endpoints, as OpenAI's reference has them, and what it refuses."""

import asyncio
import base64
import io
import logging
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from control.models_role.socket import SocketPathError, listener, socket_path, url_of
from control.settings import Settings
from processors.served.stages import wav
from processors.served.transport import socket_of
from tests.control.models_role.serving import EARS, EMBEDDER, HEARD, MOUTH, Engines, Gate, mock_app, reached, serving

SECOND = wav(bytes(16_000), 8000)


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
async def client(engines: Engines, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = tmp_path / "m.sock"
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with (
        serving(mock_app(tmp_path, engines), path),
        httpx.AsyncClient(transport=transport, base_url="http://models", timeout=10) as made,
    ):
        yield made


async def transcribe(client: httpx.AsyncClient, sound: bytes = SECOND, **fields: str) -> httpx.Response:
    return await client.post(
        "/v1/audio/transcriptions", files={"file": ("a.wav", sound)}, data={"model": EARS, **fields}
    )


async def test_each_form_of_a_transcript(client: httpx.AsyncClient) -> None:
    assert (await transcribe(client)).json() == {"text": HEARD.text}
    plain = await transcribe(client, response_format="text")
    assert (plain.text, plain.headers["content-type"].partition(";")[0]) == (HEARD.text + "\n", "text/plain")
    verbose = (await transcribe(client, response_format="verbose_json", language="pt")).json()
    (segment,) = verbose.pop("segments")
    assert verbose == {
        "task": "transcribe", "language": "pt", "duration": 1.0, "text": HEARD.text, "sounds_like": None,
    }  # fmt: skip
    assert (segment["avg_logprob"], segment["no_speech_prob"]) == (HEARD.confidence, HEARD.no_speech)
    assert (segment["id"], segment["start"], segment["end"], segment["text"]) == (0, 0.0, 1.0, HEARD.text)


async def test_stereo_is_heard_as_one(client: httpx.AsyncClient, engines: Engines) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((8000, 2), dtype=np.int16), 16_000, format="FLAC")
    assert (await transcribe(client, file.getvalue())).status_code == 200
    assert engines.heard[0][0] == 8000


async def test_speech_comes_at_the_rate_that_is_stated(client: httpx.AsyncClient, engines: Engines) -> None:
    asked = {"model": MOUTH, "input": "Good day.", "voice": "af_heart", "response_format": "pcm", "speed": 2.0}
    answer = await client.post("/v1/audio/speech", json=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/pcm;rate=24000")
    pause = int(0.22 * 24_000)
    assert len(answer.content) == 2 * (2 * 2400 // 2 + pause)
    assert engines.rendered == ["Good day."]


async def test_words_become_vectors_in_either_form(client: httpx.AsyncClient) -> None:
    asked = {"model": EMBEDDER, "input": ["a", "bcd"]}
    listed = (await client.post("/v1/embeddings", json=asked)).json()
    packed = (await client.post("/v1/embeddings", json=asked | {"encoding_format": "base64"})).json()
    assert [one["index"] for one in listed["data"]] == [0, 1]
    for plain, dense in zip(listed["data"], packed["data"], strict=True):
        vector = np.frombuffer(base64.b64decode(dense["embedding"]), dtype="<f4")
        assert np.array_equal(np.array(plain["embedding"], dtype=np.float32), vector)
    assert len((await client.post("/v1/embeddings", json=asked | {"input": "a"})).json()["data"]) == 1


async def test_models_are_listed_and_loaded_by_name(client: httpx.AsyncClient, engines: Engines) -> None:
    assert [one["id"] for one in (await client.get("/v1/models")).json()["data"]] == [EARS, MOUTH, EMBEDDER]
    assert (await client.get(f"/v1/models/{EARS}")).json()["languages"] == ["en", "pt"]
    assert engines.loaded == [EARS]


WORDS = "nobody is to read this"
SPEECH = {"model": MOUTH, "input": WORDS, "voice": "af_heart", "response_format": "pcm"}
REFUSED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "no json": ("/v1/audio/speech", {"content": b"{"}, 400, "invalid_value"),
    "another format": ("/v1/audio/speech", {"json": SPEECH | {"response_format": "mp3"}}, 400, "invalid_value"),
    "too quick": ("/v1/audio/speech", {"json": SPEECH | {"speed": 5}}, 400, "invalid_value"),
    "too long": ("/v1/audio/speech", {"json": SPEECH | {"input": WORDS * 200}}, 400, "invalid_value"),
    "nothing": ("/v1/audio/speech", {"json": SPEECH | {"input": ""}}, 400, "invalid_value"),
    "no such voice": ("/v1/audio/speech", {"json": SPEECH | {"voice": "pm_santa"}}, 424, "model_not_ready"),
    "broken": ("/v1/audio/speech", {"json": SPEECH | {"input": f"{WORDS} broken"}}, 500, "RuntimeError"),
    "too many texts": ("/v1/embeddings", {"json": {"model": EMBEDDER, "input": ["a"] * 2049}}, 400, "invalid_value"),
    "too large": ("/v1/embeddings", {"content": b"x" * (26 << 20)}, 413, "http"),
    "no sound": ("/v1/audio/transcriptions", {"files": {"file": b"x" * 100}}, 400, "invalid_value"),
    "no file": ("/v1/audio/transcriptions", {"data": {"file": "a"}}, 400, "invalid_value"),
    "31 s": ("/v1/audio/transcriptions", {"files": {"file": wav(bytes(31 * 16_000), 8000)}}, 400, "invalid_value"),
    "no such model": (
        "/v1/audio/transcriptions", {"files": {"file": SECOND}, "data": {"model": "x"}}, 404, "model_not_found"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_done_is_refused_without_a_word_of_it(client: httpx.AsyncClient, case: str) -> None:
    path, sent, status, code = REFUSED[case]
    answer = await client.post(path, **sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert WORDS not in answer.text


async def test_a_caller_of_nonsense_leaves_it_well(client: httpx.AsyncClient) -> None:
    for header, value in {"Atende-Beam-Size": "99", "Atende-Client": "x" * 5000}.items():
        answer = await client.post(
            "/v1/audio/transcriptions", files={"file": SECOND}, data={"model": EARS}, headers={header: value}
        )
        assert answer.status_code == (400 if header == "Atende-Beam-Size" else 200)
    health = (await client.get("/health")).json()
    assert set(health["lanes"]) == {"stt", "tts"}


def test_the_socket_is_this_users_and_is_taken_over_from_whoever_had_it(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    with listener(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.exists(), "what a killed one leaves"
    with listener(path) as former, listener(path) as fresh, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        fresh.settimeout(5)
        fresh.accept()[0].close()
        former.setblocking(False)
        with pytest.raises(BlockingIOError):
            former.accept()
    assert [one.name for one in tmp_path.iterdir()] == ["m.sock"]


def test_a_folder_whose_path_is_too_long_is_told_before_anything_begins(tmp_path: Path) -> None:
    path = socket_path(Settings(data_dir=tmp_path / "50% #1?"))
    assert path == tmp_path / "50% #1?" / "models.sock"
    assert socket_of(url_of(path)) == str(path)
    with pytest.raises(SocketPathError, match="ATENDE_DATA_DIR"):
        socket_path(Settings(data_dir=tmp_path / ("x" * 100)))


async def test_what_several_rehearse_at_once_is_rendered_once_and_for_nobody_not_at_all(
    client: httpx.AsyncClient, engines: Engines
) -> None:
    gate = Gate()
    engines.before = gate
    asked = {"json": SPEECH | {"input": "Good day."}, "headers": {"Atende-Rehearsal": "1"}}
    three = [asyncio.create_task(client.post("/v1/audio/speech", **asked)) for _ in range(3)]  # type: ignore[arg-type]
    await reached(gate)
    three[0].cancel()
    await asyncio.gather(three[0], return_exceptions=True)
    gate.open()
    one, other = [(await answer).content for answer in three[1:]]
    assert one == other
    assert len(one) > 4800
    assert engines.rendered == ["Good day."]
    engines.before = lambda: None
    assert (await client.post("/v1/audio/speech", **asked)).content == one  # type: ignore[arg-type]
    assert engines.rendered == ["Good day."] * 2


async def test_what_breaks_behind_the_first_audio_ends_it_and_no_word_of_it_is_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(httpx.RemoteProtocolError):
        await client.post("/v1/audio/speech", json=SPEECH | {"input": f"Good day to you, {WORDS} broken."})
    told = "\n".join(logging.Formatter().format(one) for one in caplog.records)
    assert "RuntimeError" in told
    assert WORDS not in told
