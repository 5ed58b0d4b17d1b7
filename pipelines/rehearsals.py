"""What revisions may say word for word, rendered behind the calls: one rehearsal of each revision at a time."""

import asyncio

from pipelines.loaded import LoadedRevision
from pipelines.loading import rehearse_rest


class Rehearsals:
    """`begin` for each revision that answers; `end` before what it was prepared with is let go."""

    def __init__(self) -> None:
        self._of: dict[LoadedRevision, asyncio.Task[None]] = {}

    def begin(self, loaded: LoadedRevision) -> None:
        """It begins to answer, or what it may say is not what it was: one that is under way is given up."""
        if (former := self._of.get(loaded)) is not None:
            former.cancel()
        task = asyncio.create_task(_after(former, loaded), name=f"rehearse {loaded.revision.tenant_id}")
        self._of[loaded] = task

    async def over(self) -> None:
        """Return when everything is rendered, or has failed to be."""
        if self._of:
            await asyncio.wait(set(self._of.values()))

    async def end(self, loaded: LoadedRevision) -> None:
        """It uses what is prepared: return when it does not any more. Idempotent."""
        if (rehearsing := self._of.pop(loaded, None)) is not None:
            rehearsing.cancel()
            await asyncio.wait({rehearsing})


async def _after(former: asyncio.Task[None] | None, loaded: LoadedRevision) -> None:
    if former is not None:
        try:
            await asyncio.wait({former})
        except asyncio.CancelledError:
            await asyncio.wait({former})  # it uses what is prepared
            raise
    await rehearse_rest(loaded)
