"""What an assistant's calls of a day take of its `daily_minutes` and `daily_cost`: what was before this process is
read, and again while the assistant is rung, since records may wait in the spool; what came since is counted here.

A call belongs to the day on which it began, in its company's time zone. No call waits for the database: until what was
before is known (it is read before the door opens, and for a limit that is new within half a minute) only what this
process counted itself counts. Of other processes that share the tenants a call counts within half a minute of its end,
and at once after a ring that follows a while without one; so do records from before that are stored late.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, time
from itertools import islice
from typing import Final, Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

import structlog
from msgspec import Struct

from base.clock import Clock
from base.ids import AssistantName, TenantId
from base.tasks import beside
from pipelines.spending import Spending
from tenants.conversations import CallsOfTime, Taken
from tenants.directory import TenantEntry

COUNT_EVERY_S: Final = 30.0
LOOK_AT_ONCE: Final = 500
"""Tenants of which it is seen, in one step of the event loop, whether anything is to be read: a millisecond of it."""
READ_AT_ONCE: Final = 250
"""Assistants' days that are read with one question."""

log = structlog.get_logger()


Limit: TypeAlias = Literal["daily_minutes", "daily_cost"]


class CallsTaken(Protocol):
    """What `tenants.conversations` knows of it."""

    async def taken(self, asked: Sequence[CallsOfTime]) -> Sequence[Taken]:
        """What each of these took, in their order."""
        ...


_Whose: TypeAlias = tuple[TenantEntry, AssistantName]


class _Live(Struct, eq=False):
    """A call that goes on."""

    began: float
    """In monotonic seconds."""
    spending: Spending

    def taken(self, monotonic: float) -> Taken:
        return Taken(monotonic - self.began, self.spending.known_usd)


class _Day:
    """One assistant's calls of one day."""

    def __init__(self, day: date) -> None:
        self.day = day
        self.before: Taken | None = None
        """What was before this process; None: not read yet."""
        self.ended = Taken()
        self.live: list[_Live] = []

    def taken(self, monotonic: float) -> Taken:
        return _sum(self.before or Taken(), self.ended, *(call.taken(monotonic) for call in self.live))


