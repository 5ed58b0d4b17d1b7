"""Migrations: once, in order, by one, and never with a changed history; on a server with passwords too."""

import asyncio
import base64
import hmac
import signal
import socket
import stat
import subprocess
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from base.ids import TenantId
from base.secret import Secret
from knowledge.passages import Passage
from knowledge.stores.pgvector import PgVectorStore
from knowledge.stores.protocol import StoredDocument
from tenants.database import PASSWORD_FILE, PoolBounds, connect_app, derived_password, open_database
from tenants.embedded import binaries
from tenants.migrate import (
    MIGRATIONS,
    DatabaseError,
    MigrationError,
    connect,
    lets_in,
    migrate,
    read_migrations,
    scram_verifier,
)
from tenants.revisions import PostgresRevisions, TenantRow
from tenants.system_user import let_in, server_user
from tenants.visit import visited_database


@pytest.fixture
async def fresh(postgres: Secret, request: pytest.FixtureRequest) -> AsyncIterator[Secret]:
    """The URL of an empty database on the shared server."""
    name = f"fresh_{abs(hash(request.node.name))}"
    owner = await connect(postgres)
    await owner.execute(f"CREATE DATABASE {name}")
    yield Secret(postgres.reveal().replace("/postgres?", f"/{name}?"))
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()


