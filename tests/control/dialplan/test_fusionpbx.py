"""The SQL for FusionPBX, run by a real PostgreSQL in tables such as its own."""

from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree as ET

import asyncpg
import pytest

from base.secret import Secret
from control.dialplan.fusionpbx import APP_UUID, dialplan_sql
from control.dialplan.plan import PlanError
from control.dialplan.xml import dialplan_xml
from tests.control.dialplan.plans import KEYS, plan
from tests.control.dialplan.walk import endings

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TABLE v_domains (domain_uuid uuid PRIMARY KEY, domain_name text);
CREATE TABLE v_extensions (extension_uuid uuid, domain_uuid uuid, extension text, number_alias text);
CREATE TABLE v_dialplans (
  domain_uuid uuid, dialplan_uuid uuid PRIMARY KEY, app_uuid uuid, hostname text, dialplan_context text,
  dialplan_name text, dialplan_number text, dialplan_destination {flag}, dialplan_continue {flag}, dialplan_xml text,
  dialplan_order numeric, dialplan_enabled {flag}, dialplan_description text
);
INSERT INTO v_domains VALUES ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'sorriso.example.net'),
                             ('00000000-0000-4000-8000-000000000002', 'other.example.net');
INSERT INTO v_dialplans (domain_uuid, dialplan_uuid, dialplan_name, dialplan_number) VALUES
  ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003', 'theirs', '1000'),
  (NULL, '00000000-0000-4000-8000-000000000004', 'local_extension', '[ext]');
"""
Connection = Any


@pytest.fixture(params=["boolean", "text"])
async def fusionpbx(request: pytest.FixtureRequest, postgres: Secret) -> AsyncIterator[Connection]:
    """Flags are boolean from FusionPBX 5.5, and text before."""
    connection = await asyncpg.connect(postgres.reveal())
    await connection.execute("CREATE SCHEMA pbx; SET search_path = pbx;" + TABLES.format(flag=request.param))
    try:
        yield connection
    finally:
        await connection.execute("ROLLBACK; DROP SCHEMA pbx CASCADE")
        await connection.close()


async def rows(fusionpbx: Connection) -> list[dict[str, Any]]:
    found = await fusionpbx.fetch(
        "SELECT * FROM v_dialplans WHERE app_uuid = $1 ORDER BY dialplan_order, dialplan_name", APP_UUID
    )
    return [dict(row) for row in found]


async def test_a_row_for_each_extension_and_they_make_the_same_dialplan(fusionpbx: Connection) -> None:
    asked = plan(operator="1001", voicemail="20", wire="audio_stream")
    await fusionpbx.execute(dialplan_sql(asked, KEYS))
    made = await rows(fusionpbx)
    for row in made:
        element = ET.fromstring(row["dialplan_xml"])
        assert element.attrib["name"] == row["dialplan_name"]
        assert element.attrib["uuid"] == str(row["dialplan_uuid"])
        assert (str(row["dialplan_continue"]).lower(), str(row["dialplan_enabled"]).lower()) == ("false", "true")
        assert row["dialplan_context"] == "sorriso.example.net"
    offered = {row["dialplan_number"] for row in made if str(row["dialplan_destination"]).lower() == "true"}
    assert offered == set(asked.numbers), "what an inbound route can choose"
    served = "".join(row["dialplan_xml"] for row in made)
    assert made[-1]["dialplan_name"] == "door_other"
    context = f'<x><context name="sorriso.example.net">{served}</context></x>'
    for number in asked.numbers:
        there = {"1001", "*9920"}
        assert endings(context, number, there) == endings(dialplan_xml(asked, KEYS), number, there)


async def test_it_replaces_itself_and_nothing_else(fusionpbx: Connection) -> None:
    await fusionpbx.execute(dialplan_sql(plan(operator="1001"), KEYS))
    before = await rows(fusionpbx)
    await fusionpbx.execute(dialplan_sql(plan(numbers=("1000",)), KEYS))
    after = await rows(fusionpbx)
    assert {row["dialplan_uuid"] for row in after} < {row["dialplan_uuid"] for row in before}
    assert "1001" not in "".join(row["dialplan_xml"] for row in after)
    assert await fusionpbx.fetchval("SELECT count(*) FROM v_dialplans WHERE app_uuid IS NULL") == 2


TAKEN = {
    "there is no such domain": "UPDATE v_domains SET domain_name = 'renamed.example.net'",
    "is an extension of the domain": "INSERT INTO v_extensions (domain_uuid, extension) "
    "VALUES ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', '1000')",
    "has a dialplan of its own": "UPDATE v_dialplans SET domain_uuid = '6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10' "
    "WHERE dialplan_name = 'theirs'",
}


@pytest.mark.parametrize("told", TAKEN)
async def test_a_number_that_is_taken_changes_nothing(fusionpbx: Connection, told: str) -> None:
    await fusionpbx.execute(dialplan_sql(plan(numbers=("777",)), KEYS))
    before = await rows(fusionpbx)
    await fusionpbx.execute(TAKEN[told])
    with pytest.raises(asyncpg.RaiseError, match=told):
        await fusionpbx.execute(dialplan_sql(plan(), KEYS))
    await fusionpbx.execute("ROLLBACK")
    assert await rows(fusionpbx) == before


async def test_an_inbound_route_of_the_same_number_is_no_other_dialplan_of_it(fusionpbx: Connection) -> None:
    taken = TAKEN["has a dialplan of its own"]
    await fusionpbx.execute(taken.replace(" WHERE ", ", dialplan_context = 'public' WHERE "))
    await fusionpbx.execute(dialplan_sql(plan(), KEYS))
    assert await fusionpbx.fetchval("SELECT count(*) FROM v_dialplans WHERE dialplan_name = 'theirs'") == 1
    assert {"1000"} <= {row["dialplan_number"] for row in await rows(fusionpbx)}


def test_what_it_cannot_do_is_told() -> None:
    with pytest.raises(PlanError, match="leave the single number out"):
        dialplan_sql(plan(only="1000"), KEYS)
    with pytest.raises(PlanError, match="only FusionPBX"):
        dialplan_sql(plan(pbx="freeswitch"), KEYS)
