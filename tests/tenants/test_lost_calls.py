"""One contract for both stores: a call whose process is gone has a record that says so, and its events, once."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import pytest
from msgspec import structs

from base.clock import SystemClock
from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from pipelines.calls import Call, CallRecord
from pipelines.events import call_ended, call_started
from tenants.call_search import CallFilter
from tenants.conversations import ConversationStore, MemoryConversations, PostgresConversations
from tenants.database import Database
from tenants.event_store import EventStore, MemoryEvents, PostgresEvents
from tenants.leases import LeaseStore, MemoryLeases, PostgresLeases, ProcessRow
from tenants.lost_calls import lost_record, tell_lost
from tenants.migrate import connect
from tests.tenants.known import known
from tests.tenants.records import NOON, TURNS, record, someone
from tests.tenants.test_leases import call, process


class House(NamedTuple):
    leases: LeaseStore
    conversations: ConversationStore
    events: EventStore
    database: Database | None = None


def of_postgres(database: Database) -> House:
    return House(PostgresLeases(database), PostgresConversations(database), PostgresEvents(database), database)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def house(request: pytest.FixtureRequest) -> House:
    if request.param == "memory":
        conversations, events = MemoryConversations(), MemoryEvents()
        return House(MemoryLeases(SystemClock(), conversations, events), conversations, events)
    return of_postgres(request.getfixturevalue("database"))


def node() -> str:
    return f"node-{uuid.uuid4()}"


async def dead(house: House, *calls: Call, at: str = "") -> ProcessRow:
    """A process that told of these calls, as it is known."""
    if house.database is not None:
        await known(house.database, *{one.tenant_id for one in calls})
    mine = process(at or node())
    await house.leases.register(mine)
    assert await house.leases.renew(mine.id, "ok", "{}", calls)
    return next(one for one in await house.leases.processes() if one.id == mine.id)


async def told(house: House, tenant: TenantId) -> list[tuple[str, str, str | None]]:
    kept = [one.event for one in await house.events.of_tenant(tenant, 0, 100)]
    return [(one.kind, one.subject, one.data.end_reason) for one in kept]


async def test_each_of_its_calls_has_a_record_with_all_that_was_known_and_its_events(house: House) -> None:
    ours, theirs = someone(), someone()
    first, second, third = call(ours), call(theirs, assistant="bia"), call(ours, opened_at=NOON)
    row = await dead(house, first, second, third)
    assert await house.leases.lose(row.id, row.renewed_at) == 3
    for one in (first, second, third):
        kept = await house.conversations.get(one.tenant_id, one.id)
        assert kept == CallRecord(call=one, ended_at=row.renewed_at, end_reason="lost", hangup_cause="", turns=())
    assert sorted(await told(house, ours)) == sorted(
        [("call.started", one.id, None) for one in (first, third)]
        + [("call.ended", one.id, "lost") for one in (first, third)]
    )
    assert await told(house, theirs) == [("call.started", second.id, None), ("call.ended", second.id, "lost")]
    found = (await house.conversations.search(ours, CallFilter(end_reason="lost"), 10)).calls
    assert {one.call.id for one in found} == {first.id, third.id}


def test_a_call_does_not_end_before_it_began() -> None:
    late = call(someone(), opened_at=NOON)
    assert lost_record(late, NOON - timedelta(seconds=1)).ended_at == NOON
    assert lost_record(late, NOON + timedelta(seconds=1)).ended_at == NOON + timedelta(seconds=1)


async def test_of_what_two_know_of_a_lost_call_the_later_end_is_kept(house: House) -> None:
    ours = someone()
    row = await dead(house, first := call(ours, opened_at=NOON), second := call(ours, opened_at=NOON))
    assert await house.leases.lose(row.id, row.renewed_at) == 2
    later = row.renewed_at + timedelta(seconds=1)
    for one, end in ((first, NOON), (second, later)):
        left = structs.replace(lost_record(one, end), recording="recordings/a.wav")
        assert await house.conversations.store(ours, left)
    kept = [await house.conversations.get(ours, one.id) for one in (first, second)]
    assert [one and (one.ended_at, one.recording) for one in kept] == [
        (row.renewed_at, "recordings/a.wav"),
        (later, "recordings/a.wav"),
    ]
    third = call(ours, opened_at=NOON)
    row = await dead(house, third)
    await house.leases.lose(row.id, row.renewed_at)
    told = structs.replace(lost_record(third, NOON), end_reason="goodbye")
    assert await house.conversations.store(ours, told)
    whole = await house.conversations.get(ours, third.id)
    assert whole is not None
    assert whole.ended_at == NOON, "its own record knows better"


async def test_many_look_at_once_and_it_is_told_once(house: House) -> None:
    ours = someone()
    row = await dead(house, call(ours), call(ours))
    lost = await asyncio.gather(*(house.leases.lose(row.id, row.renewed_at) for _ in range(6)))
    assert sorted(lost, key=str) == [2, None, None, None, None, None]
    assert len(await told(house, ours)) == 4
    assert await house.leases.lose(row.id, row.renewed_at) is None


async def test_one_that_renews_meanwhile_loses_nothing(house: House) -> None:
    ours = someone()
    row = await dead(house, mine := call(ours))
    assert await house.leases.renew(row.id, "ok", "{}", [mine])
    assert await house.leases.lose(row.id, row.renewed_at) is None
    assert (await house.conversations.get(ours, mine.id), await told(house, ours)) == (None, [])
    assert await house.leases.drop(row.id)
    assert await told(house, ours) == [], "it tells of its calls itself"


async def test_renewed_and_missed_in_the_same_moment_it_either_lives_or_is_lost(house: House) -> None:
    for missed_first in (True, False) * 5:
        ours = someone()
        row = await dead(house, mine := call(ours))
        lose, renew = house.leases.lose(row.id, row.renewed_at), house.leases.renew(row.id, "ok", "{}", [mine])
        if missed_first:
            lost, lives = await asyncio.gather(lose, renew)
        else:
            lives, lost = await asyncio.gather(renew, lose)
        assert (lost, lives) in {(1, False), (None, True)}
        has = await house.leases.owner(mine.tenant_id, mine.id) is not None
        recorded = await house.conversations.get(ours, mine.id) is not None
        assert (has, recorded, len(await told(house, ours))) == ((True, False, 0) if lives else (False, True, 2))


async def test_a_call_that_another_process_took_over_is_not_lost(house: House) -> None:
    ours = someone()
    row = await dead(house, gone := call(ours), moved := call(ours))
    other = await dead(house, there := structs.replace(moved, revision=8, opened_at=NOON + timedelta(minutes=1)))
    assert await house.leases.lose(row.id, row.renewed_at) == 1
    assert await house.conversations.get(ours, moved.id) is None
    assert await told(house, ours) == [("call.started", gone.id, None), ("call.ended", gone.id, "lost")]
    assert await house.leases.lose(other.id, other.renewed_at) == 1
    kept = await house.conversations.get(ours, moved.id)
    assert kept is not None
    assert kept.call == there, "as that one told of it"


async def test_who_takes_its_place_tells_of_its_calls(house: House) -> None:
    ours, place = someone(), node()
    await dead(house, gone := call(ours), at=place)
    assert await house.leases.register(successor := process(place)) == 1
    assert await house.leases.register(successor) == 0, "that is itself"
    assert [end for _, _, end in await told(house, ours)] == [None, "lost"]
    kept = await house.conversations.get(ours, gone.id)
    assert kept is not None
    assert kept.end_reason == "lost"


async def test_the_processs_own_record_takes_the_place_whole_and_once(house: House) -> None:
    ours = someone()
    own = record(ours, call_id := str(uuid.uuid4()))
    row = await dead(house, own.call)
    await house.leases.lose(row.id, row.renewed_at)
    assert await house.conversations.store(ours, own)
    assert await house.conversations.get(ours, CallId(call_id)) == own
    assert own.turns == TURNS
    assert not await house.conversations.store(ours, structs.replace(own, end_reason="silence", turns=()))
    assert await house.conversations.get(ours, CallId(call_id)) == own
    assert [one.call.id for one in await house.conversations.list(ours, 9)] == [call_id]
    assert await house.events.append(ours, call_started(own.call), call_ended(own)) == 0, "that it ended is told once"


async def test_a_record_that_was_there_first_stays(house: House) -> None:
    ours = someone()
    own = record(ours, str(uuid.uuid4()))
    assert await house.conversations.store(ours, own)
    row = await dead(house, own.call)
    assert await house.leases.lose(row.id, row.renewed_at) == 0
    assert await house.conversations.get(ours, own.call.id) == own
    assert await told(house, ours) == [], "its own are on their way"


async def test_what_a_switch_sends_makes_no_lease_unkeepable(house: House) -> None:
    ours = someone()
    odd = call(ours, caller="\x00'; --\ud83d", number="1\x000")
    row = await dead(house, odd, fine := call(ours))
    assert await house.leases.lose(row.id, row.renewed_at) == 2
    kept = await house.conversations.get(ours, odd.id)
    assert kept is not None
    assert (kept.call.caller, kept.call.number) == ("'; --", "10")
    assert await house.conversations.get(ours, fine.id) is not None


@pytest.mark.postgres
async def test_nothing_is_half_written(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    house, ours = of_postgres(database), someone()
    row = await dead(house, mine := call(ours))

    async def cut(*_: object) -> int:
        raise ConnectionResetError

    monkeypatch.setattr("tenants.lost_calls.written", cut)
    with pytest.raises(ConnectionResetError):
        await house.leases.lose(row.id, row.renewed_at)
    assert await house.conversations.get(ours, mine.id) is None
    assert await house.leases.owner(mine.tenant_id, mine.id) is not None
    monkeypatch.undo()
    assert await house.leases.lose(row.id, row.renewed_at) == 1
    assert len(await told(house, ours)) == 2


@pytest.mark.postgres
async def test_a_process_with_many_calls_is_told_of_in_few_requests(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks for lost processes has five seconds for all of them, however far away the database is."""
    house, ours, theirs = of_postgres(database), someone(), someone()
    row = await dead(house, *(call(one) for one in (ours, theirs) for _ in range(30)))
    asked: list[str] = []

    class Counting:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return getattr(self._connection, name)

    monkeypatch.setattr(
        "tenants.leases.tell_lost", lambda connection, records: tell_lost(Counting(connection), records)
    )
    assert await house.leases.lose(row.id, row.renewed_at) == 60
    assert len(asked) < 15
    for tenant in (ours, theirs):
        assert len(await told(house, tenant)) == 60


