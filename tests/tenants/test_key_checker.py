"""Who a key lets in: with the store, for a while without it, and nobody who has not the whole key."""

import asyncio
import json
import traceback
from datetime import timedelta

import pytest
import structlog

from base.ids import TenantId
from base.secret import Secret
from tenants import key_checker
from tenants.api_key_store import KeysUnavailableError
from tenants.api_keys import FRESH_S
from tenants.key_checker import GOOD_WITHOUT_DATABASE_S, NOTED_EVERY_S, KeyChecker, KeyRefusedError
from tests.tenants.key_door import NOON, OTHER, PEPPER, TENANT, Door, refused


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("tenant_id", [TENANT, None])
async def test_a_key_says_whose_it_is(door: Door, tenant_id: TenantId | None) -> None:
    key, text = await door.key(tenant_id)
    assert (await door.checker.check(text)).id == key.id
    assert (await door.checker.check(text)).tenant_id == tenant_id


async def test_who_has_not_the_whole_key_is_refused_and_told_nothing(door: Door) -> None:
    key, text = await door.key()
    other, others_text = await door.key(OTHER)
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert await refused(door.checker.check(changed)) == ("wrong secret", key.id)
    swapped = text[:20] + others_text[20:]
    assert await refused(door.checker.check(swapped)) == ("wrong secret", key.id)
    assert await refused(door.checker.check("atende_aaaaaaaaaaaa_" + "b" * 43)) == ("unknown", "aaaaaaaaaaaa")
    assert await refused(door.checker.check(text + "=")) == ("malformed", None)
    assert await refused(door.checker.check("")) == ("malformed", None)
    assert (await door.checker.check(others_text)).id == other.id


async def test_another_pepper_opens_nothing(door: Door) -> None:
    key, text = await door.key()
    elsewhere = KeyChecker(door.store, Secret("q" * 32), door.clock)
    assert await refused(elsewhere.check(text)) == ("wrong secret", key.id)


async def test_an_unknown_id_costs_a_digest_and_a_comparison_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare_digest(offered: str, held: str) -> bool:
        compared.append((offered, held))
        return offered == held

    monkeypatch.setattr(key_checker.hmac, "compare_digest", compare_digest)
    await refused(door.checker.check("atende_aaaaaaaaaaaa_" + "b" * 43))
    [(offered, held)] = compared
    assert len(offered) == len(held) == 64


async def test_expired_and_revoked_keys_are_refused(door: Door) -> None:
    (expiring, first), (revoked, second) = await door.key(days=1), await door.key()
    await door.checker.check(first)
    await door.checker.check(second)
    assert await door.checker.revoke(TENANT, revoked.id)
    assert await refused(door.checker.check(second)) == ("revoked", revoked.id)
    door.clock.seconds = 86_400 - 1
    await door.checker.check(first)
    door.clock.seconds = 86_400
    assert await refused(door.checker.check(first)) == ("expired", expiring.id), "from the cache, too"


async def test_the_store_is_asked_once_in_a_few_seconds(door: Door) -> None:
    _, text = await door.key()
    for seconds, finds in ((0, 1), (FRESH_S - 0.1, 1), (FRESH_S, 2), (FRESH_S + 1, 2)):
        door.clock.seconds = seconds
        await door.checker.check(text)
        assert door.store.finds == finds
    await refused(door.checker.check(text[:-5] + "AAAAA"))
    assert door.store.finds == 2, "a wrong secret for a key that is known asks nobody"


async def test_what_another_process_revokes_is_refused_when_the_store_is_asked_again(door: Door) -> None:
    key, text = await door.key()
    await door.checker.check(text)
    await door.store.revoke(TENANT, key.id, NOON)
    await door.checker.check(text)
    door.clock.seconds = FRESH_S
    assert await refused(door.checker.check(text)) == ("revoked", key.id)


