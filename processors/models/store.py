"""Where installed models lie, and whether they are what the manifest says.

Layout: `<data_dir>/models/<model>/<file>…` with `complete.json`, which is written last and holds the
hashes that were checked. A folder without it, or with other hashes, is not installed.
Nothing here fetches anything.
"""

import hashlib
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from processors.factory import PrepareError
from processors.models.manifest import Manifest, Model, builtin_manifest

MARKER = "complete.json"
_CHUNK_BYTES = 1 << 20


class ModelState(Enum):
    """How much of a model is there."""

    INSTALLED = "installed"
    MISSING = "missing"
    DAMAGED = "damaged"
    """A folder is there, but it is not the model of this manifest, or a file has another size."""


class Marker(Struct, frozen=True):
    """What was verified when the model was installed: SHA-256 by file."""

    files: dict[str, str]


_DECODER: Final = msgspec.json.Decoder(Marker)
"""Made when this is imported, as the manifest's: it is used on threads."""


def sha256_of(path: Path, progress: Callable[[int], None] = lambda _: None) -> str:
    """Hash a file; `progress` hears the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    for chunk in chunks_of(path):
        digest.update(chunk)
        done += len(chunk)
        progress(done)
    return digest.hexdigest()


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes, a mebibyte at a time."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


class ModelStore:
    """The models under `<data_dir>/models`; satisfies `processors.factory.ModelFiles`."""

    def __init__(self, data_dir: Path, manifest: Manifest | None = None, *, root: Path | None = None) -> None:
        """`root`: the folder of the models when it is another than `<data_dir>/models`."""
        # Absolute: what fetches packages runs in another folder.
        self.root = (root or data_dir / "models").absolute()
        self.manifest = manifest or builtin_manifest()

    def folder(self, model: Model) -> Path:
        """Where the model is, or would be."""
        return self.root / model.name

    def path(self, model: str) -> Path:
        """Folder of an installed model. Raises PrepareError that names the command to run."""
        known = self.manifest.find(model)
        if known is None:
            raise PrepareError(f"there is no model {model!r}; known are: {', '.join(self.manifest.names)}")
        state = self.state(known)
        if state is not ModelState.INSTALLED:
            raise PrepareError(f"the model {model} is {state.value} in {self.root}: run `atende models pull {model}`")
        return self.folder(known)

    def state(self, model: Model) -> ModelState:
        """Whether it is installed, by its marker and the files' sizes; `verify` reads the bytes."""
        folder = self.folder(model)
        if not folder.is_dir():
            return ModelState.MISSING
        whole = self._marked(model) and all(_has_size(folder / file.path, file.size) for file in model.files)
        return ModelState.INSTALLED if whole else ModelState.DAMAGED

    def verify(self, model: Model, progress: Callable[[int], None] = lambda _: None) -> list[str]:
        """Hash every file again; the paths that are missing or differ.

        A model that differs loses its marker, so that no stage loads it and the next pull mends it.
        """
        bad, before = [], 0
        for file in model.files:
            path, start = self.folder(model) / file.path, before
            if not path.is_file() or sha256_of(path, lambda n, start=start: progress(start + n)) != file.sha256:  # type: ignore[misc]
                bad.append(file.path)
            before += file.size
        if bad:
            (self.folder(model) / MARKER).unlink(missing_ok=True)
        return bad

    def _marked(self, model: Model) -> bool:
        try:
            marker = _DECODER.decode((self.folder(model) / MARKER).read_bytes())
        except (OSError, msgspec.DecodeError):
            return False
        return marker.files == {file.path: file.sha256 for file in model.files}


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
