"""Rendered speech is kept within its bounds, and each tenant's apart."""

import os
from pathlib import Path

import numpy as np
import pytest

from base.ids import TenantId
from processors.tts.cache import DiskCache, MemoryCache, Pcm16, Utterance

A, B = TenantId("0f8fad5b-d9cb-469f-a165-70867728950e"), TenantId("7c9e6679-7425-40de-944b-e07fc1f90ae7")
FIELDS = {"text": "Oi.", "model": "m", "voice": "pf_dora", "speed": 1.0, "language": "pt-br", "rate": 8000}


def samples(seconds: float = 0.5, seed: int = 0) -> Pcm16:
    """Noise does not compress, so that sizes can be reckoned with."""
    return np.random.default_rng(seed).integers(-9000, 9000, int(24_000 * seconds)).astype(np.int16)


@pytest.mark.parametrize(
    "changed",
    [{"text": "Ei."}, {"model": "n"}, {"voice": "pm_alex"}, {"speed": 1.1}, {"language": "es"}, {"rate": 16000}],
)
def test_whatever_changes_the_sound_changes_the_key(changed: dict[str, object]) -> None:
    one = Utterance(tenant_id=A, **FIELDS)  # type: ignore[arg-type]
    assert one.key() != Utterance(tenant_id=A, **(FIELDS | changed)).key()  # type: ignore[arg-type]
    assert one.key() != Utterance(tenant_id=B, **FIELDS).key()  # type: ignore[arg-type]
    assert one.key() == Utterance(tenant_id=A, **FIELDS).key()  # type: ignore[arg-type]


def test_memory_drops_what_was_not_used_for_longest() -> None:
    memory = MemoryCache(max_bytes=10)
    memory.put("a", b"12345")
    memory.put("b", b"12345")
    assert memory.get("a") == b"12345"
    memory.put("c", b"1")
    assert memory.get("b") is None
    assert memory.get("a") == b"12345"
    memory.put("d", b"x" * 11)
    assert memory.get("d") is None
    memory.put("a", b"1")
    memory.put("e", b"12345678")
    assert memory.get("a") == b"1"


def test_the_disk_gives_back_what_it_got_and_only_to_that_tenant(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path)
    disk.write(A, "k", samples())
    read = disk.read(A, "k")
    assert read is not None
    assert np.array_equal(read, samples())
    assert disk.read(B, "k") is None
    assert DiskCache(tmp_path).has(A, "k")
    assert [path.name for path in (tmp_path / A).iterdir()] == ["k.flac"]


def test_a_tenants_oldest_files_make_room_and_anothers_do_not(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path, max_bytes_per_tenant=60_000)
    disk.write(B, "other", samples())
    for number, key in enumerate(("first", "second")):
        disk.write(A, key, samples(seed=number))
        os.utime(tmp_path / A / f"{key}.flac", (number, number))
    assert disk.read(A, "first") is not None
    disk.write(A, "third", samples(seed=3))
    assert [key for key in ("first", "second", "third") if disk.has(A, key)] == ["first", "third"]
    assert disk.has(B, "other")


def test_a_broken_file_is_missing_and_removed(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path)
    disk.write(A, "k", samples())
    (tmp_path / A / "k.flac").write_bytes(b"fLaC, but not really")
    assert disk.read(A, "k") is None
    assert not disk.has(A, "k")


def test_a_tenant_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path / "cache")
    disk.write(TenantId("../../elsewhere"), "k", samples(0.01))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
