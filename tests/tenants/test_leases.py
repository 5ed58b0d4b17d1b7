"""One contract for both stores of leases, and who is lost by what they say."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from base.clock import SystemClock
from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call
from tenants.database import Database
from tenants.leases import LeaseStore, MemoryLeases, NodeTakenError, PostgresLeases, ProcessRow
from tenants.lost import LostProcesses
from tests.tenants.known import known

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME, BETA = (TenantId(str(uuid.uuid4())) for _ in range(2))


def fresh() -> str:
    return str(uuid.uuid4())


def process(node: str, slot: int = 0, **changed: Any) -> ProcessRow:
    facts: dict[str, Any] = {"id": fresh(), "node": node, "role": "media", "slot": slot, "pid": 7, "state": "ok"}
    facts |= {"url": "http://127.0.0.1:9", "version": "1", "started_at": NOON, "renewed_at": NOON}
    return ProcessRow(**facts | changed)


def call(tenant_id: TenantId = ACME, call_id: str = "", assistant: str = "ana", **changed: Any) -> Call:
    facts: dict[str, Any] = {"tenant_slug": "acme", "number": "100", "caller": "+5511999990000", "revision": 7}
    facts |= {"language": "pt-BR", "switch": "matriz", "opened_at": NOON}
    facts |= {"id": CallId(call_id or fresh()), "tenant_id": tenant_id, "assistant": AssistantName(assistant)}
    return Call(**facts | changed)


@pytest.fixture
def tenants() -> tuple[TenantId, TenantId]:
    """Two of this test's own."""
    return TenantId(fresh()), TenantId(fresh())


@pytest.fixture
async def postgres_store(database: Database, tenants: tuple[TenantId, TenantId]) -> LeaseStore:
    await known(database, ACME, BETA, *tenants)
    return PostgresLeases(database)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> LeaseStore:
    if request.param == "memory":
        return MemoryLeases(SystemClock())
    found: LeaseStore = request.getfixturevalue("postgres_store")
    return found


@pytest.fixture
def node() -> str:
    """One of this test's own: the database is shared."""
    return f"node-{fresh()}"


async def of_node(store: LeaseStore, node: str) -> list[ProcessRow]:
    return [one for one in await store.processes() if one.node == node]


async def owners(store: LeaseStore, *calls: Call) -> list[str | None]:
    return [await store.owner(one.tenant_id, one.id) for one in calls]


async def test_a_process_tells_of_itself_and_its_calls_and_what_it_leaves_out_is_over(
    store: LeaseStore, node: str
) -> None:
    mine, other = process(node), process(node, 1, told='{"a": 1}')
    await store.register(other)
    await store.register(mine)
    processes = await of_node(store, node)
    assert [structs.replace(one, renewed_at=NOON) for one in processes] == [mine, other], "by their places"
    first, second = call(), call(BETA, assistant="bia")
    assert await store.renew(mine.id, "full", '{"b": 2}', [first, second])
    row, _ = await of_node(store, node)
    assert (row.state, row.told, row.renewed_at > processes[0].renewed_at) == ("full", '{"b": 2}', True)
    assert await owners(store, first, second) == [mine.id, mine.id]
    assert await store.renew(mine.id, "ok", "{}", [second])
    assert await owners(store, first, second) == [None, mine.id]
    assert await store.renew(other.id, "ok", "{}", [second]), "a call that came by another door is that process's now"
    assert await owners(store, second) == [other.id]
    assert await store.renew(mine.id, "ok", "{}", [])
    assert await owners(store, second) == [other.id]


async def test_a_call_is_found_by_its_tenant_and_by_who_may_know_of_all(store: LeaseStore, node: str) -> None:
    await store.register(mine := process(node))
    await store.renew(mine.id, "ok", "{}", [one := call()])
    assert await store.owner(None, one.id) == mine.id
    assert await store.owner(BETA, one.id) is None
    assert await store.owner(None, CallId(fresh())) is None


