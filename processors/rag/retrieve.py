"""`rag.retrieve`: looks up what the caller asked in the tenant's documents before the mind answers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import structlog
from msgspec import Meta, Struct
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from knowledge.passages import KnowledgeError, Library, Retrieval
from processors.conversation import last_words, with_passages
from processors.factory import CallContext, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from processors.frames import RetrievedFrame

log = structlog.get_logger()

WARM_UP_S = 30.0
"""The first retrieval reads the embedder's weights."""


class RetrieveConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much to look for, and for how long."""

    top_k: Annotated[int, Meta(ge=1, le=20)] = 4
    """Passages that the mind is given at most."""
    min_score: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.15
    """Passages below this are left out; whether the first one answers is the retriever's own judgement."""
    budget_ms: Annotated[int, Meta(ge=10, le=5000)] = 300
    """After this the mind answers without passages. A retrieval takes about 5 ms."""


class Shelf(Struct, frozen=True):
    """One tenant's documents, ready: where to ask."""

    library: Library


class RetrieveRag(ProcessorFactory[RetrieveConfig, Shelf]):
    """`rag.retrieve`"""

    use = "rag.retrieve"
    role = Role.RAG
    config_type = RetrieveConfig
    scope = "tenant"

    def latency_ms(self, config: RetrieveConfig) -> float:
        return float(config.budget_ms)

    def cost_per_turn(self, config: RetrieveConfig) -> float:
        return 0.0

    async def prepare(self, config: RetrieveConfig, context: StageContext, workshop: Workshop) -> Shelf:
        """Loads the tenant's index and the embedder, so that the first caller does not wait for them."""
        await warm_up(context, workshop.library, self.use)
        return Shelf(workshop.library)

    async def says(self, config: RetrieveConfig, prepared: Shelf, context: StageContext) -> Sequence[str]:
        """The operator's own answers, as the documents are now. Raises KnowledgeError."""
        passages = await prepared.library.passages(context.tenant_id)
        return tuple(dict.fromkeys(passage.text for passage in passages if passage.question))

    def create(self, config: RetrieveConfig, prepared: Shelf, call: CallContext) -> "Retriever":
        return Retriever(config, prepared.library, call)


async def warm_up(context: StageContext, library: Library, use: str) -> None:
    """Load the tenant's index and the embedder for a stage (`use`). Raises PrepareError."""
    try:
        passages = await library.passages(context.tenant_id)
        await library.retrieve(context.tenant_id, context.persona.company, top_k=1, min_score=1.0, budget_s=WARM_UP_S)
    except (KnowledgeError, TimeoutError) as error:
        raise PrepareError(f"{use}: the tenant's documents cannot be searched: {error}") from error
    if not passages:
        log.warning("no documents to retrieve from", tenant=context.tenant_id)


async def found_in(library: Library, call: CallContext, query: str, config: RetrieveConfig) -> Retrieval | None:
    """What the call's tenant has on it; None, which is logged, when that cannot be found out in time."""
    try:
        return await library.retrieve(
            call.tenant_id,
            query,
            top_k=config.top_k,
            min_score=config.min_score,
            budget_s=config.budget_ms / 1000,
        )
    except (KnowledgeError, TimeoutError) as error:
        log.warning(
            "retrieval failed",
            call=call.call_id,
            tenant=call.tenant_id,
            reason=str(error) or type(error).__name__,
            budget_ms=config.budget_ms,
        )
        return None


class Retriever(FrameProcessor):
    """Pushes a RetrievedFrame ahead of each LLMContextFrame, and a context that holds the passages.

    The conversation's own context stays as it was. A retrieval that fails or takes too long is told in the
    frame (`failed`), counted by the library, and the turn goes on without passages.
    """

    def __init__(self, config: RetrieveConfig, library: Library, call: CallContext) -> None:
        super().__init__()
        self._config = config
        self._library = library
        self._call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame) or direction is not FrameDirection.DOWNSTREAM:
            await self.push_frame(frame, direction)
            return
        found = await self._retrieve(last_words(frame.context))
        await self.push_frame(found)
        await self.push_frame(replace(frame, context=with_passages(frame.context, found.passages)))

    async def _retrieve(self, query: str) -> RetrievedFrame:
        found = await found_in(self._library, self._call, query, self._config)
        if found is None:
            return RetrievedFrame(query=query, failed=True)
        return RetrievedFrame(
            query=query,
            passages=found.passages,
            sure=found.sure,
            likely=found.likely,
            elapsed_ms=round(found.elapsed_ms, 2),
        )
