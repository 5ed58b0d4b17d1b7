"""What a speech-to-speech model may look up: the tenant's documents."""

from typing import Final

from knowledge.passages import Library
from processors.conversation import listed
from processors.factory import CallContext
from processors.rag.retrieve import RetrieveConfig, found_in
from processors.realtime.speech_model import Tool

LOOK_UP: Final = Tool(
    "look_up",
    "Looks up the company's documents: prices, hours, addresses, services, rules. Ask before you state such a fact.",
    {"question": "What is to be found out, as a whole question in the caller's language."},
)
BUDGET_MS: Final = 1000
"""The model is silent meanwhile."""
MAX_QUESTION_CHARS: Final = 500


class Documents:
    """One tenant's, ready to be asked."""

    def __init__(self, library: Library, passages: int) -> None:
        self._library = library
        self._config = RetrieveConfig(top_k=passages, budget_ms=BUDGET_MS)

    async def look_up(self, question: str, call: CallContext) -> str:
        """Passages between tags, as a language model gets them; never an instruction of ours."""
        found = await found_in(self._library, call, question[:MAX_QUESTION_CHARS], self._config)
        return listed(() if found is None else found.passages)
