"""A tenant's secrets: read by it alone, as versions, with the ring that there is."""

from collections.abc import Sequence

import pytest

from base.ids import TenantId
from base.secret import Secret
from processors.factory import PrepareError
from tenants.keys import KeyFileError
from tenants.resealing import reseal
from tenants.sealing import MasterKeys, parse_ring
from tenants.secret_rows import MAX_SECRET_BYTES, Place, SecretNameError, SecretsUnavailableError
from tenants.secret_store import MemorySecrets
from tenants.secrets import SecretValueError, TenantSecrets, checked_value
from tests.tenants.kept_secrets import FIRST, NOON, OURS, RING, SECOND, THEIRS, key_id


async def kept(secrets: TenantSecrets, name: str, value: str, tenant_id: TenantId = OURS) -> int:
    row, changed = await secrets.next(tenant_id, name, Secret(value), at=NOON, by="key aaaaaaaaaaaa")
    if changed:
        await secrets.keep(tenant_id, row)
    return row.info.version


async def test_what_is_kept_is_read_by_its_own_tenant_and_by_no_other() -> None:
    secrets = TenantSecrets(MemorySecrets(), RING)
    assert not secrets.has(OURS, "openai")
    assert [await kept(secrets, "openai", value) for value in ("sk-1", " sk-1\n", "sk-2", "sk-2", "sk-1")] == [
        1, 1, 2, 2, 3
    ]  # fmt: skip
    assert await secrets.read(OURS, "openai") == Secret("sk-1")
    assert (secrets.version(OURS, "openai"), secrets.has(THEIRS, "openai")) == (3, False)
    with pytest.raises(PrepareError, match="atende secret set --tenant SLUG openai"):
        await secrets.read(THEIRS, "openai")


async def test_a_removed_ones_version_is_never_given_again() -> None:
    secrets = TenantSecrets(MemorySecrets(), RING)
    await kept(secrets, "openai", "sk-1")
    assert await secrets.remove(OURS, "openai", NOON)
    assert (secrets.version(OURS, "openai"), await secrets.remove(OURS, "openai", NOON)) == (0, False)
    with pytest.raises(PrepareError, match="no secret"):
        await secrets.read(OURS, "openai")
    assert await kept(secrets, "openai", "sk-1") == 2


async def test_what_others_keep_and_remove_is_followed() -> None:
    store = MemorySecrets()
    ours, others = TenantSecrets(store, RING), TenantSecrets(store, RING)
    await ours.open()
    await kept(others, "openai", "sk-1")
    assert not ours.has(OURS, "openai")
    assert await ours.follow() == {OURS}
    assert (await ours.follow(), ours.version(OURS, "openai")) == (frozenset(), 1)
    await kept(others, "openai", "sk-2")
    await kept(others, "crm", "c", THEIRS)
    assert await ours.follow() == {OURS, THEIRS}
    assert dict(ours.versions(OURS)) == {"openai": 2}
    await others.remove(OURS, "openai", NOON)
    assert (await ours.follow(), ours.has(OURS, "openai")) == ({OURS}, False)
    late = TenantSecrets(store, RING)
    await late.open()
    assert (dict(late.versions(OURS)), dict(late.versions(THEIRS))) == ({}, {"crm": 1})


async def test_a_value_on_trial_is_seen_by_its_tenant_and_only_then() -> None:
    secrets = TenantSecrets(MemorySecrets(), RING)
    await kept(secrets, "openai", "sk-1")
    with secrets.trying(OURS, "openai", 2, Secret("sk-2")):
        assert (await secrets.read(OURS, "openai"), secrets.version(OURS, "openai")) == (Secret("sk-2"), 2)
        assert not secrets.has(THEIRS, "openai")
    assert (await secrets.read(OURS, "openai"), secrets.version(OURS, "openai")) == (Secret("sk-1"), 1)


@pytest.mark.parametrize("name", ["../openai", "a/b", "", "Openai", ".hidden", "a\nb", "a" * 64])
async def test_what_is_no_name_is_refused(name: str) -> None:
    secrets = TenantSecrets(MemorySecrets(), RING)
    with pytest.raises(SecretNameError):
        await kept(secrets, name, "x")
    with pytest.raises(PrepareError):
        await secrets.read(OURS, name)


