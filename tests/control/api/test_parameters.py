"""A parameter that an address does not take is refused by its name, and nothing is done as if it were not there."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.control.api.house import ACME, ApiHouse, api_house, document, problem
from tests.control.api.test_isolation import NO_CALL, filled, routes, sent

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, api_requests_per_s=1000) as opened:
        yield opened


async def refused(house: ApiHouse, method: str, path: str, query: str, **more: Any) -> dict[str, str]:
    """What is told of each parameter, by its name."""
    told = await house.ask(method, f"{path}?{query}", "tenant-admin", ACME, **more)
    assert problem(told) == (400, "bad-request"), told.text
    return {error["path"]: error["message"] for error in told.json()["errors"]}


async def test_a_trial_with_a_typing_mistake_publishes_nothing(house: ApiHouse) -> None:
    stands = await house.ask("GET", f"{DESK}/document")
    more = {"content": document(ACME, greeting="Mistyped"), "headers": {"If-Match": stands.headers["etag"]}}
    for query in ("dryrun=true", "dry_run=false&dry_run=true", "DRY_RUN=true", "dry_run", "dry_run="):
        told = await refused(house, "PUT", f"{DESK}/document", query, **more)
        assert list(told) == [query.partition("=")[0]]
    assert (await house.ask("GET", f"{DESK}/document")).headers["etag"] == stands.headers["etag"]
    assert "did you mean dry_run?" in (await refused(house, "PUT", f"{DESK}/document", "dryrun=true", **more))["dryrun"]


async def test_what_is_put_says_whether_it_was_a_trial(house: ApiHouse) -> None:
    for number, dry_run in enumerate((True, False)):
        stands = (await house.ask("GET", f"{DESK}/document")).headers["etag"]
        told = await house.ask(
            "PUT",
            f"{DESK}/document",
            content=document(ACME, greeting=f"Hello {number}"),
            headers={"If-Match": stands},
            params={"dry_run": dry_run},
        )
        assert (told.status_code, told.json()["dry_run"]) == (200, dry_run)
        secret = await house.ask("PUT", f"{DESK}/secrets/openai", content="sk-1", params={"dry_run": dry_run})
        assert (secret.status_code, secret.json()["dry_run"]) == (200, dry_run)


async def test_of_a_heap_of_names_none_is_looked_up(house: ApiHouse) -> None:
    told = await refused(house, "GET", "/calls", "&".join(f"opened_{number}=1" for number in range(2000)))
    assert told == {"query parameters": "there are 2000 of them, and no address takes more than 50"}


async def test_a_list_is_never_longer_than_was_meant(house: ApiHouse) -> None:
    told = await refused(house, "GET", "/calls", "openend_from=2026-11-26T00:00:00Z&caler=1&zzz=1")
    assert "did you mean opened_from?" in told["openend_from"]
    assert "did you mean caller?" in told["caler"]
    assert "there are assistant, caller, cursor, domain_uuid" in told["zzz"]
    backwards = "opened_from=2026-11-27T00:00:00Z&opened_to=2026-11-26T00:00:00Z"
    for path in ("/calls", "/calls/export"):
        assert list(await refused(house, "GET", path, backwards)) == ["opened_to"]
        ends = await refused(house, "GET", path, "end_reason=hangups")
        assert "did you mean hangup?" in ends["end_reason"]
        assert "caller_hangup, hangup, goodbye" in ends["end_reason"]


async def test_no_address_takes_what_it_does_not_know(house: ApiHouse) -> None:
    seen = 0
    for method, path in routes(house):
        for role, tenant in (("platform-admin", None), ("tenant-admin", ACME)):
            where = filled(path, ACME, NO_CALL, "aaaaaaaaaaaa")
            more = sent(method, path, ACME)
            more["params"] = {**more.get("params", {}), "zzzzzz": "1"}
            told = await house.ask(method, where, role, tenant, **more)  # type: ignore[arg-type]
            if told.status_code == 403:
                continue  # told first: the role does not suffice, whatever is asked
            assert problem(told) == (400, "bad-request"), (method, path)
            assert [error["path"] for error in told.json()["errors"]] == ["zzzzzz"], (method, path)
            seen += 1
    assert seen > 50


async def test_the_platform_names_a_company_only_where_it_chooses_one(house: ApiHouse) -> None:
    told = await house.ask("GET", "/whoami", params={"domain_uuid": ACME})
    assert problem(told) == (400, "bad-request")
    assert (await house.ask("GET", "/whoami", "tenant-admin", ACME, params={"domain_uuid": ACME})).status_code == 200
    assert (await house.ask("GET", "/events", params=[("kind", "call.ended"), ("kind", "call.started")])).is_success
