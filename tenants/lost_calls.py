"""Records of calls whose process is gone: what is known without it, until its own record takes the place."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from base.ids import TenantId
from pipelines.calls import Call, CallRecord
from pipelines.events import Event, call_ended, call_started
from tenants.call_rows import conversation_row
from tenants.conversations import storable
from tenants.database import seeing_too
from tenants.event_store import written
from tenants.sql import queries

_SQL: Final = queries("conversations")


def lost_record(call: Call, seen_at: datetime) -> CallRecord:
    """`seen_at` is when its process told last that it has the call. Pure."""
    return CallRecord(call=call, ended_at=max(seen_at, call.opened_at), end_reason="lost", hangup_cause="", turns=())


def events_of(record: CallRecord) -> tuple[Event, Event]:
    """What is told of it, if nobody has told it yet."""
    return call_started(record.call), call_ended(record)


async def tell_lost(connection: Any, records: Sequence[CallRecord]) -> int:
    """In a transaction of the platform: each is kept with its events, unless there is a record; how many were."""
    kept: dict[TenantId, list[Event]] = {}
    for tenant_id, calls in groupby(sorted(records, key=_place), key=_tenant):
        of_tenant = list(calls)
        await seeing_too(connection, tenant_id)
        rows = [conversation_row(tenant_id, storable(tenant_id, record)) for record in of_tenant]
        # At once: a process has hundreds of calls, and who looks for lost ones has seconds.
        new = {row["call_id"] for row in await connection.fetchmany(_SQL["store_lost"], rows)}
        told = [event for record in of_tenant if record.call.id in new for event in events_of(record)]
        if told:
            kept[tenant_id] = told
    for tenant_id, events in kept.items():
        await seeing_too(connection, tenant_id)
        await written(connection, tenant_id, *events)
    return sum(map(len, kept.values())) // 2


def _tenant(record: CallRecord) -> TenantId:
    return record.call.tenant_id


def _place(record: CallRecord) -> tuple[str, str]:
    return record.call.tenant_id, record.call.id
