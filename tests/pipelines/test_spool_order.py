"""What the spool says is safe is on the disk by then: the file as well as its name; the disk is scripted."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from base.clock import SystemClock
from pipelines import spool_files as files
from pipelines.calls import CallRecord
from pipelines.spool import Spool
from tests.pipelines.test_spool import Keeper, Sink, a_call, a_record, an_event, everything, telling
from tests.pipelines.virtual import eventually


class Disk:
    """Knows what a cut of the power would take: what was written, or named, and was not synced since."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, str]] = []
        self.unsynced: set[Path] = set()
        self.unnamed: set[Path] = set()
        self.refuses: set[str] = set()
        self._paths: dict[int, Path] = {}
        self._real = {name: getattr(os, name) for name in ("open", "write", "fsync")}
        for name in self._real:
            monkeypatch.setattr(files.os, name, getattr(self, name))
        self._rename, self._mkdir = Path.rename, Path.mkdir
        # Functions, which a class binds to its instances.
        monkeypatch.setattr(Path, "rename", lambda path, target: self.rename(path, target))  # noqa: PLW0108
        monkeypatch.setattr(Path, "mkdir", lambda path, *args, **how: self.mkdir(path, *args, **how))  # noqa: PLW0108

    def open(self, path: Any, flags: int, *args: Any, **how: Any) -> int:
        there = Path(path).exists()
        descriptor: int = self._real["open"](path, flags, *args, **how)
        self._paths[descriptor] = Path(path)
        if not there and Path(path).name != "lock":
            self.unnamed.add(Path(path))
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        self._asked("write", path := self._paths[descriptor])
        self.unsynced.add(path)
        count: int = self._real["write"](descriptor, data)
        return count

    def fsync(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        self._asked("sync folder" if path.is_dir() else "sync", path)
        self.unsynced.discard(path)
        self.unnamed = {one for one in self.unnamed if one.parent != path}

    def rename(self, path: Path, target: Path) -> Path:
        assert path not in self.unsynced, "what bears its name is whole"
        self.done.append(("rename", target.name))
        self.unnamed = (self.unnamed - {path}) | {target}
        return self._rename(path, target)

    def mkdir(self, path: Path, *args: Any, **how: Any) -> None:
        self.unnamed |= {one for one in (path, *path.parents) if not one.exists()}
        self._mkdir(path, *args, **how)

    def _asked(self, what: str, path: Path) -> None:
        if what in self.refuses:
            raise OSError(errno.EIO, "the disk is broken", str(path))
        self.done.append((what, path.name))

    @property
    def would_lose(self) -> set[Path]:
        return self.unsynced | self.unnamed


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_a_call_is_opened_and_closed_when_file_and_name_are_on_the_disk(tmp_path: Path, disk: Disk) -> None:
    folder, sink = tmp_path / "spool" / "media-0", Sink()
    sink.down = True
    async with Spool(folder, sink, SystemClock(), first_pause_s=10, close_timeout_s=0.1) as log:
        assert disk.would_lose == set(), "the folder has a name, too"
        disk.done.clear()
        await log.opened(a_call())
        assert disk.would_lose == set()
        assert disk.done == [("write", "c1.call"), ("sync", "c1.call"), ("sync folder", "media-0")]
        disk.done.clear()
        await log.closed(a_record())
        assert disk.would_lose == set()
        assert disk.done == [("write", "c1.call"), ("sync", "c1.call")], "its name is there already"


@pytest.mark.parametrize("broken", ["write", "sync", "sync folder"])
async def test_where_the_disk_did_not_take_the_beginning_the_record_brings_its_name(
    tmp_path: Path, disk: Disk, broken: str
) -> None:
    sink = Sink()
    sink.down = True
    async with Spool(tmp_path, sink, SystemClock(), first_pause_s=10, close_timeout_s=0.1) as log:
        disk.refuses = {broken}
        await log.opened(a_call())
        disk.refuses = set()
        await log.closed(a_record())
        assert disk.would_lose == set()
        assert disk.done[-1] == ("sync folder", tmp_path.name)
    assert files.read(tmp_path / "c1.call") == a_record()


@pytest.mark.parametrize("broken", ["write", "sync"])
async def test_a_record_that_the_disk_did_not_take_is_kept_in_memory_until_it_is_stored(
    tmp_path: Path, disk: Disk, broken: str
) -> None:
    sink = Sink()
    sink.down = True
    async with Spool(tmp_path, sink, SystemClock(), first_pause_s=0.01, longest_pause_s=0.02) as log:
        await log.opened(a_call())
        disk.refuses = {broken}
        await log.closed(a_record())
        assert (await log.load()).in_memory == 1
        disk.refuses = set()
        sink.down = False
        await eventually(lambda: "c1" in sink.stored)
        await eventually(lambda: everything(tmp_path) == ["lock"])
        await eventually(lambda: log.queued["unwritten_records"] == 0)


async def test_what_is_handed_on_is_deleted_only_when_it_is_stored(tmp_path: Path) -> None:
    there: list[bool] = []

    async def store(record: CallRecord) -> None:
        there.append((tmp_path / "c1.call").exists())

    async with Spool(tmp_path, store, SystemClock()) as log:
        await log.opened(a_call())
        await log.closed(a_record())
        await eventually(lambda: everything(tmp_path) == ["lock"])
    assert there == [True]


async def test_an_event_is_whole_before_it_has_its_name_and_let_go_of_when_the_name_is_there(
    tmp_path: Path, disk: Disk
) -> None:
    keeper = Keeper()
    keeper.down = True
    async with telling(tmp_path, Sink(), keeper) as log:
        disk.done.clear()
        log.tell(an_event())
        await eventually(lambda: log.queued["unwritten_events"] == 0)
        name = files.name_of_event(an_event())
        draft = name + files.DRAFT_SUFFIX
        assert disk.done == [("write", draft), ("sync", draft), ("rename", name), ("sync folder", tmp_path.name)]
        assert disk.would_lose == set()
