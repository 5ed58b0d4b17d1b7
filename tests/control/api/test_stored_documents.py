"""Documents that are kept in the database alone: put, read, taken back and removed, and no file says so."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from click.testing import CliRunner

from control.cli.context import Program
from control.cli.dialplan import dialplan_command
from tests.control.api.house import ACME, ApiHouse, api_house, document, problem
from tests.pipelines.virtual import eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(tenants="database") as made:
        yield made


async def test_a_company_from_its_first_text_to_its_end(house: ApiHouse) -> None:
    path, files = f"/tenants/{ACME}/document", sorted(house.service.settings.tenants_dir.iterdir())
    assert (await house.ask("GET", "/tenants")).json()["items"] == [], "the folder is not read"
    assert problem(await house.ask("GET", path)) == (404, "not-found")

    async def put(text: str, **wish: str) -> Any:
        return await house.ask("PUT", path, headers=wish, content=text)

    first = await put(document(ACME), **{"If-None-Match": "*"})
    assert (first.status_code, first.json()["revision"]) == (200, 1)
    read = await house.ask("GET", path)
    etag = read.headers["etag"]
    assert (read.text, etag) == (document(ACME), f'"{first.json()["digest"]}"')
    async with house.call(ACME) as call:
        assert house.service.board.call(ACME, call) is not None
    second = await put(document(ACME, greeting="Good day"), **{"If-Match": etag})
    assert (second.status_code, second.json()["revision"]) == (200, 2)
    assert problem(await put(document(ACME), **{"If-Match": etag})) == (412, "stale")
    assert problem(await put("slug: [", **{"If-Match": "*"})) == (422, "invalid-document")
    back = await house.ask(
        "POST", f"/tenants/{ACME}/revisions/1/activate", headers={"If-Match": f'"{second.json()["digest"]}"'}
    )
    assert (back.status_code, back.json()["revision"]) == (200, 3)
    await printed(house)
    gone = await house.ask("DELETE", path, headers={"If-Match": (await house.ask("GET", path)).headers["etag"]})
    assert gone.status_code == 204
    assert problem(await house.ask("GET", path)) == (404, "not-found")
    assert (await house.ask("GET", "/tenants")).json()["items"] == []
    assert len((await house.ask("GET", f"/tenants/{ACME}/revisions")).json()["items"]) == 3, "they stay"
    again = await put(document(ACME), **{"If-None-Match": "*"})
    assert again.status_code == 200
    assert (await house.ask("GET", path)).text == document(ACME)
    assert sorted(house.service.settings.tenants_dir.iterdir()) == files, "no file was written"
    neighbours = house.service.neighbours
    assert neighbours is not None
    await eventually(lambda: bool(neighbours.presence.everybody), limit_s=10)  # read once a second
    ready = (await house.client.get("/health/ready")).json()
    assert [(one["role"], one["state"]) for one in ready["processes"]] == [("all", "ok")]


async def printed(house: ApiHouse) -> None:
    """The commands that need a document find it in the database."""
    unused = cast(Any, None)
    program = Program(settings=house.service.settings, open_service=unused, open_trial=unused, create_app=unused)
    asked = ["--tenant", "acme", "--service", "127.0.0.1:8084", "--operator", "1001"]
    result = await asyncio.to_thread(CliRunner().invoke, dialplan_command, asked, obj=program)
    assert result.exit_code == 0, result.output
    assert f"atende_tenant={ACME}" in result.stdout
    nobody = await asyncio.to_thread(CliRunner().invoke, dialplan_command, ["--tenant", "bravo"], obj=program)
    assert "no tenant 'bravo' in the database" in nobody.output