async def test_how_many_calls_the_others_have_is_counted_by_tenant_and_assistant(
    store: LeaseStore, node: str, tenants: tuple[TenantId, TenantId]
) -> None:
    ours, theirs = tenants
    for one in (mine := process(node), other := process(node, 1), third := process(node, 2)):
        await store.register(one)
    await store.renew(mine.id, "ok", "{}", [call(ours), call(theirs)])
    await store.renew(other.id, "ok", "{}", [call(ours), call(ours), call(ours, assistant="bia")])
    await store.renew(third.id, "ok", "{}", [call(ours), call(ours, assistant='o"hara')])

    async def counts(process_id: str) -> list[dict[str, int]]:
        found = await store.elsewhere(process_id)
        return [dict(found.get(tenant_id, {})) for tenant_id in tenants]

    assert await counts(mine.id) == [{"ana": 3, "bia": 1, 'o"hara': 1}, {}]
    assert await counts(other.id) == [{"ana": 2, 'o"hara': 1}, {"ana": 1}]
    await store.drop(third.id)
    assert await counts(fresh()) == [{"ana": 3, "bia": 1}, {"ana": 1}]


async def test_one_place_is_one_processs_and_whoever_had_it_is_gone_with_its_calls(
    store: LeaseStore, node: str
) -> None:
    former, elsewhere, control = process(node), process(node, 1), process(node, role="control")
    for one in (former, elsewhere, control):
        await store.register(one)
    await store.renew(former.id, "ok", "{}", [had := call()])
    successor = process(node)
    await store.register(successor)
    assert [one.id for one in await of_node(store, node)] == [control.id, successor.id, elsewhere.id]
    assert await owners(store, had) == [None]
    assert not await store.renew(former.id, "ok", "{}", [has := call()]), "it has to register anew"
    assert await owners(store, has) == [None]


async def test_nobody_takes_the_place_of_another_node_of_the_same_name(store: LeaseStore, node: str) -> None:
    mine, theirs = process(node, told='{"machine": "a-1"}'), process(node, 1, told='{"machine": "b-2"}')
    await store.register(mine)
    await store.renew(mine.id, "ok", mine.told, [had := call()])
    for slot in (0, 1):
        with pytest.raises(NodeTakenError, match=r"ATENDE_NODE") as refused:
            await store.register(structs.replace(theirs, slot=slot))
        assert refused.value.other.id == mine.id
    (seen,) = await of_node(store, node)
    assert (seen.id, await owners(store, had)) == (mine.id, [mine.id]), "its calls are not lost"
    assert await store.register(process(node, told='{"machine": "a-1"}')) == 1, "its own successor has its place"
    (successor,) = await of_node(store, node)
    assert await store.lose(successor.id, successor.renewed_at) == 0
    await store.register(theirs)
    await store.register(former := process(node, told="{}"))
    assert [one.id for one in await of_node(store, node)] == [former.id, theirs.id], "an older version tells none"


async def test_of_two_nodes_of_one_name_that_register_in_the_same_moment_one_is_refused(
    store: LeaseStore, node: str
) -> None:
    for number in range(10):
        twins = [process(f"{node}-{number}", told=f'{{"machine": "{one}"}}') for one in ("a-1", "b-2")]
        ended = await asyncio.gather(*map(store.register, twins), return_exceptions=True)
        assert [type(one) for one in ended].count(NodeTakenError) == 1


async def test_only_who_has_not_renewed_since_is_lost(store: LeaseStore, node: str) -> None:
    mine = process(node)
    await store.register(mine)
    (seen,) = await of_node(store, node)
    await store.renew(mine.id, "ok", "{}", [has := call()])
    assert await store.lose(mine.id, seen.renewed_at) is None
    (now,) = await of_node(store, node)
    assert await owners(store, has) == [mine.id]
    assert await store.lose(mine.id, now.renewed_at) == 1
    assert (await of_node(store, node), await owners(store, has)) == ([], [None])
    assert await store.lose(mine.id, now.renewed_at) is None
    assert not await store.drop(mine.id)
    await store.register(mine)
    assert await store.drop(mine.id)


