"""pgqueuer on our database: its queue under our names, in transactions that the policies let see the platform's rows.

pgqueuer has the tables of `tenants/migrations/0018_jobs.sql`, shares jobs out by SKIP LOCKED, gives those of a process
that is dead to another, and keeps the timetable. It is given no pool and no connection of its own: `PlatformDriver`
asks through `Database`, one transaction for each statement, as `atende_app`. Nothing listens on a connection either:
who works looks every few seconds, and is woken by what is put into the queue in its own process.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import NotifyCallback

from base.ids import TenantId
from tenants.database import Database
from tenants.job_rows import Payload

CHANNEL: Final = Channel("atende_jobs")
# Not by its constructor: that reads variables such as DURABILITY from the environment.
SETTINGS: Final = DBSettings.model_construct(
    prefix="",
    db_schema="atende",
    channel=CHANNEL,
    queue_table="jobs",
    queue_table_log="job_log",
    statistics_table="job_statistics",
    schedules_table="job_schedules",
    queue_status_type="job_status",
    function="tell_jobs_changed",
    trigger="tell_jobs_changed",
    durability=Durability.durable,
    widen_id=True,
)
AT_ONCE: Final = 500
"""Jobs that one statement puts into the queue."""


class PlatformDriver:
    """See `pgqueuer.ports.driver.Driver`. What is told is told to the listeners of this process alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: list[NotifyCallback] = []
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        async with self._database.platform() as connection:
            return [dict(row) for row in await connection.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> str:
        async with self._database.platform() as connection:
            return str(await connection.execute(query, *args))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        self._listeners.append(callback)

    async def notify(self, channel: str, payload: str) -> None:
        for callback in tuple(self._listeners):
            callback(payload)

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners.clear()


def queries_on(driver: PlatformDriver) -> Queries:
    """All that pgqueuer asks the database."""
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )


async def put(queries: Queries, entrypoint: str, tenants: Sequence[TenantId | None]) -> int:
    """A job for each, unless it has one already that waits or is under way; how many are new."""
    new = 0
    for start in range(0, len(tenants), AT_ONCE):
        some = tenants[start : start + AT_ONCE]
        ids = await queries.enqueue(
            [entrypoint] * len(some),
            [msgspec.json.encode(Payload(tenant_id=one)) for one in some],
            [0] * len(some),
            dedupe_key=[f"{entrypoint} {one or ''}" for one in some],
            on_conflict="skip",
        )
        new += sum(one is not None for one in ids)
    if new:
        await queries.driver.notify(CHANNEL, _changed())
    return new


def _changed() -> str:
    """What the trigger of pgqueuer's own schema would tell."""
    told: dict[str, Any] = {
        "channel": CHANNEL,
        "operation": "insert",
        "sent_at": datetime.now(UTC).isoformat(),
        "table": SETTINGS.queue_table,
        "type": "table_changed_event",
    }
    return msgspec.json.encode(told).decode()
