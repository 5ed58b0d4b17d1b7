"""Whose each file was when it could be used last: asked when one cannot be read any more."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final, Self

import msgspec

from base.ids import TenantId
from pipelines.kept_file import KeptFile
from tenants.nodes import MAX_BYTES

_ID: Final = re.compile(
    rb"""^['"]?id['"]?[ \t]*:[ \t]*['"]?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\b""", re.MULTILINE
)


class KnownFiles:
    """By the files' names. As `async with` it is kept over the end of the process; else it is of this one alone.

    Raises nothing for the disk's sake: without it a tenant is known by the id that stands in its file.
    """

    def __init__(self, file: Path | None = None) -> None:
        """In a folder that is there, and that no other process writes to; None: nothing is kept."""
        self._kept = None if file is None else KeptFile(file, "whose the tenants' files are")
        self._of: dict[str, TenantId] = {}

    async def __aenter__(self) -> Self:
        if self._kept is not None:
            try:
                if (content := await self._kept.read()) is not None:
                    self._of = msgspec.json.decode(content, type=dict[str, TenantId])
            except (OSError, msgspec.DecodeError) as error:
                self._kept.unreadable(error)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._kept is not None:
            await self._kept.close()

    def tenant_of(self, file: Path) -> TenantId | None:
        """Whose the file was."""
        return self._of.get(file.name)

    def note(self, file: Path, tenant_id: TenantId) -> None:
        """It is this tenant's now."""
        if self._of.get(file.name) != tenant_id:
            self._of[file.name] = tenant_id
            self._keep()

    def only(self, files: Collection[Path]) -> None:
        """There are no others."""
        names = {file.name for file in files}
        if not names.issuperset(self._of):
            self._of = {name: tenant_id for name, tenant_id in self._of.items() if name in names}
            self._keep()

    def forget(self, file: Path, tenant_id: TenantId) -> None:
        """It is this tenant's no more. Idempotent."""
        if self._of.get(file.name) == tenant_id:
            del self._of[file.name]
            self._keep()

    def _keep(self) -> None:
        if self._kept is not None:
            self._kept.keep(msgspec.json.encode(self._of))


def written_id(file: Path) -> TenantId | None:
    """The tenant's id in a file that cannot be read otherwise, where a line of its own has one. Blocks."""
    try:
        with file.open("rb") as opened:
            found = _ID.search(opened.read(MAX_BYTES))
    except OSError:
        return None
    return TenantId(found[1].decode().lower()) if found is not None else None
