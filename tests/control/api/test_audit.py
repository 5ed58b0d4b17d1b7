"""What is changed by way of the API is in the audit log, and what cannot be written there is not done."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from base.ids import TenantId
from tests.control.api.house import ACME, BRAVO, NOBODY, ApiHouse, api_house, document, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


async def entries(house: ApiHouse, tenant: TenantId = ACME) -> list[dict[str, Any]]:
    """The tenant's, the oldest first."""
    return (await house.ask("GET", "/audit", "tenant-admin", tenant)).json()["items"][::-1]  # type: ignore[no-any-return]


async def etag(house: ApiHouse) -> dict[str, str]:
    return {"If-Match": (await house.ask("GET", f"{DESK}/document")).headers["etag"]}


async def test_every_change_is_written_down_with_who_made_it(house: ApiHouse) -> None:
    admin = house.keys["tenant-admin", ACME].split("_")[1]
    made = await house.ask("POST", "/keys", "tenant-admin", ACME, json={"role": "tenant-viewer", "name": "x"})
    key = made.json()["made"]["key"]
    await house.ask("DELETE", f"/keys/{key}", "tenant-admin", ACME)
    text = document(ACME, greeting="Good day")
    put = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=text, headers=await etag(house))
    await house.ask("POST", f"{DESK}/revisions/1/activate", "tenant-admin", ACME, headers=await etag(house))
    trial = document(ACME, more="canary: {share: 50}\n")
    for verb in ("promote", "abort"):
        await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=trial, headers=await etag(house))
        assert (await house.ask("POST", f"{DESK}/canary/{verb}", "tenant-admin", ACME)).status_code == 200
    async with house.call(ACME) as call:
        await house.ask("POST", f"/live-calls/{call}/say", "tenant-admin", ACME, json={"text": "A private word"})
        await house.ask("POST", f"/live-calls/{call}/transfer", "tenant-admin", ACME, json={"number": "200"})
    async with house.call(ACME) as last:
        await house.ask("POST", f"/live-calls/{last}/hang-up", "tenant-admin", ACME)
    found = await entries(house)
    done = [(one["action"], one["object"]) for one in found if one["outcome"] == "done"]
    assert done == [
        ("key.create", key),
        ("key.revoke", key),
        ("document.put", ""),
        ("document.rollback", "1"),
        ("document.put", ""),
        ("canary.promote", ""),
        ("document.put", ""),
        ("canary.abort", ""),
        ("call.say", call),
        ("call.transfer", call),
        ("call.hangup", last),
    ]
    assert [one["number"] for one in found] == list(range(1, 2 * len(done) + 1)), "each has a beginning"
    ends = {one["action"]: one["after"] for one in found if one["outcome"] == "done"}
    for action in ("document.rollback", "canary.promote", "canary.abort"):
        assert ends[action]["revision"] > 1, action
    assert ends["call.transfer"]["number_ends"] == "00"
    first = next(one for one in found if (one["action"], one["outcome"]) == ("document.put", "done"))
    assert first["after"]["revision"] == put.json()["revision"]
    assert first["before"]["revision"] == first["after"]["revision"] - 1
    for one in found:
        actor = one["actor"]
        assert (actor["kind"], actor["id"], actor["role"]) == ("key", admin, "tenant-admin")
        assert actor["address"] == "127.0.0.1"
    assert "private" not in str(found)
    assert (await house.service.audit.verify(ACME)).broken_at is None


async def test_what_fails_is_written_down_as_failed(house: ApiHouse) -> None:
    before = len(await entries(house, BRAVO))
    path = f"/tenants/{BRAVO}/document"
    stale = await house.ask("PUT", path, content=document(BRAVO), headers={"If-Match": '"0"'})
    assert problem(stale) == (412, "stale")
    found = (await entries(house, BRAVO))[before:]
    assert [(one["action"], one["outcome"]) for one in found] == [("document.put", "begun"), ("document.put", "failed")]
    assert found[1]["begun_as"] == found[0]["number"]


async def test_what_was_never_there_is_no_change(house: ApiHouse) -> None:
    before = await entries(house)
    assert (await house.ask("DELETE", "/keys/aaaaaaaaaaaa", "tenant-admin", ACME)).status_code == 404
    assert await entries(house) == before
    for method, path in (("DELETE", "/keys/aaaaaaaaaaaa"), ("POST", "/keys")):
        body = {"json": {"role": "tenant-admin", "name": "x", "domain_uuid": NOBODY}} if method == "POST" else {}
        named = {"domain_uuid": NOBODY} if method == "DELETE" else {}
        told = await house.ask(method, path, params=named, **body)  # type: ignore[arg-type]
        assert problem(told) == (404, "not-found")
    assert NOBODY not in await house.service.audit.chains(100)


async def test_a_company_that_is_taken_away_is_written_down() -> None:
    async with api_house(watch=False) as house:
        headers = {"If-Match": (await house.ask("GET", f"/tenants/{BRAVO}/document")).headers["etag"]}
        assert (await house.ask("DELETE", f"/tenants/{BRAVO}/document", headers=headers)).status_code == 204
        found = (await house.ask("GET", "/audit", params={"domain_uuid": BRAVO})).json()["items"]
    assert [(one["action"], one["outcome"]) for one in found] == [
        ("document.remove", "done"),
        ("document.remove", "begun"),
    ]
    assert found[0]["before"]["digest"] == headers["If-Match"].strip('"')


async def test_a_dry_run_is_no_change(house: ApiHouse) -> None:
    before = await entries(house)
    told = await house.ask(
        "PUT",
        f"{DESK}/document",
        "tenant-admin",
        ACME,
        content=document(ACME, greeting="Perhaps"),
        headers=await etag(house),
        params={"dry_run": "true"},
    )
    assert told.status_code == 200
    assert await entries(house) == before


async def test_only_administrators_read_it_and_page_by_page(house: ApiHouse) -> None:
    assert problem(await house.ask("GET", "/audit", "tenant-viewer", ACME)) == (403, "forbidden")
    assert problem(await house.ask("GET", "/audit", "platform-viewer")) == (403, "forbidden")
    assert (await house.ask("GET", "/audit", params={"domain_uuid": ACME})).json()["items"]
    whole, found, cursor = await entries(house), [], None
    while not found or cursor:
        asked = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        told = (await house.ask("GET", "/audit", "tenant-admin", ACME, params=asked)).json()
        found += told["items"]
        cursor = told["next"]
    assert found[::-1] == whole


async def test_what_cannot_be_written_down_is_not_done() -> None:
    async with api_house(watch=False) as house, house.call(ACME) as call:
        for role in ("tenant-admin", "tenant-viewer"):
            assert (await house.ask("GET", "/whoami", role, ACME)).status_code == 200  # type: ignore[arg-type]
        await house.database_goes()
        told = await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", ACME)
        assert problem(told) == (503, "unavailable")
        assert house.service.board.call(ACME, call) is not None
