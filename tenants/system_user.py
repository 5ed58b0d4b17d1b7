"""Who a server runs as when we are root: a user without rights, let through no more doors than it needs."""

import os
import pwd
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import Struct

NAME: Final = "pgserver"

log = structlog.get_logger()


class SystemUser(Struct, frozen=True):
    """A user of the operating system; `switch` are the arguments by which subprocess becomes them."""

    uid: int
    gid: int
    ours: bool
    """Whether it is the user that we are ourselves."""

    @property
    def switch(self) -> dict[str, Any]:
        return {} if self.ours else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path to this user."""
        if not self.ours:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


NOBODY_ELSE: Final = SystemUser(os.geteuid(), os.getegid(), True)


def server_user() -> SystemUser:
    """Ourselves, or for root the user `pgserver`, made when it is missing."""
    if os.geteuid() != 0:
        return NOBODY_ELSE
    try:
        found = pwd.getpwnam(NAME)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME],
            check=True,
            capture_output=True,
            timeout=30,
        )
        found = pwd.getpwnam(NAME)
    return SystemUser(found.pw_uid, found.pw_gid, False)


def let_in(user: SystemUser, data_dir: Path, binaries: Path) -> None:
    """Let the user pass through the data directory (0710, its group) and reach the binaries.

    For ourselves: the data directory is closed to all others (0700), and nothing else is touched.
    """
    if user.ours:
        data_dir.chmod(0o700)
        return
    os.chown(data_dir, -1, user.gid)
    data_dir.chmod(0o710)
    for folder in dict.fromkeys((*data_dir.resolve().parents, *binaries.resolve().parents)):
        _let_pass(user, folder)
    if not binaries.stat().st_mode & stat.S_IXOTH or not (binaries / "postgres").stat().st_mode & stat.S_IXOTH:
        _open_tree(binaries.parent)


def _let_pass(user: SystemUser, folder: Path) -> None:
    facts = folder.stat()
    through_group = facts.st_gid == user.gid and facts.st_mode & stat.S_IXGRP
    if not facts.st_mode & stat.S_IXOTH and not through_group:
        folder.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IXOTH)
        log.warning("a folder may now be passed by other users, not listed", folder=str(folder))


def _open_tree(top: Path) -> None:
    """An installation that only root can read: its own files, nothing secret, for everybody to read."""
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(stat.S_IMODE(file.stat().st_mode) | (0o555 if file.stat().st_mode & 0o100 else 0o444))
    log.warning("the database's programs were made readable", folder=str(top))


def runs_in(pid: str, folder: Path) -> bool:
    """Whether that process is a server that works in that folder; one that only got the same pid is not."""
    try:
        return (Path("/proc") / pid / "cwd").readlink() == folder.resolve()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except PermissionError:
        return False
    listed = subprocess.run(["ps", "-o", "command=", "-p", pid], capture_output=True, text=True, check=False)
    return "postgres" in listed.stdout and str(folder) in listed.stdout
