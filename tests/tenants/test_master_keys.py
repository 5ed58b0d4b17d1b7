"""Where the ring of master keys comes from, and what is told when there is none that can be used."""

import shlex
import sys
import time
from pathlib import Path

import pytest

from base.secret import Secret
from tenants import master_keys
from tenants.keys import KeyFileError
from tenants.master_keys import MasterKeySource, MasterKeysUnavailableError, add_key, read_ring
from tests.tenants.kept_secrets import FIRST, SECOND, files_in, key_id

BOTH = f"{SECOND},{FIRST}"


def command(code: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", code, *arguments])


async def test_the_settings_say_where_the_ring_is(tmp_path: Path) -> None:
    file = tmp_path / "ring"
    file.write_text(f"{SECOND}\n{FIRST}\n")
    file.chmod(0o440)
    for source in (
        MasterKeySource(data_dir=tmp_path, keys=Secret(BOTH)),
        MasterKeySource(data_dir=tmp_path, file=file),
        MasterKeySource(data_dir=tmp_path, command=command("import sys; print(sys.argv[1])", BOTH)),
    ):
        assert (await read_ring(source)).ids == (key_id(SECOND), key_id(FIRST)), source
        with pytest.raises(MasterKeysUnavailableError, match="put a new key first in it there"):
            add_key(source)
    assert files_in(tmp_path) == ["ring"], "nothing of ours is made"


async def test_without_a_setting_one_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    source = MasterKeySource(data_dir=tmp_path / "data")
    with pytest.raises(MasterKeysUnavailableError, match="makes it at its first start"):
        await read_ring(source, make=False)
    made = await read_ring(source)
    assert (await read_ring(source)).ids == made.ids
    file = tmp_path / "data" / "secrets.keys"
    assert file.stat().st_mode & 0o777 == 0o600
    add_key(source)
    assert file.stat().st_mode & 0o777 == 0o600
    fresh = await read_ring(source)
    assert fresh.ids[1:] == made.ids
    assert files_in(file.parent) == ["secrets.keys"]
    file.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        await read_ring(source)
    file.chmod(0o600)
    file.write_bytes(b"\xff")
    with pytest.raises(MasterKeysUnavailableError, match="restore it from a backup"):
        await read_ring(source)


@pytest.mark.parametrize(
    ("told", "source"),
    [
        (r"ATENDE_SECRETS_KEYS: master key 1 is not id:base64", {"keys": Secret("hush-hush")}),
        (r"ATENDE_SECRETS_KEYS_FILE: .*absent: No such file", {"file": Path("absent")}),
        (r"ATENDE_SECRETS_KEYS_FILE \(.*ring\): master key 1", {"file": Path("ring")}),
        (r"open can be read by everybody; run: chmod o= ", {"file": Path("open")}),
        (r"large: more than 16384 bytes are no ring", {"file": Path("large")}),
        (r"COMMAND cannot be run: .*No such file", {"command": "/absent/kms --decrypt"}),
        (r"COMMAND cannot be run: No closing quotation", {"command": "kms 'x"}),
        (r"COMMAND ended with status 3", {"command": command("import sys; print('hush-hush'); sys.exit(3)")}),
        (r"COMMAND: master key 1 is not id:base64", {"command": command("print('hush-hush')")}),
        (r"COMMAND: there is no master key", {"command": command("")}),
        (r"COMMAND: .*plain text", {"command": command("print('ç')")}),
        (r"COMMAND: more than 16384 bytes", {"command": command("while True: print('hush-hush' * 1000)")}),
    ],
)
async def test_what_cannot_be_used_is_told_with_its_setting_and_no_key(
    tmp_path: Path, told: str, source: dict[str, object]
) -> None:
    for name, content, mode in (("ring", "hush-hush", 0o600), ("open", FIRST, 0o604), ("large", "x" * 20_000, 0o600)):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    if isinstance(file := source.get("file"), Path):
        source = {"file": tmp_path / file}
    with pytest.raises(MasterKeysUnavailableError, match=told) as caught:
        await read_ring(MasterKeySource(data_dir=tmp_path, **source))  # type: ignore[arg-type]
    assert "hush-hush" not in str(caught.value)


async def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_keys, "COMMAND_TIMEOUT_S", 0.2)
    hangs = command("import time; time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(MasterKeysUnavailableError, match=r"did not end within 0\.2 s"):
        await read_ring(MasterKeySource(data_dir=tmp_path, command=hangs))
    assert time.monotonic() - began < 30
