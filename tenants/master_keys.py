"""Where the ring of master keys comes from: a variable, a file, a command (the hook for a KMS), or a file of our own.

The three settings exclude one another. A command is asked once at the start, and again when a secret names a key that
is not in the ring; nothing of it is kept on the disk.
"""

import asyncio
import shlex
import subprocess
from pathlib import Path
from typing import Final

from msgspec import Struct

from base.secret import Secret
from tenants.keys import KeyFileError, kept_secret
from tenants.sealing import MasterKeyError, MasterKeys, new_ring, parse_ring

FILE: Final = "secrets.keys"
MAX_RING_BYTES: Final = 16 * 1024
COMMAND_TIMEOUT_S: Final = 20.0


class MasterKeysUnavailableError(KeyFileError):
    """There is no ring that can be used; the message says which setting, and what to do."""


class MasterKeySource(Struct, frozen=True, kw_only=True):
    """What the settings say of it, one at the most."""

    data_dir: Path
    keys: Secret | None = None
    file: Path | None = None
    command: str | None = None

    @property
    def own(self) -> Path | None:
        """The file of ours; None where the settings name something else."""
        given = self.keys or self.file or self.command
        return None if given else self.data_dir / FILE

    @property
    def told(self) -> str:
        """Where it is, for an operator."""
        if self.keys is not None:
            return "ATENDE_SECRETS_KEYS"
        if self.file is not None:
            return f"ATENDE_SECRETS_KEYS_FILE ({self.file})"
        if self.command is not None:
            return "ATENDE_SECRETS_KEYS_COMMAND"
        return str(self.data_dir / FILE)


async def read_ring(source: MasterKeySource, *, make: bool = True) -> MasterKeys:
    """The ring; where no setting names one the file of ours, made (mode 0600) unless `make` is False.

    Raises MasterKeysUnavailableError, also in the place of what the disk raises, and KeyFileError for a file of ours
    that others can read.
    """
    text = await _asked(source.command) if source.command is not None else await asyncio.to_thread(_read, source, make)
    try:
        return parse_ring(text.reveal())
    except MasterKeyError as error:
        raise MasterKeysUnavailableError(f"{source.told}: {error}") from None


def add_key(source: MasterKeySource) -> None:
    """A fresh key comes first in the file of ours; the others stay. Blocks.

    Raises MasterKeysUnavailableError where the settings name something else, KeyFileError, OSError.
    """
    if (file := source.own) is None:
        raise MasterKeysUnavailableError(f"the ring is that of {source.told}: put a new key first in it there")
    former = kept_secret(file, new_ring()).reveal()
    parse_ring(former)
    draft = file.with_name(f".{file.name}.next")
    draft.unlink(missing_ok=True)
    kept_secret(draft, new_ring([former]))
    draft.rename(file)


def _read(source: MasterKeySource, make: bool) -> Secret:
    if source.keys is not None:
        return source.keys
    if source.file is not None:
        return _of_file(source.file)
    file = source.data_dir / FILE
    if not make and not file.exists():
        raise MasterKeysUnavailableError(f"there is no {file} yet; the service makes it at its first start")
    try:
        return kept_secret(file, new_ring())
    except OSError as error:
        raise MasterKeysUnavailableError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise MasterKeysUnavailableError(f"{file} is damaged; restore it from a backup") from None


def _of_file(file: Path) -> Secret:
    """One of the operator's: it may belong to a group, as mounted secrets do, but never to everybody."""
    try:
        if file.stat().st_mode & 0o007:
            raise MasterKeysUnavailableError(f"{file} can be read by everybody; run: chmod o= {file}")
        with file.open("rb") as opened:
            return _decoded(opened.read(MAX_RING_BYTES + 1), f"ATENDE_SECRETS_KEYS_FILE: {file}")
    except OSError as error:
        raise MasterKeysUnavailableError(f"ATENDE_SECRETS_KEYS_FILE: {file}: {error.strerror}") from error


async def _asked(command: str) -> Secret:
    """What a command prints. No shell reads it; its errors go where ours go, what it prints nowhere."""
    where = "ATENDE_SECRETS_KEYS_COMMAND"
    try:
        argv = shlex.split(command)
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise MasterKeysUnavailableError(f"{where} cannot be run: {error}") from error
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            # One octet too many is told as such; the rest is not waited for.
            printed = b""
            while len(printed) <= MAX_RING_BYTES and (part := await process.stdout.read(4096)):
                printed += part
            code = None if len(printed) > MAX_RING_BYTES else await process.wait()
    except TimeoutError as error:
        raise MasterKeysUnavailableError(f"{where} did not end within {COMMAND_TIMEOUT_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code is not None and code != 0:
        raise MasterKeysUnavailableError(f"{where} ended with status {code}; what it says of it is above")
    return _decoded(printed, where)


def _decoded(raw: bytes, where: str) -> Secret:
    if len(raw) > MAX_RING_BYTES:
        raise MasterKeysUnavailableError(f"{where}: more than {MAX_RING_BYTES} bytes are no ring of keys")
    if not raw.isascii():
        raise MasterKeysUnavailableError(f"{where}: a ring of keys is plain text, id:base64,…")
    return Secret(raw.decode("ascii"))
