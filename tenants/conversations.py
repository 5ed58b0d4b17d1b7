"""Records of finished calls: stored once, read and found by their tenant alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
import msgspec
from msgspec import Struct, structs

from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import CallRecord
from tenants.call_looking import Looking
from tenants.call_rows import conversation_row, message_row, read_records, summary_of, timeline_row
from tenants.call_search import CallFilter, CallSummary, Cursor, Found, SearchTooWideError, matches, summary
from tenants.database import Database
from tenants.sql import queries

MAX_LISTED: Final = 200
SEARCH_TIMEOUT_S: Final = 5.0
TEXT_SEARCHES: Final = 2
EXPORT_PAGE: Final = 100
"""Calls of an export that are read at once, and held in memory."""


class ForeignRecordError(ValueError):
    """A record of another tenant than the one it was to be stored for."""


class CallsOfTime(Struct, frozen=True):
    """An assistant's finished calls that began in that time; the end of it is not of it."""

    tenant_id: TenantId
    assistant: AssistantName
    opened_from: datetime
    opened_to: datetime


class Taken(Struct, frozen=True):
    """What calls took together."""

    seconds: float = 0.0
    cost_usd: float = 0.0
    """Of those of which it is known."""


class ConversationStore(Protocol):
    """Records by tenant. The contract of both stores below."""

    async def store(self, tenant_id: TenantId, record: CallRecord) -> bool:
        """Keep a record; False when this call is kept already, and nothing is changed then. What others told of a call
        whose process was gone (`tenants/lost_calls.py`) gives way to it; if it says `lost`, too, the later end is kept.

        Characters that a database cannot hold (NUL, halves of surrogate pairs) are dropped.
        Raises ForeignRecordError.
        """
        ...

    async def get(self, tenant_id: TenantId, call_id: CallId) -> CallRecord | None:
        """One record of this tenant."""
        ...

    async def list(self, tenant_id: TenantId, limit: int, before: Cursor | None = None) -> Sequence[CallRecord]:
        """Newest first, at most `limit` (200 at most), those behind `before`."""
        ...

    async def search(self, tenant_id: TenantId, wanted: CallFilter, limit: int, before: Cursor | None = None) -> Found:
        """Those that are wanted, as `list` has them, as far as they are found in a short time; `behind` goes on.

        Raises SearchTooWideError.
        """
        ...

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        """What each of these took, in their order; of however many tenants, it is one question."""
        ...

    def export(self, tenant_id: TenantId, wanted: CallFilter) -> AsyncIterator[CallRecord]:
        """All that are wanted, whole, newest first; between two of them no connection is held.

        None comes twice; what is stored meanwhile may be missing. Raises SearchTooWideError.
        """
        ...


def cursor(record: CallRecord | CallSummary) -> Cursor:
    """Behind this call."""
    return Cursor(record.call.opened_at, record.call.id)


def storable(tenant_id: TenantId, record: CallRecord) -> CallRecord:
    """The record as every store can hold it. Raises ForeignRecordError."""
    if record.call.tenant_id != tenant_id:
        raise ForeignRecordError(f"the record of call {record.call.id} belongs to tenant {record.call.tenant_id}")
    raw = msgspec.to_builtins(record, builtin_types=(datetime,))
    return msgspec.convert(cleaned(raw), CallRecord)


def cleaned(value: Any) -> Any:
    """Plain values without the characters that a database cannot hold."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "ignore").decode()
        case list() | tuple():
            return [cleaned(item) for item in value]
        case dict():
            return {key: cleaned(item) for key, item in value.items()}
        case _:
            return value


class MemoryConversations:
    """Records for as long as the process lives."""

    def __init__(self) -> None:
        self._records: dict[TenantId, dict[CallId, CallRecord]] = {}
        self._provisional: set[tuple[TenantId, CallId]] = set()

    async def store(self, tenant_id: TenantId, record: CallRecord) -> bool:
        record = storable(tenant_id, record)
        kept, place = self._records.setdefault(tenant_id, {}), (tenant_id, record.call.id)
        if place in self._provisional:
            self._provisional.remove(place)
            told = kept.pop(record.call.id)
            if record.end_reason == "lost":
                record = structs.replace(record, ended_at=max(told.ended_at, record.ended_at))
        return kept.setdefault(record.call.id, record) is record

    def add_lost(self, record: CallRecord) -> bool:
        """One that gives way to its process's own; False when there is one."""
        tenant_id, call_id = record.call.tenant_id, record.call.id
        kept = self._records.setdefault(tenant_id, {})
        if call_id in kept:
            return False
        kept[call_id] = storable(tenant_id, record)
        self._provisional.add((tenant_id, call_id))
        return True

    async def get(self, tenant_id: TenantId, call_id: CallId) -> CallRecord | None:
        return self._records.get(tenant_id, {}).get(call_id)

    async def list(self, tenant_id: TenantId, limit: int, before: Cursor | None = None) -> Sequence[CallRecord]:
        return self._found(tenant_id, CallFilter(), before)[: _bound(limit)]

    async def search(self, tenant_id: TenantId, wanted: CallFilter, limit: int, before: Cursor | None = None) -> Found:
        found = [summary(record) for record in self._found(tenant_id, wanted, before)[: _bound(limit)]]
        return Found(found, cursor(found[-1]) if found and len(found) == _bound(limit) else None)

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        return [self._taken(one) for one in asked]

    def _taken(self, asked: CallsOfTime) -> Taken:
        wanted = CallFilter(assistant=asked.assistant, opened_from=asked.opened_from, opened_to=asked.opened_to)
        found = self._found(asked.tenant_id, wanted)
        seconds = sum((one.ended_at - one.call.opened_at).total_seconds() for one in found)
        return Taken(seconds, sum(one.cost_usd or 0.0 for one in found))

    async def export(self, tenant_id: TenantId, wanted: CallFilter) -> AsyncIterator[CallRecord]:
        for record in self._found(tenant_id, wanted):
            yield record

    def _found(self, tenant_id: TenantId, wanted: CallFilter, before: Cursor | None = None) -> Sequence[CallRecord]:
        kept = sorted(self._records.get(tenant_id, {}).values(), key=_age, reverse=True)
        behind = (one for one in kept if before is None or _age(one) < (before.opened_at, before.call_id))
        return [one for one in behind if matches(one, wanted)]


