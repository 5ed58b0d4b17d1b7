"""Trials that ended by themselves, kept over the end of the process."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

import msgspec

from base.ids import TenantId
from pipelines.kept_file import KeptFile
from pipelines.status import RolledBack


class EndedTrials:
    """Use it as `async with`; closing waits for what is being written. Raises nothing for the disk's sake.

    What cannot be read or written costs no call: such a trial is begun once more by the next process, and told.
    """

    def __init__(self, file: Path) -> None:
        """In a folder that is there, and that no other process writes to."""
        self._file = KeptFile(file, "which trials have ended")
        self._found: Mapping[TenantId, RolledBack] = MappingProxyType({})

    @property
    def found(self) -> Mapping[TenantId, RolledBack]:
        """What was kept when this was opened."""
        return self._found

    async def __aenter__(self) -> Self:
        try:
            if (content := await self._file.read()) is not None:
                self._found = msgspec.json.decode(content, type=dict[TenantId, RolledBack])
        except (OSError, msgspec.DecodeError) as error:
            self._file.unreadable(error)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._file.close()

    def keep(self, ended: Mapping[TenantId, RolledBack]) -> None:
        """From now on these are all. Never waits; of several in a row the last is written."""
        self._file.keep(msgspec.json.encode(dict(ended)))
