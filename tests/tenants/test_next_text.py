"""A file's next text lies beside it, takes its place whole, or leaves no trace."""

import os
from pathlib import Path

import pytest

from tenants.next_text import NotWrittenError, ReadOnlyFolderError, beside, delete, digest_of
from tenants.nodes import MAX_BYTES
from tests.tenants.folders import ACME


class Place:
    """A tenant's file, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "acme.yaml"

    @property
    def mode(self) -> int:
        return self.file.stat().st_mode & 0o777

    @property
    def names(self) -> list[str]:
        return sorted(file.name for file in self.folder.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_it_takes_the_files_place_with_its_mode(place: Place) -> None:
    place.file.write_text("old")
    place.file.chmod(0o604)
    async with beside(place.file, b"new", ACME) as text:
        assert place.file.read_text() == "old"
        await text.take_place()
    assert (place.file.read_text(), place.mode, place.names) == ("new", 0o604, ["acme.yaml"])


async def test_a_new_file_is_the_operators_group_to_read_whatever_the_umask(place: Place) -> None:
    former = os.umask(0o077)
    try:
        async with beside(place.file, b"new", ACME) as text:
            (name,) = place.names
            assert (name[0], name[-4:]) == (".", ".new"), "no watcher takes it for a tenant's"
            await text.take_place()
    finally:
        os.umask(former)
    assert place.mode == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
async def test_an_operator_who_owns_the_file_still_does(place: Place) -> None:
    place.file.write_text("old")
    os.chown(place.file, 1234, 4321)
    async with beside(place.file, b"new", ACME) as text:
        await text.take_place()
    assert (place.file.stat().st_uid, place.file.stat().st_gid) == (1234, 4321)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
async def test_a_new_file_is_whose_folder_it_is_in(place: Place) -> None:
    os.chown(place.file.parent, 1234, 4321)
    async with beside(place.file, b"new", ACME) as text:
        await text.take_place()
    assert (place.file.stat().st_uid, place.file.stat().st_gid, place.mode) == (1234, 4321, 0o640)


async def test_what_is_not_used_goes_and_what_a_killed_process_left_is_no_hindrance(place: Place) -> None:
    place.file.write_text("old")
    (place.folder / f".acme.yaml.{ACME}.new").write_text("half of a te")
    with pytest.raises(RuntimeError):
        async with beside(place.file, b"new", ACME):
            raise RuntimeError
    assert (place.names, place.file.read_text()) == (["acme.yaml"], "old")


async def test_a_link_stays_one(place: Place) -> None:
    (real := place.folder / "kept" / "here.yaml").parent.mkdir()
    real.write_text("old")
    place.file.symlink_to(real)
    async with beside(place.file, b"new", ACME) as text:
        await text.take_place()
    assert (place.file.is_symlink(), real.read_text()) == (True, "new")


async def test_a_folder_that_cannot_be_written_is_told_first(place: Place) -> None:
    with pytest.raises(ReadOnlyFolderError, match=r"acme\.yaml cannot be written in its folder: No such file"):
        async with beside(place.folder / "none" / "acme.yaml", b"new", ACME):
            pytest.fail("it went on")
    place.file.mkdir()
    with pytest.raises(NotWrittenError):
        async with beside(place.file, b"new", ACME) as text:
            await text.take_place()
    assert place.names == ["acme.yaml"]
    with pytest.raises(ReadOnlyFolderError):
        await delete(place.file)


async def test_digests_are_of_what_is_there_and_of_no_more_than_a_document_may_have(place: Place) -> None:
    assert await digest_of(place.file) is None
    place.file.write_bytes(b"a")
    assert await digest_of(place.file) == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    place.file.write_bytes(b"a" * (MAX_BYTES + 1))
    longer = await digest_of(place.file)
    place.file.write_bytes(b"a" * (MAX_BYTES + 2))
    assert await digest_of(place.file) == longer
    await delete(place.file)
    assert not place.file.exists()