@pytest.mark.postgres
async def test_a_call_of_a_former_program_is_lost_with_what_that_one_told(database: Database) -> None:
    leases, ours, call_id = PostgresLeases(database), someone(), str(uuid.uuid4())
    await known(database, ours)
    await leases.register(mine := process(node()))
    async with database.platform() as connection:
        await connection.execute(
            "INSERT INTO atende.live_calls (tenant_id, call_id, process_id, assistant, since) "
            "VALUES ($1, $2, $3, 'ana', $4)", ours, call_id, mine.id, datetime(2026, 3, 1, tzinfo=UTC),
        )  # fmt: skip
    await leases.register(process(mine.node))
    kept = await PostgresConversations(database).get(ours, CallId(call_id))
    assert kept is not None
    assert (kept.end_reason, kept.call.assistant, kept.call.number) == ("lost", AssistantName("ana"), "")


@pytest.mark.postgres
async def test_a_row_changes_once_and_no_other_way(database: Database, postgres: Secret) -> None:
    """The second fence: whatever the program asks, the database lets no other record be changed."""
    house, ours = of_postgres(database), someone()
    await house.conversations.store(ours, record(ours, "stored"))
    row = await dead(house, lost := call(ours))
    await house.leases.lose(row.id, row.renewed_at)
    update = "UPDATE atende.conversations SET end_reason = 'goodbye'{} WHERE tenant_id = $1 AND call_id = $2"
    async with database.tenant(ours) as connection:
        assert await connection.execute(update.format(", provisional = false"), ours, "stored") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(ours) as connection:
            await connection.execute(update.format(""), ours, lost.id)
    async with database.tenant(someone()) as connection:
        assert await connection.execute(update.format(", provisional = false"), ours, lost.id) == "UPDATE 0"
    for column, value in (("tenant_id", someone()), ("call_id", "another")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant(ours) as connection:
                await connection.execute(f"UPDATE atende.conversations SET {column} = $1", value)
    owner = await connect(postgres)
    try:
        kept = "SELECT end_reason, provisional FROM atende.conversations WHERE tenant_id = $1 ORDER BY provisional"
        assert [tuple(one) for one in await owner.fetch(kept, ours)] == [("goodbye", False), ("lost", True)]
    finally:
        await owner.close()
