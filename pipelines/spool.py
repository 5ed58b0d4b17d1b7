"""Call records and events on their way to the database, safe on the disk until they are there.

Nothing that a caller waits for waits for the database: `opened` and `closed` write and fsync a small file
in a thread, and a task of the spool's own hands finished records on, again and again until it succeeds.

That a call began and ended is in its file: who stores a record keeps both events with it, so that neither is lost by a
crash. While the call lives, `begun` is told of its beginning as soon as it can be.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog
from msgspec import Struct

from base.clock import Clock
from base.ids import TenantId
from base.tasks import given_up
from pipelines import spool_files as files
from pipelines.calls import Call, CallRecord
from pipelines.events import Event

log = structlog.get_logger()

Store = Callable[[CallRecord], Awaitable[None]]
"""Keeps a record for good, idempotent by call id; raises when it could not."""
Begun = Callable[[Call], Awaitable[None]]
"""Told of a call that goes on; again when it raises, and not at all when the call is stored before."""
Keep = Callable[[Event], Awaitable[None]]
"""Keeps an event for good, idempotent by its key; raises when it could not."""
T = TypeVar("T")

MAX_UNWRITTEN = 1000
"""Records kept in memory because the disk refused them; beyond that the oldest are lost."""
BATCH = 1000
"""Files that are looked at in one round."""
AT_ONCE = 4
"""Records that are handed on at the same time: a database syncs its disk for all of them once."""
ADOPT_EVERY_S = 30.0
LOCK_PAUSE_S = 0.1
RENEW_S = 1.0
"""So much later than its file tells a lost call may have ended."""
FAILURES_PER_ROUND = 3
"""In a row, of events or of calls; then the sink counts as down and is left alone for a while."""


class SpoolLoad(Struct, frozen=True, kw_only=True):
    """How much waits to be handed on."""

    waiting: int
    """Files of finished calls and of events."""
    used_bytes: int
    """By all files of the folder."""
    oldest_at: datetime | None
    in_memory: int = 0
    """Records that the disk refused."""


class Spool:
    """The `CallLog` of a process; use it as `async with`. One folder belongs to one process.

    What is found in the folder at the start is handed on too: a call that was open when the process died
    becomes a record with `end_reason` `lost`. Closing order: what can be handed on within
    `close_timeout_s` is, the task ends, the threads end, the folder is unlocked. The rest waits on the disk.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        clock: Clock,
        *,
        begun: Begun | None = None,
        keep: Keep | None = None,
        store_timeout_s: float = 10.0,
        first_pause_s: float = 0.5,
        longest_pause_s: float = 20.0,
        close_timeout_s: float = 5.0,
        left_by: Path | None = None,
        lock_timeout_s: float = 0.0,
    ) -> None:
        """`left_by` is a spool, or a folder of them: what processes that are gone have left there is handed on, too.
        For `lock_timeout_s` the folder may still be another process's, which is about to end.
        """
        self._left_by = left_by
        self._lock_timeout_s = lock_timeout_s
        self._folder = folder
        self._store = store
        self._begun = begun
        self._keep = keep
        self._clock = clock
        self._store_timeout_s = store_timeout_s
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._close_timeout_s = close_timeout_s
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="spool")
        self._live: set[str] = set()
        self._known: set[str] = set()
        """Files of live calls whose names are on the disk."""
        self._unwritten: deque[CallRecord] = deque()
        self._beginning: dict[str, Call] = {}
        self._telling: deque[Event] = deque(maxlen=MAX_UNWRITTEN)
        self._writing: asyncio.Task[None] | None = None
        self._tries: dict[str, int] = {}
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._lock: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._adopting: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises SpoolError when another process uses the folder, OSError when it cannot be made."""
        until = time.monotonic() + self._lock_timeout_s
        while True:
            try:
                self._lock = await self._in_thread(files.lock, self._folder)
                break
            except files.SpoolError:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(LOCK_PAUSE_S)
        self._news.set()
        self._task = asyncio.create_task(self._hand_on(), name="spool")
        self._renewing = asyncio.create_task(self._renew(), name="renew live calls' files")
        if self._left_by is not None:
            self._adopting = asyncio.create_task(self._adopt(self._left_by), name="adopt spools")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await given_up(one for one in (self._task, self._adopting, self._renewing) if one is not None)
        if self._writing is not None:
            await asyncio.wait({self._writing})
        try:
            async with asyncio.timeout(self._close_timeout_s):
                await self._round()
        except (TimeoutError, OSError) as error:
            log.warning("records are left in the spool", error=repr(error))
        self._threads.shutdown()
        if self._lock is not None:
            os.close(self._lock)

    async def opened(self, call: Call) -> None:
        """From now on the call leaves a record, whatever happens. Never raises for the disk's sake."""
        name = files.name_of(call.id)
        self._live.add(name)
        try:
            await self._in_thread(files.append, self._folder / name, files.CallOpened(call))
        except OSError:
            log.exception("the spool cannot be written")
        else:
            self._known.add(name)
        if self._begun is not None and name in self._live:
            while len(self._beginning) >= MAX_UNWRITTEN:
                self._beginning.pop(next(iter(self._beginning)))  # told with its record
            self._beginning[name] = call
            self._news.set()

    async def closed(self, record: CallRecord) -> None:
        """The record is safe when this returns; if the disk refuses it, it is kept in memory."""
        name = files.name_of(record.call.id)
        self._live.add(name)  # a file that is half written must not be taken for a broken one
        try:
            await self._in_thread(self._close, name, record)
        except OSError:
            log.exception("the spool cannot be written")
            self._keep_in_memory(record)
        else:
            self._live.discard(name)
        self._known.discard(name)
        self._news.set()

    def _close(self, name: str, record: CallRecord) -> None:
        files.append(self._folder / name, files.CallClosed(record), known=name in self._known)

    @property
    def queued(self) -> dict[str, int]:
        """What is in memory alone, by what it is; see `SpoolLoad` for what is on the disk."""
        return {
            "unwritten_records": len(self._unwritten),
            "unwritten_events": len(self._telling),
            "call_beginnings": len(self._beginning),
        }

    def hurry(self) -> None:
        """The sink is well again: it is not left alone any longer."""
        self._hurry.set()

    async def load(self) -> SpoolLoad:
        """How much waits. Raises OSError."""
        waiting, used, oldest = await self._in_thread(files.measure, self._folder, frozenset(self._live))
        return SpoolLoad(
            waiting=waiting,
            used_bytes=used,
            oldest_at=None if oldest is None else datetime.fromtimestamp(oldest, UTC),
            in_memory=len(self._unwritten),
        )

    def tell(self, event: Event) -> None:
        """Hand an event on. Never waits; it is written to the disk by and by, before the spool is closed."""
        if self._keep is None:
            return
        if len(self._telling) == MAX_UNWRITTEN:
            log.error("an event is lost: the disk does not take any", kind=self._telling[0].kind)
        self._telling.append(event)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_told(), name="spool events")

    async def _write_told(self) -> None:
        while self._telling:
            event = self._telling[0]
            try:
                await self._in_thread(files.put_event, self._folder, event)
            except OSError:
                log.exception("the spool cannot be written")
                break  # it is handed on from memory
            if self._telling and self._telling[0] is event:  # else it made room for others meanwhile
                self._telling.popleft()
        self._news.set()

    def _keep_in_memory(self, record: CallRecord) -> None:
        """The call stays live until this is handed on: its file alone would tell that it is lost."""
        if len(self._unwritten) == MAX_UNWRITTEN:
            lost = self._unwritten.popleft().call
            log.error("a record is lost: the disk does not take any", call=lost.id, tenant=lost.tenant_id)
            self._live.discard(files.name_of(lost.id))
        self._unwritten.append(record)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._in_thread(files.renew, [self._folder / name for name in self._live])
            except OSError:
                log.exception("the spool cannot be written")

    async def _adopt(self, left_by: Path) -> None:
        while True:
            try:
                if adopted := await self._in_thread(files.adopt, left_by, self._folder):
                    log.warning("records that a dead process has left are handed on", records=adopted)
                    self._news.set()
            except OSError:
                log.exception("what dead processes have left cannot be read")
            await asyncio.sleep(ADOPT_EVERY_S)

    async def _hand_on(self) -> None:
        pause_s = self._first_pause_s
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                done = await self._round()
            except OSError:
                log.exception("the spool cannot be read")
                done = False
            if done:
                pause_s = self._first_pause_s
            else:
                pause_s = await self._pause(pause_s)
                self._news.set()

    async def _pause(self, pause_s: float) -> float:
        """Leave the sink alone for a while; for how long the next time."""
        try:
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
        except TimeoutError:
            return min(2 * pause_s, self._longest_pause_s)
        self._hurry.clear()  # not before: it may have been said while a round was failing
        return self._first_pause_s

    async def _round(self) -> bool:
        """Hand on what is finished; whether all of it went. Raises OSError for the folder's sake."""
        told = await self._all_told()
        while self._unwritten:
            record = self._unwritten[0]
            if not await self._stored(record):
                return False
            name = files.name_of(record.call.id)
            await self._in_thread(files.delete, self._folder / name)
            self._live.discard(name)
            if self._unwritten[0] is record:  # else it made room for others meanwhile
                self._unwritten.popleft()
        waiting = await self._in_thread(files.waiting, self._folder, BATCH + len(self._live))
        names = [name for name in waiting if name not in self._live]
        self._tries = {name: self._tries.get(name, 0) for name in names}
        calls = [name for name in names if name.endswith(files.SUFFIX)]
        # What failed before comes last, so that one record that is refused for ever does not block the others.
        calls.sort(key=lambda name: self._tries[name])
        events = [[name] for name in names if not name.endswith(files.SUFFIX)]
        kept = await self._files_stored(events)
        stored = await self._files_stored([calls[at : at + AT_ONCE] for at in range(0, len(calls), AT_ONCE)])
        if len(names) >= BATCH:
            self._news.set()
        return told and kept and stored

    async def _files_stored(self, groups: Iterable[list[str]]) -> bool:
        """Hand on one group after the other, each at the same time, until several in a row fail; whether all went."""
        whole, in_a_row = True, 0
        for group in groups:
            results = await asyncio.gather(*(self._file_stored(name) for name in group), return_exceptions=True)
            for name, result in zip(group, results, strict=True):
                if isinstance(result, BaseException):
                    raise result
                self._tries[name] += not result
                whole, in_a_row = whole and result, 0 if result else in_a_row + 1
            if in_a_row >= FAILURES_PER_ROUND:
                break
        return whole

    async def _all_told(self) -> bool:
        """What is not in a finished file: events that the disk refused, and calls that have begun."""
        while self._keep is not None and self._telling and (self._writing is None or self._writing.done()):
            event = self._telling[0]
            if not await self._kept(event):
                return False
            if self._telling and self._telling[0] is event:
                self._telling.popleft()
        while self._begun is not None and self._beginning:
            name, call = next(iter(self._beginning.items()))
            if name not in self._live:  # it is over: its record tells both
                self._beginning.pop(name)
                continue
            if not await self._done(self._begun(call), "beginning", call.tenant_id, call.id):
                return False
            self._beginning.pop(name, None)
        return True

    async def _file_stored(self, name: str) -> bool:
        path = self._folder / name
        found = await self._in_thread(files.read, path)
        if found is None:
            log.warning("a spool file cannot be understood and was set aside", file=name)
            await self._in_thread(files.set_aside, path)
            return True
        if not await (self._kept(found) if isinstance(found, Event) else self._stored(found)):
            return False
        await self._in_thread(files.delete, path)
        return True

    async def _stored(self, record: CallRecord) -> bool:
        stored = await self._done(self._store(record), "record", record.call.tenant_id, record.call.id)
        if stored:
            self._beginning.pop(files.name_of(record.call.id), None)
        return stored

    async def _kept(self, event: Event) -> bool:
        if self._keep is None:
            return False  # it waits for a process that keeps events
        return await self._done(self._keep(event), event.kind, event.tenant_id, event.subject)

    async def _done(self, work: Awaitable[None], what: str, tenant_id: TenantId | None, subject: str) -> bool:
        try:
            async with asyncio.timeout(self._store_timeout_s):
                await work
        except Exception as error:
            # Whatever the sink raises, what it was to take is still here and is tried again.
            log.warning("not stored yet", what=what, subject=subject, tenant=tenant_id, error=repr(error))
            return False
        return True

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