def _bound(limit: int) -> int:
    return max(0, min(limit, MAX_LISTED))


def _age(record: CallRecord) -> tuple[datetime, str]:
    return record.call.opened_at, record.call.id


_SQL: Final = queries("conversations")
_FOR_A_SEARCH: Final = (
    "SELECT set_config('statement_timeout', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true)"
)


class PostgresConversations:
    """Records in PostgreSQL."""

    def __init__(
        self,
        database: Database,
        *,
        looking: Looking | None = None,
        search_timeout_s: float = SEARCH_TIMEOUT_S,
        export_page: int = EXPORT_PAGE,
    ) -> None:
        """`search_timeout_s` bounds each statement of a search."""
        self._database = database
        self._looking = looking or Looking()
        self._search_timeout_ms = str(round(search_timeout_s * 1000))
        self._export_page = export_page
        self._texts = asyncio.Semaphore(TEXT_SEARCHES)
        """Words are looked for in few connections at a time: records need some, too."""

    async def store(self, tenant_id: TenantId, record: CallRecord) -> bool:
        record = storable(tenant_id, record)
        call_id = record.call.id
        async with self._database.tenant(tenant_id) as connection:
            new = await connection.fetchval(_SQL["store"], *conversation_row(tenant_id, record))
            if new:
                messages = [message_row(tenant_id, call_id, place, turn) for place, turn in enumerate(record.turns)]
                await connection.executemany(_SQL["store_message"], messages)
                if record.timeline:
                    await connection.execute(_SQL["store_timeline"], *timeline_row(tenant_id, record))
            return bool(new)

    async def get(self, tenant_id: TenantId, call_id: CallId) -> CallRecord | None:
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(_SQL["get"], tenant_id, call_id)
            found = await read_records(connection, tenant_id, [row] if row else [])
        return found[0] if found else None

    async def list(self, tenant_id: TenantId, limit: int, before: Cursor | None = None) -> Sequence[CallRecord]:
        async with self._database.tenant(tenant_id) as connection:
            if before is None:
                rows = await connection.fetch(_SQL["newest"], tenant_id, _bound(limit))
            else:
                rows = await connection.fetch(
                    _SQL["before"], tenant_id, _bound(limit), before.opened_at, before.call_id
                )
            return await read_records(connection, tenant_id, rows)

    async def search(self, tenant_id: TenantId, wanted: CallFilter, limit: int, before: Cursor | None = None) -> Found:
        if not (most := _bound(limit)):
            return Found((), None)
        async with self._searching(tenant_id, wanted) as connection:
            rows, behind = await self._looking.rows(connection, tenant_id, wanted, most, before)
        return Found([summary_of(tenant_id, row) for row in rows], behind)

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        tenants, assistants = [one.tenant_id for one in asked], [one.assistant for one in asked]
        begins, ends = [one.opened_from for one in asked], [one.opened_to for one in asked]
        async with self._database.platform() as connection:
            rows = await connection.fetch(_SQL["taken"], tenants, assistants, begins, ends)
        return [Taken(row["seconds"], row["cost_usd"]) for row in rows]

    async def export(self, tenant_id: TenantId, wanted: CallFilter) -> AsyncIterator[CallRecord]:
        behind: Cursor | None = None
        while True:
            async with self._searching(tenant_id, wanted) as connection:
                rows, behind = await self._looking.rows(connection, tenant_id, wanted, self._export_page, behind)
                records = await read_records(connection, tenant_id, rows)
            for record in records:
                yield record
            if behind is None:
                return

    @asynccontextmanager
    async def _searching(self, tenant_id: TenantId, wanted: CallFilter) -> AsyncIterator[Any]:
        """A transaction whose statements have a time limit of their own and are planned for their values."""
        room = nullcontext() if wanted.text is None else self._texts
        try:
            async with room, self._database.tenant(tenant_id) as connection:
                await connection.fetchrow(_FOR_A_SEARCH, self._search_timeout_ms)
                yield connection
        except asyncpg.QueryCanceledError as error:
            raise SearchTooWideError("there are too many calls to look through; narrow the dates") from error
