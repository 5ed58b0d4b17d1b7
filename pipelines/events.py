"""What happened, for programs that follow it: small facts with ids, and never a word said or a telephone number."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, get_args

from msgspec import Struct

from base.ids import TenantId
from pipelines.calls import Call, CallRecord

EventKind = Literal[
    "call.started",
    "call.ended",
    "document.published",
    "document.failed",
    "document.rolled_back",
    "canary.started",
    "canary.promoted",
    "canary.aborted",
    "tenant.removed",
    "key.created",
    "key.revoked",
    "spool.behind",
    "spool.caught_up",
    "disk.low",
    "disk.freed",
    "database.away",
    "database.back",
    "audit.broken",
    "job.failing",
]
KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
_OURS: Final = uuid.UUID("5a1d7c1e-6a9b-4d0e-9a51-52f0a1b0c7e4")


class EventData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told beside the subject; only what applies."""

    assistant: str | None = None
    """Of a call."""
    revision: int | None = None
    """On which a call began; which was published, was tried, or answers."""
    end_reason: str | None = None
    """Of a call, as `CallRecord.end_reason` has it."""
    duration_s: float | None = None
    """Of a call, from when it was let in."""
    turns: int | None = None
    """Things said in a call, by either side."""
    digest: str | None = None
    """SHA-256 of a document, in hex."""
    former: int | None = None
    """The revision whose text is back, or that was on trial."""
    problems: int | None = None
    """How many mistakes a document has; `health/ready` and `tenants` tell them."""
    reason: str | None = None
    """Why a trial ended by itself, or a job did not end."""
    role: str | None = None
    """Of a key."""
    waiting: int | None = None
    """Entries of the spool that are not in the database."""
    used_bytes: int | None = None
    """By the spool."""
    free_bytes: int | None = None
    """On the disk of the data folder."""
    away_s: float | None = None
    """How long the database did not answer."""
    number: int | None = None
    """Of the first entry of an audit log that does not hold."""
    attempts: int | None = None
    """How often a job was begun without an end."""


NOTHING: Final = EventData()


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened. Kept once by its `key`, whoever tells it and how often."""

    key: str
    """A UUID."""
    tenant_id: TenantId | None
    """None: of the platform."""
    at: datetime
    """Aware, in UTC."""
    kind: EventKind
    subject: str = ""
    """A call's or a key's id, a revision's number, a document's slug, the machine that an alarm is of, a job's kind,
    or whose audit log it is: a tenant's id, empty for the platform's."""
    data: EventData = NOTHING


Tell = Callable[[Event], None]
"""Hands an event on; must not block or raise."""


def told_to_nobody(_: Event) -> None:
    """The `Tell` of who has nobody to tell."""


def event(
    tenant_id: TenantId | None,
    at: datetime,
    kind: EventKind,
    subject: str = "",
    data: EventData = NOTHING,
    *,
    once: bool = False,
) -> Event:
    """`once`: of this kind and subject the tenant has no second one, whoever tells it."""
    key = uuid.uuid5(_OURS, f"{tenant_id or ''} {kind} {subject}") if once else uuid.uuid4()
    return Event(key=str(key), tenant_id=tenant_id, at=at, kind=kind, subject=subject, data=data)


def call_started(call: Call) -> Event:
    """The same for the same call."""
    data = EventData(assistant=call.assistant, revision=call.revision)
    return event(call.tenant_id, call.opened_at, "call.started", call.id, data, once=True)


def call_ended(record: CallRecord) -> Event:
    """The same for the same call."""
    call = record.call
    data = EventData(
        assistant=call.assistant,
        revision=call.revision,
        end_reason=record.end_reason,
        duration_s=round(max(0.0, (record.ended_at - call.opened_at).total_seconds()), 3),
        turns=len(record.turns),
    )
    return event(call.tenant_id, record.ended_at, "call.ended", call.id, data, once=True)
