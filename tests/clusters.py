"""A database cluster is made once for a run of tests, and copied: `initdb` takes two seconds of a core each time."""

import atexit
import shutil
import subprocess
import tempfile
from pathlib import Path

from tenants.embedded import EmbeddedPostgres

make = EmbeddedPostgres._make_cluster
"""As the product does it."""
_template: list[Path] = []


def make_or_copy(server: EmbeddedPostgres) -> None:
    """In the place of `_make_cluster`: the first is made, and all others are its copies."""
    if server.is_made:
        make(server)
        return
    if not _template:
        make(server)
        folder = Path(tempfile.mkdtemp(prefix="atende-cluster-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _copied(server._cluster, folder / "postgres")
        _template.append(folder / "postgres")
        return
    _copied(_template[0], server._cluster)


def copy(data_dir: Path) -> None:
    """A cluster for a service that runs in a process of its own; none when this process has not made one yet."""
    if _template:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copied(_template[0], data_dir / "postgres")


def _copied(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
