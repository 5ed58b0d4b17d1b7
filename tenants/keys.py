"""The secrets that the service keeps on disk, when the operator gave none: its signing keys, and that of API keys."""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from base.secret import Secret
from tenants.signing import KeyRing, new_key, parse_keys, write_keys

KEY_FILE: Final = "signing.keys"
API_KEY_FILE: Final = "api-keys.secret"
MIN_SECRET_CHARS: Final = 32


class KeyFileError(Exception):
    """The file of keys may not be used; the message says how to mend it."""


def signing_keys(data_dir: Path, configured: Secret | None) -> KeyRing:
    """The operator's ring, or one kept in the data directory (made at the first start, mode 0600).

    Raises KeyFormatError for a badly written ring, KeyFileError for a file that others can read.
    """
    if configured is not None:
        return parse_keys(configured.reveal())
    return parse_keys(kept_secret(data_dir / KEY_FILE, write_keys((new_key(),))).reveal())


def api_key_pepper(data_dir: Path, configured: Secret | None) -> Secret:
    """What API keys are digested with: the operator's, or one kept in the data directory (made once, mode 0600).

    Raises KeyFileError for a file that others can read, or that was emptied.
    """
    if configured is not None:
        return configured
    path = data_dir / API_KEY_FILE
    pepper = kept_secret(path, Secret(secrets.token_urlsafe(MIN_SECRET_CHARS)))
    if len(pepper.reveal()) < MIN_SECRET_CHARS:
        raise KeyFileError(f"{path} is damaged; restore it, or remove it and make every API key anew")
    return pepper


def kept_secret(path: Path, fresh: Secret) -> Secret:
    """What the file holds; `fresh`, written there whole and with mode 0600, when there is no file.

    Two processes that start together end up with the same secret. Raises KeyFileError.
    """
    if not path.exists():
        _publish(path, fresh)
    if path.stat().st_mode & 0o077:
        raise KeyFileError(f"{path} can be read by others; run: chmod 600 {path}")
    return Secret(path.read_text(encoding="ascii").strip())


def _publish(path: Path, secret: Secret) -> None:
    """Write beside, then link: the name appears with its whole content, and the first writer wins.

    `mkstemp` makes the file with mode 0600.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret.reveal() + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
