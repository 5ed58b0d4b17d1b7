"""How revisions came and went in this process, counted since it began."""

from datetime import datetime

from msgspec import Struct


class Turnover(Struct, kw_only=True):
    """A supervisor's; it alone changes it."""

    loaded: int = 0
    """Revisions that were made ready, again among them."""
    not_loaded: int = 0
    """That could not be."""
    swaps: int = 0
    """What answered for a tenant gave way to another, or to the same with other secrets."""
    rollbacks: int = 0
    """Trials that ended with what stood before."""
    answers_since: datetime | None = None
    """When a revision began to answer last."""