def steps(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, sql in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(sql)
    return folder


@pytest.mark.postgres
async def test_steps_are_applied_once_and_in_order(fresh: Secret, tmp_path: Path) -> None:
    folder = steps(tmp_path / "m", m0001_a="CREATE TABLE a (x int)")
    assert await migrate(fresh, folder=folder) == [1]
    assert await migrate(fresh, folder=folder) == []
    steps(folder, m0002_b="ALTER TABLE a ADD y int", m0003_c="CREATE TABLE c ()")
    assert await migrate(fresh, folder=folder) == [2, 3]


@pytest.mark.postgres
async def test_processes_that_start_together_apply_each_step_once(fresh: Secret) -> None:
    applied = await asyncio.gather(*(migrate(fresh) for _ in range(4)))
    assert sorted(chain.from_iterable(applied)) == [step.number for step in read_migrations()]


@pytest.mark.postgres
async def test_a_changed_history_a_newer_database_and_a_failing_step_stop_the_start(
    fresh: Secret, tmp_path: Path
) -> None:
    folder = steps(tmp_path / "m", m0001_a="CREATE TABLE a (x int)", m0002_b="CREATE TABLE b ()")
    await migrate(fresh, folder=folder)
    steps(folder, m0003_c="CREATE TABLE c (); SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(fresh, folder=folder)
    steps(folder, m0003_c="CREATE TABLE c ()")
    assert await migrate(fresh, folder=folder) == [3]
    (folder / "0003_c.sql").unlink()
    with pytest.raises(MigrationError, match="too old"):
        await migrate(fresh, folder=folder)
    steps(folder, m0002_b="CREATE TABLE b (x int)", m0003_c="CREATE TABLE c ()")
    with pytest.raises(MigrationError, match="0002_b was changed"):
        await migrate(fresh, folder=folder)


ROUND_THE_FENCE = {
    "a superuser": ("ALTER ROLE atende_app SUPERUSER", "ALTER ROLE atende_app NOSUPERUSER", "NOSUPERUSER"),
    "not held by policies": ("ALTER ROLE atende_app BYPASSRLS", "ALTER ROLE atende_app NOBYPASSRLS", "NOBYPASSRLS"),
    "a member of the owner": ("GRANT postgres TO atende_app", "REVOKE postgres FROM atende_app", "the owner's role"),
    "the owner of a table": (
        "ALTER TABLE atende.messages OWNER TO atende_app",
        "ALTER TABLE atende.messages OWNER TO postgres",
        "owns messages",
    ),
}
"""What the role must not be; how it becomes it, how no more, and what of the refusal tells it."""


@pytest.mark.postgres
@pytest.mark.parametrize("wrong", ROUND_THE_FENCE)
async def test_a_service_role_that_may_go_round_the_fence_stops_the_start(
    fresh: Secret, tmp_path: Path, wrong: str
) -> None:
    mistake, mended, told = ROUND_THE_FENCE[wrong]
    await migrate(fresh)
    owner = await connect(fresh)
    try:
        await owner.execute(mistake)
        with pytest.raises(DatabaseError, match=told):
            async with open_database(tmp_path, fresh):
                pass
    finally:
        await owner.execute(mended)
        await owner.close()
    async with open_database(tmp_path, fresh) as database:
        assert await database.ping()


@pytest.mark.postgres
async def test_a_member_of_a_role_that_goes_round_the_fence_stops_the_start(fresh: Secret, tmp_path: Path) -> None:
    await migrate(fresh)
    owner = await connect(fresh)
    await owner.execute("CREATE ROLE round_it BYPASSRLS")
    try:
        await owner.execute("GRANT round_it TO atende_app")
        with pytest.raises(DatabaseError, match="go round row-level security"):
            async with open_database(tmp_path, fresh):
                pass
    finally:
        await owner.execute("DROP ROLE round_it")
        await owner.close()


@pytest.mark.postgres
async def test_a_url_of_the_service_role_itself_stops_the_start(fresh: Secret, tmp_path: Path) -> None:
    """Migrated with it, the tables would be its own."""
    await migrate(fresh)
    itself = Secret(fresh.reveal().replace("//postgres@", "//atende_app@"))
    assert itself != fresh
    with pytest.raises(DatabaseError, match="go round row-level security"):
        async with open_database(tmp_path, itself):
            pass


def test_steps_have_gapless_numbers(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="0001_name"):
        read_migrations(steps(tmp_path / "a", m0002_late="SELECT 1"))
    with pytest.raises(MigrationError, match="0002_name"):
        read_migrations(steps(tmp_path / "b", m0001_a="SELECT 1", m0002_A="SELECT 1"))
    assert [step.number for step in read_migrations(MIGRATIONS)] == list(range(1, len(list(MIGRATIONS.iterdir())) + 1))


def test_the_verifier_proves_the_server_of_the_rfcs_example() -> None:
    """RFC 7677, section 3: salt, rounds, and the server's signature over the exchange."""
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    exchange = f"n=user,r={nonce[:20]},r={nonce},s={salt},i=4096,c=biws,r={nonce}"
    head, keys = scram_verifier(Secret("pencil"), base64.b64decode(salt)).rsplit("$", 1)
    server_key = base64.b64decode(keys.partition(":")[2])
    assert head == f"SCRAM-SHA-256$4096:{salt}"
    signature = base64.b64encode(hmac.digest(server_key, exchange.encode(), "sha256")).decode()
    assert signature == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


INSTALLED = [binaries(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]


@pytest.fixture(scope="module", params=INSTALLED, ids=[str(path).split("/")[-2] for path in INSTALLED])
def server(request: pytest.FixtureRequest, module_folder: Path) -> Iterator[str]:
    """A server as an operator has it, on TCP and with passwords: `host:port`. Its superuser is `admin`."""
    binaries: Path = request.param
    folder, user = module_folder / binaries.parts[-2], server_user()
    folder.mkdir()
    (folder / "word").write_text("admins word")
    (folder / "word").chmod(0o644)
    (folder / "cluster").mkdir(mode=0o700)
    user.own(folder / "cluster")
    let_in(user, folder, binaries)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cluster = ["-D", str(folder / "cluster")]
    words = ["--auth=scram-sha-256", f"--pwfile={folder / 'word'}"]
    initdb = [str(binaries / "initdb"), *cluster, "-U", "admin", "-E", "UTF8", "--locale=C", "-N", *words]
    subprocess.run(initdb, check=True, capture_output=True, timeout=60, **user.switch)
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(binaries / "postgres"), *cluster, *options], stdout=log, stderr=log, **user.switch
        )
    try:
        until = time.monotonic() + 30
        ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert time.monotonic() < until, (folder / "log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


async def run_as_admin(server: str, *statements: str) -> None:
    admin = await connect(Secret(f"postgresql://admin:admins%20word@{server}/postgres"))
    for statement in statements:
        await admin.execute(statement)
    await admin.close()


@pytest.mark.postgres
async def test_a_servers_postgresql_with_an_owner_who_is_no_superuser(server: str, tmp_path: Path) -> None:
    """As docs/operations.md has it made."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    before, _, inside = page.partition("```sql\n")[2].partition("```")[0].partition("\\c atende\n")
    assert (before.count(";"), inside.strip()) == (2, "CREATE EXTENSION vector;")
    await run_as_admin(server, *(line for line in before.splitlines() if line.strip()))
    url = Secret(f"postgresql://atende:a%20word%20of%20yours@{server}/atende")
    tenant = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
    row = TenantRow(slug="acme", domain="acme.example.net", name="Acme")
    async with open_database(tmp_path, url) as database:
        assert (await PostgresRevisions(database).put(tenant, row, "a" * 64, b"x")).number == 1
        async with database.tenant(tenant) as connection:
            assert await connection.fetchval("SELECT current_user") == "atende_app"
    assert stat.S_IMODE((tmp_path / PASSWORD_FILE).stat().st_mode) == 0o600
    async with open_database(tmp_path, url) as database:
        assert await PostgresRevisions(database).current(tenant) is not None
    (tmp_path / PASSWORD_FILE).unlink()  # A new data directory: a new password is set by the owner.
    async with open_database(tmp_path, url) as database:
        assert await database.ping()


async def passages_come_and_go(url: Secret) -> None:
    """One of two documents is left, although the policies hold for the tables' owner, too, and name the service."""
    database = await connect_app(url, Secret("word"), PoolBounds(max_connections=1))
    store, tenant = PgVectorStore(database.tenant, "e", 2), TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
    for name in ("a", "b", "a"):
        passage = Passage(id=f"{name}#1", document=name, heading="", text="um")
        await store.put(tenant, StoredDocument(name, "x"), [passage], np.ones((1, 1, 2), dtype=np.float32))
    await store.remove(tenant, "b")
    assert await store.documents(tenant) == [StoredDocument("a", "x")]
    await database.close()


@pytest.mark.postgres
async def test_pgvector_is_made_by_who_may_and_named_where_it_is_missing(server: str) -> None:
    await run_as_admin(
        server, "CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'word'", "CREATE DATABASE shelves OWNER keeper"
    )
    url = Secret(f"postgresql://keeper:word@{server}/shelves")
    assert await migrate(url), "it is needed by who asks for it alone"
    with pytest.raises(DatabaseError, match="CREATE EXTENSION vector"):
        await migrate(url, vectors=True)
    await run_as_admin(server, "ALTER ROLE atende_app PASSWORD 'word'")
    await passages_come_and_go(url)
    admin = await connect(Secret(f"postgresql://admin:admins%20word@{server}/shelves"))
    for table in ("passage_documents", "passages", "passage_vectors"):
        assert await admin.fetchval(f"SELECT count(*) FROM atende.{table}") == 1, table
    available = await admin.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")
    if available:
        await admin.execute("CREATE EXTENSION vector")
        await migrate(url, vectors=True)
    await admin.close()


@pytest.mark.postgres
async def test_an_owner_without_rights_and_a_wrong_password_are_told_what_to_do(server: str, tmp_path: Path) -> None:
    await run_as_admin(
        server,
        "CREATE ROLE modest LOGIN PASSWORD 'word'",
        "CREATE DATABASE small OWNER modest",
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'atende_app') THEN "
        "ALTER ROLE atende_app RENAME TO put_aside; END IF; END $$",
    )
    with pytest.raises(DatabaseError, match="CREATE ROLE atende_app"):
        async with open_database(tmp_path, Secret(f"postgresql://modest:word@{server}/small")):
            pass
    await run_as_admin(server, "CREATE ROLE atende_app LOGIN PASSWORD 'given by hand'")
    with pytest.raises(DatabaseError, match=PASSWORD_FILE):
        async with open_database(tmp_path, Secret(f"postgresql://modest:word@{server}/small")):
            pass
    (tmp_path / PASSWORD_FILE).write_text("given by hand\n")
    async with open_database(tmp_path, Secret(f"postgresql://modest:word@{server}/small")) as database:
        assert await database.ping()
    shared = derived_password(Secret("s" * 32))
    async with open_database(tmp_path, Secret(f"postgresql://modest:word@{server}/small"), password=shared) as database:
        assert await database.ping(), "what the nodes share cannot be set: the file counts"
    async with visited_database(tmp_path, Secret(f"postgresql://modest:word@{server}/small"), password=shared) as seen:
        assert seen is not None
        assert await seen.ping()
    with pytest.raises(DatabaseError) as caught:
        async with open_database(tmp_path, Secret(f"postgresql://modest:hush@{server}/small")):
            pass
    assert "hush" not in str(caught.value)


@pytest.mark.postgres
async def test_nodes_that_share_a_secret_do_not_lock_each_other_out(server: str, tmp_path: Path) -> None:
    await run_as_admin(
        server, "CREATE ROLE sharer LOGIN CREATEROLE PASSWORD 'word'", "CREATE DATABASE shared OWNER sharer",
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'atende_app') THEN "
        "ALTER ROLE atende_app RENAME TO put_aside_too; END IF; END $$",
    )  # fmt: skip
    url, derived = Secret(f"postgresql://sharer:word@{server}/shared"), derived_password(Secret("s" * 32))
    first, second = tmp_path / "first", tmp_path / "second"
    async with visited_database(second, url, password=derived) as none:
        assert none is None, "it was not made yet"
    async with open_database(first, url):
        assert (first / PASSWORD_FILE).is_file(), "it ran alone, before there was a secret"
    async with open_database(first, url, password=derived):
        assert not await lets_in(url, Secret((first / PASSWORD_FILE).read_text().strip()))
        async with open_database(second, url, password=derived):
            assert not (second / PASSWORD_FILE).exists()
        for node in (first, second):
            async with visited_database(node, url, password=derived) as seen:
                assert seen is not None
                assert await seen.ping()
        assert derived is not None
        assert await lets_in(url, derived), "the first's is good still"


