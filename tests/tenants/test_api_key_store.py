"""One contract for both stores of API keys."""

import asyncio
from datetime import timedelta

import pytest

from base.ids import ApiKeyId, TenantId
from tenants import api_key_store
from tenants.api_key_store import (
    ApiKeyStore,
    MemoryApiKeys,
    PostgresApiKeys,
    TenantUnpublishedError,
    TooManyKeysError,
    place_of,
)
from tenants.api_keys import ApiKey, KeyInvalidError
from tests.tenants.kept_keys import NEVER, NOON, OURS, THEIRS, key_of, table

__all__ = ["table"]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> ApiKeyStore:
    if request.param == "memory":
        return MemoryApiKeys({OURS, THEIRS})
    return PostgresApiKeys(request.getfixturevalue("table"))


whose = pytest.mark.parametrize("tenant_id", [OURS, None], ids=["tenant", "platform"])


@whose
async def test_what_is_kept_comes_back_whole(store: ApiKeyStore, tenant_id: TenantId | None) -> None:
    row = key_of(tenant_id, expires_at=NOON + timedelta(days=1), last_used_at=NOON, revoked_at=NOON)
    await store.add(tenant_id, row)
    assert await store.find(row.key.id) == row
    assert list(await store.list(tenant_id, 100)) == [row.key]
    assert await store.find(ApiKeyId("aaaaaaaaaaaa")) is None


@whose
async def test_the_list_has_those_that_open_first_and_then_the_newest(
    store: ApiKeyStore, tenant_id: TenantId | None
) -> None:
    rows = [key_of(tenant_id, minutes) for minutes in (0, 3, 1, 2)]
    rows.append(key_of(tenant_id, 9, revoked_at=NOON))
    for row in rows:
        await store.add(tenant_id, row)
    listed = [(key.created_at - NOON).total_seconds() / 60 for key in await store.list(tenant_id, 100)]
    assert listed == [3, 2, 1, 0, 9]


@whose
async def test_revoking_is_for_good_and_keeps_its_first_time(store: ApiKeyStore, tenant_id: TenantId | None) -> None:
    row, other = key_of(tenant_id), key_of(tenant_id)
    await store.add(tenant_id, row)
    await store.add(tenant_id, other)
    assert await store.revoke(tenant_id, row.key.id, NOON)
    assert await store.revoke(tenant_id, row.key.id, NOON + timedelta(days=1))
    found = await store.find(row.key.id)
    assert found is not None
    assert found.key.revoked_at == NOON
    assert await store.find(other.key.id) == other


@whose
async def test_uses_are_noted_and_time_does_not_go_back(store: ApiKeyStore, tenant_id: TenantId | None) -> None:
    row = key_of(tenant_id)
    await store.add(tenant_id, row)
    for minutes, noted in ((1, 1), (5, 5), (3, 5)):
        await store.used(tenant_id, row.key.id, NOON + timedelta(minutes=minutes))
        found = await store.find(row.key.id)
        assert found is not None
        assert found.key.last_used_at == NOON + timedelta(minutes=noted)


@pytest.mark.parametrize(
    ("owner", "other"), [(OURS, THEIRS), (OURS, None), (None, OURS)], ids=["theirs", "platform", "ours"]
)
async def test_a_foreign_key_is_as_one_that_is_not_there(
    store: ApiKeyStore, owner: TenantId | None, other: TenantId | None
) -> None:
    row = key_of(owner)
    await store.add(owner, row)
    assert list(await store.list(other, 100)) == []
    for absent in (row.key.id, ApiKeyId("aaaaaaaaaaaa")):
        assert await store.revoke(other, absent, NOON) is False
        await store.used(other, absent, NOON)
    assert await store.find(row.key.id) == row


async def test_a_key_is_never_kept_for_somebody_else_or_under_an_id_that_is_taken(store: ApiKeyStore) -> None:
    row = key_of(OURS)
    for other in (THEIRS, None):
        with pytest.raises(KeyInvalidError):
            await store.add(other, row)
        with pytest.raises(KeyInvalidError):
            await store.add(OURS, key_of(other))
    assert await store.find(row.key.id) is None
    await store.add(OURS, row)
    for rival in (OURS, THEIRS, None):
        with pytest.raises(KeyInvalidError, match="is taken"):
            await store.add(rival, key_of(rival, id=row.key.id))
    assert await store.find(row.key.id) == row


async def test_a_tenants_role_without_a_tenant_is_not_kept(store: ApiKeyStore) -> None:
    """There is no such key; one that was bent all the same is refused by whoever it says it is of."""
    with pytest.raises(KeyInvalidError, match="belongs to a tenant"):
        await store.add(None, key_of(None, role="tenant-admin"))
    with pytest.raises(KeyInvalidError, match="belongs to no tenant"):
        await store.add(OURS, key_of(OURS, role="platform-admin"))
    assert list(await store.list(None, 100)) == list(await store.list(OURS, 100)) == []


async def test_a_tenant_that_was_never_published_has_no_keys(store: ApiKeyStore) -> None:
    with pytest.raises(TenantUnpublishedError, match=NEVER):
        await store.add(NEVER, key_of(NEVER))


async def test_keys_that_are_not_revoked_have_a_bound(store: ApiKeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key_store, "MAX_KEYS", 2)
    first = key_of(OURS)
    for row in (first, key_of(OURS)):
        await store.add(OURS, row)
    with pytest.raises(TooManyKeysError):
        await store.add(OURS, key_of(OURS))
    await store.add(THEIRS, key_of(THEIRS))
    await store.revoke(OURS, first.key.id, NOON)
    await store.add(OURS, key_of(OURS))


@pytest.mark.parametrize("written", ["", "x", "a" * 13, "a\x00aaaaaaaaaa", "'; DROP TABLE", "\ud800" * 12])
async def test_an_id_that_no_key_has_is_as_one_that_is_not_there(store: ApiKeyStore, written: str) -> None:
    key_id = ApiKeyId(written)
    assert await store.find(key_id) is None
    assert await store.revoke(OURS, key_id, NOON) is False
    await store.used(OURS, key_id, NOON)


async def test_many_at_once_are_all_kept(store: ApiKeyStore) -> None:
    rows = [key_of(OURS, minutes) for minutes in range(8)]
    await asyncio.gather(*(store.add(OURS, row) for row in rows))
    assert list(await store.list(OURS, 100)) == [row.key for row in reversed(rows)]


@whose
async def test_a_list_comes_in_pages_and_one_that_is_revoked_between_two_is_not_missed(
    store: ApiKeyStore, tenant_id: TenantId | None
) -> None:
    rows = [key_of(tenant_id, minutes) for minutes in (4, 3, 3, 3, 2, 1)]
    rows.append(key_of(tenant_id, 9, revoked_at=NOON))
    for row in rows:
        await store.add(tenant_id, row)
    whole = list(await store.list(tenant_id, 100))
    seen: list[ApiKey] = []
    while page := await store.list(tenant_id, 2, place_of(seen[-1]) if seen else None):
        seen += page
    assert seen == whole
    assert [key.id for key in whole[1:4]] == sorted(key.id for key in whole[1:4]), "of one time by their ids"
    assert await store.revoke(tenant_id, whole[4].id, NOON)
    rest = await store.list(tenant_id, 100, place_of(whole[3]))
    assert [key.id for key in rest] == [whole[5].id, whole[6].id, whole[4].id]
