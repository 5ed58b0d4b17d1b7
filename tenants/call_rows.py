"""Calls and turns as rows of the database."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call, CallRecord, StageUsage, Turn, Waterfall
from pipelines.timeline import Moment
from tenants.call_search import CallSummary, duration_s
from tenants.sql import queries

_SQL: Final = queries("conversations")


async def read_records(connection: Any, tenant_id: TenantId, rows: Sequence[Any]) -> list[CallRecord]:
    """The records of these rows of conversations, each with its messages and its timeline."""
    turns: dict[str, list[Turn]] = {row["call_id"]: [] for row in rows}
    for message in await connection.fetch(_SQL["messages"], tenant_id, list(turns)):
        turns[message["call_id"]].append(_turn(message))
    found = await connection.fetch(_SQL["timelines"], tenant_id, list(turns))
    timelines = {row["call_id"]: msgspec.json.decode(row["moments"], type=tuple[Moment, ...]) for row in found}
    return [_record(tenant_id, row, turns[row["call_id"]], timelines.get(row["call_id"], ())) for row in rows]


def summary_of(tenant_id: TenantId, row: Any) -> CallSummary:
    """What a list shows of a row of conversations; `turns` is how many messages there are."""
    return CallSummary(
        call=_call(tenant_id, row),
        duration_s=duration_s(row["opened_at"], row["ended_at"]),
        revisions=tuple(row["revisions"]),
        has_recording=row["recording"] is not None,
        has_errors=bool(row["errors"]),
        **{name: row[name] for name in ("ended_at", "end_reason", "hangup_cause", "turns", "cost_usd")},
    )


def conversation_row(tenant_id: TenantId, record: CallRecord) -> tuple[Any, ...]:
    """What `store` takes."""
    call = record.call
    return (tenant_id, call.id, call.tenant_slug, call.assistant, call.number, call.caller, call.revision,
            call.language, call.switch, call.opened_at, record.ended_at, record.end_reason, record.hangup_cause,
            record.errors, record.recording, record.revisions, record.cost_usd,
            msgspec.json.encode(record.usage).decode(), record.words_erased_at)  # fmt: skip


def message_row(tenant_id: TenantId, call_id: CallId, position: int, turn: Turn) -> tuple[Any, ...]:
    """What `store_message` takes."""
    waterfall = None if turn.waterfall is None else msgspec.json.encode(turn.waterfall).decode()
    return (tenant_id, call_id, position, turn.role, turn.text, turn.at_ms, turn.interrupted, turn.written,
            turn.intent, turn.passage_id, waterfall)  # fmt: skip


def timeline_row(tenant_id: TenantId, record: CallRecord) -> tuple[Any, ...]:
    """What `store_timeline` takes."""
    return tenant_id, record.call.id, msgspec.json.encode(record.timeline).decode()


def _turn(row: Any) -> Turn:
    facts = {name: row[name] for name in ("role", "text", "at_ms", "interrupted", "written", "intent", "passage_id")}
    waterfall = row["waterfall"]
    return Turn(**facts, waterfall=None if waterfall is None else msgspec.json.decode(waterfall, type=Waterfall))


def _record(tenant_id: TenantId, row: Any, turns: Sequence[Turn], timeline: tuple[Moment, ...]) -> CallRecord:
    names = ("ended_at", "end_reason", "hangup_cause", "recording", "cost_usd", "words_erased_at")
    facts = {name: row[name] for name in names}
    errors, revisions = tuple(row["errors"]), tuple(row["revisions"])
    return CallRecord(
        call=_call(tenant_id, row),
        turns=tuple(turns),
        errors=errors,
        revisions=revisions,
        timeline=timeline,
        usage=msgspec.json.decode(row["usage"], type=tuple[StageUsage, ...]),
        **facts,
    )


def _call(tenant_id: TenantId, row: Any) -> Call:
    return Call(
        id=CallId(row["call_id"]),
        tenant_id=tenant_id,
        assistant=AssistantName(row["assistant"]),
        **{
            name: row[name]
            for name in ("tenant_slug", "number", "caller", "revision", "language", "switch", "opened_at")
        },
    )