@pytest.mark.parametrize("url", ["postgresql://maker:hush@[::1/x", "postgresql://maker:hush@127.0.0.1:port/x"])
async def test_a_url_that_cannot_be_read_is_told_without_showing_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="ATENDE_DATABASE_URL") as caught:
        async with open_database(tmp_path, Secret(url)):
            pass
    assert "hush" not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not let us in"):
        async with open_database(tmp_path, Secret("postgresql://maker:word@127.0.0.1:9/x")):
            pass


@pytest.mark.postgres
async def test_closing_cuts_what_does_not_end(postgres: Secret) -> None:
    await migrate(postgres)
    database = await connect_app(postgres, None, PoolBounds(max_connections=1, close_timeout_s=0.1))
    tenant = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")

    async def hold() -> None:
        async with database.tenant(tenant) as connection:
            await database.close()
            await connection.fetchval("SELECT 1")

    with pytest.raises(asyncpg.InterfaceError):
        await hold()
    await database.close()
    assert not await database.ping()


@pytest.mark.postgres
async def test_waiting_for_a_connection_has_a_limit(postgres: Secret) -> None:
    await migrate(postgres)
    database = await connect_app(postgres, None, PoolBounds(max_connections=1, acquire_timeout_s=0.1))
    tenant = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
    try:
        async with database.tenant(tenant):
            with pytest.raises(TimeoutError):
                async with database.tenant(tenant):
                    pass
    finally:
        await database.close()
