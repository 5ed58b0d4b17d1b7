"""A database cluster is made once for a run of tests, and copied: `initdb` takes two seconds of a core each time, and
the service's database with all migrations another one.

What a copy is told to leave out, syncing to the disk, is there for machines that lose their power. A server that is
killed loses nothing by it: what it wrote is the kernel's.
"""

import asyncio
import atexit
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tenants.database import open_database
from tenants.embedded import EmbeddedPostgres

make = EmbeddedPostgres._make_cluster
"""As the product does it."""
UNSYNCED = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"
_template: list[Path] = []


def make_or_copy(server: EmbeddedPostgres) -> None:
    """In the place of `_make_cluster`: a copy, whose server has the service's database, migrated and empty."""
    if server.is_made:
        make(server)
    else:
        _copied(_made(), server._cluster)


def copy(data_dir: Path) -> None:
    """A cluster for a service that runs in a process of its own."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copied(_made(), data_dir / "postgres")


def _made() -> Path:
    """The one that is copied."""
    if not _template:
        folder = Path(tempfile.mkdtemp(prefix="atende-cluster-"))
        folder.chmod(0o755)  # The server may run as a user of its own.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        with ThreadPoolExecutor(1) as other:  # a loop may run in this one
            other.submit(asyncio.run, _make(folder)).result()
        with (folder / "postgres" / "postgresql.conf").open("a") as settings:
            settings.write(UNSYNCED)
        _template.append(folder / "postgres")
    return _template[0]


class _Real(EmbeddedPostgres):
    _make_cluster = make


async def _make(folder: Path) -> None:
    server = _Real(folder)
    server.start()
    server.stop()
    async with open_database(folder, None):
        pass


def _copied(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
