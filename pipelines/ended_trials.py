"""Trials that ended by themselves, kept over the end of the process: one small file, replaced whole."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import msgspec
import structlog

from base.ids import TenantId
from pipelines.status import RolledBack

CLOSE_TIMEOUT_S: Final = 5.0

log = structlog.get_logger()


class EndedTrials:
    """Use it as `async with`; closing waits for what is being written. Raises nothing for the disk's sake.

    What cannot be read or written costs no call: such a trial is begun once more by the next process, and told.
    """

    def __init__(self, file: Path) -> None:
        """In a folder that is there, and that no other process writes to."""
        self._file = file
        self._found: Mapping[TenantId, RolledBack] = MappingProxyType({})
        self._unwritten: bytes | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def found(self) -> Mapping[TenantId, RolledBack]:
        """What was kept when this was opened."""
        return self._found

    async def __aenter__(self) -> Self:
        try:
            self._found = await asyncio.to_thread(_read, self._file)
        except (OSError, msgspec.DecodeError) as error:
            log.warning("which trials have ended cannot be read", file=str(self._file), error=repr(error))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_TIMEOUT_S)

    def keep(self, ended: Mapping[TenantId, RolledBack]) -> None:
        """From now on these are all. Never waits; of several in a row the last is written."""
        self._unwritten = msgspec.json.encode(dict(ended))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="keep which trials have ended")

    async def _write(self) -> None:
        while self._unwritten is not None:
            latest, self._unwritten = self._unwritten, None
            try:
                await asyncio.to_thread(_replace, self._file, latest)
            except OSError as error:
                log.warning("which trials have ended is not kept", file=str(self._file), error=repr(error))


def _read(file: Path) -> dict[TenantId, RolledBack]:
    if not file.exists():
        return {}
    return msgspec.json.decode(file.read_bytes(), type=dict[TenantId, RolledBack])


def _replace(file: Path, content: bytes) -> None:
    new = file.with_name(file.name + ".new")
    with new.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)
