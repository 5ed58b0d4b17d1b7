"""Which processes live and which calls they have: rows that each process renews. All of them read the processes' rows,
and of the calls how many there are.

A row says nothing by its age: who was lost is judged by those who read it (`tenants/lost.py`).
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Struct, structs

from base.clock import Clock
from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call
from tenants.conversations import MemoryConversations, cleaned
from tenants.database import Database
from tenants.event_store import MemoryEvents
from tenants.lost_calls import events_of, lost_record, tell_lost
from tenants.migrate import DatabaseError
from tenants.roles import Role
from tenants.sql import queries

State = Literal["starting", "ok", "full", "draining"]
MAX_PROCESSES: Final = 1000
MAX_COUNTS: Final = 100_000


class NodeTakenError(DatabaseError):
    """Another node has this one's name: what is told of one would be taken for the other's."""

    def __init__(self, other: "ProcessRow") -> None:
        where = f"{other.role}-{other.slot} at {other.url or 'no address'}, in {other.machine}"
        super().__init__(
            f"another node is called {other.node!r}, too, and is alive ({where}): give each its own ATENDE_NODE"
        )
        self.other = other


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

    @property
    def machine(self) -> str:
        """By which two nodes of one name are told apart; empty where another version does not tell it."""
        try:
            return msgspec.json.decode(self.told, type=_OfAMachine).machine
        except msgspec.DecodeError:
            return ""

    def is_twin(self, other: "ProcessRow") -> bool:
        """Whether they are of two nodes that have one name."""
        return self.node == other.node and "" not in (self.machine, other.machine) and self.machine != other.machine


class _OfAMachine(Struct, frozen=True):
    machine: str = ""


LiveCounts: TypeAlias = Mapping[TenantId, Mapping[AssistantName, int]]
"""How many calls are live, by tenant and assistant."""


class LeaseStore(Protocol):
    """The contract of both stores below.

    Calls of a process that is gone have a record that says `lost`, and their events, in the moment in which they are
    no calls of its any more: once, whoever looks, and unless they have one.
    """

    async def register(self, process: ProcessRow) -> int:
        """It begins, without calls; who had its place on its node is gone. How many calls were lost with that one.

        Again with the same id it is as if it had renewed. `renewed_at` is the database's own. Raises NodeTakenError
        while there is a process of another node with its node's name: who had a place there may live.
        """
        ...

    async def renew(self, process_id: str, state: State, told: str, calls: Sequence[Call]) -> bool:
        """It lives and has these calls, and no others. False: it was taken for lost, and has to register anew."""
        ...

    async def processes(self) -> Sequence[ProcessRow]:
        """By node, role and slot, at most `MAX_PROCESSES`."""
        ...

    async def elsewhere(self, process_id: str) -> LiveCounts:
        """The calls of all processes but this one; of `MAX_COUNTS` assistants at most."""
        ...

    async def owner(self, tenant_id: TenantId | None, call_id: CallId) -> str | None:
        """The process that has the tenant's call, or anybody's; None: it is nobody's."""
        ...

    async def by_switch(self, but: str) -> dict[str, int]:
        """How many live calls each PBX has that has any, without those of the process `but`."""
        ...

    async def drop(self, process_id: str) -> bool:
        """It goes, and tells of its calls itself; whether it was there."""
        ...

    async def lose(self, process_id: str, renewed_at: datetime) -> int | None:
        """It is gone; how many calls were lost with it. None: it has renewed since, or is not there any more."""
        ...


class MemoryLeases:
    """Leases for as long as the process lives."""

    def __init__(
        self, clock: Clock, conversations: MemoryConversations | None = None, events: MemoryEvents | None = None
    ) -> None:
        self._clock = clock
        self._conversations = MemoryConversations() if conversations is None else conversations
        self._events = MemoryEvents() if events is None else events
        self._processes: dict[str, ProcessRow] = {}
        self._calls: dict[tuple[TenantId, CallId], tuple[str, Call]] = {}
        """With the process that has it."""

    async def register(self, process: ProcessRow) -> int:
        _require_no_twin(process, self._processes.values())
        place = _place(process)
        gone = [one for one in self._processes.values() if _place(one) == place and one.id != process.id]
        lost = sum(self._lose(one) for one in gone)
        self._processes[process.id] = structs.replace(process, renewed_at=self._clock.now())
        return lost

    async def renew(self, process_id: str, state: State, told: str, calls: Sequence[Call]) -> bool:
        if (row := self._processes.get(process_id)) is None:
            return False
        self._processes[process_id] = structs.replace(row, state=state, told=told, renewed_at=self._clock.now())
        self._calls = {key: call for key, call in self._calls.items() if call[0] != process_id}
        self._calls |= {(call.tenant_id, call.id): (process_id, call) for call in calls}
        return True

    async def processes(self) -> Sequence[ProcessRow]:
        return sorted(self._processes.values(), key=_place)[:MAX_PROCESSES]

    async def elsewhere(self, process_id: str) -> LiveCounts:
        counts: dict[TenantId, Counter[AssistantName]] = {}
        for owner, call in self._calls.values():
            if owner != process_id:
                counts.setdefault(call.tenant_id, Counter())[call.assistant] += 1
        return counts

    async def owner(self, tenant_id: TenantId | None, call_id: CallId) -> str | None:
        found = (
            owner for (whose, one), (owner, _) in self._calls.items() if one == call_id and tenant_id in (None, whose)
        )
        return next(found, None)

    async def by_switch(self, but: str) -> dict[str, int]:
        return Counter(call.switch for process_id, call in self._calls.values() if process_id != but)

    async def drop(self, process_id: str) -> bool:
        if self._processes.pop(process_id, None) is None:
            return False
        self._calls = {key: call for key, call in self._calls.items() if call[0] != process_id}
        return True

    async def lose(self, process_id: str, renewed_at: datetime) -> int | None:
        row = self._processes.get(process_id)
        return None if row is None or row.renewed_at != renewed_at else self._lose(row)

    def _lose(self, row: ProcessRow) -> int:
        del self._processes[row.id]
        records = [lost_record(call, row.renewed_at) for owner, call in self._calls.values() if owner == row.id]
        self._calls = {key: call for key, call in self._calls.items() if call[0] != row.id}
        kept = [record for record in records if self._conversations.add_lost(record)]
        for event in chain.from_iterable(map(events_of, kept)):
            self._events.add(event)
        return len(kept)


