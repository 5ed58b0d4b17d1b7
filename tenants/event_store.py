"""Where events are kept: by increasing id, once by their key, for a bounded time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from base.ids import TenantId
from pipelines.events import Event, EventData, EventKind
from tenants.database import Database, answering
from tenants.sql import queries

MAX_LISTED: Final = 1000
KEPT: Final = 1_000_000
"""Events, of all tenants together."""
TRIMMED_AT_ONCE: Final = 1000


class EventsUnavailableError(Exception):
    """What is kept cannot be asked now: another time it may."""


class KeptEvent(Struct, frozen=True, kw_only=True):
    """An event in its place."""

    id: int
    """From 1, growing, with gaps. None is seen before a smaller one."""
    event: Event


Kinds = frozenset[EventKind]


class EventStore(Protocol):
    """Events by tenant; those of the platform under None. The contract of both stores.

    All raise EventsUnavailableError.
    """

    async def append(self, tenant_id: TenantId | None, *events: Event) -> int:
        """Keep them in this order, all or none; how many were not kept already. Raises ForeignEventError."""
        ...

    async def of_tenant(
        self, tenant_id: TenantId, after: int, limit: int, kinds: Kinds | None = None
    ) -> Sequence[KeptEvent]:
        """One tenant's behind an id, in order, `MAX_LISTED` at the most. `kinds` None: all."""
        ...

    async def all(self, after: int, limit: int, kinds: Kinds | None = None) -> Sequence[KeptEvent]:
        """Everybody's, and the platform's."""
        ...

    async def last(self) -> int:
        """The id of the newest; 0: there is none."""
        ...

    async def trim(self, before: datetime, keep: int) -> int:
        """Take away some of the oldest, if they are from before that time or more than so many; how many went."""
        ...


class ForeignEventError(ValueError):
    """An event of another tenant than the one it was to be kept for."""


class MemoryEvents:
    """Events for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: list[KeptEvent] = []
        self._keys: set[str] = set()
        self._last = 0

    async def append(self, tenant_id: TenantId | None, *events: Event) -> int:
        _refuse_foreign(tenant_id, events)
        before = self._last
        for event in events:
            self.add(event)
        return self._last - before

    def add(self, event: Event) -> None:
        """As `append` does for one."""
        if event.key not in self._keys:
            self._last += 1
            self._keys.add(event.key)
            self._kept.append(KeptEvent(id=self._last, event=event))

    async def of_tenant(
        self, tenant_id: TenantId, after: int, limit: int, kinds: Kinds | None = None
    ) -> Sequence[KeptEvent]:
        own = [one for one in self._behind(after, kinds) if one.event.tenant_id == tenant_id]
        return own[: _bounded(limit)]

    async def all(self, after: int, limit: int, kinds: Kinds | None = None) -> Sequence[KeptEvent]:
        return self._behind(after, kinds)[: _bounded(limit)]

    async def last(self) -> int:
        return self._kept[-1].id if self._kept else 0

    async def trim(self, before: datetime, keep: int) -> int:
        oldest, rest = self._kept[:TRIMMED_AT_ONCE], self._kept[TRIMMED_AT_ONCE:]
        stays = [one for one in oldest if one.event.at >= before and one.id > self._kept[-1].id - keep]
        self._kept = stays + rest
        self._keys = {one.event.key for one in self._kept}
        return len(oldest) - len(stays)

    def _behind(self, after: int, kinds: Kinds | None) -> Sequence[KeptEvent]:
        return [one for one in self._kept if one.id > after and (kinds is None or one.event.kind in kinds)]


_SQL: Final = queries("events")
_BEHIND_ALL: Final = 2**63 - 1


class PostgresEvents:
    """Events in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, tenant_id: TenantId | None, *events: Event) -> int:
        with answering(EventsUnavailableError, "keep events"):
            async with self._database.of(tenant_id) as connection:
                return await written(connection, tenant_id, *events)

    async def of_tenant(
        self, tenant_id: TenantId, after: int, limit: int, kinds: Kinds | None = None
    ) -> Sequence[KeptEvent]:
        facts = (tenant_id, _id(after), _listed(kinds), _bounded(limit))
        with answering(EventsUnavailableError, "tell of events"):
            async with self._database.tenant(tenant_id) as connection:
                return [_kept(row) for row in await connection.fetch(_SQL["of_tenant"], *facts)]

    async def all(self, after: int, limit: int, kinds: Kinds | None = None) -> Sequence[KeptEvent]:
        with answering(EventsUnavailableError, "tell of events"):
            async with self._database.all_events() as connection:
                rows = await connection.fetch(_SQL["all"], _id(after), _listed(kinds), _bounded(limit))
                return [_kept(row) for row in rows]

    async def last(self) -> int:
        with answering(EventsUnavailableError, "tell of events"):
            async with self._database.all_events() as connection:
                return int(await connection.fetchval(_SQL["last"]))

    async def trim(self, before: datetime, keep: int) -> int:
        with answering(EventsUnavailableError, "take away events"):
            async with self._database.all_events() as connection:
                done = await connection.execute(_SQL["trim"], before, keep, TRIMMED_AT_ONCE)
        return int(done.rpartition(" ")[2])


async def written(connection: Any, tenant_id: TenantId | None, *events: Event) -> int:
    """Add events in a transaction that sees the tenant, the last thing that is done in it; how many are new."""
    _refuse_foreign(tenant_id, events)
    await connection.execute(_SQL["lock"])
    rows = [
        (tenant_id, event.at, event.kind, event.subject[:200], msgspec.json.encode(event.data).decode(), event.key)
        for event in events
    ]
    return len(await connection.fetchmany(_SQL["append"], rows))


def _refuse_foreign(tenant_id: TenantId | None, events: Sequence[Event]) -> None:
    for event in events:
        if event.tenant_id != tenant_id:
            raise ForeignEventError(f"the event {event.key} is of {event.tenant_id or 'the platform'}")


def _kept(row: Any) -> KeptEvent:
    event = Event(
        key=str(row["key"]),
        tenant_id=None if row["tenant_id"] is None else TenantId(str(row["tenant_id"])),
        at=row["at"],
        kind=row["kind"],
        subject=row["subject"],
        data=msgspec.json.decode(row["data"], type=EventData),
    )
    return KeptEvent(id=row["id"], event=event)


def _listed(kinds: Kinds | None) -> list[EventKind] | None:
    return None if kinds is None else sorted(kinds)


def _id(after: int) -> int:
    return max(0, min(after, _BEHIND_ALL))


def _bounded(limit: int) -> int:
    return max(0, min(limit, MAX_LISTED))
