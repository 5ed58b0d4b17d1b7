"""A body is taken as what it is sent for; what would be something else is refused, with how it is sent."""

import gzip
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.control.api.house import ACME, ApiHouse, api_house, document, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, api_requests_per_s=1000) as opened:
        yield opened


@pytest.mark.parametrize(
    "media_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/plain; charset=latin-1",
    ],
)
async def test_what_curl_sends_by_itself_is_no_secret_and_no_document(house: ApiHouse, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    told = await house.ask("PUT", f"{DESK}/secrets/curls", "tenant-admin", ACME, content="value=sk-1", headers=headers)
    assert problem(told) == (415, "unsupported-media-type")
    assert "-H 'Content-Type: text/plain' --data-binary" in told.json()["detail"]
    assert "sk-1" not in told.text
    assert problem(await house.ask("GET", f"{DESK}/secrets/curls/versions")) == (404, "not-found"), "nothing is kept"
    stands = (await house.ask("GET", f"{DESK}/document")).headers["etag"]
    headers["If-Match"] = stands
    told = await house.ask("PUT", f"{DESK}/document", content=document(ACME, greeting="Form"), headers=headers)
    assert problem(told) == (415, "unsupported-media-type")
    assert "-H 'Content-Type: application/yaml' --data-binary" in told.json()["detail"]
    assert (await house.ask("GET", f"{DESK}/document")).headers["etag"] == stands


@pytest.mark.parametrize("media_type", [None, "text/plain", "Text/Plain; charset=UTF-8", "application/json"])
async def test_a_value_comes_alone_or_in_json(house: ApiHouse, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    value = '{"value": "sk-2"}' if media_type == "application/json" else "sk-2"
    told = await house.ask("PUT", f"{DESK}/secrets/good", "tenant-admin", ACME, content=value, headers=headers)
    assert (told.status_code, told.json()["version"]) == (200, 1), "it is the same value each time"


@pytest.mark.parametrize("media_type", [None, "application/yaml", "application/x-yaml", "text/yaml", "text/plain"])
async def test_yaml_goes_by_each_of_its_names(house: ApiHouse, media_type: str | None) -> None:
    headers = {"If-Match": "*"} | ({} if media_type is None else {"Content-Type": media_type})
    told = await house.ask("PUT", f"{DESK}/document", content=document(ACME), headers=headers, params={"dry_run": True})
    assert told.status_code == 200, told.text


async def test_nothing_is_unpacked(house: ApiHouse) -> None:
    packed = {"Content-Encoding": "gzip", "If-Match": "*"}
    for method, path, content in (
        ("PUT", f"{DESK}/document", document(ACME)),
        ("PUT", f"{DESK}/secrets/packed", "sk-1"),
        ("POST", "/keys", '{"role": "tenant-viewer", "name": "mine"}'),
    ):
        body = gzip.compress(content.encode())
        told = await house.ask(method, path, "tenant-admin", ACME, content=body, headers=packed)
        assert problem(told) == (415, "unsupported-media-type"), path
        assert "`Content-Encoding: gzip` is not unpacked here; send it as it is" in told.json()["detail"]
