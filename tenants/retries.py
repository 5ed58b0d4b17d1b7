"""Documents that could not be made ready are tried again: later and later, until it works or the file changes."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final

import structlog

from base.clock import Clock
from base.tasks import given_up
from tenants.document import TenantDocument
from tenants.statuses import Statuses

FIRST_S: Final = 10.0
"""After the first failure; each further one doubles it."""
MOST_S: Final = 600.0
AT_ONCE: Final = 2
"""That may use the machine; the others are queued, and no file that is saved waits for them."""
SLOT_S: Final = 10.0
"""Who takes longer goes on, and the next in the queue begins: one that hangs until its time is over keeps nobody."""
JITTER: Final = 0.25
"""Tenants that failed together, for want of the same thing, do not try again together."""

log = structlog.get_logger()


class Retries:
    """One task for each file that waits; when it tries next stands in the file's status."""

    def __init__(self, attempt: Callable[[TenantDocument], Awaitable[bool]], statuses: Statuses, clock: Clock) -> None:
        """`attempt` tells whether it is settled, well or badly; False: it is to be tried once more."""
        self._attempt = attempt
        self._statuses = statuses
        self._clock = clock
        self._waiting: dict[Path, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def begin(self, document: TenantDocument) -> None:
        """It has failed for the first time."""
        file = Path(document.file)
        assert file not in self._waiting
        task = asyncio.create_task(self._keep_trying(file, document), name=f"try again {file.name}")
        self._waiting[file] = task

    async def drop(self, file: Path) -> None:
        """The file has changed: what it said is tried no more. Idempotent."""
        task = self._waiting.pop(file, None)
        if task is not None:
            await given_up([task])
            self._statuses.note(file, retry=None, next_try=None)

    def waits(self, file: Path) -> bool:
        """Whether what the file says, or said, is to be tried again."""
        return file in self._waiting

    async def close(self) -> None:
        """Try nothing more. Idempotent."""
        for file in list(self._waiting):
            await self.drop(file)

    async def _keep_trying(self, file: Path, document: TenantDocument) -> None:
        for failures in count(1):
            pause_s = pause_after(failures)
            self._statuses.note(file, retry="later", next_try=self._clock.now() + timedelta(seconds=pause_s))
            log.info("tenant is tried again", tenant=document.tenant_id, after_s=round(pause_s, 1))
            await asyncio.sleep(pause_s)
            self._statuses.note(file, retry="queued", next_try=None)
            async with self._slot():
                self._statuses.note(file, retry="now")
                if await self._settled(document):
                    break
        if self._waiting.get(file) is asyncio.current_task():
            del self._waiting[file]
            self._statuses.note(file, retry=None)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Of those that may try at once; it is given to the next one when it is left, or after `SLOT_S`."""
        await self._room.acquire()
        with ExitStack() as slot:
            slot.callback(self._room.release)
            late = asyncio.get_running_loop().call_later(SLOT_S, slot.close)
            slot.callback(late.cancel)
            yield

    async def _settled(self, document: TenantDocument) -> bool:
        try:
            return await self._attempt(document)
        except Exception as error:
            # A database that is away for the moment, or what nobody foresaw: another time it may work.
            log.exception("tenant could not be tried again", tenant=document.tenant_id, error=repr(error))
            return False


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    # Bounded before it is shifted: a tenant that fails for months must not overflow.
    whole = min(MOST_S, FIRST_S * 2.0 ** min(failures - 1, 32))
    return whole * random.uniform(1 - JITTER, 1.0)  # noqa: S311 - no secret
