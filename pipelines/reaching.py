"""A person is called for the caller, who stays and is talked with meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from pipelines.hold_music import HoldMusic
from pipelines.phone import PhoneLine
from pipelines.ringback import Play, waiting
from pipelines.spec import RING_S, TransferSpec

log = structlog.get_logger()


class Reaching:
    """One call's. `begin` when nobody is being called; `stop` before the line is given up, any number of times."""

    def __init__(self, line: PhoneLine, sample_rate: int, hold_music: HoldMusic | None) -> None:
        """`sample_rate` is the wire's, in Hz. It holds nobody who holds it: a finished call is to leave no circle."""
        self._line: Final = line
        self._sample_rate: Final = sample_rate
        self._hold_music: Final = hold_music
        self._task: asyncio.Task[None] | None = None

    @property
    def going_on(self) -> bool:
        """Somebody's telephone rings."""
        return self._task is not None and not self._task.done()

    def begin(
        self, transfer: TransferSpec, play: Play, quiet: Callable[[], bool], over: Callable[[str, str], None]
    ) -> None:
        """Call the person. `quiet`: nobody speaks, or is about to, so that music may be heard. `over` is told why
        nobody could be had, empty when somebody was, and what broke.
        """
        self._task = asyncio.create_task(self._reach(transfer, play, quiet, over), name="reach a person")

    async def stop(self) -> None:
        """No telephone rings any longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _reach(
        self, transfer: TransferSpec, play: Play, quiet: Callable[[], bool], over: Callable[[str, str], None]
    ) -> None:
        broke = ""
        try:
            async with waiting(play, self._sample_rate, music=self._hold_music, quiet=quiet):
                cause = await self._line.connect(transfer.to, transfer.ring_s or RING_S)
        except Exception as error:
            # The caller has lost nothing: it is as if nobody had answered.
            cause, broke = "FAILED", f"nobody could be called: {error!r}"
        log.info("a person was called", cause=cause or "answered")
        over(cause, broke)
