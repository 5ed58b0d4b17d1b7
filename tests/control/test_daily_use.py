"""What an assistant's calls of a day took, before this process and since; time is made up."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import structs

from base.ids import AssistantName, TenantId
from base.tasks import beside
from control.daily_use import LOOK_AT_ONCE, READ_AT_ONCE, DailyUse, counted
from pipelines.spending import Spending
from processors.metering import Usage
from tenants.conversations import CallsOfTime, MemoryConversations, Taken
from tenants.directory import TenantEntry
from tests.tenants.records import record

ANA = AssistantName("ana")
TENANT = TenantId("0f0f0f0f-0000-4000-8000-000000000001")
NOON = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
"""Of São Paulo, three hours behind."""
ENTRY = TenantEntry(
    tenant_id=TENANT,
    slug="acme",
    domain="acme.example.net",
    revision=1,
    enabled=True,
    numbers={},
    time_zone="America/Sao_Paulo",
    daily_minutes={ANA: 10},
)


class MovedClock:
    def __init__(self) -> None:
        self.s = 0.0

    def monotonic(self) -> float:
        return self.s

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.s)


class Away:
    """A database that does not answer at first."""

    def __init__(self, then_s: float) -> None:
        self.asked, self._then_s = 0, then_s
        self.answered = asyncio.Event()

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        self.asked += 1
        if self.asked == 1:
            raise ConnectionError("no database")
        self.answered.set()
        return [Taken(self._then_s) for _ in asked]


async def kept(*calls: tuple[float, float]) -> MemoryConversations:
    """Finished calls: minutes after noon at which they began, and how many minutes they were."""
    store = MemoryConversations()
    for place, (began, lasted) in enumerate(calls):
        opened = NOON + timedelta(minutes=began)
        one = record(TENANT, f"c{place}", assistant=ANA, opened_at=opened, ended_at=opened + timedelta(minutes=lasted))
        await store.store(TENANT, one)
    return store


async def test_what_was_before_and_what_is_now_are_one_day() -> None:
    clock = MovedClock()
    yesterday, today, ours = (-12 * 60 - 1, 9.0), (-60, 4.0), (1, 5.0)
    minutes = DailyUse(await kept(yesterday, today, ours), clock)
    await minutes.count([ENTRY])
    with minutes.call(ENTRY, ANA, Spending()), minutes.call(ENTRY, ANA, Spending()):
        clock.s = 179
        assert not minutes.used_up(ENTRY, ANA)
        clock.s = 180
        assert minutes.used_up(ENTRY, ANA), "4 before, and two that have talked 3 each"
    assert minutes.used_up(ENTRY, ANA)
    await minutes.count([ENTRY])
    clock.s = 200
    assert minutes.used_up(ENTRY, ANA), "what began since is not read a second time, nor forgotten"


async def test_a_new_day_begins_at_midnight_where_the_company_is() -> None:
    clock = MovedClock()
    minutes = DailyUse(await kept((-60, 10.0)), clock)
    await minutes.count([ENTRY])
    assert minutes.used_up(ENTRY, ANA)
    with minutes.call(ENTRY, ANA, Spending()):
        clock.s = 12 * 3600 - 1
        assert minutes.used_up(ENTRY, ANA)
        clock.s = 12 * 3600
        assert not minutes.used_up(ENTRY, ANA), "a call of yesterday's that goes on is yesterday's"
    await minutes.count([ENTRY])
    assert not minutes.used_up(ENTRY, ANA)


async def test_who_has_no_limit_talks_for_ever() -> None:
    clock = MovedClock()
    minutes = DailyUse(MemoryConversations(), clock)
    with minutes.call(ENTRY, AssistantName("bia"), Spending()):
        clock.s = 10 * 3600
        assert not minutes.used_up(ENTRY, AssistantName("bia"))


async def test_a_database_that_is_away_stops_nothing_and_is_asked_again() -> None:
    clock, store = MovedClock(), Away(601.0)
    minutes = DailyUse(store, clock)
    async with counted(minutes, lambda: [ENTRY], every_s=0.001):
        assert not minutes.used_up(ENTRY, ANA)
        await asyncio.wait_for(store.answered.wait(), 5)
        await asyncio.sleep(0)
        assert minutes.used_up(ENTRY, ANA)


async def test_what_is_known_is_not_asked_for_again_of_who_is_not_rung() -> None:
    store = Away(601.0)
    store.asked = 1
    minutes = DailyUse(store, MovedClock())
    for _ in range(3):
        await minutes.count([ENTRY])
    assert store.asked == 2


async def test_a_record_of_before_that_was_still_in_the_spool_counts_when_it_is_stored() -> None:
    clock = MovedClock()
    store = await kept((-60, 4.0))
    minutes = DailyUse(store, clock)
    await minutes.count([ENTRY])
    with minutes.call(ENTRY, ANA, Spending()):
        clock.s = 120.0
    assert not minutes.used_up(ENTRY, ANA), "4 before, 2 here"
    for name, began, lasted in ("late", -30.0, 4.0), ("ours", 0.0, 2.0):
        opened = NOON + timedelta(minutes=began)
        ended = opened + timedelta(minutes=lasted)
        await store.store(TENANT, record(TENANT, name, assistant=ANA, opened_at=opened, ended_at=ended))
    await minutes.count([ENTRY])
    assert minutes.used_up(ENTRY, ANA), "10"
    more = structs.replace(ENTRY, daily_minutes={ANA: 10.1})
    assert not minutes.used_up(more, ANA), "ours, which is stored too, once"


async def test_what_other_processes_have_talked_counts_when_it_is_stored_and_ours_once() -> None:
    clock = MovedClock()
    store = await kept((-60, 4.0))
    minutes = DailyUse(store, clock, shared=True)
    await minutes.count([ENTRY])
    with minutes.call(ENTRY, ANA, Spending()):
        clock.s = 120.0
    await minutes.count([ENTRY])
    assert minutes._asked == set(), "who was not rung is not read again"
    assert not minutes.used_up(ENTRY, ANA), "4 before, 2 here"
    for place, (began, lasted) in {"ours": (0.0, 2.0), "theirs": (0.5, 3.0)}.items():
        opened = NOON + timedelta(minutes=began)
        ended = opened + timedelta(minutes=lasted)
        await store.store(TENANT, record(TENANT, place, assistant=ANA, opened_at=opened, ended_at=ended))
    await minutes.count([ENTRY])
    assert not minutes.used_up(ENTRY, ANA), "9: ours is not counted twice"
    with minutes.call(ENTRY, ANA, Spending()):
        clock.s = 179.0
        assert not minutes.used_up(ENTRY, ANA)
        clock.s = 180.0
        assert minutes.used_up(ENTRY, ANA)


PAID = structs.replace(ENTRY, daily_minutes={}, daily_cost={ANA: 1.0})
OTHER = structs.replace(PAID, tenant_id=TenantId("0f0f0f0f-0000-4000-8000-000000000002"), slug="other")


async def cost(store: MemoryConversations, call_id: str, minutes: float, dollars: float | None) -> None:
    """A call that ended, opened so many minutes after noon."""
    opened = NOON + timedelta(minutes=minutes)
    times = {"opened_at": opened, "ended_at": opened + timedelta(minutes=1)}
    await store.store(TENANT, record(TENANT, call_id, assistant=ANA, cost_usd=dollars, **times))


def spend(spending: Spending, dollars: float | None) -> None:
    spending.meter("llm", "llm.openai").used("gpt", Usage(input_tokens=10), dollars)


async def test_what_is_spent_counts_as_it_is_spent_and_after_a_restart_and_of_nobody_else() -> None:
    clock, store = MovedClock(), MemoryConversations()
    await cost(store, "yesterday", -12 * 60 - 1, 9.0)
    await cost(store, "before", -60, 0.4)
    await cost(store, "of old", -30, None)
    use, spending = DailyUse(store, clock), Spending()
    await use.count([PAID, OTHER])
    with use.call(PAID, ANA, spending):
        assert use.used_up(PAID, ANA) is None
        spend(spending, 0.35)
        spend(spending, None)
        assert use.used_up(PAID, ANA) is None
        spend(spending, 0.25)
        assert use.used_up(PAID, ANA) == "daily_cost", "in the middle of the call"
    assert use.used_up(PAID, ANA) == "daily_cost"
    assert use.used_up(OTHER, ANA) is None, "who has the same limit, and whose assistant has the same name"
    clock.s = 120.0
    again = DailyUse(store, clock)
    await again.count([PAID])
    assert again.used_up(PAID, ANA) is None, "its record is not there yet"
    await cost(store, "ours", 1, 0.6)
    again = DailyUse(store, clock)
    await again.count([PAID])
    assert again.used_up(PAID, ANA) == "daily_cost"


async def test_the_days_money_is_new_at_midnight_where_the_company_is() -> None:
    clock, spending = MovedClock(), Spending()
    use = DailyUse(MemoryConversations(), clock)
    await use.count([PAID])
    with use.call(PAID, ANA, spending):
        spend(spending, 1.0)
        clock.s = 12 * 3600 - 1
        assert use.used_up(PAID, ANA) == "daily_cost"
        clock.s = 12 * 3600
        assert use.used_up(PAID, ANA) is None
        spend(spending, 5.0)
        assert use.used_up(PAID, ANA) is None, "the call is yesterday's"
    assert use.used_up(PAID, ANA) is None


async def test_two_processes_have_one_days_money() -> None:
    clock, store = MovedClock(), MemoryConversations()
    ours, theirs = (DailyUse(store, clock, shared=True) for _ in range(2))
    await ours.count([PAID])
    await theirs.count([PAID])
    spending = Spending()
    with ours.call(PAID, ANA, spending):
        spend(spending, 1.2)
        assert ours.used_up(PAID, ANA) == "daily_cost"
    assert theirs.used_up(PAID, ANA) is None, "it is rung, and will look"
    clock.s = 60.0
    await cost(store, "ours", 0, 1.2)
    for use in (ours, theirs):
        await use.count([PAID])
        assert use.used_up(PAID, ANA) == "daily_cost"


class Distant(MemoryConversations):
    """Others do something while it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = asyncio.Event()

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        await asyncio.sleep(0)
        self.answered.set()
        return await super().taken(asked)


