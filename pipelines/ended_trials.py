"""Trials that ended by themselves, kept over the end of the process, for all processes of the node."""

import asyncio
import fcntl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import msgspec
import structlog

from base.ids import TenantId
from pipelines.kept_file import CLOSE_TIMEOUT_S, replace_whole
from pipelines.status import RolledBack

Ended = dict[TenantId, RolledBack]
_DECODER: Final[msgspec.json.Decoder[Ended]] = msgspec.json.Decoder(Ended)
"""Made when this is imported: it is used on threads (`base/converting.py`)."""
WHAT: Final = "which trials have ended"

log = structlog.get_logger()


class EndedTrials:
    """Use it as `async with`; closing waits for what is being written. Raises nothing for the disk's sake.

    What cannot be read or written costs no call: such a trial is begun once more by the next process, and told.
    """

    def __init__(self, file: Path) -> None:
        """In a folder that is there. All processes of the node keep theirs in the same file, so that whoever relieves
        one finds them.
        """
        self._file = file
        self._found: Mapping[TenantId, RolledBack] = MappingProxyType({})
        self._kept: Mapping[TenantId, RolledBack] = {}
        self._changes: dict[TenantId, RolledBack | None] = {}
        self._writing: asyncio.Task[None] | None = None

    @property
    def found(self) -> Mapping[TenantId, RolledBack]:
        """What was kept when this was opened, by whatever process."""
        return self._found

    async def __aenter__(self) -> Self:
        try:
            self._found = self._kept = await asyncio.to_thread(_read, self._file)
        except (OSError, msgspec.DecodeError) as error:
            log.warning("what was kept cannot be read", what=WHAT, file=str(self._file), error=repr(error))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_TIMEOUT_S)

    def keep(self, ended: Mapping[TenantId, RolledBack]) -> None:
        """From now on these are all that this process knows; what others have kept meanwhile stays. Never waits."""
        for tenant_id in {*self._kept, *ended}:
            if self._kept.get(tenant_id) != ended.get(tenant_id):
                self._changes[tenant_id] = ended.get(tenant_id)
        self._kept = dict(ended)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name=f"keep {WHAT}")

    async def _write(self) -> None:
        while self._changes:
            changes, self._changes = self._changes, {}
            try:
                await asyncio.to_thread(_change, self._file, changes)
            except OSError as error:
                log.warning("what is to be kept is not written", what=WHAT, file=str(self._file), error=repr(error))


def _read(file: Path) -> Ended:
    """Raises OSError, DecodeError."""
    return _DECODER.decode(file.read_bytes()) if file.exists() else {}


def _change(file: Path, changes: Mapping[TenantId, RolledBack | None]) -> None:
    """One process after the other. Blocks until it is on the disk. Raises OSError."""
    with file.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            ended = _read(file)
        except msgspec.DecodeError:
            ended = {}  # told when this was opened
        every = {**ended, **changes}
        replace_whole(file, msgspec.json.encode({key: one for key, one in every.items() if one is not None}))
