"""Speech that was rendered before, in memory and on the disk; bounded, a tenant's own.

Memory holds PCM at a wire's rate for all tenants together. The disk holds what was rehearsed, in the
engine's rate, as `<data_dir>/tts-cache/<tenant>/<key>.flac`; what was said once to one caller never gets there.
"""

import hashlib
import io
import os
import re
import threading
from collections import OrderedDict
from pathlib import Path

import msgspec
import numpy as np
import structlog
from msgspec import Struct
from numpy.typing import NDArray

from base.ids import TenantId
from processors.tts.engine import SAMPLE_RATE

log = structlog.get_logger()

MEMORY_BYTES = 64 << 20
DISK_BYTES_PER_TENANT = 256 << 20

Pcm16 = NDArray[np.int16]
"""Mono at the engine's rate."""


class Utterance(Struct, frozen=True, kw_only=True):
    """All that decides how a sentence sounds."""

    tenant_id: TenantId
    text: str
    """As it is said, normalised."""
    model: str
    """SHA-256 of the model file."""
    voice: str
    speed: float
    language: str
    rate: int
    """Sampling rate, in Hz."""

    def key(self) -> str:
        """SHA-256 over all fields, in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class MemoryCache:
    """PCM by key; the least recently used goes first."""

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, pcm: bytes) -> None:
        """Keeps it, unless it alone is more than the cache may hold."""
        if len(pcm) > self._max_bytes:
            return
        with self._lock:
            self._bytes += len(pcm) - len(self._kept.pop(key, b""))
            self._kept[key] = pcm
            while self._bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)


class DiskCache:
    """Rehearsed speech by tenant and key. Blocking; may be used from several threads."""

    def __init__(self, folder: Path, max_bytes_per_tenant: int = DISK_BYTES_PER_TENANT) -> None:
        self._folder = folder
        self._max_bytes = max_bytes_per_tenant
        self._lock = threading.Lock()

    def read(self, tenant_id: TenantId, key: str) -> Pcm16 | None:
        """The samples; a file that cannot be read is removed and missing."""
        import soundfile

        path = self._path(tenant_id, key)
        try:
            samples, rate = soundfile.read(path, dtype="int16")
            os.utime(path)
        except FileNotFoundError:
            return None
        except (soundfile.SoundFileError, OSError) as error:
            if path.exists():
                log.warning("rendered speech cannot be read; removed", tenant=tenant_id, error=str(error))
                path.unlink(missing_ok=True)
            return None
        return np.asarray(samples, dtype=np.int16) if rate == SAMPLE_RATE else None

    def has(self, tenant_id: TenantId, key: str) -> bool:
        return self._path(tenant_id, key).is_file()

    def write(self, tenant_id: TenantId, key: str, samples: Pcm16) -> None:
        """Keeps it; the tenant's files that were not used for longest make room. Raises OSError."""
        import soundfile

        path = self._path(tenant_id, key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        packed = buffer.getvalue()
        with self._lock:
            self._make_room(path.parent, len(packed))
            draft = path.with_suffix(f".{threading.get_ident()}.tmp")
            draft.write_bytes(packed)
            draft.replace(path)

    def _make_room(self, folder: Path, size: int) -> None:
        files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
        total = sum(file[1] for file in files) + size
        for _, freed, path in files:
            if total <= self._max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            total -= freed

    def _path(self, tenant_id: TenantId, key: str) -> Path:
        plain = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", tenant_id)
        tenant = tenant_id if plain else hashlib.sha256(tenant_id.encode()).hexdigest()
        return self._folder / tenant / f"{key}.flac"