async def test_who_was_not_rung_for_a_while_is_looked_up_at_once() -> None:
    clock, store = MovedClock(), Distant()
    use = DailyUse(store, clock, shared=True)
    async with counted(use, lambda: [PAID], every_s=1000):
        clock.s = 120.0
        await cost(store, "theirs", 1, 1.2)
        assert use.used_up(PAID, ANA) is None, "this one is let in"
        store.answered.clear()
        await asyncio.wait_for(store.answered.wait(), 5)
        await asyncio.sleep(0)
        assert use.used_up(PAID, ANA) == "daily_cost"


async def test_two_readings_at_once_take_out_what_has_ended_once() -> None:
    clock, store, spending = MovedClock(), Distant(), Spending()
    use = DailyUse(store, clock, shared=True)
    await use.count([PAID])
    with use.call(PAID, ANA, spending):
        spend(spending, 0.9)
    clock.s = 60.0
    await cost(store, "ours", 0, 0.9)
    assert use.used_up(PAID, ANA) is None
    async with asyncio.timeout(5):
        await asyncio.gather(use.count([PAID]), use.count_who_is_rung())
    spending = Spending()
    with use.call(PAID, ANA, spending):
        spend(spending, 0.2)
        assert use.used_up(PAID, ANA) == "daily_cost"


