"""What is opened for the server's user, and what stays shut."""

import os
import stat
from pathlib import Path

import pytest

from tenants.system_user import SystemUser, let_in, server_user


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def installation(folder: Path) -> Path:
    """Programs that nobody but their owner can run."""
    programs = folder / "pg" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("")
    (programs / "postgres").chmod(0o700)
    (folder / "pg" / "share.txt").write_text("")
    (folder / "pg" / "share.txt").chmod(0o600)
    return programs


def test_for_ourselves_the_data_directory_is_shut_and_nothing_else_is_touched(tmp_path: Path) -> None:
    ourselves = SystemUser(os.geteuid(), os.getegid(), True)
    above = tmp_path / "above"
    data_dir, programs = above / "data", installation(tmp_path)
    data_dir.mkdir(parents=True, mode=0o755)
    above.chmod(0o700)
    let_in(ourselves, data_dir, programs)
    assert (mode(data_dir), mode(above), mode(programs / "postgres")) == (0o700, 0o700, 0o700)
    assert ourselves.switch == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_for_a_server_of_root_folders_can_be_passed_not_listed(tmp_path: Path) -> None:
    user = server_user()
    above = tmp_path / "above"
    data_dir, programs = above / "data", installation(tmp_path)
    data_dir.mkdir(parents=True)
    above.chmod(0o700)
    let_in(user, data_dir, programs)
    assert user.uid != 0
    assert (mode(data_dir), data_dir.stat().st_gid, data_dir.stat().st_uid) == (0o710, user.gid, 0)
    assert mode(above) == 0o701
    assert mode(programs / "postgres") == 0o755
    assert mode(tmp_path / "pg" / "share.txt") == 0o644
    again = [mode(path) for path in (data_dir, above, programs)]
    let_in(user, data_dir, programs)
    assert [mode(path) for path in (data_dir, above, programs)] == again
    assert user.switch["extra_groups"] == []
