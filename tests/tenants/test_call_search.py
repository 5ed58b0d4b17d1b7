"""One contract for how both stores find finished calls, and the time limits of the one in PostgreSQL."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from msgspec import structs

from base.ids import TenantId
from base.secret import Secret
from pipelines.calls import CallRecord
from tenants.call_looking import Looking
from tenants.call_search import CallFilter, CallSummary, Cursor, SearchTooWideError
from tenants.conversations import (
    MAX_LISTED,
    ConversationStore,
    MemoryConversations,
    PostgresConversations,
    cursor,
)
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect, migrate
from tests.tenants.records import NOON, record, saying, someone

EVERYTHING = CallFilter()


async def stored(store: ConversationStore, tenant: TenantId, *calls: CallRecord) -> None:
    for call in calls:
        assert await store.store(tenant, call)


async def found(store: ConversationStore, tenant: TenantId, **wanted: Any) -> list[str]:
    return [one.call.id for one in (await store.search(tenant, CallFilter(**wanted), 50)).calls]


async def exported(store: ConversationStore, tenant: TenantId, wanted: CallFilter = EVERYTHING) -> list[CallRecord]:
    return [one async for one in store.export(tenant, wanted)]


async def test_a_summary_tells_all_but_what_was_said(conversations: ConversationStore) -> None:
    tenant = someone()
    full = record(tenant, revisions=(3, 4))
    bare = record(tenant, "c0", minutes=-1, turns=(), errors=(), recording=None)
    await stored(conversations, tenant, full, bare)
    first, second = (await conversations.search(tenant, EVERYTHING, 10)).calls
    assert first == CallSummary(
        call=full.call,
        ended_at=full.ended_at,
        duration_s=60.0,
        end_reason="goodbye",
        hangup_cause="NORMAL_CLEARING",
        turns=3,
        revisions=(3, 4),
        has_recording=True,
        has_errors=True,
        cost_usd=0.25,
    )
    assert (second.turns, second.revisions, second.has_recording, second.has_errors) == (0, (), False, False)


async def test_a_clock_that_was_put_back_makes_no_negative_call(conversations: ConversationStore) -> None:
    tenant = someone()
    await stored(conversations, tenant, record(tenant, ended_at=NOON - timedelta(seconds=2)))
    (only,) = (await conversations.search(tenant, EVERYTHING, 10)).calls
    assert only.duration_s == 0


@pytest.mark.parametrize(
    ("fact", "ours", "near"),
    [
        ("assistant", "sofia", ["Sofia", "sofi", "sofia "]),
        ("number", "1000", ["100", "10000", "%"]),
        ("caller", "+5511988887777", ["5511988887777", "+55119888877770", "%"]),
        ("end_reason", "goodbye", ["good_ye", "GOODBYE", ""]),
    ],
)
async def test_a_value_is_found_as_it_is_stored(
    conversations: ConversationStore, fact: str, ours: str, near: Sequence[str]
) -> None:
    tenant = someone()
    others = [record(tenant, f"n{place}", **{fact: value}) for place, value in enumerate(near)]
    await stored(conversations, tenant, record(tenant, "ours", **{fact: ours}), *others)
    assert await found(conversations, tenant, **{fact: ours}) == ["ours"]
    assert await found(conversations, tenant, **{fact: near[0]}) == ["n0"]


async def test_dates_hold_the_first_and_not_the_last_moment(conversations: ConversationStore) -> None:
    tenant = someone()
    await stored(conversations, tenant, *(record(tenant, f"c{minute}", minutes=minute) for minute in range(4)))
    since, until = NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)
    assert await found(conversations, tenant, opened_from=since, opened_to=until) == ["c2", "c1"]
    assert await found(conversations, tenant, opened_from=since) == ["c3", "c2", "c1"]
    assert await found(conversations, tenant, opened_to=until) == ["c2", "c1", "c0"]
    assert await found(conversations, tenant, opened_from=until, opened_to=since) == []
    there = timezone(timedelta(hours=-3))
    assert await found(conversations, tenant, opened_from=until.astimezone(there)) == ["c3"]


async def test_a_revision_has_the_calls_that_began_on_it_and_those_that_changed_over(
    conversations: ConversationStore,
) -> None:
    tenant = someone()
    await stored(
        conversations,
        tenant,
        record(tenant, "from before", minutes=4, revision=7),
        record(tenant, "on it", minutes=3, revision=7, revisions=(7,)),
        record(tenant, "to it", minutes=2, revision=6, revisions=(6, 7)),
        record(tenant, "by it", minutes=1, revision=6, revisions=(6, 7, 8)),
        record(tenant, "and back", minutes=0, revision=7, revisions=(7, 8, 7)),
        record(tenant, "on another", minutes=0, revision=8, revisions=(8, 9)),
    )
    assert await found(conversations, tenant, revision=7) == ["from before", "on it", "to it", "by it", "and back"]
    assert await found(conversations, tenant, revision=9) == ["on another"]
    page = await conversations.search(tenant, CallFilter(revision=7), 2)
    assert page.behind == cursor(page.calls[-1])
    rest = await conversations.search(tenant, CallFilter(revision=7), 2, page.behind)
    assert [one.call.id for one in (*page.calls, *rest.calls)] == ["from before", "on it", "to it", "by it"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SÁBADO", "Vocês abrem sábado?"),
        ("abrem s", "Vocês abrem sábado?"),
        ("100%", "Com 100% de desconto"),
        ("a_b", "o código a_b"),
        (r"c:\t", r"em c:\temp"),
        ("'; --", "Robert'; -- DROP"),
    ],
)
async def test_a_text_is_found_whoever_said_it_and_no_character_stands_for_others(
    conversations: ConversationStore, text: str, said: str
) -> None:
    tenant = someone()
    near = saying("Vocês abrem domingo", "100 por cento", "axb", "c:temp", r"c:\\t", "Robert")
    await stored(
        conversations,
        tenant,
        record(tenant, "ours", turns=saying("Bom dia.", said, "Obrigado.", said)),
        record(tenant, "near", turns=near),
        record(tenant, "silent", turns=()),
    )
    assert await found(conversations, tenant, text=text) == ["ours"]
    assert [one.call.id for one in await exported(conversations, tenant, CallFilter(text=text))] == ["ours"]


async def test_each_tenant_finds_its_own_alone(conversations: ConversationStore) -> None:
    ours, theirs = someone(), someone()
    await stored(conversations, ours, record(ours, "shared", turns=saying("nosso segredo")))
    await stored(conversations, theirs, record(theirs, "shared", turns=saying("outra coisa")))
    assert await found(conversations, theirs, text="segredo") == []
    (only,) = (await conversations.search(theirs, EVERYTHING, 10)).calls
    assert (only.call.tenant_id, only.turns) == (theirs, 1)
    assert [one.turns for one in await exported(conversations, theirs)] == [saying("outra coisa")]
    assert [one async for one in conversations.export(someone(), EVERYTHING)] == []


async def test_lists_are_bounded(conversations: ConversationStore) -> None:
    tenant = someone()
    await stored(conversations, tenant, *(record(tenant, f"c{n:03}", turns=()) for n in range(MAX_LISTED + 1)))
    page = await conversations.search(tenant, EVERYTHING, 5000)
    assert (len(page.calls), page.behind) == (MAX_LISTED, cursor(page.calls[-1]))
    assert len((await conversations.search(tenant, EVERYTHING, 5000, page.behind)).calls) == 1
    for none in (0, -1):
        assert not (await conversations.search(tenant, EVERYTHING, none)).calls


async def test_an_export_has_whole_records_newest_first(conversations: ConversationStore) -> None:
    tenant = someone()
    calls = [record(tenant, f"c{number}", minutes=minutes) for number, minutes in enumerate([3, 1, 2, 2, 2])]
    await stored(conversations, tenant, *calls, record(tenant, "other", minutes=2, assistant="ana"))
    whole = await exported(conversations, tenant, CallFilter(assistant="sofia"))
    assert whole == [calls[0], calls[4], calls[3], calls[2], calls[1]]


async def test_a_caller_too_long_for_an_index_is_kept_listed_and_not_looked_for(
    conversations: ConversationStore,
) -> None:
    tenant = someone()
    endless = random.Random(7).randbytes(20_000).hex()
    await stored(conversations, tenant, record(tenant, caller=endless, number=endless))
    (only,) = (await conversations.search(tenant, CallFilter(assistant="sofia"), 10)).calls
    assert only.call.caller == endless
    with pytest.raises(ValueError, match="caller: more than 256 bytes"):
        CallFilter(caller=endless)


async def test_what_can_just_be_looked_for_is_no_fault_in_the_store(conversations: ConversationStore) -> None:
    tenant = someone()
    ends = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    await stored(conversations, tenant, record(tenant))
    assert await found(conversations, tenant, opened_from=ends[0], opened_to=ends[1]) == ["c1"]
    assert await found(conversations, tenant, revision=2**31 - 1, text="😀" * 100, caller="x" * 256) == []


CHOICES: dict[str, Sequence[Any]] = {
    "assistant": ("sofia", "ana"),
    "number": ("1000", "2000"),
    "caller": ("+551", "anonymous"),
    "end_reason": ("goodbye", "caller_hangup"),
    "revision": (3, 4, 5),
}
WANTED: dict[str, Any] = {
    "assistant": "ana",
    "number": "1000",
    "caller": "+551",
    "end_reason": "goodbye",
    "revision": 4,
    "opened_from": NOON + timedelta(minutes=3),
    "opened_to": NOON + timedelta(minutes=17),
    "text": "SÁBADO",
}


@pytest.mark.no_cover
@pytest.mark.postgres
async def test_both_stores_find_the_same_by_every_combination_in_pages_and_exported(database: Database) -> None:
    tenant, chance = someone(), random.Random(11)
    # Pieces of seven calls, and one a page.
    memory, postgres = MemoryConversations(), PostgresConversations(database, looking=Looking(0, 7, 7), export_page=7)
    for number in range(80):
        facts = {name: chance.choice(values) for name, values in CHOICES.items()}
        later = tuple(chance.choices(CHOICES["revision"], k=chance.choice((0, 0, 1, 2))))
        turns = saying("Bom dia", chance.choice(("sábado", "domingo")))
        facts |= {"revisions": (facts["revision"], *later), "turns": turns, "minutes": chance.randrange(20)}
        for store in (memory, postgres):
            await stored(store, tenant, record(tenant, f"c{number:02}", **facts))
    sizes = set()
    for taken in product((False, True), repeat=len(WANTED)):
        wanted = CallFilter(**{name: WANTED[name] for name, take in zip(WANTED, taken, strict=True) if take})
        ours = await paged(postgres, tenant, wanted)
        assert ours == (await memory.search(tenant, wanted, 200)).calls
        assert await exported(postgres, tenant, wanted) == await exported(memory, tenant, wanted)
        sizes.add(len(ours))
    assert max(sizes) == 80
    assert len(sizes) > 15


async def paged(store: ConversationStore, tenant: TenantId, wanted: CallFilter) -> list[CallSummary]:
    everything: list[CallSummary] = []
    behind: Cursor | None = None
    while True:
        page = await store.search(tenant, wanted, 9, behind)
        everything += page.calls
        assert page.behind is None or behind is None or _age(page.behind) < _age(behind)
        if (behind := page.behind) is None:
            return everything


def _age(place: Cursor) -> tuple[datetime, str]:
    return place.opened_at, place.call_id


@pytest.mark.postgres
async def test_a_page_tells_how_far_it_was_looked_and_goes_on_there(database: Database) -> None:
    tenant, store = someone(), PostgresConversations(database, looking=Looking(0, 10, 10))
    calls = [record(tenant, f"c{minute:02}", minutes=minute, turns=saying("Bom dia")) for minute in range(25)]
    calls[3] = structs.replace(calls[3], turns=saying("um ornitorrinco"))
    await stored(store, tenant, *calls)
    wanted = CallFilter(text="ornitorrinco")
    first = await store.search(tenant, wanted, 5)
    assert (first.calls, first.behind) == ([], cursor(calls[15]))
    second = await store.search(tenant, wanted, 5, first.behind)
    assert (second.calls, second.behind) == ([], cursor(calls[5]))
    third = await store.search(tenant, wanted, 5, second.behind)
    assert ([one.call.id for one in third.calls], third.behind) == (["c03"], None)
    assert (
        len((await PostgresConversations(database, looking=Looking(60, 10, 10)).search(tenant, wanted, 5)).calls) == 1
    )


@pytest.mark.postgres
async def test_what_is_in_few_calls_is_found_at_once_beside_what_is_in_very_many(database: Database) -> None:
    tenant, store = someone(), PostgresConversations(database, looking=Looking(0, 10, 10))
    rare = {0: {"caller": "+551"}, 1: {"number": "2000"}, 2: {"end_reason": "lost"}, 3: {"revision": 9}}
    rare |= {4: {"revisions": (3, 8)}, 5: {"assistant": "ana"}}
    await stored(store, tenant, *(record(tenant, f"c{n:02}", minutes=n, **rare.get(n, {})) for n in range(40)))
    often = {"assistant": "sofia", "number": "1000", "caller": "+5511988887777", "end_reason": "goodbye", "revision": 3}
    for number, facts in rare.items():
        fact = {"revision": 8} if "revisions" in facts else facts
        page = await store.search(tenant, CallFilter(**often | fact, text="sábado"), 5)
        assert ([one.call.id for one in page.calls], page.behind) == ([f"c{number:02}"], None), facts


@pytest.mark.postgres
async def test_a_search_that_takes_too_long_ends_and_leaves_nothing_behind(
    database: Database, postgres: Secret
) -> None:
    tenant, store = someone(), PostgresConversations(database, search_timeout_s=0.05)
    await stored(store, tenant, record(tenant))
    owner = await connect(postgres)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE atende.messages")
            with pytest.raises(SearchTooWideError, match="narrow the dates"):
                await store.search(tenant, CallFilter(text="sábado"), 10)
            with pytest.raises(SearchTooWideError):
                await exported(store, tenant)
    finally:
        await owner.close()
    assert await found(store, tenant, text="sábado") == ["c1"]
    async with database.tenant(tenant) as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "0"
        assert await connection.fetchval("SHOW plan_cache_mode") == "auto"


@pytest.mark.postgres
async def test_who_takes_an_export_slowly_keeps_no_connection(postgres: Secret) -> None:
    await migrate(postgres)
    database = await connect_app(postgres, None, PoolBounds(max_connections=1, acquire_timeout_s=1.0))
    try:
        tenant, store = someone(), PostgresConversations(database, export_page=2)
        calls = [record(tenant, f"c{number}", minutes=-number) for number in range(5)]
        await stored(store, tenant, *calls)
        taken: list[CallRecord] = []
        async for one in store.export(tenant, EVERYTHING):
            taken.append(one)
            assert await store.get(tenant, one.call.id) == one
            # Newer ones that are stored meanwhile move no page.
            await store.store(
                tenant,
                structs.replace(
                    one, call=structs.replace(one.call, id=f"n{len(taken)}", opened_at=NOON + timedelta(days=1))
                ),
            )
        assert taken == calls
    finally:
        await database.close()
