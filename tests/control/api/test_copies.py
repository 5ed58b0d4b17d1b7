"""A copy as docs/operations.md has it made, and brought back into an empty data directory: by its own lines, typed."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants.api_key_store import PostgresApiKeys
from tenants.migrate import connect
from tenants.visit import visited_postgres
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, document, folder_of_tenants
from tests.control.api.test_isolation import FINISHED, finished

pytestmark = pytest.mark.postgres

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Copies")[2]
FILES: Final = ("signing.keys", "api-keys.secret", "secrets.keys")
FENCES: Final = """
SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text,
    (SELECT array_agg(attname || attacl::text ORDER BY attname) FROM pg_attribute
     WHERE attrelid = c.oid AND attacl IS NOT NULL)::text AS of_columns,
    (SELECT array_agg(p::text ORDER BY p.policyname) FROM pg_policies p
     WHERE p.schemaname = 'atende' AND p.tablename = c.relname)::text AS policies
FROM pg_class c WHERE relnamespace = 'atende'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
"""


def line(command: str) -> str:
    """What the page says is to be typed to run it."""
    [found] = re.findall(rf"^\.venv/bin/atende database {command} .+$", PAGE, re.MULTILINE)
    return str(found)


def typed(at: Path, data: Path, command: str) -> None:
    """In a folder like `/opt/atende`: with the program, the service's settings, and none of its data."""
    if not (at / ".venv").exists():
        (at / ".venv").symlink_to(sys.prefix)
    (at / ".env").write_text(f"ATENDE_DATA_DIR={data}\n")
    assert at not in data.parents
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", "-c", command], cwd=at, env=environment, input=b"y\n", check=True, timeout=60)
    assert not (at / ".atende").exists()


@contextmanager
def desk() -> Iterator[Path]:
    """Where an operator stands; the copy is kept there."""
    folder = folder_of_tenants()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def copied(desk: Path, data: Path) -> None:
    """While the service runs."""
    typed(desk, data, line("copy"))
    assert stat.S_IMODE((desk / "atende.dump").stat().st_mode) == 0o600
    for name in FILES:
        shutil.copy2(data / name, desk / name)


def brought_back(desk: Path, data: Path) -> None:
    """Into a data directory in which nothing is."""
    typed(desk, data, line("restore"))
    for name in FILES:
        shutil.copy2(desk / name, data / name)


async def fill(house: ApiHouse) -> None:
    """Two companies with a document, a secret, a call and a key of each."""
    for tenant_id in (ACME, BRAVO):
        path = f"/tenants/{tenant_id}"
        for greeting in ("Welcome", "Good day"):
            wish = {"If-None-Match": "*"} if greeting == "Welcome" else {"If-Match": await etag(house, path)}
            text = document(tenant_id, greeting=greeting)
            assert (await house.ask("PUT", f"{path}/document", content=text, headers=wish)).status_code == 200
        assert (await house.ask("PUT", f"{path}/secrets/openai", content=f"sk-{tenant_id}")).status_code == 200
        await house.service.conversations.store(tenant_id, finished(tenant_id))
        house.keys["tenant-admin", tenant_id] = await house.key("tenant-admin", tenant_id)


async def etag(house: ApiHouse, path: str) -> str:
    return (await house.ask("GET", f"{path}/document")).headers["etag"]


async def fences(house: ApiHouse) -> list[dict[str, Any]]:
    """Policies and grants of every table."""
    async with visited_postgres(house.service.settings.data_dir) as url:
        assert url is not None
        owner = await connect(url)
        try:
            return [dict(row) for row in await owner.fetch(FENCES)]
        finally:
            await owner.close()


async def test_what_is_copied_is_there_again_and_each_tenants_own() -> None:
    assert all(f"`{name}`" in PAGE for name in FILES)
    with desk() as folder:
        async with api_house(tenants="database") as house:
            await fill(house)
            keys, signing = house.keys, house.service.keys
            copied(folder, house.service.settings.data_dir)
            before, audited = await fences(house), (await house.ask("GET", "/audit")).json()["items"]
        async with api_house(tenants="database", before=lambda data: brought_back(folder, data)) as again:
            again.keys = keys  # those from before the copy
            assert await fences(again) == before
            assert again.service.keys == signing, "the dialplans' signatures are good"
            for tenant_id, other in ((ACME, BRAVO), (BRAVO, ACME)):
                await all_of(again, tenant_id, other)
            items = (await again.ask("GET", "/audit")).json()["items"]
            assert [one for one in audited if one not in items] == []
            async with again.call(ACME) as call:
                told = (await again.ask("GET", f"/live-calls/{call}", "tenant-admin", ACME)).json()
                assert told["transcript"][0]["text"] == "Good day to acme"


async def all_of(house: ApiHouse, own: TenantId, other: TenantId) -> None:
    """Everything of its own, and nothing of the other's."""
    told = await house.ask("GET", f"/tenants/{own}/document", "tenant-admin", own)
    assert (told.status_code, told.text) == (200, document(own, greeting="Good day"))
    revisions = (await house.ask("GET", f"/tenants/{own}/revisions", "tenant-admin", own)).json()["items"]
    assert [one["revision"] for one in revisions] == [2, 1]
    record = await house.ask("GET", f"/calls/{FINISHED[own]}", "tenant-admin", own)
    assert (record.status_code, len(record.json()["turns"])) == (200, 1)
    assert await house.service.secrets._secrets.read(own, "openai") == Secret(f"sk-{own}")
    for path in (f"/tenants/{other}/document", f"/calls/{FINISHED[other]}"):
        assert (await house.ask("GET", path, "tenant-admin", own)).status_code == 404, path
    store = house.service.api_keys.store
    assert isinstance(store, PostgresApiKeys)
    async with store._database.tenant(own) as connection:
        for table in ("revisions", "conversations", "messages", "secrets"):
            count = f"SELECT count(*) FROM atende.{table}"
            assert await connection.fetchval(count) > 0, table
            assert await connection.fetchval(f"{count} WHERE tenant_id <> $1", own) == 0, table
