"""The things that retrieval deals in."""

from typing import Protocol

from msgspec import Struct

from base.ids import TenantId


class Passage(Struct, frozen=True):
    """A piece of a tenant's document that may answer a question."""

    id: str
    """Stable within the tenant: document name and position."""
    document: str
    heading: str
    text: str
    question: str = ""
    """The question that this passage answers, when the document is made of question and answer pairs."""
    score: float = 0.0
    """How well it fits the query, 0 to 1; comparable within one retrieval only."""


class Retrieval(Struct, frozen=True):
    """What was found for a query, best first.

    `sure`: the first passage answers it. `likely`: it probably does, and the caller had better be asked; never both.
    """

    passages: tuple[Passage, ...]
    sure: bool
    elapsed_ms: float
    likely: bool = False


class Library(Protocol):
    """Every tenant's knowledge. Tenant id comes first, everywhere."""

    async def retrieve(
        self, tenant_id: TenantId, query: str, *, top_k: int, min_score: float, budget_s: float
    ) -> Retrieval:
        """Raises TimeoutError when the budget is spent, KnowledgeError when the store fails."""
        ...

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        """All passages of a tenant, in document order."""
        ...


class KnowledgeError(Exception):
    """The store or the embedder failed."""
