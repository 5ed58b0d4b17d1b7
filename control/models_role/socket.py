"""The unix socket of the process `models`."""

import os
import secrets
import socket
from pathlib import Path
from typing import Final
from urllib.parse import quote

from control.settings import Settings

FILE: Final = "models.sock"
MAX_PATH_BYTES: Final = 107
"""Of an address on Linux (`sun_path`, with the zero behind it); see unix(7)."""
BACKLOG: Final = 500


class SocketPathError(OSError):
    """The data folder's path is too long for a socket in it."""


def socket_path(found: Settings) -> Path:
    """Raises SocketPathError."""
    path = found.data_dir.resolve() / FILE
    longest = MAX_PATH_BYTES - len(".12345678")
    if len(os.fsencode(path)) > longest:
        told = f"{path} is longer than {longest} bytes, and no socket can be there"
        raise SocketPathError(f"{told}: give a shorter ATENDE_DATA_DIR, or an ATENDE_MODELS_URL")
    return path


def url_of(path: Path) -> str:
    """As `ATENDE_MODELS_URL` has it."""
    return f"unix://{quote(str(path))}"


def listener(path: Path) -> socket.socket:
    """Listens there in the place of whoever did before, dead or alive: nobody finds nothing there meanwhile.

    For this user alone. Raises OSError.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(draft))
        draft.chmod(0o600)
        listening.listen(BACKLOG)
        draft.replace(path)
    except OSError:
        listening.close()
        draft.unlink(missing_ok=True)
        raise
    return listening
