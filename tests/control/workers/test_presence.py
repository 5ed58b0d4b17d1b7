"""A process among others: who has a call, who may have one more, and who is gone."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import structlog
from msgspec import structs

from base.clock import Clock
from base.ids import CallId, TenantId
from base.processes import is_there
from control.health import TenantHealth
from control.workers import telling
from control.workers.joining import no_twin
from control.workers.presence import Presence, Present, Told, is_alone, reaches, told_of
from pipelines.calls import Call, CallRecord
from tenants.conversations import MemoryConversations
from tenants.event_store import MemoryEvents
from tenants.leases import MemoryLeases, NodeTakenError, ProcessRow
from tenants.lost import LOST_AFTER_S
from tests.pipelines.virtual import LoopClock, virtual
from tests.tenants.test_leases import call

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME = TenantId("0f0f0f0f-0000-4000-8000-00000000000a")
CALL = structs.replace(call(ACME), opened_at=NOON)
ANA = CALL.assistant


class Store(MemoryLeases):
    """A database that may be away, for one process or for all."""

    def __init__(self, clock: Clock) -> None:
        self.records, self.told = MemoryConversations(), MemoryEvents()
        super().__init__(clock, self.records, self.told)
        self.away = False
        self.cut_off: set[str] = set()

    async def record(self, call_id: str) -> CallRecord | None:
        return await self.records.get(ACME, CallId(call_id))

    async def processes(self) -> Sequence[ProcessRow]:
        self._answers()
        return await super().processes()

    async def owner(self, tenant_id: TenantId | None, call_id: CallId) -> str | None:
        self._answers()
        return await super().owner(tenant_id, call_id)

    async def live(self) -> int:
        """Calls of all processes."""
        return sum(sum(counts.values()) for counts in (await self.elsewhere("nobody")).values())

    async def renew(self, process_id: str, *told: Any) -> bool:
        self._answers(process_id)
        return await super().renew(process_id, *told)

    def _answers(self, process_id: str = "") -> None:
        if self.away or process_id in self.cut_off:
            raise ConnectionResetError


class Process:
    """One process that is as `how` says."""

    def __init__(
        self,
        store: Store,
        slot: int,
        role: str = "media",
        node: str = "n",
        url: str = "http://127.0.0.1:1",
        machine: str = "",
    ) -> None:
        facts: dict[str, Any] = {"id": str(uuid.uuid4()), "node": node, "role": role, "slot": slot, "pid": 1}
        facts |= {"url": url, "version": "1", "state": "starting"}
        facts |= {"told": msgspec.json.encode(Told(machine=machine)).decode()}
        row = ProcessRow(**facts, started_at=NOON, renewed_at=NOON)
        self.presence = Presence(store, row, processes=2, now=lambda: asyncio.get_running_loop().time())
        self.calls: list[Call] = []
        self.state: Any = "ok"

    def has(self, *calls: str) -> None:
        self.calls = [structs.replace(CALL, id=CallId(one)) for one in calls]
        self.presence.news()

    def how(self) -> Present:
        return Present(state=self.state, told=Told(live_calls=len(self.calls)), calls=tuple(self.calls))

    def room(self, limit: int) -> bool:
        return self.presence.room(ACME, ANA, limit, len(self.calls))

    @asynccontextmanager
    async def lives(self) -> AsyncIterator[None]:
        async with self.presence.present(self.how):
            await asyncio.sleep(0.01)
            yield


@virtual
async def test_who_has_a_call_is_known_to_the_others_soon_and_when_he_ends_too() -> None:
    store = Store(LoopClock())
    one, other = Process(store, 0), Process(store, 1)
    async with one.lives():
        async with other.lives():
            other.has("a")
            await asyncio.sleep(1.6)
            owner = await one.presence.owner(CallId("a"), ACME)
            assert owner is not None
            assert (owner.id, owner.state, told_of(owner).live_calls) == (other.presence.me.id, "ok", 1)
            assert await one.presence.owner(CallId("a"), TenantId(str(uuid.uuid4()))) is None, "another tenant's key"
            assert await one.presence.owner(CallId("a"), None) is not None
            assert await other.presence.owner(CallId("a"), ACME) is None, "it is its own"
            assert one.presence.least_busy() == 1
        await asyncio.sleep(1.1)
        assert [row.id for row in one.presence.everybody] == [one.presence.me.id], "it said that it goes"


@virtual
async def test_two_nodes_of_one_name_do_not_take_each_others_place() -> None:
    store = Store(LoopClock())
    one, twin = Process(store, 0, machine="a-1"), Process(store, 0, machine="b-2")
    with structlog.testing.capture_logs() as logs:
        async with twin.lives(), one.lives():
            twin.has("a")
            await asyncio.sleep(30)
            assert [row.id for row in one.presence.everybody] == [twin.presence.me.id]
            assert await one.presence.owner(CallId("a"), ACME) is not None, "its call is not lost"
            assert "ATENDE_NODE" in str(one.presence.taken)
            assert twin.presence.taken is None
            with pytest.raises(NodeTakenError, match="in b-2"):
                await no_twin(store, one.presence.me, asyncio.get_running_loop().time)
            store.cut_off.add(twin.presence.me.id)
            await asyncio.sleep(14)
            assert [row.id for row in one.presence.everybody] == [one.presence.me.id]
            assert one.presence.taken is None
    told = [entry["event"] for entry in logs if entry["log_level"] in ("error", "warning")]
    assert told.count("another node has this one's name: the others do not know of this process") == 1
    assert told.count("the other node of this one's name is gone") == 1


@virtual
async def test_who_begins_waits_until_a_dead_node_of_its_name_is_lost() -> None:
    store = Store(LoopClock())
    one, dead = Process(store, 0, machine="a-1"), Process(store, 0, machine="b-2")
    clock = asyncio.get_running_loop()
    await no_twin(store, one.presence.me, clock.time)
    assert clock.time() == pytest.approx(0.0, abs=0.1)
    await store.register(dead.presence.me)
    began = clock.time()
    await no_twin(store, one.presence.me, clock.time)
    assert clock.time() - began == pytest.approx(LOST_AFTER_S, abs=1.5)
    async with one.lives():
        assert one.presence.taken is None


@virtual
async def test_one_whose_process_the_machine_has_no_more_is_not_waited_for() -> None:
    store, there = Store(LoopClock()), {1}
    one, dead = Process(store, 0, machine="a-1"), Process(store, 1, machine="a-1")
    elsewhere = Process(store, 0, node="m", machine="b-2", url="http://127.0.0.2:1")
    for process, pid in ((dead, 2), (elsewhere, 3)):
        process.presence.me = structs.replace(process.presence.me, pid=pid)
    one.presence._lives = there.__contains__
    there.add(2)
    async with one.lives(), elsewhere.lives(), dead.lives():
        dead.has("a")
        await asyncio.sleep(1.6)
        assert len(one.presence.others) == 2
        store.cut_off.add(dead.presence.me.id)
        there.remove(2)
        await asyncio.sleep(1.1)
        assert [row.id for row in one.presence.others] == [elsewhere.presence.me.id], "whose processes are its own"
        assert one.presence.lost_calls == 1
        kept = await store.record("a")
        assert kept is not None
        assert kept.end_reason == "lost"


def test_whether_a_machine_has_a_process() -> None:
    assert is_there(os.getpid())
    assert is_there(1), "of another user, too"
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert not is_there(gone.pid)


@virtual
async def test_a_limit_is_for_all_processes_together() -> None:
    store = Store(LoopClock())
    one, other = Process(store, 0), Process(store, 1)
    async with one.lives(), other.lives():
        other.has("a", "b", "c")
        one.has("d")
        await asyncio.sleep(1.6)
        assert (one.room(5), one.room(4), other.room(5), other.room(4)) == (True, False, True, False)
        assert one.presence.elsewhere(ACME) + other.presence.elsewhere(ACME) == 4
        assert (one.presence.room(ACME, None, 5, 1), one.presence.room(ACME, None, 4, 1)) == (True, False)


@virtual
async def test_who_has_just_begun_does_not_say_that_the_database_is_away_before_he_has_asked_it() -> None:
    store = Store(LoopClock())
    one, late = Process(store, 0), Process(store, 1)
    assert "has just begun" in one.presence.unknown
    async with one.lives():
        assert one.presence.unknown == ""
    store.away = True
    async with late.lives():
        assert "does not answer" in late.presence.unknown


@virtual
async def test_without_the_database_each_has_its_share_and_nobody_is_lost() -> None:
    store = Store(LoopClock())
    one, other = Process(store, 0), Process(store, 1)
    async with one.lives(), other.lives():
        other.has("a", "b", "c")
        await asyncio.sleep(1.6)
        store.away = True
        await asyncio.sleep(5)
        assert (one.room(5), one.room(3)) == (True, False), "what was read last is true for a while"
        await asyncio.sleep(60)
        assert not one.presence.fresh
        assert "does not answer" in one.presence.unknown
        assert (one.room(4), one.room(2), one.room(1)) == (True, True, True), "half of it, and one at the least"
        one.has("d", "e")
        assert (one.room(4), one.room(6)) == (False, True)
        assert await one.presence.owner(CallId("a"), ACME) is None, "all are asked for it"
        store.away = False
        await asyncio.sleep(3)
        assert one.presence.fresh
        assert len(one.presence.everybody) == 2
        assert not one.room(5)


@virtual
async def test_one_that_is_gone_without_a_word_is_lost_after_ten_seconds_of_answers() -> None:
    store = Store(LoopClock())
    one, dead = Process(store, 0), Process(store, 1)
    async with one.lives():
        await store.register(dead.presence.me)
        await store.renew(dead.presence.me.id, "ok", "{}", [structs.replace(CALL, id=CallId("a"))])
        await asyncio.sleep(9)
        assert not one.room(1)
        assert len(one.presence.everybody) == 2
        await asyncio.sleep(4)
        assert one.room(1)
        assert [row.id for row in await store.processes()] == [one.presence.me.id]


@virtual
async def test_its_calls_are_told_as_lost_once_however_many_look() -> None:
    store = Store(LoopClock())
    one, other, dead = (Process(store, slot) for slot in range(3))
    async with one.lives(), other.lives():
        await store.register(dead.presence.me)
        await store.renew(dead.presence.me.id, "ok", "{}", [CALL])
        told_at = next(row.renewed_at for row in await store.processes() if row.id == dead.presence.me.id)
        await asyncio.sleep(9)
        assert await store.record(CALL.id) is None
        await asyncio.sleep(4)
        record = await store.record(CALL.id)
        assert record is not None
        assert (record.call, record.end_reason, record.ended_at) == (CALL, "lost", told_at)
        assert [kept.event.kind for kept in await store.told.all(0, 9)] == ["call.started", "call.ended"]
        assert one.presence.lost_calls + other.presence.lost_calls == 1
        await asyncio.sleep(60)
        assert len(await store.told.all(0, 9)) == 2


@virtual
async def test_no_call_is_lost_for_a_database_that_was_away() -> None:
    store = Store(LoopClock())
    one, other = Process(store, 0), Process(store, 1)
    async with one.lives(), other.lives():
        other.has("a", "b")
        await asyncio.sleep(1.6)
        for away_s in (60, 9, 9, 2):
            store.away = True
            await asyncio.sleep(away_s)
            store.away = False
            await asyncio.sleep(9)
        assert (await store.records.list(ACME, 9), await store.told.last()) == ([], 0)
        assert await store.live() == 2


@virtual
async def test_one_that_was_only_cut_off_has_its_calls_again_and_their_true_records_count() -> None:
    store = Store(LoopClock())
    one, other = Process(store, 0), Process(store, 1)
    async with one.lives(), other.lives():
        other.has("a")
        await asyncio.sleep(1.6)
        store.cut_off = {other.presence.me.id}
        await asyncio.sleep(15)
        told = await store.record("a")
        assert told is not None
        assert told.end_reason == "lost"
        store.cut_off = set()
        await asyncio.sleep(5)
        assert await store.owner(ACME, CallId("a")) == other.presence.me.id
        true = structs.replace(told, ended_at=NOON, end_reason="goodbye")
        assert await store.records.store(ACME, true)
        other.has()
        await asyncio.sleep(15)
        assert await store.record("a") == true
        assert await store.told.last() == 2


@virtual
async def test_who_takes_the_place_of_one_that_died_tells_of_its_calls_at_once() -> None:
    store = Store(LoopClock())
    dead, successor = Process(store, 0), Process(store, 0)
    await store.register(dead.presence.me)
    await store.renew(dead.presence.me.id, "ok", "{}", [CALL])
    async with successor.lives():
        record = await store.record(CALL.id)
        assert record is not None
        assert (record.end_reason, successor.presence.lost_calls) == ("lost", 1)


@virtual
async def test_who_goes_of_its_own_accord_tells_of_its_calls_itself() -> None:
    store = Store(LoopClock())
    one = Process(store, 0)
    async with one.lives():
        one.has("a")
        await asyncio.sleep(1.6)
    assert (await store.processes(), await store.live()) == ([], 0)
    assert await store.record("a") is None


@virtual
async def test_who_was_taken_for_lost_and_lives_is_there_again() -> None:
    store = Store(LoopClock())
    one = Process(store, 0)
    async with one.lives():
        one.has("a")
        await asyncio.sleep(1)
        await store.drop(one.presence.me.id)
        await asyncio.sleep(2.1)
        assert [row.id for row in await store.processes()] == [one.presence.me.id]
        assert await store.owner(ACME, CallId("a")) == one.presence.me.id


def test_what_a_lease_tells_has_a_bound_and_another_versions_words_are_no_failure() -> None:
    one = TenantHealth(slug="acme", tenant_id=ACME, state="ready", revision=1, live_calls=0, problem="x" * 10_000)
    kept = telling.failures([structs.replace(one, problem=None), *[one] * 100])
    assert (len(kept), len(kept[0].problem)) == (telling.MAX_TOLD, telling.MAX_PROBLEM_CHARS)
    row = Process(Store(LoopClock()), 0).presence.me
    for told in ("", "[]", '{"live_calls": "many"}'):
        assert told_of(structs.replace(row, told=told)) == Told()


@virtual
async def test_one_that_tells_nothing_of_itself_is_alone_while_no_other_node_does() -> None:
    store = Store(LoopClock())
    assert await is_alone(store, "n")
    async with Process(store, 0).lives():
        assert await is_alone(store, "n"), "processes of its own node, which it relieves"
        assert not await is_alone(store, "m")


@pytest.mark.parametrize(
    ("asker", "asked", "can"),
    [
        ("http://10.0.0.11:8080", "http://10.0.0.12:8080", True),
        ("http://10.0.0.11:8080", "http://127.0.0.1:8080", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081", False),
        ("http://127.0.0.2:8080", "http://127.0.0.3:8080", True),
        ("http://[fd00::1]:8080", "http://[::1]:8080", False),
        ("http://127.0.0.1:8080", "http://10.0.0.12:8080", True),
    ],
)
def test_loopback_is_no_address_for_another_machine(asker: str, asked: str, *, can: bool) -> None:
    assert reaches(asker, asked) is can


@virtual
async def test_a_node_that_others_cannot_ask_is_told_so_once() -> None:
    store = Store(LoopClock())
    one, mate = Process(store, 0), Process(store, 1)
    other, rest = (Process(store, slot, node="m", url=f"http://10.0.0.12:{slot}") for slot in (0, 1))
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as logs:
        async with one.lives(), mate.lives():
            await asyncio.sleep(3)
            assert not logs, "processes of one node are on one machine"
            async with other.lives(), rest.lives():
                await asyncio.sleep(5)
    told = [(log["url"], log["node"]) for log in logs if log["event"] == "other machines cannot ask this process"]
    assert told == [("http://127.0.0.1:1", "m")] * 2, "once by each of the two that cannot be asked"