_SQL: Final = queries("leases")


class PostgresLeases:
    """Leases in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, process: ProcessRow) -> int:
        row = process
        async with self._database.platform() as connection:
            await connection.execute(_SQL["one_at_a_time"], row.node)
            of_the_node = await connection.fetch(_SQL["of_the_node"], row.node)
            _require_no_twin(process, [ProcessRow(**_plain(one)) for one in of_the_node])
            gone = await connection.fetch(_SQL["predecessors"], row.node, row.role, row.slot, row.id)
            lost = await _lose(connection, gone)
            await connection.execute(
                _SQL["register"], row.id, row.node, row.role, row.slot, row.pid, row.url, row.version, row.state,
                row.told, row.started_at,
            )  # fmt: skip
        return lost

    async def renew(self, process_id: str, state: State, told: str, calls: Sequence[Call]) -> bool:
        has = msgspec.json.encode(cleaned(msgspec.to_builtins(calls, builtin_types=(datetime,)))).decode()
        async with self._database.platform() as connection:
            return bool(await connection.fetchval(_SQL["renew"], process_id, state, told, has))

    async def processes(self) -> Sequence[ProcessRow]:
        async with self._database.platform() as connection:
            rows = await connection.fetch(_SQL["processes"], MAX_PROCESSES)
        return [ProcessRow(**_plain(row)) for row in rows]

    async def elsewhere(self, process_id: str) -> LiveCounts:
        async with self._database.platform() as connection:
            counts = await connection.fetchval(_SQL["elsewhere"], process_id, MAX_COUNTS)
        return msgspec.json.decode(counts, type=dict[TenantId, dict[AssistantName, int]])

    async def owner(self, tenant_id: TenantId | None, call_id: CallId) -> str | None:
        async with self._database.platform() as connection:
            found = await connection.fetchval(_SQL["owner"], tenant_id, call_id)
        return None if found is None else str(found)

    async def by_switch(self, but: str) -> dict[str, int]:
        async with self._database.platform() as connection:
            return {row["switch"]: row["calls"] for row in await connection.fetch(_SQL["by_switch"], but)}

    async def drop(self, process_id: str) -> bool:
        async with self._database.platform() as connection:
            return bool(await connection.fetchval(_SQL["drop"], process_id))

    async def lose(self, process_id: str, renewed_at: datetime) -> int | None:
        async with self._database.platform() as connection:
            gone = await connection.fetch(_SQL["as_seen"], process_id, renewed_at)
            return await _lose(connection, gone) if gone else None


async def _lose(connection: Any, processes: Sequence[Any]) -> int:
    """These rows of processes, which the transaction has locked, go, and their calls are told as lost."""
    records = []
    for process in processes:
        calls = await connection.fetch(_SQL["calls_gone"], process["id"])
        records += [lost_record(_call(row), process["renewed_at"]) for row in calls]
        await connection.fetchval(_SQL["drop"], process["id"])
    return await tell_lost(connection, records)


def _call(row: Any) -> Call:
    facts = _plain(row)
    return Call(id=facts.pop("call_id"), opened_at=facts.pop("since"), **facts)


def _require_no_twin(process: ProcessRow, others: Iterable[ProcessRow]) -> None:
    for other in others:
        if process.is_twin(other):
            raise NodeTakenError(other)


def _place(process: ProcessRow) -> tuple[str, str, int]:
    return process.node, process.role, process.slot


def _plain(row: Any) -> dict[str, Any]:
    """Ids are text here."""
    return {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in dict(row).items()}
