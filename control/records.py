"""Records of calls, written down whatever becomes of the call; a disk that hangs keeps no lease waiting."""

import asyncio
from datetime import datetime

import structlog

from pipelines.calls import Call, CallLog, CallRecord

log = structlog.get_logger()


class RecordKeeper:
    """Opens a call's row while the caller is greeted, and closes it when the call is over."""

    def __init__(self, call_log: CallLog, timeout_s: float) -> None:
        """A call's end waits for its record for `timeout_s`; behind that it is kept trying to be written."""
        self._call_log = call_log
        self._timeout_s = timeout_s
        self._keeping: set[asyncio.Task[None]] = set()

    def open(self, call: Call) -> asyncio.Task[None]:
        """Begin the call's row. Never waits; `keep` follows."""
        return asyncio.create_task(self._call_log.opened(call), name="open the call's row")

    async def keep(self, opening: asyncio.Task[None], record: CallRecord) -> None:
        """The record is safe, or the disk has had its time: a lease is not held for its sake."""
        keeping = asyncio.create_task(self._keep(opening, record), name="keep the call's record")
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        done, _ = await asyncio.shield(asyncio.wait({keeping}, timeout=self._timeout_s))
        if not done:
            log.error("the call's record is not written yet", waited_s=self._timeout_s)

    async def settled(self, timeout_s: float) -> None:
        """Wait for records that are still being written."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=timeout_s)

    async def _keep(self, opening: asyncio.Task[None], record: CallRecord) -> None:
        await asyncio.wait({opening})
        if (error := opening.exception()) is not None:
            log.error("the call's row could not be opened", error=repr(error))
        await self._call_log.closed(record)


def failed(call: Call, reason: str, ended_at: datetime, *, cause: str = "", error: str | None = None) -> CallRecord:
    """The record of a call in which nothing was said."""
    errors = () if error is None else (error,)
    return CallRecord(call=call, ended_at=ended_at, end_reason=reason, hangup_cause=cause, turns=(), errors=errors)