class DailyUse:
    """Of all assistants of this process."""

    def __init__(self, store: CallsTaken, clock: Clock, *, shared: bool = False) -> None:
        """`shared`: other processes have calls of the same assistants, and what is stored of these counts, too."""
        self._store, self._clock, self._shared = store, clock, shared
        self._since: Final = clock.now()
        """Calls that began from now on are counted here."""
        self._days: dict[tuple[TenantId, AssistantName], _Day] = {}
        self._asked: set[tuple[TenantId, AssistantName]] = set()
        """Who was rung here since it was read last: of nobody else is anything read again."""
        self._rung: asyncio.Queue[_Whose] = asyncio.Queue()
        """Those of them of whom the next reading is some time away; each is there once at most."""
        self._reading = asyncio.Lock()

    def used_up(self, tenant: TenantEntry, assistant: AssistantName) -> Limit | None:
        """Which limit of the assistant's is used up today; None: it may have one more call. Never waits."""
        minutes, cost_usd = tenant.daily_minutes.get(assistant), tenant.daily_cost.get(assistant)
        if minutes is None and cost_usd is None:
            return None
        if (asked := (tenant.tenant_id, assistant)) not in self._asked:
            self._asked.add(asked)
            self._rung.put_nowait((tenant, assistant))
        taken = self._day(tenant, assistant).taken(self._clock.monotonic())
        if minutes is not None and taken.seconds >= minutes * 60:
            return "daily_minutes"
        spent = cost_usd is not None and taken.cost_usd > 0 and taken.cost_usd >= cost_usd
        return "daily_cost" if spent else None

    @contextmanager
    def call(self, tenant: TenantEntry, assistant: AssistantName, spending: Spending) -> Iterator[None]:
        """A call goes on while the block does."""
        day, live = self._day(tenant, assistant), _Live(self._clock.monotonic(), spending)
        day.live.append(live)
        try:
            yield
        finally:
            day.live.remove(live)
            day.ended = _sum(day.ended, live.taken(self._clock.monotonic()))

    async def count(self, tenants: Iterable[TenantEntry]) -> None:
        """Read what was before, of those that have a limit and were rung, or of which it is not known yet. Raises what
        the store does.

        Of however many tenants: neither a step of the event loop nor a question is of more than a bound of them.
        """
        rest, found = iter(tenants), list[_Whose]()
        while some := list(islice(rest, LOOK_AT_ONCE)):
            found += (whose for tenant in some for whose in self._to_read(tenant))
            while len(found) >= READ_AT_ONCE:
                await self._count(found[:READ_AT_ONCE])
                del found[:READ_AT_ONCE]
            await asyncio.sleep(0)
        if found:
            await self._count(found)

    async def count_who_is_rung(self) -> None:
        """Wait for a ring after a while without one, and read what is stored. Raises what the store does."""
        await self._read([await self._rung.get()])

    def _to_read(self, tenant: TenantEntry) -> Iterator[_Whose]:
        """Of a day that is over nothing is read: who is rung on the next one is."""
        for assistant in {**tenant.daily_minutes, **tenant.daily_cost}:
            day = self._days.get(whose := (tenant.tenant_id, assistant))
            if whose in self._asked or day is None or day.before is None:
                yield tenant, assistant

    async def _count(self, whose: Sequence[_Whose]) -> None:
        days = await self._read(whose)
        for (tenant, assistant), day in zip(whose, days, strict=True):
            if not day.live:
                self._asked.discard((tenant.tenant_id, assistant))

    async def _read(self, whose: Sequence[_Whose]) -> Sequence[_Day]:
        async with self._reading:  # what has ended is taken out once
            return await self._read_alone(whose)

    async def _read_alone(self, whose: Sequence[_Whose]) -> Sequence[_Day]:
        until = self._clock.now() if self._shared else self._since
        days = [self._day(tenant, assistant) for tenant, assistant in whose]
        began = [
            datetime.combine(day.day, time(), ZoneInfo(tenant.time_zone))
            for (tenant, _), day in zip(whose, days, strict=True)
        ]
        asked = [
            CallsOfTime(tenant.tenant_id, assistant, midnight, until)
            for (tenant, assistant), midnight in zip(whose, began, strict=True)
        ]
        ended = [day.ended if self._shared else Taken() for day in days]
        for day, gone, stored in zip(days, ended, await self._store.taken(asked), strict=True):
            day.before = stored
            # They are among those that are stored, or will be when it is read next.
            day.ended = Taken(day.ended.seconds - gone.seconds, day.ended.cost_usd - gone.cost_usd)
        return days

    def _day(self, tenant: TenantEntry, assistant: AssistantName) -> _Day:
        """Today's; a new one after midnight, in which yesterday's calls that go on have no part."""
        today = self._clock.now().astimezone(ZoneInfo(tenant.time_zone)).date()
        day = self._days.get((tenant.tenant_id, assistant))
        if day is None or day.day != today:
            day = self._days[tenant.tenant_id, assistant] = _Day(today)
        return day


def _sum(*parts: Taken) -> Taken:
    return Taken(sum(part.seconds for part in parts), sum(part.cost_usd for part in parts))


@asynccontextmanager
async def counted(
    use: DailyUse, tenants: Callable[[], Iterable[TenantEntry]], every_s: float = COUNT_EVERY_S
) -> AsyncIterator[None]:
    """What was before is known when the block begins, where the database answers; of new limits soon after."""

    async def heeded(counting: Awaitable[None]) -> None:
        try:
            await counting
        except Exception as error:
            # The limit counts from here on; the calls go on.
            log.warning("what the day has taken could not be read", error=type(error).__name__)

    async def again() -> None:
        while True:
            await asyncio.sleep(every_s)
            await heeded(use.count(tenants()))

    async def after_rings() -> None:
        while True:
            await heeded(use.count_who_is_rung())

    await heeded(use.count(tenants()))
    async with beside(count_what_the_day_takes=again(), count_after_rings=after_rings()):
        yield
