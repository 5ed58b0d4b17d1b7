"""The tenants' files and their documents are watched: what is saved counts, or is told why not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import structlog
from watchfiles import Change, DefaultFilter, awatch

from tenants.files import is_tenant_file

DEBOUNCE_MS: Final = 400
"""An editor's several writes are one change when they come within this."""
STEP_MS: Final = 50
FIRST_LOOK_MS: Final = 500
"""Once that has passed every file is looked at: some may have been saved before the kernel was asked to tell of it."""
AGAIN_S: Final = 5.0
"""A folder that is not there (yet), or that cannot be watched, is tried again."""

Wanted = Callable[[Path], DefaultFilter]
"""Of the folder's real path, what is told of what is below."""

log = structlog.get_logger()


class Refreshes(Protocol):
    """Whoever is told which files may have changed."""

    async def refresh(self, files: Collection[Path]) -> None:
        """Take these as they are now; one that is what it was is nothing new."""
        ...

    async def look_again(self) -> None:
        """Take every file as it is now, and those that are gone."""
        ...


class TenantFiles(DefaultFilter):
    """`*.yaml` and `*.yml`, and no editor's own files."""

    def __call__(self, change: Change, path: str) -> bool:
        return is_tenant_file(Path(path)) and super().__call__(change, path)


class Documents(DefaultFilter):
    """`*.md` in the tenants' folders, and those folders themselves."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __call__(self, change: Change, path: str) -> bool:
        try:
            within = Path(path).relative_to(self._folder).parts
        except ValueError:
            return False
        document = len(within) == 2 and within[1].endswith(".md") and not within[1].startswith(".")
        return (document or len(within) == 1) and super().__call__(change, path)


@asynccontextmanager
async def watched(folder: Path, tenants: Refreshes) -> AsyncIterator[None]:
    """Watches a folder of tenants while the block runs; a publishing that was begun is ended in order."""
    async with _watching(folder, tenants, lambda _: TenantFiles(), deep=False):
        yield


@asynccontextmanager
async def watched_documents(folder: Path, documents: Refreshes) -> AsyncIterator[None]:
    """Watches `<folder>/<slug>/*.md` while the block runs. Paths are told as they are below `folder`."""
    async with _watching(folder, documents, Documents, deep=True):
        yield


@asynccontextmanager
async def _watching(folder: Path, refreshed: Refreshes, wanted: Wanted, *, deep: bool) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(_watch(folder, refreshed, wanted, stop, deep=deep), name=f"watch {folder.name}")
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(folder: Path, refreshed: Refreshes, wanted: Wanted, stop: asyncio.Event, *, deep: bool) -> None:
    missed = False
    while not stop.is_set():
        if not await asyncio.to_thread(folder.is_dir):
            if not missed:
                log.warning("there is no folder to be watched yet", folder=str(folder))
            missed = True
            await _pause(stop)
            continue
        missed = False
        try:
            await _until_it_fails(folder, refreshed, wanted, stop, deep=deep)
        except Exception as error:
            # Publishing by file stops with this task: whatever it was, it is told, and tried again.
            log.exception("a folder is not watched", folder=str(folder), error=repr(error))
            await _pause(stop)


async def _until_it_fails(
    folder: Path, refreshed: Refreshes, wanted: Wanted, stop: asyncio.Event, *, deep: bool
) -> None:
    # Resolved: what is told of has the real path, whatever links lead to the folder.
    real = await asyncio.to_thread(folder.resolve)
    changes = awatch(
        real,
        watch_filter=wanted(real),
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        recursive=deep,
        rust_timeout=FIRST_LOOK_MS,
        yield_on_timeout=True,
        stop_event=stop,
    )
    looked = False
    async for changed in changes:
        if not looked:
            looked = True
            await refreshed.look_again()
        elif changed:
            await refreshed.refresh({folder / Path(path).relative_to(real) for _, path in changed})


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(AGAIN_S):
            await stop.wait()
    except TimeoutError:
        return
