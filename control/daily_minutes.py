"""Minutes of calls in a day, by assistant: what was before this process is read once, what came since is counted here.

A call belongs to the day on which it began, in its company's time zone. No call waits for the database: until what was
before is known (it is read before the door opens, and for a limit that is new within half a minute) only what this
process counted itself counts. Of other processes that share the tenants a call counts within half a minute of its end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, time
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import structlog

from base.clock import Clock
from base.ids import AssistantName, TenantId
from base.tasks import beside
from tenants.directory import TenantEntry

COUNT_EVERY_S: Final = 30.0

log = structlog.get_logger()


class CallSeconds(Protocol):
    """What `tenants.conversations` knows of it."""

    async def seconds(
        self, tenant_id: TenantId, assistant: AssistantName, opened_from: datetime, opened_to: datetime
    ) -> float:
        """How long the assistant's finished calls were that began in that time, in seconds."""
        ...


class _Day:
    """One assistant's calls of one day."""

    def __init__(self, day: date) -> None:
        self.day = day
        self.before_s: float | None = None
        """What was before this process; None: not read yet."""
        self.ended_s = 0.0
        self.live: list[float] = []
        """When those began that go on, in monotonic seconds."""

    def seconds(self, monotonic: float) -> float:
        return (self.before_s or 0.0) + self.ended_s + sum(monotonic - began for began in self.live)


class DailyMinutes:
    """Of all assistants of this process."""

    def __init__(self, store: CallSeconds, clock: Clock, *, shared: bool = False) -> None:
        """`shared`: other processes have calls of the same assistants, and what is stored is read again and again."""
        self._store, self._clock, self._shared = store, clock, shared
        self._since: Final = clock.now()
        """Calls that began from now on are counted here."""
        self._days: dict[tuple[TenantId, AssistantName], _Day] = {}
        self._asked: set[tuple[TenantId, AssistantName]] = set()
        """Who was rung here since it was read last: of nobody else is anything read again."""

    def used_up(self, tenant: TenantEntry, assistant: AssistantName) -> bool:
        """Whether the assistant has a limit and has talked so long today. Never waits."""
        limit = tenant.daily_minutes.get(assistant)
        if limit is not None:
            self._asked.add((tenant.tenant_id, assistant))
        return limit is not None and self._day(tenant, assistant).seconds(self._clock.monotonic()) >= limit * 60

    @contextmanager
    def call(self, tenant: TenantEntry, assistant: AssistantName) -> Iterator[None]:
        """A call goes on while the block does."""
        day, began = self._day(tenant, assistant), self._clock.monotonic()
        day.live.append(began)
        try:
            yield
        finally:
            day.live.remove(began)
            day.ended_s += self._clock.monotonic() - began

    async def count(self, tenants: Iterable[TenantEntry]) -> None:
        """Read what was before, of those that have a limit and of which it is not known. Raises what the store does."""
        for tenant in tenants:
            for assistant in tenant.daily_minutes:
                day = self._day(tenant, assistant)
                rung = self._shared and (tenant.tenant_id, assistant) in self._asked
                if rung or day.before_s is None:
                    await self._read(tenant, assistant, day)
                    if not day.live:
                        self._asked.discard((tenant.tenant_id, assistant))

    async def _read(self, tenant: TenantEntry, assistant: AssistantName, day: _Day) -> None:
        midnight = datetime.combine(day.day, time(), ZoneInfo(tenant.time_zone))
        until = self._clock.now() if self._shared else self._since
        ended_s = day.ended_s if self._shared else 0.0
        stored = 0.0
        if midnight < until:
            stored = await self._store.seconds(tenant.tenant_id, assistant, midnight, until)
        day.before_s = stored
        day.ended_s -= ended_s  # they are among those that are stored, or will be when it is read next

    def _day(self, tenant: TenantEntry, assistant: AssistantName) -> _Day:
        """Today's; a new one after midnight, in which yesterday's calls that go on have no part."""
        today = self._clock.now().astimezone(ZoneInfo(tenant.time_zone)).date()
        day = self._days.get((tenant.tenant_id, assistant))
        if day is None or day.day != today:
            day = self._days[tenant.tenant_id, assistant] = _Day(today)
        return day


@asynccontextmanager
async def counted(
    minutes: DailyMinutes, tenants: Callable[[], Iterable[TenantEntry]], every_s: float = COUNT_EVERY_S
) -> AsyncIterator[None]:
    """What was before is known when the block begins, where the database answers; of new limits soon after."""

    async def count() -> None:
        try:
            await minutes.count(tenants())
        except Exception as error:
            # The limit counts from here on; the calls go on.
            log.warning("minutes of the day could not be read", error=type(error).__name__)

    async def again() -> None:
        while True:
            await asyncio.sleep(every_s)
            await count()

    await count()
    async with beside(count_minutes_of_the_day=again()):
        yield
