"""`POST /v1/embeddings` and `GET /v1/models`, as https://platform.openai.com/docs/api-reference has them, and
`GET /health`, which is ours: how much there is to do.
"""

import base64
import os
from collections.abc import Callable
from typing import Final

import numpy as np
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from control.models_role.gone import unless_gone
from control.models_role.ledger import LANES, Ledger
from control.models_role.refusals import RequestRefusedError
from control.models_role.requests import Ask, body_of, client_of
from control.models_role.shelf import OWNER, Shelf
from knowledge.embedder import Vectors
from processors.served import protocol
from processors.served.protocol import Embedding, Embeddings, EmbeddingsRequest, Model, Models, ServerHealth, Usage


def embedding(shelf: Shelf) -> HTTPRouteHandler:
    """The endpoint."""

    @post(protocol.EMBEDDINGS, status_code=200)
    async def embeddings(request: Ask) -> Embeddings:
        """JSON: `model`, `input`, `encoding_format`."""
        asked = body_of(await request.body(), EmbeddingsRequest)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        if not 0 < len(texts) <= protocol.MAX_INPUTS or any(len(one) > protocol.MAX_EMBEDDED_CHARS for one in texts):
            raise RequestRefusedError("input")
        vectors = await unless_gone(request, shelf.embed(asked.model, texts))
        form = FORMS[asked.encoding_format]
        data = [Embedding(index=at, embedding=form(vector)) for at, vector in enumerate(vectors)]
        return Embeddings(data=data, model=asked.model, usage=Usage(prompt_tokens=len(texts), total_tokens=len(texts)))

    return embeddings


def telling(shelf: Shelf, ledger: Ledger, instance: str) -> list[HTTPRouteHandler]:
    """What there is, and how it fares. `instance`: another one at each start."""

    @get(protocol.MODELS, sync_to_thread=True)
    def models() -> Models:
        return Models(data=tuple(Model(id=name, owned_by=OWNER) for name in shelf.names()))

    @get(protocol.MODELS + "/{name:str}")
    async def model(name: FromPath[str]) -> Model:
        """It is loaded when this is answered."""
        return await shelf.model(name)

    @get(protocol.HEALTH, sync_to_thread=False)
    def health(request: Ask) -> ServerHealth:
        lanes = {lane: ledger.state(lane, client_of(request)) for lane in LANES}
        return ServerHealth(instance=instance, pid=os.getpid(), lanes=lanes)

    return [models, model, health]


def _packed(vector: Vectors) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def _listed(vector: Vectors) -> list[float]:
    return [float(one) for one in vector]


FORMS: Final[dict[str, Callable[[Vectors], list[float] | str]]] = {"base64": _packed, "float": _listed}