async def test_the_cache_has_a_bound_and_is_not_filled_by_what_is_made_up() -> None:
    door = Door(max_cached=2)
    keys = [await door.key() for _ in range(3)]
    for _, text in keys:
        await door.checker.check(text)
    for letter in "abcd":
        await refused(door.checker.check(f"atende_{letter * 12}_{'b' * 43}"))
    door.store.finds = 0
    for _, text in keys[1:]:
        await door.checker.check(text)
    assert door.store.finds == 0
    await door.checker.check(keys[0][1])
    assert door.store.finds == 1, "it was read longest ago"


async def test_without_the_store_a_key_is_good_for_a_while_and_no_longer(door: Door) -> None:
    (_, text), (_, never) = await door.key(), await door.key()
    await door.checker.check(text)
    door.store.away = True
    for seconds in (FRESH_S, 100, GOOD_WITHOUT_DATABASE_S - 0.1):
        door.clock.seconds = seconds
        assert (await door.checker.check(text)).tenant_id == TENANT
    await refused(door.checker.check(text[:-5] + "AAAAA"))
    door.clock.seconds = GOOD_WITHOUT_DATABASE_S
    for key in (text, never):
        with pytest.raises(KeysUnavailableError):
            await door.checker.check(key)
    door.store.away = False
    assert (await door.checker.check(text)).tenant_id == TENANT


async def test_without_the_store_a_key_is_asked_for_once_in_a_few_seconds_and_not_written(door: Door) -> None:
    _, text = await door.key()
    await door.checker.check(text)
    door.store.away, door.store.finds = True, 0
    for seconds in (70.0, 71.0, 74.0, 75.0):
        door.clock.seconds = seconds
        await door.checker.check(text)
    assert door.store.finds == 2
    assert len(door.store.uses) == 1


async def test_without_the_store_expired_and_revoked_keys_stay_refused(door: Door) -> None:
    (expiring, first), (revoked, second) = await door.key(days=100 / 86_400), await door.key()
    await door.store.revoke(TENANT, revoked.id, NOON)
    await door.checker.check(first)
    await refused(door.checker.check(second))
    door.store.away, door.clock.seconds = True, 99
    await door.checker.check(first)
    door.clock.seconds = 100
    assert await refused(door.checker.check(first)) == ("expired", expiring.id)
    assert await refused(door.checker.check(second)) == ("revoked", revoked.id)


async def test_a_key_that_is_gone_from_the_store_is_forgotten(door: Door) -> None:
    """As with a tenant that is removed."""
    key, text = await door.key()
    await door.checker.check(text)
    del door.store._rows[key.id]
    door.clock.seconds = FRESH_S
    assert await refused(door.checker.check(text)) == ("unknown", key.id)
    door.store.away = True
    with pytest.raises(KeysUnavailableError):
        await door.checker.check(text)


async def test_a_store_that_never_answers_is_as_one_that_is_away(door: Door) -> None:
    _, text = await door.key()
    await door.checker.check(text)
    door.store.gate, door.clock.seconds = asyncio.Event(), FRESH_S
    assert (await door.checker.check(text)).tenant_id == TENANT
    with pytest.raises(KeysUnavailableError):
        await door.checker.check("atende_aaaaaaaaaaaa_" + "b" * 43)


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered_as_good(door: Door) -> None:
    key, text = await door.key()
    door.store.gate = asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        looking = group.create_task(door.checker.check(text))
        await door.store.asked.wait()
        await door.checker.revoke(TENANT, key.id)
        door.store.gate.set()
    assert looking.result().id == key.id, "it was asked before"
    assert await refused(door.checker.check(text)) == ("revoked", key.id)


async def test_revoking_forgets_even_where_it_may_have_failed_but_nothing_of_others(door: Door) -> None:
    key, text = await door.key()
    await door.checker.check(text)
    assert await door.checker.revoke(OTHER, key.id) is False
    door.store.away = True
    with pytest.raises(KeysUnavailableError):
        await door.checker.revoke(OTHER, key.id)
    assert (await door.checker.check(text)).id == key.id, "who may not revoke it cannot have it forgotten"
    with pytest.raises(KeysUnavailableError):
        await door.checker.revoke(TENANT, key.id)
    with pytest.raises(KeysUnavailableError):
        await door.checker.check(text)


