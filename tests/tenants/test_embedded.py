"""The embedded server: started, stopped, taken over after a kill, and closed to others."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tenants.database import open_database
from tenants.embedded import EmbeddedError, EmbeddedPostgres, embedded_postgres
from tenants.migrate import connect

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("real_clusters")]


@pytest.fixture(scope="module")
def template(module_folder: Path) -> Path:
    """A cluster that was made and stopped."""
    made = module_folder / "data"
    server = EmbeddedPostgres(made)
    server.start()
    server.stop()
    return made


@pytest.fixture
def data_dir(template: Path, cluster_folder: Path) -> Path:
    """A copy of it: making one takes a second or more."""
    subprocess.run(["cp", "-a", str(template), str(cluster_folder / "data")], check=True)
    return cluster_folder / "data"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def until_silent(server: EmbeddedPostgres) -> None:
    limit = time.monotonic() + 10
    while server._answers():
        assert time.monotonic() < limit
        time.sleep(0.01)


def servers(data_dir: Path) -> list[int]:
    """Pids of the processes that run in a cluster of this data directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink() == data_dir / "postgres":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def test_it_starts_keeps_its_rows_and_leaves_nothing_running(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as url:
        connection = await connect(url)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS x")
        assert (await connection.fetchval("SHOW server_version")).startswith("18")
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SELECT lower('Ç')") == "ç"
        await connection.execute("CREATE EXTENSION vector")
        await connection.close()
        assert servers(data_dir)
    assert servers(data_dir) == []
    async with embedded_postgres(data_dir) as url:
        connection = await connect(url)
        assert await connection.fetchval("SELECT x FROM kept") == 1
        await connection.close()


async def test_nobody_else_can_enter_and_a_second_owner_is_refused(data_dir: Path) -> None:
    async with open_database(data_dir, None) as database:
        assert await database.ping()
        assert mode(data_dir / "postgres") == 0o700
        assert mode(data_dir) & 0o067 == 0
        second = EmbeddedPostgres(data_dir)
        with pytest.raises(EmbeddedError, match="ATENDE_DATABASE_URL"):
            second.start()
        second.stop()
        assert await database.ping()
    assert not await database.ping()


KILLED = """
import asyncio, os, pathlib, sys
from tenants.database import open_database
async def main():
    async with open_database(pathlib.Path(sys.argv[1]), None):
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""


async def test_after_our_own_kill_the_next_start_takes_the_server_over_and_stops_it(data_dir: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(data_dir), env=environment)
    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL
    orphans = servers(data_dir)
    assert orphans
    async with open_database(data_dir, None) as database:
        assert await database.ping()
        assert set(servers(data_dir)) & set(orphans)
    assert servers(data_dir) == []


async def test_a_former_server_that_is_still_going_down_is_waited_for(data_dir: Path) -> None:
    former, again = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    former.start()
    client = await connect(former.url("postgres"))
    assert former._process is not None
    assert former._lock is not None
    former._process.send_signal(signal.SIGTERM)  # A smart shutdown: it waits for the client.
    await asyncio.to_thread(until_silent, former)
    os.close(former._lock)
    starting = asyncio.create_task(asyncio.to_thread(again.start))
    await asyncio.sleep(0.1)
    assert not starting.done()
    await client.close()
    await starting
    assert again._answers()
    again.stop()
    former._process.wait(10)
    assert servers(data_dir) == []


def test_a_killed_server_and_a_recycled_pid_do_not_hinder_the_next_start(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    pid_file = data_dir / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    os.kill(int(lines[0]), signal.SIGKILL)
    assert server._process is not None
    server._process.wait(10)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))  # As if our pid had been the server's.
    again = EmbeddedPostgres(data_dir)
    assert server._lock is not None
    os.close(server._lock)
    again.start()
    again.stop()
    assert servers(data_dir) == []


def test_a_path_too_long_for_a_socket_works_too(data_dir: Path) -> None:
    data_dir = data_dir.rename(data_dir.parent / ("long, and with 'quotes' " * 5))
    server = EmbeddedPostgres(data_dir)
    server.start()
    sockets = server._sockets
    try:
        assert not sockets.is_relative_to(data_dir)
        assert mode(sockets) == 0o700
    finally:
        server.stop()
    assert not sockets.exists()
    server.stop()


def test_a_cluster_of_another_version_is_refused_untouched(cluster_folder: Path) -> None:
    cluster = cluster_folder / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="of PostgreSQL 17"):
        EmbeddedPostgres(cluster_folder).start()
    assert [file.name for file in cluster.iterdir()] == ["PG_VERSION"]


def test_half_a_cluster_of_an_interrupted_start_is_made_anew(cluster_folder: Path) -> None:
    half = cluster_folder / "postgres.new" / "base"
    half.mkdir(parents=True)
    server = EmbeddedPostgres(cluster_folder)
    server.start()
    server.stop()
    assert not half.exists()