async def test_the_first_limit_that_is_used_up_is_named() -> None:
    clock, spending = MovedClock(), Spending()
    both = structs.replace(PAID, daily_minutes={ANA: 10})
    use = DailyUse(MemoryConversations(), clock)
    with use.call(both, ANA, spending):
        spend(spending, 1.0)
        assert use.used_up(both, ANA) == "daily_cost"
        clock.s = 600
        assert use.used_up(both, ANA) == "daily_minutes"


async def test_who_may_spend_nothing_and_spends_nothing_is_answered() -> None:
    use, spending = DailyUse(MemoryConversations(), MovedClock()), Spending()
    free = structs.replace(PAID, daily_cost={ANA: 0.0})
    with use.call(free, ANA, spending):
        assert use.used_up(free, ANA) is None
        spend(spending, 0.001)
        assert use.used_up(free, ANA) == "daily_cost"


MANY = [
    structs.replace(ENTRY, tenant_id=TenantId(f"0f0f0f0f-0000-4000-8000-{place:012}"), slug=f"t{place}")
    for place in range(10_000)
]


class Questions(MemoryConversations):
    """How many days each of them was for."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        self.sizes.append(len(asked))
        return await super().taken(asked)


async def test_of_ten_thousand_tenants_no_step_of_the_loop_looks_at_many_and_few_questions_are_asked() -> None:
    store, looked_at, steps = Questions(), 0, [0]
    use = DailyUse(store, MovedClock(), shared=True)

    def looked() -> Iterator[TenantEntry]:
        nonlocal looked_at
        for tenant in MANY:
            looked_at += 1
            yield tenant

    async def step() -> None:
        while True:
            steps.append(looked_at)
            await asyncio.sleep(0)

    async with beside(step=step()):
        await use.count(looked())
        assert store.sizes == [READ_AT_ONCE] * (len(MANY) // READ_AT_ONCE), "before the door opens"
        assert use.used_up(MANY[-1], ANA) is None
        looked_at, steps[:] = 0, [0]
        await use.count(looked())
    assert store.sizes[len(MANY) // READ_AT_ONCE :] == [1], "who was rung"
    assert looked_at == len(MANY)
    assert max(after - before for before, after in pairwise(steps)) == LOOK_AT_ONCE


async def test_on_a_new_day_nobody_is_read_who_is_not_rung() -> None:
    clock, store = MovedClock(), Questions()
    use = DailyUse(store, clock, shared=True)
    await use.count(MANY[:3])
    clock.s = 12 * 3600
    await use.count(MANY[:3])
    assert store.sizes == [3]
    assert use.used_up(MANY[1], ANA) is None
    await use.count(MANY[:3])
    assert store.sizes == [3, 1]
