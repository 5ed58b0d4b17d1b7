"""Looks at the database, the spool and the disk, and says so where they change: in the log, and as an event."""

import asyncio
import platform
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import structlog

from base.clock import Clock
from base.tasks import given_up
from control import dependencies as judge
from control.dependencies import Dependency, Room, StorageBounds
from pipelines.events import EventData, EventKind, Tell, event
from pipelines.spool import SpoolLoad

LOOK_S: Final = 2.0
MISSED: Final = 2
"""Looks in a row at which the database did not answer: then it is away."""
ALL_IS_WELL: Final = Room(recordings=True, calls=True)

log = structlog.get_logger()


async def free_bytes(folder: Path) -> int:
    """On the folder's disk. Raises OSError."""
    return (await asyncio.to_thread(shutil.disk_usage, folder)).free


def say_changed(one: Dependency, former: judge.State) -> None:
    """In the log, where its state is not the former any more."""
    if one.state == former:
        return
    if one.state == "ok":
        log.warning("all is well again", what=one.name)
    else:
        log.error("an alarm", what=one.name, state=one.state, problem=one.problem)


class DependencyWatch:
    """Use it as `async with`; what it found is there when the block begins."""

    def __init__(
        self,
        *,
        answers: Callable[[], Awaitable[bool]],
        load: Callable[[], Awaitable[SpoolLoad]],
        free: Callable[[], Awaitable[int]],
        bounds: StorageBounds,
        clock: Clock,
        tell: Tell,
        back: Callable[[], None],
        look_s: float = LOOK_S,
        whole_node: bool = True,
    ) -> None:
        """`answers`: whether the database does; `free`: bytes on the disk; `back`: called when the database is there
        again. Unless it looks for the `whole_node`, what is of the node is another process's to tell.
        """
        self._whole_node = whole_node
        self._answers = answers
        self._load = load
        self._free = free
        self._bounds = bounds
        self._clock = clock
        self._tell = tell
        self._back = back
        self._look_s = look_s
        self._missed = 0
        self._missed_at: datetime | None = None
        self._away_since: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self.room: Room = ALL_IS_WELL
        """What may still be begun."""
        self.found: tuple[Dependency, ...] = ()
        """The database, the spool and the disk, as they were last seen."""

    async def __aenter__(self) -> Self:
        await self._look()
        self._task = asyncio.create_task(self._watch(), name="watch the dependencies")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await given_up([self._task])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self._look()
            except OSError:
                log.exception("the data folder cannot be looked at")
            except Exception:
                # Without this look nothing would ever say that all is well again.
                log.exception("the dependencies cannot be looked at")

    async def _look(self) -> None:
        answers, load, free = await asyncio.gather(self._answers(), self._load(), self._free())
        now = self._clock.now()
        self._database(now, answers=answers)
        database = judge.database(self._away_since)
        spool = judge.spool(load, self._bounds, now, database_answers=self._away_since is None)
        disk = judge.disk(free, self._bounds)
        former = {one.name: one.state for one in self.found}
        self.found, self.room = (database, spool, disk), judge.room(spool, disk)
        waiting = EventData(waiting=spool.waiting, used_bytes=spool.used_bytes)
        self._changed(spool, former.get("spool", "ok"), ("spool.behind", "spool.caught_up"), waiting)
        self._changed(disk, former.get("disk", "ok"), ("disk.low", "disk.freed"), EventData(free_bytes=free))

    def _database(self, now: datetime, *, answers: bool) -> None:
        if not answers:
            self._missed += 1
            self._missed_at = self._missed_at or now
            if self._missed == MISSED:
                self._away_since = self._missed_at
                log.error("the database does not answer")
                self._say("database.away", now, EventData())
            return
        self._missed, self._missed_at = 0, None
        if self._away_since is not None:
            away_s = round((now - self._away_since).total_seconds(), 1)
            self._away_since = None
            log.warning("the database answers again", away_s=away_s)
            self._say("database.back", now, EventData(away_s=away_s))
            self._back()

    def _changed(
        self, one: Dependency, former: judge.State, kinds: tuple[EventKind, EventKind], data: EventData
    ) -> None:
        if one.state == former:
            return
        well = one.state == "ok"
        say_changed(one, former)
        if well or former == "ok":  # from one bad state to the other the log alone says so
            self._say(kinds[well], self._clock.now(), data)

    def _say(self, kind: EventKind, at: datetime, data: EventData) -> None:
        if self._whole_node or kind.startswith("spool."):
            self._tell(event(None, at, kind, platform.node(), data))