@pytest.mark.parametrize("value", ["", " \r\n", "\ud800", "hush" * MAX_SECRET_BYTES, "ç" * (MAX_SECRET_BYTES // 2 + 1)])
def test_what_is_no_value_is_refused_and_not_quoted(value: str) -> None:
    with pytest.raises(SecretValueError) as caught:
        checked_value(Secret(value))
    assert "hush" not in f"{caught.value!r}"
    assert caught.value.too_large == (len(value) > 1000)


def test_a_value_of_several_lines_stays_what_it_is() -> None:
    pem = "-----BEGIN KEY-----\nabc\n-----END KEY-----"
    assert checked_value(Secret(f"{pem}\n")) == Secret(pem)
    assert checked_value(Secret("x" * MAX_SECRET_BYTES)) == Secret("x" * MAX_SECRET_BYTES)


async def test_a_database_that_is_away_is_told_to_who_prepares() -> None:
    class Away(MemorySecrets):
        async def newest(self, tenant_id: TenantId, name: str) -> None:
            raise SecretsUnavailableError("the database does not tell of secrets (TimeoutError)")

    with pytest.raises(PrepareError, match="'openai' cannot be read now: the database does not"):
        await TenantSecrets(Away(), RING).read(OURS, "openai")


async def test_a_ring_that_got_a_key_meanwhile_is_read_again() -> None:
    store = MemorySecrets()
    await kept(TenantSecrets(store, parse_ring(SECOND)), "openai", "sk-1")

    async def again() -> MasterKeys:
        return parse_ring(f"{SECOND},{FIRST}")

    secrets = TenantSecrets(store, RING, again)
    assert await secrets.read(OURS, "openai") == Secret("sk-1")
    assert secrets.keys.first == key_id(SECOND)


async def test_a_lost_master_key_is_told_and_the_secret_can_be_set_anew() -> None:
    async def again() -> MasterKeys:
        raise KeyFileError("there is none")

    for how in (None, again):
        store = MemorySecrets()
        await kept(TenantSecrets(store, parse_ring(SECOND)), "openai", "sk-1")
        lost = TenantSecrets(store, RING, how)
        with pytest.raises(PrepareError, match=rf"'openai' cannot be decrypted.*'{key_id(SECOND)}'"):
            await lost.read(OURS, "openai")
        assert await kept(lost, "openai", "sk-1") == 2
        assert await lost.read(OURS, "openai") == Secret("sk-1")


async def test_rotation_that_is_stopped_half_way_is_ended_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.resealing.BATCH", 2)
    store = MemorySecrets()
    old = TenantSecrets(store, RING)
    names = [f"s{number}" for number in range(5)]
    for name in names:
        await kept(old, name, f"value of {name}")
    ring, told = parse_ring(f"{SECOND},{FIRST}"), list[tuple[int, int]]()

    def stopped(done: int, total: int) -> None:
        told.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await reseal(store, ring, stopped)
    assert told == [(2, 5)]
    assert dict(await store.by_key()) == {key_id(FIRST): 3, key_id(SECOND): 2}
    both = TenantSecrets(store, ring)
    assert await _values(both, names) == [f"value of {name}" for name in names], "each is readable at any time"

    told.clear()
    done = await reseal(store, ring, lambda *now: told.append(now))
    assert (done.sealed, done.unreadable, dict(done.left)) == (3, (), {key_id(FIRST): 0})
    assert told == [(2, 3), (3, 3)]
    assert await _values(TenantSecrets(store, parse_ring(SECOND)), names) == [f"value of {name}" for name in names]
    assert (await reseal(store, ring, lambda *_: None)).sealed == 0


async def test_what_does_not_open_stays_and_the_rest_is_sealed_anew() -> None:
    store, third = MemorySecrets(), "third:" + FIRST.partition(":")[2]
    await kept(TenantSecrets(store, parse_ring(third)), "lost", "x")
    await kept(TenantSecrets(store, RING), "openai", "sk-1")
    done = await reseal(store, parse_ring(f"{SECOND},{FIRST}"), lambda *_: None)
    assert [place for place, _ in done.unreadable] == [Place(OURS, "lost", 1)]
    assert (done.sealed, dict(done.left)) == (1, {key_id(FIRST): 0, "third": 1})


async def _values(secrets: TenantSecrets, names: Sequence[str]) -> list[str]:
    return [(await secrets.read(OURS, name)).reveal() for name in names]
