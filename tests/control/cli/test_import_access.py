"""Who may read a FusionPBX, what of it is not there, and what an error shows."""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from base.secret import Secret
from control.settings import Settings
from tests.control.cli.desk import Desk, on, run
from tests.tenants.conftest import postgres
from tests.tenants.fusionpbx.pbx import TABLES

__all__ = ["postgres"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.postgres
def test_tables_and_columns_that_are_not_there_are_told(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        for table in ("v_voice_secretaries", "v_call_center_queues"):
            await desk.pbx.execute(f"DROP TABLE {table}")
        await desk.pbx.execute("ALTER TABLE v_destinations DROP COLUMN destination_area_code")
        await desk.pbx.execute("ALTER TABLE v_ring_groups DROP COLUMN ring_group_extension")
        done = await desk.run("--domain", "oficina.pbx.example.net")
        assert done.exit_code == 0, done.output
        for note in (
            "note: v_voice_secretaries is not read: there is none",
            "note: v_call_center_queues is not read: there is none",
            "note: v_destinations has no destination_area_code: read as empty",
            "note: v_ring_groups is not read: it has no ring_group_extension",
        ):
            assert note in done.stderr
        assert "new: oficina.pbx.example.net" in done.stdout
        await desk.pbx.execute("DROP TABLE v_domains")
        assert "is this FusionPBX's database" in (await desk.run()).stderr

    on(postgres, tmp_path, scene)


@pytest.mark.postgres
def test_a_role_with_the_rights_that_are_told_is_enough_and_may_not_read_passwords(
    postgres: Secret, tmp_path: Path
) -> None:
    async def scene(desk: Desk) -> None:
        role = f'"Reader {uuid.uuid4().hex[:8]}"'
        await desk.pbx.execute(f"CREATE ROLE {role} LOGIN")
        bare = role.strip('"').replace(" ", "%20")
        url = Secret(desk.pbx.url.reveal().replace("//postgres@", f"//{bare}@"))
        refused = await desk.run(fusionpbx_database_url=url)
        assert (refused.exit_code, refused.stdout) == (1, "")
        grants = [line.strip() for line in refused.stderr.splitlines() if line.strip().startswith("GRANT ")]
        assert [grant.split(" ON ")[1].split()[0] for grant in grants] == [*TABLES, "v_voice_secretaries"]
        assert all(grant.endswith(f"TO {role};") for grant in grants)
        assert "password" not in " ".join(grants)
        for grant in grants[:-1]:
            await desk.pbx.execute(grant)
        last = await desk.run(fusionpbx_database_url=url)
        assert grants[-1] in last.stderr
        assert last.stderr.count("GRANT") == 1
        await desk.pbx.execute(grants[-1])
        done = await desk.run(fusionpbx_database_url=url)
        assert done.exit_code == 0, done.output
        assert done.stdout == (await desk.run()).stdout
        await desk.pbx.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")

    on(postgres, tmp_path, scene)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:hush@127.0.0.1:1/fusionpbx",
        "postgresql://reader:hush@127.0.0.1:hush/fusionpbx",
        "postgresql://reader:hush@[::/fusionpbx",
        "mysql://reader:hush@db/fusionpbx",
    ],
)
def test_a_url_that_does_not_lead_there_is_not_shown(tmp_path: Path, url: str) -> None:
    settings = Settings(data_dir=tmp_path, tenants_dir=tmp_path)
    done = run(settings, "--database", url)
    assert done.exit_code in {1, 2}
    assert "Error: " in done.stderr
    assert "hush" not in done.output


def test_what_is_missing_on_the_command_line_is_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tenants_dir=tmp_path)
    assert "give --database, or set ATENDE_FUSIONPBX_DATABASE_URL" in run(settings).stderr
    assert "--force goes with --write" in run(settings, "--database", "postgresql://x", "--force").stderr
