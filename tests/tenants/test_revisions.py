"""One contract for both stores of revisions."""

import asyncio
import hashlib
import uuid
from typing import cast

import pytest

from base.clock import SystemClock
from base.ids import TenantId
from tenants.database import Database
from tenants.revisions import (
    ChangeFeed,
    MemoryRevisions,
    PostgresRevisions,
    RaceLostError,
    RevisionStore,
    SlugTakenError,
    TenantRow,
)

A, B = "a" * 64, "b" * 64


def someone() -> tuple[TenantId, TenantRow]:
    tenant_id = TenantId(str(uuid.uuid4()))
    return tenant_id, TenantRow(slug=f"t-{tenant_id[:13]}", domain="t.example.net", name="T")


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> RevisionStore:
    if request.param == "memory":
        return MemoryRevisions(SystemClock())
    database: Database = request.getfixturevalue("database")
    return PostgresRevisions(database)


async def test_documents_are_numbered_from_one_and_an_equal_one_is_not_added(store: RevisionStore) -> None:
    tenant_id, row = someone()
    assert await store.current(tenant_id) is None
    first = await store.put(tenant_id, row, A, b"a")
    assert (first.number, first.digest, first.document) == (1, A, b"a")
    assert await store.put(tenant_id, row, A, b"a") == first
    assert (await store.put(tenant_id, row, B, b"b")).number == 2
    assert (await store.put(tenant_id, row, A, b"a")).number == 3
    current = await store.current(tenant_id)
    assert current is not None
    assert (current.number, current.digest) == (3, A)
    assert await store.get(tenant_id, 1) == first
    assert await store.get(tenant_id, 4) is None
    assert await store.get(tenant_id, 0) is None


async def test_one_that_comes_too_late_for_its_number_changes_nothing(store: RevisionStore) -> None:
    (tenant_id, row), (theirs, _) = someone(), someone()
    assert (await store.put(tenant_id, row, A, b"a", 1)).number == 1
    assert (await store.put(tenant_id, row, A, b"a", 2)).number == 1, "it is what is there"
    renamed = TenantRow(slug=row.slug + "-new", domain="x", name="x")
    for number in (1, 3):
        with pytest.raises(RaceLostError, match=f"revision {number} was published"):
            await store.put(tenant_id, renamed, B, b"b", number)
    assert [one.number for one in await store.list(tenant_id, 10)] == [1]
    assert (await store.put(theirs, renamed, A, b"a")).number == 1, "the slug was not taken"
    assert (await store.put(tenant_id, row, B, b"b", 2)).number == 2


async def test_they_are_listed_newest_first_and_page_by_page(store: RevisionStore) -> None:
    (tenant_id, row), (theirs, _) = someone(), someone()
    assert await store.list(tenant_id, 10) == ()
    for text in (b"a", b"bb", b"ccc"):
        await store.put(tenant_id, row, hashlib.sha256(text).hexdigest(), text)
    told = await store.list(tenant_id, 2)
    assert [(one.number, one.size_bytes) for one in told] == [(3, 3), (2, 2)]
    assert told[0].digest == hashlib.sha256(b"ccc").hexdigest()
    newest = await store.current(tenant_id)
    assert newest is not None
    assert told[0].created_at == newest.created_at
    assert [one.number for one in await store.list(tenant_id, 10, before=2)] == [1]
    assert await store.list(tenant_id, 10, before=1) == ()
    assert await store.list(tenant_id, -1) == ()
    assert await store.list(theirs, 10) == (), "another tenant's are not seen"


async def test_no_more_are_listed_than_one_answer_has_room_for(
    store: RevisionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.revisions.MAX_LISTED", 2)
    tenant_id, row = someone()
    for digest in (A, B, "c" * 64):
        await store.put(tenant_id, row, digest, b"x")
    assert [one.number for one in await store.list(tenant_id, 1000)] == [3, 2]


async def test_another_tenants_documents_are_not_there(store: RevisionStore) -> None:
    (ours, row), (theirs, _) = someone(), someone()
    await store.put(ours, row, A, b"a")
    assert await store.current(theirs) is None
    assert await store.get(theirs, 1) is None


async def test_a_slug_belongs_to_one_tenant_and_may_change(store: RevisionStore) -> None:
    (ours, row), (theirs, _) = someone(), someone()
    await store.put(ours, row, A, b"a")
    with pytest.raises(SlugTakenError, match=row.slug):
        await store.put(theirs, row, A, b"a")
    assert await store.current(theirs) is None
    await store.put(ours, TenantRow(slug=row.slug + "-new", domain="x", name="x"), A, b"a")
    assert (await store.put(theirs, row, A, b"a")).number == 1


async def test_two_publishers_at_once_get_two_numbers(store: RevisionStore) -> None:
    tenant_id, row = someone()
    digests = [f"{number:064x}" for number in range(6)]
    rows = await asyncio.gather(*(store.put(tenant_id, row, digest, b"x") for digest in digests))
    assert sorted(row.number for row in rows) == [1, 2, 3, 4, 5, 6]


async def test_whose_documents_have_changed_is_told_to_who_did_not_change_them(store: RevisionStore) -> None:
    feed = cast(ChangeFeed, store)
    (one, row), (other, other_row) = someone(), someone()
    await store.put(one, row, A, b"a", swap="drain")
    await store.put(other, other_row, A, b"a")
    [first] = [change for change in await feed.changes() if change.tenant_id == one]
    assert not first.removed
    assert [change.tenant_id for change in await feed.changes(first.changed_at)] == [other], "the latest last"
    newest = await store.current(one)
    assert newest is not None
    assert newest.swap == "drain", "what becomes of live calls is the same in every process"
    (latest,) = await feed.changes(first.changed_at)
    await store.put(one, row, A, b"a")
    assert await feed.changes(latest.changed_at) == (), "it says what it said"
    await feed.remove(one)
    await feed.remove(one)
    (gone,) = await feed.changes(latest.changed_at)
    assert (gone.tenant_id, gone.removed) == (one, True)
    assert await store.put(one, row, A, b"a") == newest
    (back,) = await feed.changes(gone.changed_at)
    assert (back.tenant_id, back.removed) == (one, False), "there again, with its old text"
    await store.put(one, row, B, b"b")
    assert [change.tenant_id for change in await feed.changes(back.changed_at)] == [one]
