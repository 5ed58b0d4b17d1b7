"""What a speech-to-speech model may look up: the tenant's documents."""

from typing import Final

import structlog

from base.ids import TenantId
from knowledge.passages import KnowledgeError, Library
from processors.conversation import listed
from processors.factory import CallContext, PrepareError
from processors.realtime.speech_model import Tool

log = structlog.get_logger()

LOOK_UP: Final = Tool(
    "look_up",
    "Looks up the company's documents: prices, hours, addresses, services, rules. Ask before you state such a fact.",
    {"question": "What is to be found out, as a whole question in the caller's language."},
)
BUDGET_S: Final = 1.0
WARM_UP_S: Final = 30.0
"""The first retrieval reads the embedder's weights."""
MIN_SCORE: Final = 0.15
MAX_QUESTION_CHARS: Final = 500


class Documents:
    """One tenant's, ready to be asked."""

    def __init__(self, library: Library, passages: int) -> None:
        self._library = library
        self._passages = passages

    async def look_up(self, question: str, call: CallContext) -> str:
        """Passages between tags, as a language model gets them; never an instruction of ours."""
        try:
            found = await self._library.retrieve(
                call.tenant_id,
                question[:MAX_QUESTION_CHARS],
                top_k=self._passages,
                min_score=MIN_SCORE,
                budget_s=BUDGET_S,
            )
        except (KnowledgeError, TimeoutError) as error:
            log.warning("retrieval failed", tenant=call.tenant_id, call=call.call_id, reason=type(error).__name__)
            return listed(())
        return listed(found.passages)


async def documents_of(passages: int, tenant_id: TenantId, library: Library) -> Documents:
    """With the embedder loaded, where there is something to be looked up by now. Raises PrepareError."""
    try:
        if passages and await library.passages(tenant_id):
            await library.retrieve(tenant_id, "?", top_k=1, min_score=1.0, budget_s=WARM_UP_S)
    except (KnowledgeError, TimeoutError) as error:
        raise PrepareError(f"the tenant's documents cannot be searched: {error}") from error
    return Documents(library, passages)
