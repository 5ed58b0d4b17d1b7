"""Writes drafted documents, and remembers what it wrote: a file that somebody has changed since is theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from base.ids import TenantId
from pipelines.kept_file import replace_whole
from tenants.fusionpbx.plan import Planned, digest_of
from tenants.next_text import replaced

MEMORY_FILE: Final = "fusionpbx-import.json"
"""In the data directory: the digest of what was written last, by tenant id."""


class ChangedMeanwhileError(Exception):
    """The file is another one than when it was compared; nothing was written."""


class Written:
    """What imports have written. Blocks."""

    def __init__(self, data_dir: Path) -> None:
        """A memory that cannot be read is none: every file counts as changed by hand then. Raises OSError."""
        self._file = data_dir / MEMORY_FILE
        self._digests: dict[TenantId, str] = {}
        if self._file.exists():
            try:
                self._digests = msgspec.json.decode(self._file.read_bytes(), type=dict[TenantId, str])
            except msgspec.DecodeError:
                self._digests = {}

    @property
    def digests(self) -> Mapping[TenantId, str]:
        return self._digests

    def write(self, planned: Planned) -> None:
        """Put the document in its place, whole. Raises ChangedMeanwhileError, OSError."""
        assert planned.file is not None
        there = planned.file.read_bytes() if planned.file.exists() else None
        if there != planned.former:
            raise ChangedMeanwhileError(f"{planned.file} was changed meanwhile: run the import again")
        if planned.status != "same":
            planned.file.parent.mkdir(parents=True, exist_ok=True)
            replaced(planned.file, planned.text.encode(), planned.tenant_id)
        self._digests[planned.tenant_id] = digest_of(planned.text.encode())

    def keep(self) -> None:
        """The memory is on the disk when this returns. Raises OSError."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_whole(self._file, msgspec.json.format(msgspec.json.encode(self._digests, order="sorted")))
