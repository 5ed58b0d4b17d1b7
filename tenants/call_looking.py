"""Finished calls are looked for in PostgreSQL a piece at a time, so that no search takes long, whatever is looked for.

A piece is a number of calls, newest first, that have *one* of the facts that are wanted: the one by which so many calls
reach back the farthest, by its index. Everything else is looked for in these calls alone. A search goes on with the
next piece until its page is full, there are no more calls, or its time is over; then it tells how far it got, and the
next page begins there.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, Literal

from base.ids import CallId, TenantId
from tenants.call_search import CallFilter, Cursor
from tenants.sql import queries

LOOK_S: Final = 0.03
"""After so long no further piece is begun. The first always is."""
PIECE: Final = 1000
"""Calls of which facts are compared: some milliseconds."""
TEXT_PIECE: Final = 100
"""Calls of which every turn is read: five milliseconds or so, and twenty where they are not in memory."""

By = Literal["newest", "assistant", "number", "caller", "end_reason", "revision", "changed_over"]
FACTS: Final[Sequence[By]] = ("caller", "number", "end_reason", "revision", "assistant")
"""Each has an index; first those that hold few calls as a rule."""

_SQL: Final = queries("call_search")


class Looking:
    """How far a search looks."""

    def __init__(self, look_s: float = LOOK_S, piece: int = PIECE, text_piece: int = TEXT_PIECE) -> None:
        self._look_s = look_s
        self._piece = piece
        self._text_piece = text_piece

    async def rows(
        self, connection: Any, tenant_id: TenantId, wanted: CallFilter, limit: int, before: Cursor | None
    ) -> tuple[list[Any], Cursor | None]:
        """Rows of conversations, each with its `turns`: those that are wanted, the newest first, at most `limit` (1 and
        more); and behind what they were looked for, None when there is nothing behind it.

        `connection` plans each statement for its values.
        """
        rows: list[Any] = []
        until, behind = time.monotonic() + self._look_s, before
        while True:
            some, behind = await self._in_a_piece(connection, tenant_id, wanted, limit - len(rows), behind)
            rows += some
            if behind is None or len(rows) == limit or time.monotonic() >= until:
                return rows, behind

    async def _in_a_piece(
        self, connection: Any, tenant_id: TenantId, wanted: CallFilter, limit: int, before: Cursor | None
    ) -> tuple[Sequence[Any], Cursor | None]:
        last: Cursor | None = None
        facts = [name for name in FACTS if getattr(wanted, name) is not None]
        by = facts[0] if facts else "newest"
        all_are_wanted = wanted.text is None and len(facts) < 2
        if not all_are_wanted or by == "revision":
            by, last = await self._farthest(connection, tenant_id, wanted, facts or ["newest"], before)
        most = limit if all_are_wanted else None
        arguments = search_arguments(tenant_id, wanted, by, limit, before, last, most)
        rows = await connection.fetch(_SQL["search"], *arguments)
        return rows, _place(rows[-1]) if len(rows) == limit else last

    async def _farthest(
        self, connection: Any, tenant_id: TenantId, wanted: CallFilter, facts: Sequence[By], before: Cursor | None
    ) -> tuple[By, Cursor | None]:
        """The fact by which the piece reaches the farthest, and its last call; None: all calls with it are fewer."""
        best: tuple[By, Cursor] | None = None
        for by in facts:
            last = await self._last(connection, tenant_id, wanted, by, before)
            if by == "revision":
                changed = await self._last(connection, tenant_id, wanted, "changed_over", before)
                last = max(filter(None, (last, changed)), key=_age, default=None)
            if last is None:
                return by, None
            if best is None or _age(last) < _age(best[1]):
                best = by, last
        assert best is not None
        return best

    async def _last(
        self, connection: Any, tenant_id: TenantId, wanted: CallFilter, by: By, before: Cursor | None
    ) -> Cursor | None:
        count = self._piece if wanted.text is None else self._text_piece
        arguments = reach_arguments(tenant_id, wanted, by, count, before)
        row = await connection.fetchrow(_SQL["reach"], *arguments)
        return None if row is None else _place(row)


def reach_arguments(
    tenant_id: TenantId, wanted: CallFilter, by: By, count: int, before: Cursor | None
) -> tuple[Any, ...]:
    """What the query `reach` takes."""
    facts = wanted.assistant, wanted.number, wanted.caller, wanted.end_reason, wanted.revision
    place = (None, None) if before is None else (before.opened_at, before.call_id)
    return (tenant_id, count, *facts, wanted.opened_from, wanted.opened_to, *place, by)


def search_arguments(
    tenant_id: TenantId,
    wanted: CallFilter,
    by: By,
    limit: int,
    before: Cursor | None,
    last: Cursor | None,
    most: int | None,
) -> tuple[Any, ...]:
    """What the query `search` takes."""
    facts = reach_arguments(tenant_id, wanted, by, limit, before)
    return (*facts, last and last.opened_at, last and last.call_id, most, wanted.text)


def _place(row: Any) -> Cursor:
    return Cursor(row["opened_at"], CallId(row["call_id"]))


def _age(place: Cursor) -> tuple[Any, str]:
    return place.opened_at, place.call_id
