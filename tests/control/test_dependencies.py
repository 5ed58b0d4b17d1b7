"""What the service depends on: how each fares, what is told where that changes, and what may still be begun."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from base.clock import SystemClock
from control import dependencies as judge
from control.dependencies import MB, Room, StorageBounds
from control.dependency_watch import DependencyWatch
from pipelines import spool_files as files
from pipelines.events import Event
from pipelines.spool import Spool, SpoolLoad
from tenants.database import Database, PoolBounds
from tests.pipelines.test_spool import Sink, a_call, a_record, an_event
from tests.pipelines.virtual import LoopClock, virtual
from transports.lateness import Lateness

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BOUNDS = StorageBounds(spool_bytes=10 * MB, free_bytes=500 * MB)


def load(used_mb: float = 0.0, **more: object) -> SpoolLoad:
    facts = {"waiting": 1, "used_bytes": round(used_mb * MB), "oldest_at": NOON} | more
    return SpoolLoad(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("used", "database", "after_s", "expected", "fix"),
    [
        (load(7.9), False, 3600, "ok", ""),
        (load(8.0), False, 1, "degraded", "ATENDE_SPOOL_MAX_MB"),
        (load(10.0), True, 1, "down", "ATENDE_SPOOL_MAX_MB"),
        (load(in_memory=2), True, 1, "down", "ATENDE_DATA_DIR"),
        (load(), True, 299, "ok", ""),
        (load(), True, 300, "degraded", "the log says why"),
    ],
)
def test_the_spool(used: SpoolLoad, database: bool, after_s: float, expected: str, fix: str) -> None:
    found = judge.spool(used, BOUNDS, NOON + timedelta(seconds=after_s), database_answers=database)
    assert found.state == expected
    assert fix in (found.problem or "")
    assert (found.problem is None) == (expected == "ok")
    assert (found.waiting, found.used_bytes, found.oldest_s) == (1 + used.in_memory, used.used_bytes, after_s)


@pytest.mark.parametrize(("free_mb", "expected"), [(1000, "ok"), (999, "degraded"), (500, "degraded"), (499, "down")])
def test_the_disk(free_mb: int, expected: str) -> None:
    assert judge.disk(free_mb * MB, BOUNDS).state == expected
    assert judge.disk(0, StorageBounds(spool_bytes=1, free_bytes=0)).state == "ok", "no floor, nothing to fall below"


def test_recordings_stop_before_calls_do() -> None:
    ok, degraded, down = (judge.disk(free * MB, BOUNDS) for free in (1000, 700, 100))
    assert judge.room(ok, ok) == Room(recordings=True, calls=True)
    assert judge.room(ok, degraded) == Room(recordings=False, calls=True)
    assert judge.room(down, ok) == Room(recordings=False, calls=False)


def test_the_others() -> None:
    assert judge.database(None).state == "ok"
    away = judge.database(NOON)
    assert (away.state, away.since) == ("degraded", NOON), "calls of known companies are answered without it"
    assert judge.models(10.0, 0).state == "ok"
    assert "2 companies" in (judge.models(10.0, 2).problem or "")
    assert judge.model_server(away=False).state == "ok"
    assert judge.model_server(away=True).state == "down"
    assert judge.phone_door(3, 10, draining=False).state == "ok"
    assert judge.phone_door(10, 10, draining=False).state == "degraded"
    assert judge.phone_door(0, 10, draining=True).state == "down"
    assert judge.media_clock(Lateness(count=10, p99_ms=20.0)).state == "ok"
    assert judge.media_clock(Lateness(count=10, p99_ms=25.0)).state == "degraded"


class World:
    """What a watch looks at, and what it tells."""

    def __init__(self) -> None:
        self.answers = True
        self.load = load()
        self.free = 2000 * MB
        self.told: list[Event] = []
        self.backs = 0
        self.breaks = False

    async def _answers(self) -> bool:
        if self.breaks:
            raise RuntimeError("something nobody thought of")
        return self.answers

    async def _load(self) -> SpoolLoad:
        return self.load

    async def _free(self) -> int:
        return self.free

    def _back(self) -> None:
        self.backs += 1

    def watch(self, *, whole_node: bool = True) -> DependencyWatch:
        return DependencyWatch(
            answers=self._answers,
            load=self._load,
            free=self._free,
            bounds=BOUNDS,
            clock=LoopClock(),
            tell=self.told.append,
            back=self._back,
            look_s=2.0,
            whole_node=whole_node,
        )

    @property
    def kinds(self) -> list[str]:
        return [one.kind for one in self.told]


@virtual
async def test_a_database_that_goes_is_told_and_one_miss_is_none() -> None:
    world = World()
    async with world.watch() as watch:
        assert [one.state for one in watch.found] == ["ok", "ok", "ok"]
        world.answers = False
        await asyncio.sleep(2.5)
        world.answers = True
        await asyncio.sleep(2)
        assert world.told == []
        world.answers = False
        await asyncio.sleep(4)
        assert world.kinds == ["database.away"]
        assert (watch.found[0].state, watch.room.calls) == ("degraded", True)
        await asyncio.sleep(60)
        world.answers = True
        await asyncio.sleep(2)
        assert (world.kinds, world.backs) == (["database.away", "database.back"], 1)
        assert watch.found[0].state == "ok"
    away_s = world.told[1].data.away_s
    assert away_s is not None
    assert 60 <= away_s <= 68
    assert {(one.tenant_id, bool(one.subject)) for one in world.told} == {(None, True)}


@virtual
async def test_alarms_come_once_and_end() -> None:
    world = World()
    async with world.watch() as watch:
        world.load, world.free = load(8.5), 700 * MB
        await asyncio.sleep(2.5)
        assert watch.room == Room(recordings=False, calls=True)
        world.load, world.free = load(11), 100 * MB
        await asyncio.sleep(10)
        assert watch.room == Room(recordings=False, calls=False)
        world.load, world.free = load(1), 2000 * MB
        await asyncio.sleep(2)
        assert watch.room == Room(recordings=True, calls=True)
    assert sorted(world.kinds) == ["disk.freed", "disk.low", "spool.behind", "spool.caught_up"]
    behind = next(one for one in world.told if one.kind == "spool.behind")
    assert (behind.data.used_bytes, behind.data.waiting) == (8_500_000, 1)


@virtual
async def test_whatever_breaks_a_look_the_next_one_is_made() -> None:
    world = World()
    async with world.watch() as watch:
        world.breaks, world.free = True, 100 * MB
        await asyncio.sleep(5)
        assert watch.room.calls
        world.breaks = False
        await asyncio.sleep(2)
        assert not watch.room.calls


@virtual
async def test_what_is_of_the_whole_node_is_told_by_one_of_its_processes() -> None:
    world = World()
    async with world.watch(whole_node=False) as watch:
        world.answers, world.load, world.free = False, load(11), 100 * MB
        await asyncio.sleep(10)
        assert watch.room == Room(recordings=False, calls=False)
    assert world.kinds == ["spool.behind"]


async def test_a_connection_that_cannot_even_be_given_back_is_no_answer() -> None:
    class Cut:
        def acquire(self) -> Any:
            raise asyncpg.InternalClientError("cut")

    assert not await Database(Cut(), PoolBounds()).ping()


async def test_what_waits_in_a_spool_is_measured_without_what_goes_on(tmp_path: Path) -> None:
    sink = Sink()
    sink.down = True
    async with Spool(tmp_path, sink, SystemClock(), close_timeout_s=1.0) as log:
        await log.opened(a_call("live"))
        found = await log.load()
        assert (found.waiting, found.oldest_at) == (0, None)
        assert found.used_bytes > 0
        await log.closed(a_record("over"))
        files.append(tmp_path / files.name_of_event(an_event()), files.EventTold(an_event()))
        more = await log.load()
        assert (more.waiting, more.in_memory) == (2, 0)
        assert more.used_bytes > found.used_bytes
        assert more.oldest_at is not None
