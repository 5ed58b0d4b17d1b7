"""Which processes live and which calls they have: rows that each process renews, and that all of them read.

A row says nothing by its age: who was lost is judged by those who read it (`tenants/lost.py`).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from msgspec import Struct, structs

from base.clock import Clock
from base.ids import CallId, TenantId
from tenants.database import Database
from tenants.sql import queries

Role = Literal["all", "control", "media", "models"]
"""What a process does: everything, the REST API and publishing, calls, or a node's models (that one has no lease: it
needs no database).
"""
State = Literal["starting", "ok", "full", "draining"]
MAX_PROCESSES: Final = 1000
MAX_CALLS: Final = 100_000


class ProcessRow(Struct, frozen=True, kw_only=True):
    """A process as it told of itself last."""

    id: str
    node: str
    """The machine's name, or whatever its data directory is told apart by."""
    role: Role
    slot: int
    """Its place among the processes of its node and role, counted from 0; one process has it at a time."""
    pid: int
    url: str
    """Where other nodes' processes ask it (`control/workers/`)."""
    version: str
    state: State
    told: str = "{}"
    """What else it tells of itself, as JSON."""
    started_at: datetime
    renewed_at: datetime


class CallLease(Struct, frozen=True, kw_only=True):
    """A live call and the process that has it."""

    tenant_id: TenantId
    call_id: CallId
    process_id: str
    assistant: str
    since: datetime


class Leases(Struct, frozen=True, kw_only=True):
    """Everything at one time."""

    processes: tuple[ProcessRow, ...] = ()
    calls: tuple[CallLease, ...] = ()


class LeaseStore(Protocol):
    """The contract of both stores below."""

    async def register(self, process: ProcessRow) -> None:
        """It begins, without calls; who had its place on its node is gone, with all that it had.

        Again with the same id it is as if it had renewed. `renewed_at` is the database's own.
        """
        ...

    async def renew(self, process_id: str, state: State, told: str, calls: Sequence[CallLease]) -> bool:
        """It lives and has these calls, and no others. False: it was taken for lost, and has to register anew."""
        ...

    async def everything(self) -> Leases:
        """Processes by node, role and slot, at most `MAX_PROCESSES`, and at most `MAX_CALLS` calls."""
        ...

    async def drop(self, process_id: str, renewed_at: datetime | None = None) -> bool:
        """It is gone, with its calls; whether it was there. With a time: only if it has not renewed since."""
        ...


class MemoryLeases:
    """Leases for as long as the process lives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._processes: dict[str, ProcessRow] = {}
        self._calls: dict[tuple[TenantId, CallId], CallLease] = {}

    async def register(self, process: ProcessRow) -> None:
        place = _place(process)
        for other in [one.id for one in self._processes.values() if _place(one) == place and one.id != process.id]:
            await self.drop(other)
        self._processes[process.id] = structs.replace(process, renewed_at=self._clock.now())

    async def renew(self, process_id: str, state: State, told: str, calls: Sequence[CallLease]) -> bool:
        if (row := self._processes.get(process_id)) is None:
            return False
        self._processes[process_id] = structs.replace(row, state=state, told=told, renewed_at=self._clock.now())
        had = {key: call for key, call in self._calls.items() if call.process_id == process_id}
        wanted = {(call.tenant_id, call.call_id): structs.replace(call, process_id=process_id) for call in calls}
        for key in had:
            if key not in wanted:
                del self._calls[key]
        self._calls |= {key: call for key, call in wanted.items() if key not in had}
        return True

    async def everything(self) -> Leases:
        processes = sorted(self._processes.values(), key=_place)
        return Leases(processes=tuple(processes[:MAX_PROCESSES]), calls=tuple(self._calls.values())[:MAX_CALLS])

    async def drop(self, process_id: str, renewed_at: datetime | None = None) -> bool:
        row = self._processes.get(process_id)
        if row is None or renewed_at not in {None, row.renewed_at}:
            return False
        del self._processes[process_id]
        self._calls = {key: call for key, call in self._calls.items() if call.process_id != process_id}
        return True


_SQL: Final = queries("leases")


class PostgresLeases:
    """Leases in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, process: ProcessRow) -> None:
        row = process
        async with self._database.platform() as connection:
            await connection.execute(_SQL["successor"], row.node, row.role, row.slot, row.id)
            await connection.execute(
                _SQL["register"], row.id, row.node, row.role, row.slot, row.pid, row.url, row.version, row.state,
                row.told, row.started_at,
            )  # fmt: skip

    async def renew(self, process_id: str, state: State, told: str, calls: Sequence[CallLease]) -> bool:
        tenants, ids = [call.tenant_id for call in calls], [call.call_id for call in calls]
        assistants, since = [call.assistant for call in calls], [call.since for call in calls]
        async with self._database.platform() as connection:
            found = await connection.fetchval(
                _SQL["renew"], process_id, state, told, tenants, ids, assistants, since
            )  # fmt: skip
        return bool(found)

    async def everything(self) -> Leases:
        async with self._database.platform() as connection:
            processes = await connection.fetch(_SQL["processes"], MAX_PROCESSES)
            calls = await connection.fetch(_SQL["calls"], MAX_CALLS)
        return Leases(
            processes=tuple(ProcessRow(**_plain(row)) for row in processes),
            calls=tuple(CallLease(**_plain(row)) for row in calls),
        )

    async def drop(self, process_id: str, renewed_at: datetime | None = None) -> bool:
        async with self._database.platform() as connection:
            return bool(await connection.fetchval(_SQL["drop"], process_id, renewed_at))


def _place(process: ProcessRow) -> tuple[str, str, int]:
    return process.node, process.role, process.slot


def _plain(row: Any) -> dict[str, Any]:
    """Ids are text here."""
    return {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in dict(row).items()}
