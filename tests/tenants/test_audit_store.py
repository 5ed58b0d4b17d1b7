"""One contract for both audit logs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants import audit_store
from tenants.audit import Actor, Link, start
from tenants.audit_store import AuditLog, Chain, MemoryAuditLog, PostgresAuditLog
from tenants.database import Database, PoolBounds, connect_app
from tests.tenants.changes import OURS, THEIRS, audit_table, change_of, revisions

__all__ = ["audit_table"]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def audit(request: pytest.FixtureRequest) -> AuditLog:
    if request.param == "memory":
        return MemoryAuditLog()
    return PostgresAuditLog(request.getfixturevalue("audit_table"))


whose = pytest.mark.parametrize("tenant_id", [OURS, None], ids=["tenant", "platform"])


@whose
async def test_what_is_written_comes_back_whole_and_numbered(audit: AuditLog, tenant_id: TenantId | None) -> None:
    by_command = Actor(kind="command line", id="root")
    changes = [change_of(1), change_of(2, actor=by_command, outcome="begun"), change_of(3, begun_as=2)]
    written = [await audit.append(tenant_id, change) for change in changes]
    assert [(entry.tenant_id, entry.number, entry.change) for entry in written] == [
        (tenant_id, number, change) for number, change in enumerate(changes, 1)
    ]
    assert list(await audit.page(tenant_id, 0, 10)) == written
    assert list(await audit.list(tenant_id, 10)) == written[::-1]


@whose
async def test_lists_go_back_and_pages_go_on(audit: AuditLog, tenant_id: TenantId | None) -> None:
    for revision in range(1, 6):
        await audit.append(tenant_id, change_of(revision))
    assert revisions(await audit.list(tenant_id, 2)) == [5, 4]
    assert revisions(await audit.list(tenant_id, 2, 4)) == [3, 2]
    assert revisions(await audit.list(tenant_id, 2, 2)) == [1]
    assert revisions(await audit.list(tenant_id, 2, 1)) == []
    assert revisions(await audit.page(tenant_id, 0, 2)) == [1, 2]
    assert revisions(await audit.page(tenant_id, 4, 2)) == [5]
    assert revisions(await audit.page(tenant_id, 5, 2)) == []


@pytest.mark.parametrize("page", [2, 3, 5, 7])
@whose
async def test_a_chain_is_verified_page_by_page(
    audit: AuditLog, tenant_id: TenantId | None, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_store, "PAGE", page)
    nothing = await audit.verify(tenant_id)
    assert (nothing.held_to, nothing.broken_at) == (0, None)
    assert nothing.digest == start(tenant_id).digest.hex()
    for revision in range(1, 6):
        last = await audit.append(tenant_id, change_of(revision))
    verdict = await audit.verify(tenant_id)
    assert (verdict.tenant_id, verdict.held_to, verdict.broken_at) == (tenant_id, 5, None)
    assert verdict.digest == last.digest


async def test_verifying_goes_on_where_it_was_left(audit: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_store, "PAGE", 2)
    for revision in range(1, 6):
        await audit.append(OURS, change_of(revision))
    whole, parts, behind = await audit.verify(OURS), [], None
    while not parts or not parts[-1].whole:
        parts.append(await audit.verify(OURS, behind, 3))
        behind = Link(parts[-1].held_to, parts[-1].digest)
    assert [(one.held_to, one.broken_at, one.whole) for one in parts] == [(3, None, False), (5, None, True)]
    assert parts[-1] == whole
    assert await audit.verify(OURS, behind, 3) == whole, "nothing has come since"
    forged = await audit.verify(OURS, Link(2, "a" * 64), 3)
    assert (forged.held_to, forged.broken_at, forged.whole) == (2, 3, True)


@pytest.mark.parametrize(
    ("owner", "other"), [(OURS, THEIRS), (OURS, None), (None, OURS)], ids=["theirs", "platform", "ours"]
)
async def test_chains_are_apart(audit: AuditLog, owner: TenantId | None, other: TenantId | None) -> None:
    first = await audit.append(owner, change_of(1))
    assert list(await audit.list(other, 10)) == list(await audit.page(other, 0, 10)) == []
    assert (await audit.verify(other)).held_to == 0
    second = await audit.append(other, change_of(1))
    assert (first.number, second.number) == (1, 1)
    assert first.digest != second.digest
    assert list(await audit.list(owner, 10)) == [first]


async def test_whose_chains_there_are(audit: AuditLog) -> None:
    assert list(await audit.chains(10)) == []
    low, high = sorted((OURS, THEIRS))
    for tenant_id in (high, None, low, high):
        await audit.append(tenant_id, change_of())
    assert list(await audit.chains(10)) == [None, low, high]
    assert list(await audit.chains(1)) == [None]
    assert list(await audit.chains(1, Chain(None))) == [low]
    assert list(await audit.chains(10, Chain(low))) == [high]
    assert list(await audit.chains(10, Chain(high))) == []


async def test_many_at_once_come_one_behind_the_other(audit: AuditLog) -> None:
    written = await asyncio.gather(*(audit.append(OURS, change_of(revision)) for revision in range(1, 9)))
    assert sorted(entry.number for entry in written) == list(range(1, 9))
    assert sorted(revisions(await audit.page(OURS, 0, 10)), key=str) == list(range(1, 9))
    verdict = await audit.verify(OURS)
    assert (verdict.held_to, verdict.broken_at) == (8, None)


@pytest.fixture
async def another(postgres: Secret, audit_table: Database) -> AsyncIterator[Database]:
    """The pool of another process on the same database."""
    database = await connect_app(postgres, None, PoolBounds(max_connections=5))
    yield database
    await database.close()


@pytest.mark.postgres
@whose
async def test_processes_that_write_at_the_same_time_leave_no_gap(
    audit_table: Database, another: Database, tenant_id: TenantId | None
) -> None:
    logs = [PostgresAuditLog(audit_table), PostgresAuditLog(another)]
    changes = [logs[revision % 2].append(tenant_id, change_of(revision)) for revision in range(1, 21)]
    written = await asyncio.gather(*changes, logs[0].append(THEIRS, change_of()))
    assert sorted(entry.number for entry in written[:-1]) == list(range(1, 21))
    verdict = await logs[0].verify(tenant_id)
    assert (verdict.held_to, verdict.broken_at) == (20, None)


@pytest.mark.postgres
async def test_who_writes_for_one_tenant_keeps_no_other_waiting(audit_table: Database, another: Database) -> None:
    audit = PostgresAuditLog(another)
    async with audit_table.tenant(OURS) as connection:
        await connection.execute(audit_store._SQL["lock"], OURS)
        waiting = asyncio.ensure_future(audit.append(OURS, change_of()))
        async with asyncio.timeout(10):
            assert (await audit.append(THEIRS, change_of())).number == 1
            assert (await audit.append(None, change_of())).number == 1
        assert not waiting.done()
    assert (await waiting).number == 1
