"""The model server on a unix socket, with engines that hum and hear what they are told; as a process of its own:
`python -m tests.control.models_role.serving SOCKET`.
"""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import uvicorn
from litestar import Litestar

from control.models_role.app import models_app
from control.models_role.ledger import Ledger
from control.models_role.shelf import ModelUnknownError
from control.models_role.socket import listener
from control.settings import Settings
from knowledge.embedder import Vectors
from processors.factory import PrepareError
from processors.served.protocol import Model
from processors.stt.ears import OwnEars
from processors.stt.recogniser import Recognition, Samples
from processors.tts.engine import SAMPLE_RATE
from processors.tts.engine import Samples as Sound
from processors.tts.mouth import Manner, OwnMouth
from processors.tts.voices import Voice

EARS, MOUTH, EMBEDDER = "whisper-base", "kokoro-v1.0-int8", "use-multilingual-v3"
HEARD = Recognition("What are your opening hours?", -0.123456789012345, 0.0123, None)
VOICES = ("af_heart", "ef_dora", "pf_dora")


@dataclass
class Engines:
    """A recogniser and a voice with a script; they remember what they were given."""

    before: Callable[[], object] = lambda: None
    found: Recognition = HEARD
    heard: list[tuple[int, str, str, int]] = field(default_factory=list)
    """Samples, language, prompt and beam size of each utterance."""
    rendered: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def recognise(
        self, samples: Samples, language: str, prompt: str, beam_size: int, *, tell_language: bool = False
    ) -> Recognition:
        self.heard.append((len(samples), language, prompt, beam_size))
        self.before()
        return self.found._replace(sounds_like="en") if tell_language else self.found

    def render(self, text: str, voice: Voice, language: str, speed: float) -> Sound:
        self.before()
        if "broken" in text:
            raise RuntimeError(f"the engine broke at {text}")
        self.rendered.append(text)
        at = np.arange(int(len(text.split()) * SAMPLE_RATE / 10 / speed)) / SAMPLE_RATE
        return (0.5 * np.sin(2 * np.pi * 400 * at)).astype(np.float32)


class MockShelf:
    """Satisfies `control.models_role.shelf.Shelf`."""

    def __init__(self, engines: Engines, ledger: Ledger) -> None:
        voices = dict.fromkeys(VOICES, np.zeros((510, 1, 256), dtype=np.float32))
        self._engines = engines
        self._ears = OwnEars(engines, ledger)  # type: ignore[arg-type]
        self._mouth = OwnMouth(engines, voices, ledger)

    def names(self) -> Sequence[str]:
        return (EARS, MOUTH, EMBEDDER)

    async def model(self, name: str) -> Model:
        if name not in self.names():
            raise ModelUnknownError(name)
        self._engines.loaded.append(name)
        if name == EARS:
            return Model(id=name, languages=("en", "pt"))
        return Model(id=name, sha256="0" * 64, voices=VOICES) if name == MOUTH else Model(id=name)

    async def ears(self, name: str) -> OwnEars:
        if name != EARS:
            raise ModelUnknownError(name)
        return self._ears

    async def mouth(self, name: str, manner: Manner) -> OwnMouth:
        if manner.voice not in VOICES:
            raise PrepareError("there is no such voice; run `atende models pull kokoro-voices`")
        return self._mouth

    async def embed(self, name: str, texts: Sequence[str]) -> Vectors:
        return np.stack([np.full(512, 1 / (len(text) + 3), dtype=np.float32) for text in texts])


class Server(uvicorn.Server):
    """One that leaves the tests' signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def mock_app(folder: Path, engines: Engines) -> Litestar:
    return models_app(Settings(data_dir=folder), shelf_of=lambda ledger: MockShelf(engines, ledger))


@asynccontextmanager
async def serving(app: Litestar, path: Path) -> AsyncIterator[str]:
    """The URL, while it is served there in this process."""
    with listener(path) as listening:
        async with served_on(app, listening):
            yield f"unix://{path}"


@asynccontextmanager
async def served_on(app: Litestar, listening: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await running


def main() -> None:
    """Until it is killed. It hears and speaks at once."""
    path = Path(sys.argv[1])
    with listener(path) as listening:
        config = uvicorn.Config(mock_app(path.parent, Engines()), log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listening])


class Gate:
    """What waits there begins when it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()


async def reached(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, 10)


async def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Return when it holds."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    main()
