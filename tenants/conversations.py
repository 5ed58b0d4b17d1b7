"""Records of finished calls: stored once, read by their tenant alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call, CallRecord, Turn, Waterfall
from tenants.database import Database
from tenants.sql import queries

MAX_LISTED: Final = 200


class ForeignRecordError(ValueError):
    """A record of another tenant than the one it was to be stored for."""


class Cursor(Struct, frozen=True):
    """Where a list goes on: behind this call."""

    opened_at: datetime
    call_id: CallId


class ConversationStore(Protocol):
    """Records by tenant. The contract of both stores below."""

    async def store(self, tenant_id: TenantId, record: CallRecord) -> bool:
        """Keep a record; False when this call is kept already, and nothing is changed then.

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


def cursor(record: CallRecord) -> Cursor:
    """Behind this record."""
    return Cursor(record.call.opened_at, record.call.id)


def storable(tenant_id: TenantId, record: CallRecord) -> CallRecord:
    """The record as every store can hold it. Raises ForeignRecordError."""
    if record.call.tenant_id != tenant_id:
        raise ForeignRecordError(f"the record of call {record.call.id} belongs to tenant {record.call.tenant_id}")
    raw = msgspec.to_builtins(record, builtin_types=(datetime,))
    return msgspec.convert(_cleaned(raw), CallRecord)


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "ignore").decode()
        case list() | tuple():
            return [_cleaned(item) for item in value]
        case dict():
            return {key: _cleaned(item) for key, item in value.items()}
        case _:
            return value


class MemoryConversations:
    """Records for as long as the process lives."""

    def __init__(self) -> None:
        self._records: dict[TenantId, dict[CallId, CallRecord]] = {}

    async def store(self, tenant_id: TenantId, record: CallRecord) -> bool:
        record = storable(tenant_id, record)
        kept = self._records.setdefault(tenant_id, {})
        return kept.setdefault(record.call.id, record) is record

    async def get(self, tenant_id: TenantId, call_id: CallId) -> CallRecord | None:
        return self._records.get(tenant_id, {}).get(call_id)

    async def list(self, tenant_id: TenantId, limit: int, before: Cursor | None = None) -> Sequence[CallRecord]:
        kept = sorted(self._records.get(tenant_id, {}).values(), key=_age, reverse=True)
        behind = [one for one in kept if before is None or _age(one) < (before.opened_at, before.call_id)]
        return behind[: max(0, min(limit, MAX_LISTED))]


def _age(record: CallRecord) -> tuple[datetime, str]:
    return record.call.opened_at, record.call.id


_SQL: Final = queries("conversations")


class PostgresConversations:
    """Records in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, tenant_id: TenantId, record: CallRecord) -> bool:
        record = storable(tenant_id, record)
        call = record.call
        async with self._database.tenant(tenant_id) as connection:
            new = await connection.fetchval(
                _SQL["store"],
                tenant_id,
                call.id,
                call.tenant_slug,
                call.assistant,
                call.number,
                call.caller,
                call.revision,
                call.language,
                call.switch,
                call.opened_at,
                record.ended_at,
                record.end_reason,
                record.hangup_cause,
                record.errors,
                record.recording,
                record.revisions,
            )
            if new:
                messages = [_message(tenant_id, call.id, place, turn) for place, turn in enumerate(record.turns)]
                await connection.executemany(_SQL["store_message"], messages)
            return bool(new)

    async def get(self, tenant_id: TenantId, call_id: CallId) -> CallRecord | None:
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(_SQL["get"], tenant_id, call_id)
            found = await _read(connection, tenant_id, [row] if row else [])
        return found[0] if found else None

    async def list(self, tenant_id: TenantId, limit: int, before: Cursor | None = None) -> Sequence[CallRecord]:
        bound = max(0, min(limit, MAX_LISTED))
        async with self._database.tenant(tenant_id) as connection:
            if before is None:
                rows = await connection.fetch(_SQL["newest"], tenant_id, bound)
            else:
                rows = await connection.fetch(_SQL["before"], tenant_id, bound, before.opened_at, before.call_id)
            return await _read(connection, tenant_id, rows)


async def _read(connection: Any, tenant_id: TenantId, rows: Sequence[Any]) -> list[CallRecord]:
    """The records of these rows, each with its messages."""
    turns: dict[str, list[Turn]] = {row["call_id"]: [] for row in rows}
    for message in await connection.fetch(_SQL["messages"], tenant_id, list(turns)):
        turns[message["call_id"]].append(_turn(message))
    return [_record(tenant_id, row, turns[row["call_id"]]) for row in rows]


def _message(tenant_id: TenantId, call_id: CallId, position: int, turn: Turn) -> tuple[Any, ...]:
    waterfall = None if turn.waterfall is None else msgspec.json.encode(turn.waterfall).decode()
    return (tenant_id, call_id, position, turn.role, turn.text, turn.at_ms, turn.interrupted, turn.written,
            turn.intent, turn.passage_id, waterfall)  # fmt: skip


def _turn(row: Any) -> Turn:
    facts = {name: row[name] for name in ("role", "text", "at_ms", "interrupted", "written", "intent", "passage_id")}
    waterfall = row["waterfall"]
    return Turn(**facts, waterfall=None if waterfall is None else msgspec.json.decode(waterfall, type=Waterfall))


def _record(tenant_id: TenantId, row: Any, turns: Sequence[Turn]) -> CallRecord:
    call = Call(
        id=CallId(row["call_id"]),
        tenant_id=tenant_id,
        assistant=AssistantName(row["assistant"]),
        **{
            name: row[name]
            for name in ("tenant_slug", "number", "caller", "revision", "language", "switch", "opened_at")
        },
    )
    facts = {name: row[name] for name in ("ended_at", "end_reason", "hangup_cause", "recording")}
    errors, revisions = tuple(row["errors"]), tuple(row["revisions"])
    return CallRecord(call=call, turns=tuple(turns), errors=errors, revisions=revisions, **facts)
