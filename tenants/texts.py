"""Where the present texts of tenants lie: the files of a folder, or what was read of the database."""

from pathlib import Path
from typing import Final, Protocol

from base.ids import TenantId
from pipelines.supervisor import Swap
from tenants.errors import DocumentError, Located
from tenants.files import ENDINGS, files_of, twin_of, twin_told
from tenants.known_files import KnownFiles
from tenants.next_text import digest_of
from tenants.nodes import MAX_BYTES
from tenants.revisions import RevisionRow

STORED: Final = Path("stored")
"""In the place of a folder, for texts that are in none."""


class Texts(Protocol):
    """Each text has a file of its own, by which it is told apart."""

    def files(self) -> list[Path]:
        """All there are, by name. Blocks."""
        ...

    def related(self, file: Path) -> set[Path]:
        """The files of which only one counts, this one among them."""
        ...

    def is_there(self, file: Path) -> bool:
        """Blocks."""
        ...

    def read(self, file: Path) -> bytes:
        """The text, or one byte more of it than a text may have. Blocks. Raises OSError, DocumentError."""
        ...

    async def digest(self, file: Path) -> str | None:
        """SHA-256 of what it says, in hex; None where there is none that can be read."""
        ...


class FolderTexts:
    """The `*.yaml` and `*.yml` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> list[Path]:
        return files_of(self._folder)

    def related(self, file: Path) -> set[Path]:
        """With a file's twin, which counts when the file is gone, and does not when it is there."""
        return {file, *(file.with_suffix(ending) for ending in ENDINGS)}

    def is_there(self, file: Path) -> bool:
        return file.is_file()

    def read(self, file: Path) -> bytes:
        if (twin := twin_of(file)) is not None:
            told = Located(file=str(file), line=0, column=0, path="", message=twin_told(twin))
            raise DocumentError([told])
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)  # one too many is told as such

    async def digest(self, file: Path) -> str | None:
        return await digest_of(file)


class StoredTexts:
    """The newest revision of each tenant, as it was read last: `keep` and `drop` say what that is."""

    def __init__(self) -> None:
        self._rows: dict[Path, RevisionRow] = {}
        self.known = KnownFiles()
        """Whose each text is, also one that cannot be read."""

    def file(self, tenant_id: TenantId) -> Path:
        """The tenant's, whether there is a text or not."""
        return STORED / tenant_id

    def keep(self, tenant_id: TenantId, row: RevisionRow) -> None:
        """It is the tenant's newest from now on; an older one than is known changes nothing."""
        known = self._rows.get(self.file(tenant_id))
        if known is None or known.number < row.number:
            self._rows[self.file(tenant_id)] = row
            self.known.note(self.file(tenant_id), tenant_id)

    def drop(self, tenant_id: TenantId) -> None:
        """The tenant has none any more. Idempotent."""
        self._rows.pop(self.file(tenant_id), None)

    def row(self, tenant_id: TenantId) -> RevisionRow | None:
        """The tenant's newest."""
        return self._rows.get(self.file(tenant_id))

    def swap(self, tenant_id: TenantId) -> Swap:
        """What becomes of live calls when it is taken up: as whoever stored it wished."""
        row = self.row(tenant_id)
        return "turn" if row is None else row.swap

    def files(self) -> list[Path]:
        return sorted(self._rows)

    def related(self, file: Path) -> set[Path]:
        return {file}

    def is_there(self, file: Path) -> bool:
        return file in self._rows

    def read(self, file: Path) -> bytes:
        if (row := self._rows.get(file)) is None:
            raise FileNotFoundError(2, "nothing is stored of the tenant (any more)")
        return row.document

    async def digest(self, file: Path) -> str | None:
        row = self._rows.get(file)
        return None if row is None else row.digest
