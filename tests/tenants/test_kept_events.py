"""What the stores of documents and keys tell of what is kept in them: the same from both twins, in one transaction."""

import uuid
from datetime import timedelta
from typing import cast

import pytest

from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from pipelines.events import Event
from tenants.api_key_store import ApiKeyStore, KeyInvalidError, MemoryApiKeys, PostgresApiKeys
from tenants.api_keys import new_key
from tenants.database import Database
from tenants.event_store import EventStore, MemoryEvents, PostgresEvents
from tenants.revisions import ChangeFeed, MemoryRevisions, PostgresRevisions, RaceLostError, RevisionStore, TenantRow

PEPPER = Secret("p" * 32)
CLOCK = SystemClock()
Stores = tuple[EventStore, RevisionStore, ApiKeyStore]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        events = MemoryEvents()
        return events, MemoryRevisions(CLOCK, events.add), MemoryApiKeys(tell=events.add)
    database: Database = request.getfixturevalue("database")
    return PostgresEvents(database), PostgresRevisions(database), PostgresApiKeys(database)


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(str(uuid.uuid4()))


def row_of(tenant_id: TenantId) -> TenantRow:
    return TenantRow(slug=f"s{tenant_id}", domain="d", name="n")


async def told(events: EventStore, tenant_id: TenantId) -> list[Event]:
    return [kept.event for kept in await events.of_tenant(tenant_id, 0, 100)]


async def test_each_new_revision_is_told_once_as_what_it_is(stores: Stores, tenant_id: TenantId) -> None:
    events, revisions, _ = stores
    row = row_of(tenant_id)
    first = await revisions.put(tenant_id, row, "a" * 64, b"a")
    await revisions.put(tenant_id, row, "a" * 64, b"a")
    await revisions.put(tenant_id, row, "b" * 64, b"b", on_trial=True)
    with pytest.raises(RaceLostError):
        await revisions.put(tenant_id, row, "c" * 64, b"c", 7)
    found = await told(events, tenant_id)
    assert [(one.kind, one.subject, one.data.revision, one.data.digest) for one in found] == [
        ("document.published", "1", 1, "a" * 64),
        ("canary.started", "2", 2, "b" * 64),
    ]
    assert found[0].at == first.created_at


async def test_a_tenant_that_goes_is_told_each_time_it_was_there(stores: Stores, tenant_id: TenantId) -> None:
    events, revisions, _ = stores
    feed, row = cast(ChangeFeed, revisions), row_of(tenant_id)
    await feed.remove(tenant_id)
    await revisions.put(tenant_id, row, "a" * 64, b"a")
    await feed.remove(tenant_id)
    await feed.remove(tenant_id)
    await revisions.put(tenant_id, row, "a" * 64, b"a")
    await feed.remove(tenant_id)
    found = await told(events, tenant_id)
    assert [(one.kind, one.subject) for one in found] == [
        ("document.published", "1"),
        ("tenant.removed", row.slug),
        ("tenant.removed", row.slug),
    ]
    (change,) = [one for one in await feed.changes() if one.tenant_id == tenant_id]
    assert found[-1].at == change.changed_at


async def test_a_key_is_told_when_it_is_made_and_the_first_time_it_is_revoked(
    stores: Stores, tenant_id: TenantId
) -> None:
    events, revisions, keys = stores
    await revisions.put(tenant_id, row_of(tenant_id), "a" * 64, b"a")
    now = CLOCK.now()
    row, _ = new_key(tenant_id, "tenant-viewer", "a name", pepper=PEPPER, created_at=now)
    await keys.add(tenant_id, row)
    with pytest.raises(KeyInvalidError):
        await keys.add(tenant_id, row)
    assert await keys.revoke(tenant_id, row.key.id, now)
    assert await keys.revoke(tenant_id, row.key.id, now + timedelta(hours=1))
    assert not await keys.revoke(TenantId(str(uuid.uuid4())), row.key.id, now)
    found = (await told(events, tenant_id))[1:]
    assert [(one.kind, one.subject, one.at, one.data.role) for one in found] == [
        ("key.created", row.key.id, now, "tenant-viewer"),
        ("key.revoked", row.key.id, now, None),
    ]
