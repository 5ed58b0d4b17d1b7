"""Who recognises an utterance: this process, on its own threads, or a model server (`processors/served/`)."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
from msgspec import Struct

from processors.compute import usable_cores
from processors.factory import Compute, ModelFiles, PrepareError
from processors.stt.recogniser import MODEL_RATE, Recogniser, Recognition, samples_of


class Asked(Struct, frozen=True, kw_only=True):
    """How an utterance is to be understood."""

    language: str
    """As Whisper names it: `pt`."""
    prompt: str
    beam_size: int
    tell_language: bool = False


class Ears(Protocol):
    """Understands utterances; shared by calls."""

    async def recognise(self, pcm: bytes, sample_rate: int, asked: Asked) -> Recognition:
        """Of S16LE audio. Cancelling gives it up. Raises LaneFullError, RuntimeError, ValueError."""
        ...


@dataclass(frozen=True)
class OwnEars:
    """A recogniser of this process."""

    recogniser: Recogniser
    compute: Compute

    async def recognise(self, pcm: bytes, sample_rate: int, asked: Asked) -> Recognition:
        found: Recognition = await self.compute.run("stt", self._work(pcm, sample_rate, asked))
        return found

    def _work(self, pcm: bytes, sample_rate: int, asked: Asked) -> Callable[[], Recognition]:
        tell = {"tell_language": True} if asked.tell_language else {}

        def work() -> Recognition:
            samples = samples_of(pcm, sample_rate)
            return self.recogniser.recognise(samples, asked.language, asked.prompt, asked.beam_size, **tell)

        return work


class Recognisers:
    """The loaded models of this process; each is there as long as somebody has it."""

    def __init__(self) -> None:
        self._loaded: WeakValueDictionary[tuple[Path, int], Recogniser] = WeakValueDictionary()
        self._loading = threading.Lock()

    async def ears(self, model: str, threads: int | None, models: ModelFiles, compute: Compute) -> OwnEars:
        """A model of the manifest, loaded; its first utterance is behind it. Raises PrepareError."""
        folder, cores = models.path(model), usable_cores()
        # Not on a lane: threads that the library starts inherit the priority of the one that loads it.
        recogniser = await asyncio.to_thread(self._load, folder, threads or min(2, cores), max(1, cores // 2))
        return OwnEars(recogniser, compute)

    def _load(self, folder: Path, threads: int, workers: int) -> Recogniser:
        with self._loading:
            recogniser = self._loaded.get((folder, threads))
            if recogniser is None:
                try:
                    recogniser = Recogniser(folder, threads=threads, workers=workers)
                except (RuntimeError, ValueError, OSError) as error:
                    raise PrepareError(f"the model in {folder} cannot be loaded: {error}") from error
                recogniser.recognise(np.zeros(MODEL_RATE, dtype=np.float32), "en", "", 1)
                self._loaded[folder, threads] = recogniser
            return recogniser
