"""A folder of tenants' documents is watched: what is saved answers, or is told why not."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import structlog
from watchfiles import Change, DefaultFilter, awatch

DEBOUNCE_MS: Final = 400
"""An editor's several writes are one change when they come within this."""
STEP_MS: Final = 50
FIRST_LOOK_MS: Final = 500
"""Once that has passed every file is looked at: some may have been saved before the kernel was asked to tell of it."""
AGAIN_S: Final = 5.0
"""A folder that is not there (yet), or that cannot be watched, is tried again."""

log = structlog.get_logger()


class Refreshes(Protocol):
    """Whoever is told which files may have changed."""

    async def refresh(self, files: Collection[Path]) -> None:
        """Take these as they are now; one that is what it was is nothing new."""
        ...

    async def look_again(self) -> None:
        """Take every file as it is now, and those that are gone."""
        ...


class Documents(DefaultFilter):
    """`*.yaml`, and no editor's own files."""

    def __call__(self, change: Change, path: str) -> bool:
        name = Path(path).name
        return name.endswith(".yaml") and not name.startswith(".") and super().__call__(change, path)


@asynccontextmanager
async def watched(folder: Path, tenants: Refreshes) -> AsyncIterator[None]:
    """Watches while the block runs; a publishing that was begun is ended in order."""
    stop = asyncio.Event()
    task = asyncio.create_task(_watch(folder, tenants, stop), name="watch the tenants")
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(folder: Path, tenants: Refreshes, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await _until_it_fails(folder, tenants, stop)
        except Exception as error:
            # Publishing by file stops with this task: whatever it was, it is told, and tried again.
            log.exception("the tenants' folder is not watched", folder=str(folder), error=repr(error))
            await _pause(stop)


async def _until_it_fails(folder: Path, tenants: Refreshes, stop: asyncio.Event) -> None:
    changes = awatch(
        folder,
        watch_filter=Documents(),
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        recursive=False,
        rust_timeout=FIRST_LOOK_MS,
        yield_on_timeout=True,
        stop_event=stop,
    )
    looked = False
    async for changed in changes:
        if not looked:
            looked = True
            await tenants.look_again()
        elif changed:
            await tenants.refresh({folder / Path(path).name for _, path in changed})


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(AGAIN_S):
            await stop.wait()
    except TimeoutError:
        return
