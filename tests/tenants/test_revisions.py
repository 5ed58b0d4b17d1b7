"""One contract for both stores of revisions."""

import asyncio
import uuid

import pytest

from base.clock import SystemClock
from base.ids import TenantId
from tenants.database import Database
from tenants.revisions import MemoryRevisions, PostgresRevisions, RevisionStore, SlugTakenError, TenantRow

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
