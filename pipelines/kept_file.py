"""One small file that outlives the process, replaced whole."""

import asyncio
import os
from pathlib import Path
from typing import Final

import structlog

CLOSE_TIMEOUT_S: Final = 5.0

log = structlog.get_logger()


class KeptFile:
    """Raises nothing for the disk's sake but where it is read; what is not written is told."""

    def __init__(self, file: Path, what: str) -> None:
        """In a folder that is there, and that no other process writes to. `what` is kept, for the log."""
        self._file = file
        self._what = what
        self._unwritten: bytes | None = None
        self._writing: asyncio.Task[None] | None = None

    async def read(self) -> bytes | None:
        """None when nothing was kept yet. Raises OSError."""
        return await asyncio.to_thread(lambda: self._file.read_bytes() if self._file.exists() else None)

    def keep(self, content: bytes) -> None:
        """From now on this is all. Never waits; of several in a row the last is written."""
        self._unwritten = content
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name=f"keep {self._what}")

    def unreadable(self, error: Exception) -> None:
        """Tell of it."""
        log.warning("what was kept cannot be read", what=self._what, file=str(self._file), error=repr(error))

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_TIMEOUT_S)

    async def _write(self) -> None:
        while self._unwritten is not None:
            latest, self._unwritten = self._unwritten, None
            try:
                await asyncio.to_thread(replace_whole, self._file, latest)
            except OSError as error:
                log.warning(
                    "what is to be kept is not written", what=self._what, file=str(self._file), error=repr(error)
                )


def replace_whole(file: Path, content: bytes) -> None:
    """Blocks until it is on the disk. Raises OSError."""
    new = file.with_name(file.name + ".new")
    with new.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)
