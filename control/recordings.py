"""Recordings of calls: where they lie, and whether there is one."""

import asyncio
import uuid
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from msgspec import structs

from control.dependencies import Room
from pipelines.calls import Call, CallRecord
from pipelines.loaded import LoadedPipeline
from pipelines.recording import Recording

FOLDER: Final = "recordings"
"""In the data directory."""

log = structlog.get_logger()


def file_of(data_dir: Path, record: CallRecord) -> Path | None:
    """Where a finished call's WAV lies; None: there is none, or it is not on this node.

    Never outside of the tenant's own folder, whatever the record says. It looks at the disk.
    """
    if record.recording is None:
        return None
    path = (data_dir / record.recording).resolve()
    own = (data_dir / FOLDER / record.call.tenant_id).resolve()
    return path if path.is_relative_to(own) and path.is_file() else None


class Recordings:
    """One for a process."""

    def __init__(self, folder: Path | None, room: Callable[[], Room]) -> None:
        """`folder` is one of the data directory; None: nothing is recorded. `room`: whether the disk has any."""
        self._folder = folder
        self._room = room

    @asynccontextmanager
    async def of(self, call: Call, loaded: LoadedPipeline, rate: int) -> AsyncIterator[Recording | None]:
        """Both sides of the call on disk. What cannot be recorded is answered all the same."""
        wanted = loaded.assistant.record and loaded.revision.keeps.recordings
        if self._folder is None or not wanted:
            yield None
            return
        if not self._room().recordings:
            log.warning("a call is not recorded: the disk is nearly full")
            yield None
            return
        async with Recording(self._folder.parent / self.name(call), rate) as recording:
            yield None if recording.error else recording

    def name(self, call: Call) -> str:
        """Relative to the data directory; made of a checked UUID and a date, nothing that a caller wrote."""
        assert self._folder is not None
        return _name(self._folder.name, call)


class LostRecordings:
    """Names a lost call's recording in its record: the process that died could not."""

    def __init__(self, data_dir: Path, store: Callable[[CallRecord], Awaitable[None]]) -> None:
        self._data_dir = data_dir
        self._store = store

    async def store(self, record: CallRecord) -> None:
        """Hand the record on, with its recording if there is one. Raises what `store` raises."""
        if record.end_reason == "lost" and record.recording is None:
            record = structs.replace(record, recording=await asyncio.to_thread(self._found, record.call))
        await self._store(record)

    def _found(self, call: Call) -> str | None:
        try:
            name = _name(FOLDER, call)
            with wave.open(str(self._data_dir / name)) as recording:
                return name if recording.getnframes() else None
        except (OSError, EOFError, wave.Error, ValueError):
            return None  # none was made, nothing came so far, or its header is not whole


def _name(folder: str, call: Call) -> str:
    return f"{folder}/{call.tenant_id}/{call.opened_at:%Y-%m-%d}/{uuid.UUID(call.id)}.wav"
