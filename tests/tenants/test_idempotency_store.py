"""One contract for both stores of what was sent before."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import TypeAlias, cast

import pytest

from base.clock import Clock
from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from tenants import idempotency_store
from tenants.database import Database, PoolBounds, connect_app
from tenants.idempotency_store import (
    Answered,
    Begun,
    Claim,
    IdempotencyStore,
    IdempotencyUnavailableError,
    Lifetimes,
    MemoryIdempotency,
    PostgresIdempotency,
    Reused,
    Working,
)
from tenants.migrate import connect
from tests.tenants.kept_keys import OURS, THEIRS, table

__all__ = ["table"]

Make: TypeAlias = Callable[..., IdempotencyStore]
OUR_KEY, THEIR_KEY = ApiKeyId("aaaaaaaaaaaa"), ApiKeyId("bbbbbbbbbbbb")


@pytest.fixture
async def rows(table: Database, postgres: Secret) -> AsyncIterator[Database]:
    """No rows are left in the end."""
    yield table
    owner = await connect(postgres)
    await owner.execute("DELETE FROM atende.idempotency")
    await owner.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a store with lifetimes in seconds; 0: at once over."""
    if request.param == "memory":
        clock = cast(Clock, SimpleNamespace(monotonic=lambda: 0.0))
        return lambda **lifetimes: MemoryIdempotency(clock, Lifetimes(**lifetimes))
    database = request.getfixturevalue("rows")
    return lambda **lifetimes: PostgresIdempotency(database, Lifetimes(**lifetimes))


def claim(name: str = "a", asked: str = "x", key_id: ApiKeyId = OUR_KEY) -> Claim:
    digests = [hashlib.sha256(text.encode()).digest() for text in (name, asked)]
    return Claim(key_id=key_id, name=digests[0], request=digests[1])


async def begun(store: IdempotencyStore, tenant_id: TenantId | None, what: Claim) -> str:
    found = await store.claim(tenant_id, what)
    assert isinstance(found, Begun), found
    return found.attempt


whose = pytest.mark.parametrize("tenant_id", [OURS, None], ids=["tenant", "platform"])


@whose
async def test_the_first_acts_and_whoever_comes_again_is_told_what_it_came_to(
    make: Make, tenant_id: TenantId | None
) -> None:
    store = make()
    attempt = await begun(store, tenant_id, claim())
    assert await store.claim(tenant_id, claim()) == Working()
    assert await store.claim(tenant_id, claim(asked="y")) == Reused(), "also while it is worked on"
    await store.answered(tenant_id, claim(), attempt, b"done")
    for _ in range(2):
        assert await store.claim(tenant_id, claim()) == Answered(b"done")
    assert await store.claim(tenant_id, claim(asked="y")) == Reused()


@whose
async def test_what_is_released_may_be_sent_again(make: Make, tenant_id: TenantId | None) -> None:
    store = make()
    await store.released(tenant_id, claim(), await begun(store, tenant_id, claim()))
    await begun(store, tenant_id, claim(asked="y"))


async def test_another_key_name_or_owner_is_another_request(make: Make) -> None:
    store = make()
    for tenant_id in (OURS, THEIRS, None):
        for key_id in (OUR_KEY, THEIR_KEY):
            for name in ("a", "b"):
                await begun(store, tenant_id, claim(name, key_id=key_id))


async def test_a_claim_whose_process_died_is_over_in_time_and_who_comes_late_changes_nothing(make: Make) -> None:
    store = make(working_s=0.0)
    late = await begun(store, OURS, claim())
    taken = await begun(store, OURS, claim(asked="y"))
    await store.released(OURS, claim(), late)
    await store.answered(OURS, claim(asked="y"), taken, b"done")
    await store.answered(OURS, claim(), late, b"late")
    await store.released(OURS, claim(), late)
    assert await store.claim(OURS, claim(asked="y")) == Answered(b"done")


async def test_an_answer_is_over_in_time(make: Make) -> None:
    store = make(kept_s=0.0)
    await store.answered(OURS, claim(), await begun(store, OURS, claim()), b"done")
    await begun(store, OURS, claim(asked="y"))


async def test_of_many_the_oldest_answers_of_that_owner_go_and_nobody_elses(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_store, "MAX_OF_ONE", 2)
    store = make()
    await store.answered(THEIRS, claim(key_id=THEIR_KEY), await begun(store, THEIRS, claim(key_id=THEIR_KEY)), b"x")
    await begun(store, OURS, claim("working"))
    for name in "abcd":
        await store.answered(OURS, claim(name), await begun(store, OURS, claim(name)), b"done")
    found = [await store.claim(OURS, claim(name)) for name in ("working", "d", "c")]
    assert found == [Working(), Answered(b"done"), Answered(b"done")]
    assert await store.claim(THEIRS, claim(key_id=THEIR_KEY)) == Answered(b"x")
    await begun(store, OURS, claim("a"))


async def test_of_those_who_come_at_once_one_acts(make: Make) -> None:
    store = make()
    found = await asyncio.gather(*(store.claim(OURS, claim()) for _ in range(8)))
    assert sorted(type(one).__name__ for one in found) == ["Begun", *["Working"] * 7]


@pytest.mark.postgres
async def test_what_is_over_goes_whosever_it_is_and_what_is_not_is_nobody_elses_to_see(
    rows: Database, postgres: Secret
) -> None:
    await begun(PostgresIdempotency(rows, Lifetimes(working_s=0.0)), THEIRS, claim())
    await begun(PostgresIdempotency(rows), OURS, claim())
    for other in (THEIRS, None):
        async with rows.of(other) as connection:
            assert await connection.fetch("SELECT 1 FROM atende.idempotency WHERE tenant_id = $1", OURS) == []
            assert await connection.execute("DELETE FROM atende.idempotency WHERE tenant_id = $1", OURS) == "DELETE 0"
    await begun(PostgresIdempotency(rows), None, claim())  # the first claim of a process takes away what is over
    owner = await connect(postgres)
    kept = await owner.fetch("SELECT tenant_id::text FROM atende.idempotency ORDER BY tenant_id")
    await owner.close()
    assert [row["tenant_id"] for row in kept] == [OURS, None]


@pytest.mark.postgres
async def test_a_database_that_does_not_answer_is_told(rows: Database, postgres: Secret) -> None:
    closed = await connect_app(postgres, None, PoolBounds(max_connections=1, acquire_timeout_s=0.05))
    store = PostgresIdempotency(closed)
    async with closed.platform():
        for call in (
            lambda: store.claim(OURS, claim()),
            lambda: store.answered(OURS, claim(), "0f0f0f0f-0000-4000-8000-000000000001", b"x"),
            lambda: store.released(None, claim(), "0f0f0f0f-0000-4000-8000-000000000001"),
        ):
            with pytest.raises(IdempotencyUnavailableError):
                await call()
    await closed.close()
