"""Who renders a sentence: this process, on its own threads, or a model server (`processors/served/`)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Protocol
from weakref import WeakValueDictionary

import numpy as np
from msgspec import Struct

from processors.compute import usable_cores
from processors.factory import Compute, ModelFiles, PrepareError
from processors.models.manifest import ModelFile, builtin_manifest
from processors.tts.cache import Pcm16
from processors.tts.engine import SAMPLE_RATE, Engine, OnnxEngine, TorchEngine
from processors.tts.phrases import clauses
from processors.tts.voices import Voice, load_voice

MODELS = {"onnx": "kokoro-v1.0-int8", "torch": "kokoro-v1.0-torch"}
"""The manifest's model by engine; its first file is the weights."""
SENTENCE_PAUSE_S = 0.22
CLAUSE_PAUSE_S = 0.12
WORD_PAUSE_S = 0.04
"""Of silence behind what was said, by the mark that ends it; Kokoro's own is cut off."""

EngineKind = Literal["onnx", "torch"]


class Manner(Struct, frozen=True, kw_only=True):
    """How something is said."""

    voice: str
    language: str
    """BCP 47 tag."""
    speech: str
    """espeak-ng's name of the language in the voice's accent: `pt-br`."""
    speed: float


class Piece(NamedTuple):
    """A part of a sentence, at SAMPLE_RATE."""

    samples: Pcm16
    last: bool
    """Nothing follows."""


class Mouth(Protocol):
    """Renders speech; shared by calls and tenants."""

    @property
    def voices(self) -> Collection[str] | None:
        """That it has; None: not known."""
        ...

    def speak(self, text: str, manner: Manner) -> AsyncGenerator[Piece, None]:
        """A normalised sentence in pieces as they are ready, with the silence behind it; the last one says so.

        Closing the generator drops what was not rendered. Raises LaneFullError, RuntimeError, ValueError, OSError.
        """
        ...

    async def rehearse(self, text: str, manner: Manner) -> Pcm16:
        """The same, whole, behind all that callers wait for. Raises as `speak`."""
        ...


@dataclass(frozen=True)
class OwnMouth:
    """An engine of this process with its voices. Clause by clause, so that audio starts early."""

    engine: Engine
    voices: Mapping[str, Voice]
    compute: Compute

    async def speak(self, text: str, manner: Manner) -> AsyncGenerator[Piece, None]:
        pieces = clauses(text)
        for number, clause in enumerate(pieces, start=1):
            samples = await self.compute.run("tts", partial(self._render, clause, manner))
            yield Piece(samples, last=number == len(pieces))

    async def rehearse(self, text: str, manner: Manner) -> Pcm16:
        rendered: Pcm16 = await self.compute.run("background", partial(self._render, text, manner))
        return rendered

    def _render(self, text: str, manner: Manner) -> Pcm16:
        samples = self.engine.render(text, self.voices[manner.voice], manner.speech, manner.speed)
        silence = np.zeros(int(pause_after(text) * SAMPLE_RATE) if samples.size else 0, dtype=np.float32)
        spoken = np.clip(np.concatenate([samples, silence]), -1, 1) * 32767
        return np.asarray(spoken, dtype=np.int16)


class Engines:
    """The loaded engines of this process; each is there as long as somebody has it."""

    def __init__(self) -> None:
        self._engines: WeakValueDictionary[tuple[Path, int], Engine] = WeakValueDictionary()
        self._loading = threading.Lock()

    async def mouth(
        self, kind: EngineKind, threads: int | None, voices: Collection[str], models: ModelFiles, compute: Compute
    ) -> OwnMouth:
        """With those voices. Raises PrepareError."""
        folder = models.path(MODELS[kind])
        tables = {name: load_voice(name, models) for name in voices}
        weights = folder / weights_of(kind).path
        # Not on a lane: threads that the library starts inherit the priority of the one that loads it.
        engine = await asyncio.to_thread(self._load, kind, weights, threads or max(1, usable_cores() // 4))
        return OwnMouth(engine, tables, compute)

    def _load(self, kind: EngineKind, weights: Path, threads: int) -> Engine:
        with self._loading:
            engine = self._engines.get((weights, threads))
            if engine is None:
                try:
                    engine = OnnxEngine(weights, threads) if kind == "onnx" else TorchEngine(weights.parent)
                except (RuntimeError, ValueError, OSError) as error:
                    raise PrepareError(f"{weights} cannot be loaded: {error}") from error
                self._engines[weights, threads] = engine
            return engine


def weights_of(kind: EngineKind) -> ModelFile:
    """The file with an engine's weights."""
    known = builtin_manifest().find(MODELS[kind])
    assert known is not None
    return known.files[0]


def pause_after(text: str) -> float:
    """Seconds of silence; little where a sentence was cut at an abbreviation that is now a word."""
    mark = text.rstrip("\"'”’»)")[-1:]
    if mark in ".!?…":
        return SENTENCE_PAUSE_S
    return CLAUSE_PAUSE_S if mark in ",;:—–" else WORD_PAUSE_S
