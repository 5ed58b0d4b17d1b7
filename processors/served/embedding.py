"""The embedder of a model server. Blocking, for threads; satisfies `knowledge.embedder.Embedder`."""

import base64
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import httpx
import msgspec
import numpy as np
import structlog

from base.secret import Secret
from knowledge.embedder import Remembered, UseEmbedder, Vectors
from knowledge.passages import KnowledgeError
from processors.served import protocol
from processors.served.answers import NOT_FOUND
from processors.served.protocol import Embeddings, EmbeddingsRequest
from processors.served.transport import blocking_client_of

TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 256
"""Texts of one request."""
ASK_AGAIN_S: Final = 60.0
"""A server that does not have the model is asked so much later whether it has it now."""
ASK_AGAIN_TIMEOUT_S: Final = 0.2
"""For that a turn must not lose its passages."""

log = structlog.get_logger()


class ServedEmbedder:
    """The same model as `UseEmbedder`, on a server; where that does not have it, in this process after all.

    Words and sentences that come again are remembered here. After a failure, and from time to time where it does not
    have it, the server is asked anew: it may have become another one.
    """

    name = UseEmbedder.name
    dimension = UseEmbedder.dimension

    def __init__(self, url: str, key: Secret | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is a monotonic clock in seconds."""
        self._client = blocking_client_of(url, key, TIMEOUT_S)
        self._remembered = Remembered(self._run, self.dimension)
        self._now = now
        self._has_it: bool | None = None
        """None: it is to be asked."""
        self._asked_at = 0.0
        self._own = UseEmbedder()

    def encode(self, sentences: Sequence[str]) -> Vectors:
        return self._remembered.encode(sentences)

    def close(self) -> None:
        self._client.close()

    def _run(self, sentences: list[str]) -> Vectors:
        """One thread at a time; see `Remembered`."""
        try:
            if not self._is_there():
                return self._own.encode(sentences)
            parts = [self._ask(sentences[at : at + AT_ONCE]) for at in range(0, len(sentences), AT_ONCE)]
        except httpx.HTTPError as error:
            self._has_it = None
            raise KnowledgeError(f"the model server does not embed ({type(error).__name__})") from error
        return np.concatenate(parts)

    def _is_there(self) -> bool:
        if self._has_it is None:
            self._has_it = self._looked_up(TIMEOUT_S)
            if not self._has_it:
                log.info("the model server has no embedder of ours: it is loaded here", model=self.name)
        elif not self._has_it and self._now() >= self._asked_at + ASK_AGAIN_S:
            with suppress(httpx.HTTPError):  # it goes on here
                self._has_it = self._looked_up(ASK_AGAIN_TIMEOUT_S)
            if self._has_it:
                log.info("the model server has our embedder now", model=self.name)
                self._own = UseEmbedder()  # without its weights
        return self._has_it

    def _looked_up(self, timeout_s: float) -> bool:
        self._asked_at = self._now()
        answer = self._client.get(f"{protocol.MODELS}/{self.name}", timeout=timeout_s)
        if answer.status_code not in NOT_FOUND:
            answer.raise_for_status()
        return answer.is_success

    def _ask(self, sentences: list[str]) -> Vectors:
        cut = [sentence[: protocol.MAX_EMBEDDED_CHARS] for sentence in sentences]
        asked = EmbeddingsRequest(model=self.name, input=cut, encoding_format="base64")
        content, kind = msgspec.json.encode(asked), {"Content-Type": "application/json"}
        answer = self._client.post(protocol.EMBEDDINGS, content=content, headers=kind).raise_for_status()
        try:
            found = msgspec.json.decode(answer.content, type=Embeddings)
            vectors = np.stack([_vector(one.embedding) for one in sorted(found.data, key=lambda one: one.index)])
        except (msgspec.DecodeError, ValueError) as error:
            raise KnowledgeError("the model server's vectors cannot be read") from error
        if vectors.shape != (len(sentences), self.dimension):
            raise KnowledgeError(f"the model server's vectors have the shape {vectors.shape}")
        return vectors


def _vector(sent: list[float] | str) -> Vectors:
    if isinstance(sent, str):
        return np.frombuffer(base64.b64decode(sent, validate=True), dtype="<f4")
    return np.array(sent, dtype=np.float32)