async def test_whether_a_key_still_opens_is_asked_of_the_store_each_time(door: Door) -> None:
    key, text = await door.key(days=1)
    await door.checker.check(text)
    assert await door.checker.still_good(key.id)
    await door.store.revoke(TENANT, key.id, door.clock.now())  # by another process, a moment ago
    assert not await door.checker.still_good(key.id)
    expires, _ = await door.key(days=1)
    assert await door.checker.still_good(expires.id)
    door.clock.seconds += timedelta(days=1).total_seconds()
    assert not await door.checker.still_good(expires.id)


async def test_without_the_store_a_key_still_opens_for_a_while_and_the_store_is_not_pressed(door: Door) -> None:
    key, text = await door.key()
    await door.checker.check(text)
    door.store.away = True
    asked = door.store.finds
    for _ in range(40):
        door.clock.seconds += 2.5
        assert await door.checker.still_good(key.id)
    assert door.store.finds - asked <= 22
    door.clock.seconds += GOOD_WITHOUT_DATABASE_S
    assert not await door.checker.still_good(key.id)


async def test_a_use_is_written_once_a_minute(door: Door) -> None:
    _, text = await door.key()
    for seconds in (0, 1, 30, NOTED_EVERY_S - 0.1, NOTED_EVERY_S, NOTED_EVERY_S + 30):
        door.clock.seconds = seconds
        await asyncio.gather(*(door.checker.check(text) for _ in range(3)))
    assert door.store.uses == [NOON, NOON + timedelta(seconds=NOTED_EVERY_S)]
    assert [key.last_used_at for key in await door.store.list(TENANT, 100)] == door.store.uses[-1:]


async def test_a_use_that_another_process_wrote_this_minute_is_not_written_again(door: Door) -> None:
    key, text = await door.key()
    await door.store.used(TENANT, key.id, NOON)
    door.store.uses.clear()
    for seconds in (30, NOTED_EVERY_S):
        door.clock.seconds = seconds
        await door.checker.check(text)
    assert door.store.uses == [NOON + timedelta(seconds=NOTED_EVERY_S)]


@pytest.mark.parametrize("failure", [KeysUnavailableError("away"), RuntimeError("a mistake of ours")])
async def test_a_use_that_cannot_be_written_hinders_nobody(door: Door, failure: Exception) -> None:
    _, text = await door.key()
    door.store.failure = failure
    for seconds in (0, FRESH_S, NOTED_EVERY_S):
        door.clock.seconds = seconds
        assert (await door.checker.check(text)).tenant_id == TENANT
    assert len(door.store.uses) == 2, "it is tried once a minute"


async def test_a_refused_key_is_not_used(door: Door) -> None:
    _, text = await door.key()
    await refused(door.checker.check(text[:-5] + "AAAAA"))
    assert door.store.uses == []


async def test_no_key_is_in_a_log_line_or_an_error(door: Door) -> None:
    key, text = await door.key()
    told = []
    with structlog.testing.capture_logs() as lines:
        door.store.failure = RuntimeError("no")
        await door.checker.check(text)
        door.store.away, door.clock.seconds = True, FRESH_S
        await door.checker.check(text)
        for wrong in (text[:-5] + "AAAAA", text + "\n", "atende_aaaaaaaaaaaa_" + text[20:]):
            with pytest.raises((KeyRefusedError, KeysUnavailableError)) as caught:
                await door.checker.check(wrong)
            told += [repr(caught.value), *traceback.format_exception(caught.value)]
    told += [json.dumps(lines), repr(door.checker), repr(door.checker.__dict__)]
    assert {line["event"] for line in lines} == {
        "API key checked without the database",
        "use of an API key not written",
    }
    assert all(line["key"] == key.id for line in lines)
    assert text[20:60] not in "".join(told)
    assert PEPPER.reveal() not in "".join(told)
