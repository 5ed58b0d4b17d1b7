"""One contract for both stores of secrets."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import structs

from base.ids import TenantId
from tenants import secret_store
from tenants.sealing import parse_ring
from tenants.secret_rows import Place, TooManySecretsError, VersionTakenError
from tenants.secret_store import MemorySecrets, PostgresSecrets, SecretStore
from tests.tenants.kept_secrets import FIRST, NOON, OURS, RING, SECOND, THEIRS, key_id, row_of, table

__all__ = ["table"]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> SecretStore:
    if request.param == "memory":
        return MemorySecrets()
    return PostgresSecrets(request.getfixturevalue("table"))


async def test_what_is_kept_comes_back_whole_to_its_tenant_alone(store: SecretStore) -> None:
    row = row_of(OURS, "openai")
    await store.add(OURS, row)
    assert await store.newest(OURS, "openai") == row
    assert list(await store.list(OURS)) == list(await store.history(OURS, "openai", 10)) == [row.info]
    for other in (THEIRS, TenantId("00000000-0000-0000-0000-000000000000")):
        assert await store.newest(other, "openai") is None
        assert list(await store.list(other)) == list(await store.history(other, "openai", 10)) == []
        assert await store.remove(other, "openai", NOON) is False
    assert await store.newest(OURS, "openai") == row


async def test_the_next_version_erases_the_value_before_it_and_no_version_comes_twice(store: SecretStore) -> None:
    first, later = row_of(OURS, "openai"), NOON + timedelta(hours=1)
    second = structs.replace(
        row_of(OURS, "openai", 2), info=structs.replace(row_of(OURS, "openai", 2).info, created_at=later)
    )
    await store.add(OURS, first)
    await store.add(OURS, second)
    erased = structs.replace(first.info, erased_at=later)
    assert list(await store.history(OURS, "openai", 10)) == [second.info, erased]
    assert list(await store.history(OURS, "openai", 1)) == [second.info]
    assert list(await store.history(OURS, "openai", 10, before=2)) == [erased]
    for version in (1, 2):
        with pytest.raises(VersionTakenError):
            await store.add(OURS, row_of(OURS, "openai", version, "sk-other"))
    assert await store.newest(OURS, "openai") == second, "who came too late has erased nothing"


async def test_a_removed_one_has_no_value_any_more_and_goes_on_counting(store: SecretStore) -> None:
    await store.add(OURS, row_of(OURS, "openai"))
    await store.add(OURS, row_of(OURS, "crm"))
    assert await store.remove(OURS, "openai", NOON)
    assert await store.remove(OURS, "openai", NOON) is False
    newest = await store.newest(OURS, "openai")
    assert newest is not None
    assert (newest.value, newest.info.version, newest.info.erased_at) == (None, 1, NOON)
    assert [info.name for info in await store.list(OURS)] == ["crm"]
    await store.add(OURS, row_of(OURS, "openai", 2))
    assert [info.name for info in await store.list(OURS)] == ["crm", "openai"]


async def test_a_tenants_secrets_have_a_bound(store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_store, "MAX_SECRETS", 2)
    for name in ("a", "b"):
        await store.add(OURS, row_of(OURS, name))
    with pytest.raises(TooManySecretsError):
        await store.add(OURS, row_of(OURS, "c"))
    await store.add(OURS, row_of(OURS, "a", 2))
    await store.add(THEIRS, row_of(THEIRS, "c"))
    await store.remove(OURS, "a", NOON)
    await store.add(OURS, row_of(OURS, "c"))
    with pytest.raises(TooManySecretsError):
        await store.add(OURS, row_of(OURS, "a", 3))


async def test_of_two_who_keep_the_same_version_one_does(store: SecretStore) -> None:
    rows = [row_of(OURS, "openai", 1, f"sk-{number}") for number in range(4)]
    done = await asyncio.gather(*(store.add(OURS, row) for row in rows), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["NoneType", *["VersionTakenError"] * 3]
    assert await store.newest(OURS, "openai") == rows[done.index(None)]


async def test_changes_of_all_tenants_are_told_to_who_follows(store: SecretStore) -> None:
    await store.add(OURS, row_of(OURS, "openai"))
    await store.add(OURS, row_of(OURS, "openai", 2))
    await store.add(THEIRS, row_of(THEIRS, "crm"))
    everything = await store.changes(None)
    assert {(one.tenant_id, one.name, one.version, one.kept) for one in everything} == {
        (OURS, "openai", 2, True),
        (THEIRS, "crm", 1, True),
    }
    last = max(one.changed_at for one in everything)
    assert list(await store.changes(last)) == []
    await store.remove(THEIRS, "crm", NOON)
    assert [(one.tenant_id, one.name, one.kept) for one in await store.changes(last)] == [(THEIRS, "crm", False)]
    assert {one.kept for one in await store.changes(NOON.replace(year=2000))} == {True, False}


async def test_values_are_found_by_their_master_key_and_sealed_anew_once(store: SecretStore) -> None:
    rows = {(tenant, name): row_of(tenant, name) for tenant in (OURS, THEIRS) for name in ("a-b", "a_b")}
    for (tenant, _), row in rows.items():
        await store.add(tenant, row)
    await store.add(OURS, row_of(OURS, "new", keys=parse_ring(SECOND)))
    assert dict(await store.by_key()) == {key_id(FIRST): 4, key_id(SECOND): 1}
    first = await store.sealed_otherwise(key_id(SECOND), None, 3)
    rest = await store.sealed_otherwise(key_id(SECOND), first[-1].place, 3)
    places = [one.place for one in (*first, *rest)]
    assert places == sorted(Place(tenant, name, 1) for tenant, name in rows)
    ring = parse_ring(f"{SECOND},{FIRST}")
    for one in (*first, *rest):
        anew = ring.seal(one.place.tenant_id, one.place.name, 1, RING.open(*structs.astuple(one.place), one.value))
        assert await store.seal_anew(one.place, one.value, anew)
        assert await store.seal_anew(one.place, one.value, anew) is False
    assert dict(await store.by_key()) == {key_id(SECOND): 5}
    assert list(await store.changes(max(one.changed_at for one in await store.changes(None)))) == [], "none is new"


@pytest.mark.parametrize("name", ["", "A", "a\x00", "../a", "'; DROP TABLE", "\ud800"])
async def test_a_name_that_no_secret_has_is_as_one_that_is_not_there(store: SecretStore, name: str) -> None:
    assert await store.newest(OURS, name) is None
    assert await store.remove(OURS, name, NOON) is False
    assert list(await store.history(OURS, name, 10)) == []
