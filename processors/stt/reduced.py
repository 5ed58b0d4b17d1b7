"""Whisper's weights as eight-bit integers that use seven of their bits: right on every CPU, and smaller.

CTranslate2 multiplies unsigned by signed bytes. Where the CPU has no VNNI instructions (AVX2 alone, AVX-512
of the first generation) two such products are added in 16 bits, which overflow silently when both factors
are large (255 * 127 * 2 > 32767; oneDNN's "Nuances of int8 computations"). The same model then mishears more on an
older machine. With weights of at most ±64 they cannot overflow, and every CPU computes the same.

The file is CTranslate2's own: `model.bin` as written by `ctranslate2/specs/model_spec.py` (binary version 6).
Only two-dimensional weights are reduced, one scale a row, as CTranslate2 does it itself; the rest stays as it is.
"""

import hashlib
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

MODEL_FILE = "model.bin"
BINARY_VERSION = 6
LEVELS = 64
"""Largest magnitude of a reduced weight."""
_INT8, _FLOAT32, _FLOAT16 = 1, 0, 4
"""CTranslate2's numbers of data types."""
_SCALE = "_scale"
FORMAT = f"reduced-{LEVELS}"
"""Part of a folder's name: raise it when files are made differently."""


class ModelFormatError(ValueError):
    """The file is no CTranslate2 model that can be reduced; the message says why."""


class Variable(Struct, frozen=True):
    """One array of a model, as it is stored."""

    name: str
    shape: tuple[int, ...]
    kind: int
    data: bytes


def reduced_folder(source: Path, target: Path) -> Path:
    """The folder of the reduced model under `target`; made from `source` when it is not there yet.

    Its name holds the digest of the model that it was made from. Blocks: two seconds when it has to be made.
    Put in place whole: a crash leaves nothing half done. Raises ModelFormatError, OSError.
    """
    with (source / MODEL_FILE).open("rb") as model:
        digest = hashlib.file_digest(model, "sha256").hexdigest()
    made = target / f"{source.name}-{FORMAT}-{digest[:16]}"
    if (made / MODEL_FILE).is_file():
        return made
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    working = Path(tempfile.mkdtemp(prefix=f".{made.name}-", dir=target))
    try:
        for file in source.iterdir():
            if file.is_file() and file.name != MODEL_FILE:
                shutil.copyfile(file, working / file.name)
        (working / MODEL_FILE).write_bytes(reduced((source / MODEL_FILE).read_bytes()))
        _put(working, made)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return made


def _put(working: Path, made: Path) -> None:
    """Name the finished folder; another process that was faster has made the same."""
    try:
        working.rename(made)
    except OSError:
        if not (made / MODEL_FILE).is_file():
            raise


def reduced(model: bytes) -> bytes:
    """The bytes of the reduced model. Raises ModelFormatError."""
    reader = _Reader(model)
    version = reader.number("I")
    if version != BINARY_VERSION:
        raise ModelFormatError(f"version {version} of CTranslate2's file format; known is {BINARY_VERSION}")
    name, revision = reader.text(), reader.number("I")
    kept = [part for _ in range(reader.number("I")) for part in _reduced(reader.variable())]
    aliases = model[reader.at :]
    head = struct.pack("<I", version) + _text(name) + struct.pack("<II", revision, len(kept))
    return b"".join([head, *map(_bytes, kept), aliases])


def _reduced(variable: Variable) -> Iterator[Variable]:
    """The variable, or its reduced form and the scales of its rows (integer = weight * scale)."""
    if variable.kind != _FLOAT16:
        yield variable
        return
    values = np.frombuffer(variable.data, "<f2").astype("<f4").reshape(variable.shape)
    if values.ndim != 2 or not variable.name.endswith("weight"):
        yield Variable(variable.name, variable.shape, _FLOAT32, values.tobytes())
        return
    integers, scales = _rows(values)
    yield Variable(variable.name, variable.shape, _INT8, integers.tobytes())
    yield Variable(variable.name + _SCALE, scales.shape, _FLOAT32, scales.tobytes())


def _rows(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    largest = np.abs(weights).max(axis=1)
    scales = np.divide(LEVELS, largest, out=np.ones_like(largest), where=largest > 0)
    return np.rint(weights * scales[:, None]).astype(np.int8), scales.astype("<f4")


def _text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def _bytes(variable: Variable) -> bytes:
    shape = struct.pack(f"<B{len(variable.shape)}I", len(variable.shape), *variable.shape)
    return _text(variable.name) + shape + struct.pack("<BI", variable.kind, len(variable.data)) + variable.data


class _Reader:
    """Takes values off the front. Raises ModelFormatError where the file ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def number(self, form: str) -> int:
        size = struct.calcsize(f"<{form}")
        return int(struct.unpack(f"<{form}", self._take(size))[0])

    def text(self) -> str:
        return self._take(self.number("H"))[:-1].decode()

    def variable(self) -> Variable:
        name = self.text()
        shape = tuple(self.number("I") for _ in range(self.number("B")))
        kind = self.number("B")
        return Variable(name, shape, kind, self._take(self.number("I")))

    def _take(self, size: int) -> bytes:
        taken = self._data[self.at : self.at + size]
        if len(taken) != size:
            raise ModelFormatError("the file ends in the middle of a variable")
        self.at += size
        return taken