@pytest.mark.postgres
async def test_a_tenant_sees_its_own_calls_and_no_process_and_changes_neither(
    database: Database, postgres_store: LeaseStore, node: str
) -> None:
    store, mine, theirs = postgres_store, call(), call(BETA)
    one = process(node)
    await store.register(one)
    await store.renew(one.id, "ok", "{}", [mine, theirs])
    async with database.tenant(ACME) as connection:
        seen = await connection.fetch("SELECT call_id FROM atende.live_calls WHERE process_id = $1", one.id)
        assert [row["call_id"] for row in seen] == [mine.id]
        assert await connection.fetchval("SELECT count(*) FROM atende.processes") == 0
        assert await connection.execute("DELETE FROM atende.live_calls") == "DELETE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(ACME) as connection:
            await connection.execute(
                "INSERT INTO atende.live_calls VALUES ($1, 'x', $2, 'ana', now())", ACME, one.id
            )  # fmt: skip
    assert await owners(store, mine, theirs) == [one.id, one.id]


@pytest.mark.postgres
async def test_a_call_of_a_tenant_that_the_database_does_not_know_hinders_no_other(
    postgres_store: LeaseStore, node: str
) -> None:
    store, mine = postgres_store, process(node)
    await store.register(mine)
    assert await store.renew(mine.id, "ok", "{}", [absent := call(TenantId(fresh())), there := call()])
    assert await owners(store, absent, there) == [None, mine.id]


# Who is lost


class Watcher:
    """A reader whose clock the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self.judge = LostProcesses()
        self.row = process("n")

    def looks(self, seconds: float, *, every_s: float = 1.0, renew: Callable[[int], bool] = lambda _: False) -> bool:
        """Whether the process is lost at the last of these looks."""
        lost = False
        for look in range(round(seconds / every_s)):
            self.now += every_s
            if renew(look):
                self.row = structs.replace(self.row, renewed_at=self.row.renewed_at + timedelta(seconds=1))
            lost = bool(self.judge.answered(self.now, [self.row]))
        return lost


def test_lost_is_who_does_not_renew_for_ten_seconds_of_answers() -> None:
    watcher = Watcher()
    assert not watcher.looks(100, renew=lambda look: look % 2 == 0)
    assert not watcher.looks(8)
    assert watcher.looks(2)
    assert not watcher.looks(1, renew=lambda _: True), "it lives after all"


def test_while_the_database_is_away_nobody_is_lost_and_afterwards_everybody_has_ten_seconds_again() -> None:
    watcher = Watcher()
    watcher.looks(9)
    watcher.judge.silent()
    watcher.now += 60
    assert not watcher.looks(10)
    assert watcher.looks(1)


def test_a_reader_that_stood_still_itself_blames_nobody() -> None:
    watcher = Watcher()
    watcher.looks(5)
    watcher.now += 60
    assert not watcher.looks(10)


async def test_calls_are_counted_by_their_pbx_without_those_of_one_process(store: LeaseStore, node: str) -> None:
    mine, other = process(node), process(node, 1)
    for one in (mine, other):
        await store.register(one)
    before = await store.by_switch(mine.id)
    await store.renew(mine.id, "ok", "{}", [call(switch="mine-alone")])
    await store.renew(other.id, "ok", "{}", [call(switch=node[:60]), call(BETA, switch=node[:60]), call(switch="b")])
    after = await store.by_switch(mine.id)
    assert after.get(node[:60]) == 2
    assert after["b"] == before.get("b", 0) + 1
    assert "mine-alone" not in after
    for one in (mine, other):
        await store.drop(one.id)
