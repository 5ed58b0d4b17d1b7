"""Which model files exist, what they must hash to, and where they may come from.

`manifest.json` beside this file is the data. Every file is named with its official size and SHA-256;
the sources are only ways to come by exactly those bytes, so an unknown publisher cannot change a model.
"""

from functools import cache
from importlib.resources import files
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in lower-case hex."""

RelativePath = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")]
"""A path with `/` that cannot leave its folder."""


class Piece(Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of a model file that lies in a registry package."""

    package: Annotated[str, Meta(pattern=r"^(pypi|npm):[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*$")]
    """Index, name and exact version: `pypi:some-package==1.0.0`."""
    member: RelativePath
    """Path inside the package's archive."""
    sha256: Sha256


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model; `pieces` joined in order are the file."""

    path: RelativePath
    size: int
    """In bytes."""
    sha256: Sha256
    url: str | None = None
    """At a model hub."""
    installed: RelativePath | None = None
    """The same file inside an installed Python package, as `package/path`."""
    pieces: tuple[Piece, ...] = ()


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """What is fetched, verified and installed as one."""

    name: RelativePath
    title: str
    licence: str
    """SPDX identifier."""
    files: tuple[ModelFile, ...]
    optional: bool = False
    """Whether a plain `atende models pull` leaves it out."""

    @property
    def size(self) -> int:
        """In bytes, installed."""
        return sum(file.size for file in self.files)


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """All models that Atende knows."""

    models: tuple[Model, ...]

    def find(self, name: str) -> Model | None:
        """The model of that name."""
        return next((model for model in self.models if model.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.models)


_DECODER: Final = msgspec.json.Decoder(Manifest)
"""Made when this is imported: stages that are prepared on threads side by side crashed the interpreter where each made
its own (`base/converting.py` says why)."""


@cache
def builtin_manifest() -> Manifest:
    """The manifest that ships with Atende."""
    return _DECODER.decode((files(__package__) / "manifest.json").read_bytes())
