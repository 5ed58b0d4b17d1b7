"""Written documents: whole, remembered, and never over what somebody saved meanwhile. And a PBX that is only read."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from base.ids import TenantId
from base.secret import Secret
from tenants.fusionpbx.plan import Planned, digest_of
from tenants.fusionpbx.reading import PbxError, open_pbx
from tenants.fusionpbx.written import MEMORY_FILE, ChangedMeanwhileError, Written
from tests.tenants.fusionpbx.pbx import CLINIC, FusionPbx, add_domain, fusionpbx

TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    file = tmp_path / "tenants" / "a.yaml"
    return Planned(domain="a.example.net", tenant_id=TENANT, status="new", file=file, text="slug: a\n", diff="+")


@pytest.fixture
async def pbx(postgres: Secret) -> AsyncIterator[FusionPbx]:
    async with fusionpbx(postgres, "boolean") as found:
        yield found


def test_what_was_written_is_remembered(planned: Planned, tmp_path: Path) -> None:
    data = tmp_path / "data"
    written = Written(data)
    written.write(planned)
    written.keep()
    assert Written(data).digests == {TENANT: digest_of(b"slug: a\n")}
    assert planned.file is not None
    assert [file.name for file in planned.file.parent.iterdir()] == ["a.yaml"]
    assert (data.stat().st_mode & 0o777, [file.name for file in data.iterdir()]) == (0o700, [MEMORY_FILE])


def test_a_file_that_was_saved_meanwhile_is_left(planned: Planned, tmp_path: Path) -> None:
    written = Written(tmp_path)
    assert planned.file is not None
    planned.file.parent.mkdir()
    planned.file.write_text("slug: mine\n")
    for former in (None, b"slug: before\n"):
        with pytest.raises(ChangedMeanwhileError, match="run the import again"):
            written.write(replace(planned, former=former))
    assert planned.file.read_text() == "slug: mine\n"
    assert written.digests == {}


def test_a_file_that_is_a_link_stays_one_and_its_owner_reads_it(planned: Planned, tmp_path: Path) -> None:
    assert planned.file is not None
    planned.file.parent.mkdir()
    real = tmp_path / "real.yaml"
    real.write_text("slug: former\n")
    real.chmod(0o604)
    if os.geteuid() == 0:  # only root may give files away
        os.chown(real, 1234, 4321)
    owner = (real.stat().st_uid, real.stat().st_gid)
    planned.file.symlink_to(real)
    Written(tmp_path).write(replace(planned, former=b"slug: former\n"))
    assert planned.file.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("slug: a\n", 0o604)
    assert (real.stat().st_uid, real.stat().st_gid) == owner


@pytest.mark.postgres
async def test_nothing_can_be_written_to_the_pbx(pbx: FusionPbx) -> None:
    await add_domain(pbx, CLINIC, "a.example.net")
    async with open_pbx(pbx.url) as opened:
        [found] = await opened.domains()
        assert found.domain_name == "a.example.net"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await opened._connection.execute("DELETE FROM v_domains")


@pytest.mark.postgres
async def test_all_is_read_as_it_was_at_the_first_look(pbx: FusionPbx) -> None:
    await add_domain(pbx, CLINIC, "a.example.net")
    async with open_pbx(pbx.url) as opened:
        await opened.domains()
        await pbx.execute("DELETE FROM v_domains")
        assert len(await opened.domains()) == 1


@pytest.mark.postgres
async def test_a_connection_that_is_lost_is_told(pbx: FusionPbx) -> None:
    async with open_pbx(pbx.url) as opened:
        await pbx.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(PbxError, match="FusionPBX's database cannot be read"):
            await opened.domains()
