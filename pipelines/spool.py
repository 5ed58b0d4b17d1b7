"""Call records on their way to the database, safe on the disk until they are there.

Nothing that a caller waits for waits for the database: `opened` and `closed` write and fsync a small file
in a thread, and a task of the spool's own hands finished records on, again and again until it succeeds.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from base.clock import Clock
from pipelines import spool_files as files
from pipelines.calls import Call, CallRecord

log = structlog.get_logger()

Store = Callable[[CallRecord], Awaitable[None]]
"""Keeps a record for good, idempotent by call id; raises when it could not."""
T = TypeVar("T")

MAX_UNWRITTEN = 1000
"""Records kept in memory because the disk refused them; beyond that the oldest are lost."""
BATCH = 1000
"""Files that are looked at in one round."""
ADOPT_EVERY_S = 30.0
LOCK_PAUSE_S = 0.1
FAILURES_PER_ROUND = 3
"""In a row; then the sink counts as down and is left alone for a while."""


class Spool:
    """The `CallLog` of a process; use it as `async with`. One folder belongs to one process.

    What is found in the folder at the start is handed on too: a call that was open when the process died
    becomes a record with `end_reason` `crash`. Closing order: what can be handed on within
    `close_timeout_s` is, the task ends, the threads end, the folder is unlocked. The rest waits on the disk.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        clock: Clock,
        *,
        store_timeout_s: float = 10.0,
        first_pause_s: float = 0.5,
        longest_pause_s: float = 60.0,
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
        self._clock = clock
        self._store_timeout_s = store_timeout_s
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._close_timeout_s = close_timeout_s
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="spool")
        self._live: set[str] = set()
        self._unwritten: deque[CallRecord] = deque()
        self._tries: dict[str, int] = {}
        self._news = asyncio.Event()
        self._lock: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._adopting: asyncio.Task[None] | None = None

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
        if self._left_by is not None:
            self._adopting = asyncio.create_task(self._adopt(self._left_by), name="adopt spools")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        tasks = [self._task, *([] if self._adopting is None else [self._adopting])]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
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

    async def closed(self, record: CallRecord) -> None:
        """The record is safe when this returns; if the disk refuses it, it is kept in memory."""
        name = files.name_of(record.call.id)
        self._live.add(name)  # a file that is half written must not be taken for a broken one
        try:
            await self._in_thread(files.append, self._folder / name, files.CallClosed(record))
        except OSError:
            log.exception("the spool cannot be written")
            self._keep_in_memory(record)
        else:
            self._live.discard(name)
        self._news.set()

    def _keep_in_memory(self, record: CallRecord) -> None:
        """The call stays live until this is handed on: its file alone would tell of a crash."""
        if len(self._unwritten) == MAX_UNWRITTEN:
            self._live.discard(files.name_of(self._unwritten.popleft().call.id))
        self._unwritten.append(record)

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
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._longest_pause_s)
                self._news.set()

    async def _round(self) -> bool:
        """Hand on what is finished; whether all of it went. Raises OSError for the folder's sake."""
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
        failures, in_a_row = 0, 0
        # What failed before comes last, so that one record that is refused for ever does not block the others.
        for name in sorted(names, key=lambda name: self._tries[name]):
            if await self._file_stored(name):
                in_a_row = 0
                continue
            self._tries[name] += 1
            failures, in_a_row = failures + 1, in_a_row + 1
            if in_a_row == FAILURES_PER_ROUND:
                break
        if len(names) >= BATCH:
            self._news.set()
        return failures == 0

    async def _file_stored(self, name: str) -> bool:
        path = self._folder / name
        record = await self._in_thread(files.read, path)
        if record is None:
            log.warning("a spool file cannot be understood and was set aside", file=name)
            await self._in_thread(files.set_aside, path)
            return True
        if not await self._stored(record):
            return False
        await self._in_thread(files.delete, path)
        return True

    async def _stored(self, record: CallRecord) -> bool:
        try:
            async with asyncio.timeout(self._store_timeout_s):
                await self._store(record)
        except Exception as error:
            # Whatever the sink raises, the record is still here and is tried again.
            log.warning("record not stored yet", call=record.call.id, tenant=record.call.tenant_id, error=repr(error))
            return False
        return True

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
