"""A tenant's secrets, one file each: `<data_dir>/secrets/<tenant id>/<name>`, readable by us alone."""

import os
import re
import uuid
from pathlib import Path
from typing import Final

from base.ids import TenantId
from base.secret import Secret
from processors.factory import PrepareError

FOLDER: Final = "secrets"
MAX_SECRET_BYTES: Final = 16 * 1024
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class SecretNameError(ValueError):
    """Not a name that a secret can have."""


class FileSecrets:
    """Secrets by tenant and name. A tenant's stage can only ever name its own."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def read(self, tenant_id: TenantId, name: str) -> Secret:
        """The value. Raises PrepareError that says how to set it; the value is never in a message."""
        try:
            path = self._path(tenant_id, name)
            raw = path.read_bytes()
        except (OSError, SecretNameError) as error:
            raise PrepareError(
                f"the tenant has no secret {name!r} that can be read; set it with `atende secret --tenant SLUG {name}`"
            ) from error
        if path.stat().st_mode & 0o077:
            raise PrepareError(f"{path} can be read by others; run: chmod 600 {path}")
        return Secret(raw[:MAX_SECRET_BYTES].decode("utf-8", "strict").strip())

    def has(self, tenant_id: TenantId, name: str) -> bool:
        """Whether `read` would have a value."""
        try:
            self.read(tenant_id, name)
        except PrepareError:
            return False
        return True

    def write(self, tenant_id: TenantId, name: str, value: Secret) -> Path:
        """Keep a value, in place of a former one. Raises SecretNameError, OSError."""
        path = self._path(tenant_id, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(value.reveal() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return draft.rename(path)

    def _path(self, tenant_id: TenantId, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise SecretNameError(f"{name!r} is not a secret's name: lower-case letters, digits, - and _")
        return self._folder / str(uuid.UUID(tenant_id)) / name
