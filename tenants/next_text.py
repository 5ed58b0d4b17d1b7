"""A tenant's file is replaced whole: the next text lies beside it, on the disk, before anything depends on it."""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from base.ids import TenantId
from tenants.nodes import MAX_BYTES

NEW_MODE: Final = 0o640
"""Of a file that was not there before: the operators' group may read it."""


class ReadOnlyFolderError(Exception):
    """A tenant's file cannot be written, or taken away."""

    def __init__(self, file: Path, error: OSError) -> None:
        super().__init__(f"{file.name} cannot be written in its folder: {error.strerror or error}")
        self.file = file


class NotWrittenError(ReadOnlyFolderError):
    """That it cannot was noticed last of all: what the text was put for has happened."""


class NextText:
    """A text that has not taken the place of a file's yet."""

    def __init__(self, file: Path, real: Path, beside: Path) -> None:
        self._file = file
        self._real = real
        self._beside = beside
        self.settled = False

    async def take_place(self) -> None:
        """The file has this text from now on, also after a power cut. Raises NotWrittenError.

        What is begun is done, also when whoever waits for it is cancelled.
        """
        self.settled = True
        try:
            await asyncio.to_thread(self._replace)
        except OSError as error:
            raise NotWrittenError(self._file, error) from error

    def _replace(self) -> None:
        try:
            self._beside.replace(self._real)
        except OSError:
            self._beside.unlink(missing_ok=True)
            raise
        _sync_folder(self._real.parent)


@asynccontextmanager
async def beside(file: Path, raw: bytes, tenant_id: TenantId) -> AsyncIterator[NextText]:
    """The text beside the file for the block, under a name that no tenant's file has; it goes when it is not used.

    A file that is a link stays one. One block of a tenant at a time. Raises ReadOnlyFolderError.
    """
    try:
        real = await asyncio.to_thread(file.resolve)
        new = _beside(real, tenant_id)
        await asyncio.to_thread(_write, new, raw, real)
    except OSError as error:
        raise ReadOnlyFolderError(file, error) from error
    text = NextText(file, real, new)
    try:
        yield text
    finally:
        if not text.settled:
            with suppress(OSError):
                new.unlink(missing_ok=True)


def replaced(file: Path, raw: bytes, tenant_id: TenantId) -> None:
    """The file has this text, whole, also after a power cut; see `beside`. Blocks. Raises OSError."""
    real = file.resolve()
    new = _beside(real, tenant_id)
    _write(new, raw, real)
    try:
        new.replace(real)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    _sync_folder(real.parent)


async def digest_of(file: Path) -> str | None:
    """SHA-256 of what the file says, in hex; None where there is none that can be read. One too long has one, too."""
    return await asyncio.to_thread(_digest, file)


async def delete(file: Path) -> None:
    """The file is gone, also after a power cut. Raises ReadOnlyFolderError."""
    try:
        await asyncio.to_thread(_delete, file)
    except OSError as error:
        raise ReadOnlyFolderError(file, error) from error


def _sync_folder(folder: Path) -> None:
    """What was named in it stays so after a power cut. Blocks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(real: Path, tenant_id: TenantId) -> Path:
    """The tenant's own name: two that are made at once, with one slug, do not write into each other's."""
    return real.with_name(f".{real.name}.{tenant_id}.new")


def _write(new: Path, raw: bytes, former: Path) -> None:
    new.unlink(missing_ok=True)  # of a process that was killed
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as written:
            _like(former, descriptor)
            written.write(raw)
            written.flush()
            os.fsync(descriptor)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _like(former: Path, descriptor: int) -> None:
    """Mode of the former, and its owner and group as far as this process may give files away.

    Of a new file those are the folder's: who serves from it can read what root puts there.
    """
    try:
        was = former.stat()
        mode = stat.S_IMODE(was.st_mode)
    except FileNotFoundError:
        was, mode = former.parent.stat(), NEW_MODE
    for owner in (was.st_uid, -1):
        with suppress(PermissionError):
            os.fchown(descriptor, owner, was.st_gid)
            break
    os.fchmod(descriptor, mode)


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            return hashlib.sha256(opened.read(MAX_BYTES + 1)).hexdigest()
    except OSError:
        return None


def _delete(file: Path) -> None:
    file.unlink(missing_ok=True)
    _sync_folder(file.parent)
