"""The models that a model server has, each loaded when it is first wanted and kept."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from knowledge.embedder import UseEmbedder, Vectors
from processors.compute import LaneFullError
from processors.factory import Compute, ModelFiles, PrepareError
from processors.models.manifest import builtin_manifest
from processors.served.protocol import Model
from processors.stt.ears import Ears, Recognisers
from processors.stt.recogniser import whisper_languages
from processors.tts.mouth import MODELS, EngineKind, Engines, Manner, Mouth, OwnMouth, weights_of
from processors.tts.voices import DEFAULT_VOICES, KNOWN_VOICES, load_voice

ENGINES: Final[Mapping[str, EngineKind]] = {MODELS["onnx"]: "onnx", MODELS["torch"]: "torch"}
MAX_EMBEDDING: Final = 64
"""Requests to embed that may wait; more are refused."""
OWNER: Final = "atende"


class ModelUnknownError(LookupError):
    """There is no such model here, for this."""


class Shelf(Protocol):
    """What a server serves. All raise ModelUnknownError, and PrepareError where a model cannot be loaded."""

    def names(self) -> Sequence[str]:
        """Of the models that are here."""
        ...

    async def model(self, name: str) -> Model:
        """Load it; what it is."""
        ...

    async def ears(self, name: str) -> Ears: ...

    async def mouth(self, name: str, manner: Manner) -> Mouth:
        """One that has the voice. Raises PrepareError where there is none of that name."""
        ...

    async def embed(self, name: str, texts: Sequence[str]) -> Vectors:
        """Raises LaneFullError, KnowledgeError."""
        ...


class OwnShelf:
    """The embedded models, from this machine's files."""

    def __init__(self, models: ModelFiles, compute: Compute) -> None:
        self._models, self._compute = models, compute
        self._recognisers, self._engines, self._embedder = Recognisers(), Engines(), UseEmbedder()
        self._ears: dict[str, Ears] = {}
        self._mouths: dict[str, OwnMouth] = {}
        self._loading = {kind: asyncio.Lock() for kind in ("ears", "mouth")}
        self._threads = ThreadPoolExecutor(2, "embedding")
        self._embedding = 0

    def names(self) -> Sequence[str]:
        spoken = [name for name in builtin_manifest().names if name.startswith("whisper") or name in ENGINES]
        return [*filter(self._is_here, spoken), self._embedder.name]

    async def model(self, name: str) -> Model:
        if name == self._embedder.name:
            await self.embed(name, ["."])
            return Model(id=name, owned_by=OWNER)
        if name in ENGINES:
            mouth = await self._mouth(name)
            # Half a hundred files: callers get their audio meanwhile.
            voices = await asyncio.to_thread(self._voices, frozenset(mouth.voices))
            sha256 = weights_of(ENGINES[name]).sha256
            return Model(id=name, owned_by=OWNER, sha256=sha256, voices=voices)
        await self.ears(name)
        return Model(id=name, owned_by=OWNER, languages=whisper_languages())

    async def ears(self, name: str) -> Ears:
        if not name.startswith("whisper") or builtin_manifest().find(name) is None:
            raise ModelUnknownError(name)
        if name not in self._ears:  # who has what is there waits for nobody who loads another
            async with self._loading["ears"]:
                if name not in self._ears:
                    self._ears[name] = await self._recognisers.ears(name, None, self._models, self._compute)
        return self._ears[name]

    async def mouth(self, name: str, manner: Manner) -> Mouth:
        mouth = await self._mouth(name)
        if manner.voice in mouth.voices:
            return mouth
        if manner.voice not in KNOWN_VOICES:
            raise PrepareError("there is no such voice")
        table = await asyncio.to_thread(load_voice, manner.voice, self._models)
        self._mouths[name] = OwnMouth(mouth.engine, {**mouth.voices, manner.voice: table}, mouth.compute)
        return self._mouths[name]

    async def embed(self, name: str, texts: Sequence[str]) -> Vectors:
        if name != self._embedder.name:
            raise ModelUnknownError(name)
        if self._embedding >= MAX_EMBEDDING:
            raise LaneFullError(f"{self._embedding} requests to embed wait")
        self._embedding += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._embedder.encode, texts)
        finally:
            self._embedding -= 1

    def close(self) -> None:
        """What runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _mouth(self, name: str) -> OwnMouth:
        if name not in ENGINES:
            raise ModelUnknownError(name)
        if name not in self._mouths:
            async with self._loading["mouth"]:
                if name not in self._mouths:
                    kind, voices = ENGINES[name], set(DEFAULT_VOICES.values())
                    self._mouths[name] = await self._engines.mouth(kind, None, voices, self._models, self._compute)
        return self._mouths[name]

    def _is_here(self, name: str) -> bool:
        try:
            self._models.path(name)
        except PrepareError:
            return False
        return True

    def _voices(self, loaded: Collection[str]) -> tuple[str, ...]:
        return tuple(voice for voice in KNOWN_VOICES if voice in loaded or self._has_voice(voice))

    def _has_voice(self, name: str) -> bool:
        try:
            load_voice(name, self._models)
        except PrepareError:
            return False
        return True
