"""The secrets of former versions, a file each (`<data_dir>/secrets/<tenant id>/<name>`), taken over into the store."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from base.clock import Clock
from base.ids import TenantId
from base.secret import Secret
from processors.factory import PrepareError
from tenants.audit import Actor, State
from tenants.audit_store import AuditLog
from tenants.auditing import audited
from tenants.secret_rows import MAX_SECRET_BYTES, TooManySecretsError, VersionTakenError, is_secret_name
from tenants.secrets import SecretValueError, TenantSecrets

FOLDER: Final = "secrets"
BY: Final = "service"

log = structlog.get_logger()


def secret_files(data_dir: Path) -> Iterator[tuple[TenantId, str, Path]]:
    """Tenant, name and file of each that there is, in their order. Blocks."""
    for file in sorted((data_dir / FOLDER).glob("*/*")):
        try:
            tenant_id = TenantId(str(uuid.UUID(file.parent.name)))
        except ValueError:
            continue
        if is_secret_name(file.name) and file.is_file():
            yield tenant_id, file.name, file


async def take_over(data_dir: Path, secrets: TenantSecrets, audit: AuditLog, clock: Clock) -> None:
    """Each file's value is kept in the store; a file goes when its value has been read back from there.

    Told by name alone. What cannot be taken over stays where it is, and is told. Raises SecretsUnavailableError,
    AuditUnavailableError.
    """
    for tenant_id, name, file in await asyncio.to_thread(lambda: list(secret_files(data_dir))):
        why = await _left(tenant_id, name, file, secrets, audit, clock)
        if why:
            log.error("a secret's file is not taken over", tenant=tenant_id, name=name, file=str(file), why=why)
        else:
            log.info("a secret was taken over from its file", tenant=tenant_id, name=name)


async def _left(
    tenant_id: TenantId, name: str, file: Path, secrets: TenantSecrets, audit: AuditLog, clock: Clock
) -> str:
    """Why the file stays where it is; empty when it is taken over."""
    try:
        if (await asyncio.to_thread(file.stat)).st_mode & 0o077:
            return f"it can be read by others; run: chmod 600 {file}"
        value = await asyncio.to_thread(_read, file)
        if not secrets.has(tenant_id, name):
            await _kept(tenant_id, name, value, secrets, audit, clock)
        if await secrets.read(tenant_id, name) != value:
            return "the database has another value, which counts; remove the file"
        await asyncio.to_thread(_remove, file)
    except (PrepareError, SecretValueError, TooManySecretsError, VersionTakenError) as error:
        return str(error)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


async def _kept(
    tenant_id: TenantId, name: str, value: Secret, secrets: TenantSecrets, audit: AuditLog, clock: Clock
) -> None:
    row, _ = await secrets.next(tenant_id, name, value, at=clock.now(), by=BY)
    async with audited(audit, clock, tenant_id, Actor(kind="service"), "secret.put", name) as result:
        await secrets.keep(tenant_id, row)
        result.after = State(version=row.info.version)


def forget_file(data_dir: Path, tenant_id: TenantId, name: str) -> None:
    """Something else is kept by this name now. Idempotent; blocks. Raises OSError."""
    if (file := data_dir / FOLDER / tenant_id / name).is_file():
        _remove(file)


def _read(file: Path) -> Secret:
    """Raises OSError, SecretValueError."""
    raw = file.read_bytes()
    try:
        return Secret(raw[: MAX_SECRET_BYTES + 1].decode().strip())
    except UnicodeDecodeError:
        raise SecretValueError("the value is no text") from None


def _remove(file: Path) -> None:
    """The file, and its folder behind the last of them."""
    file.unlink()
    for folder in (file.parent, file.parent.parent):
        if any(folder.iterdir()):
            break
        folder.rmdir()
