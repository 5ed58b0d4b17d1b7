"""The embedder of a model server. Blocking, for threads; satisfies `knowledge.embedder.Embedder`."""

import base64
import threading
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec
import numpy as np
import structlog

from base.secret import Secret
from knowledge.embedder import Remembered, UseEmbedder, Vectors
from knowledge.passages import KnowledgeError
from processors.served import protocol
from processors.served.client import NOT_FOUND
from processors.served.protocol import Embeddings, EmbeddingsRequest
from processors.served.transport import blocking_client_of

TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 256
"""Texts of one request."""

log = structlog.get_logger()


class ServedEmbedder:
    """The same model as `UseEmbedder`, on a server; where that does not have it, in this process after all.

    Words and sentences that come again are remembered here.
    """

    name = UseEmbedder.name
    dimension = UseEmbedder.dimension

    def __init__(self, url: str, key: Secret | None = None) -> None:
        self._client = blocking_client_of(url, key, TIMEOUT_S)
        self._remembered = Remembered(self._run, self.dimension)
        self._deciding = threading.Lock()
        self._has_it: bool | None = None
        self._own = UseEmbedder()

    def encode(self, sentences: Sequence[str]) -> Vectors:
        return self._remembered.encode(sentences)

    def close(self) -> None:
        self._client.close()

    def _run(self, sentences: list[str]) -> Vectors:
        try:
            if not self._is_there():
                return self._own.encode(sentences)
            parts = [self._ask(sentences[at : at + AT_ONCE]) for at in range(0, len(sentences), AT_ONCE)]
        except httpx.HTTPError as error:
            raise KnowledgeError(f"the model server does not embed ({type(error).__name__})") from error
        return np.concatenate(parts)

    def _is_there(self) -> bool:
        with self._deciding:
            if self._has_it is None:
                answer = self._client.get(f"{protocol.MODELS}/{self.name}")
                if answer.status_code not in NOT_FOUND:
                    answer.raise_for_status()
                self._has_it = answer.is_success
                if not self._has_it:
                    log.info("the model server has no embedder of ours: it is loaded here", model=self.name)
            return self._has_it

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
