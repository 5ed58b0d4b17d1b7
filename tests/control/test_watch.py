"""The tenants' folder is watched: real files, the kernel's own notices."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from control.watch import watched, watched_documents

LIMIT_S = 10.0


class Told:
    """Whoever is told which files have changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: asyncio.Queue[set[str]] = asyncio.Queue()
        self.fails = False

    async def refresh(self, files: Collection[Path]) -> None:
        self.files.put_nowait({str(file.relative_to(self.folder)) for file in files})
        if self.fails:
            raise OSError("the database is away")

    async def look_again(self) -> None:
        there = {file.name for file in self.folder.glob("*.y*ml")}
        if there:
            await self.refresh([self.folder / name for name in there])

    async def next(self) -> set[str]:
        async with asyncio.timeout(LIMIT_S):
            return await self.files.get()


async def written(told: Told, file: Path, text: str) -> set[str]:
    """Save until it is noticed: a watch that has just begun may not see the first."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.to_thread(file.write_text, text)
            try:
                async with asyncio.timeout(1.0):
                    return await told.files.get()
            except TimeoutError:
                continue


async def test_what_is_saved_made_and_removed_is_told_and_an_editors_own_files_are_not(tmp_path: Path) -> None:
    told = Told(tmp_path)
    (tmp_path / "early.yaml").write_text("e")
    async with watched(tmp_path, told):
        assert await told.next() == {"early.yaml"}, "saved before it was watched"
        assert await written(told, tmp_path / "acme.yaml", "a") == {"acme.yaml"}
        (tmp_path / ".acme.yaml.swp").write_text("x")
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / "beta.tmp").write_text("b")
        (tmp_path / "beta.tmp").rename(tmp_path / "beta.yaml")
        assert await told.next() == {"beta.yaml"}
        (tmp_path / "gamma.yml").write_text("g")
        assert await told.next() == {"gamma.yml"}
        (tmp_path / "acme.yaml").unlink()
        assert await told.next() == {"acme.yaml"}
    (tmp_path / "beta.yaml").write_text("c")
    assert told.files.empty()


async def test_a_publishing_that_fails_does_not_end_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control.watch.AGAIN_S", 0.05)
    told = Told(tmp_path)
    told.fails = True
    async with watched(tmp_path, told):
        await written(told, tmp_path / "acme.yaml", "a")
        told.fails = False
        assert await written(told, tmp_path / "beta.yaml", "b") >= {"beta.yaml"}


async def test_a_folder_that_is_made_later_is_watched_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control.watch.AGAIN_S", 0.05)
    folder = tmp_path / "tenants"
    told = Told(folder)
    async with watched(folder, told):
        folder.mkdir()
        assert await written(told, folder / "acme.yaml", "a") == {"acme.yaml"}


async def test_documents_and_their_folders_are_told_of_and_nothing_else(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "acme").mkdir(parents=True)
    folder = tmp_path / "knowledge"
    folder.symlink_to(real)
    told = Told(folder)
    async with watched_documents(folder, told):
        assert "acme/hours.md" in await written(told, folder / "acme" / "hours.md", "a")
        (folder / "acme" / "hours.txt").write_text("x")
        (folder / "acme" / ".hours.md.swp").write_text("x")
        (folder / "acme" / "old").mkdir()
        (folder / "acme" / "old" / "hours.md").write_text("x")
        (folder / "acme" / "hours.md").unlink()
        assert await told.next() == {"acme/hours.md"}
        (folder / "beta").mkdir()
        seen: set[str] = set()
        while "beta" not in seen:
            seen |= await told.next()
        assert "beta/hours.md" in seen | await written(told, folder / "beta" / "hours.md", "b")
    assert {path for path in seen if path.startswith("acme")} <= {"acme"}
