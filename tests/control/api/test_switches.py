"""What the platform's operator sees of the server's settings: the PBXs, and servers inside the network."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import pytest_asyncio

from base.secret import Secret
from control.switches import Switch
from tests.control.api.house import ACME, ApiHouse, api_house, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

MATRIZ = Switch(name="matriz", host="10.1.0.5", password=Secret("ClueCon-42"), peers=(ip_network("10.1.0.5/32"),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, switches=(MATRIZ,), endpoints={"gpu": "http://10.0.0.7:8000/v1"}) as opened:
        yield opened


async def test_pbxs_with_their_calls(house: ApiHouse) -> None:
    async with house.call(ACME):
        told = await house.ask("GET", "/switches", "platform-viewer")
    assert told.status_code == 200
    matriz, default = told.json()["items"]
    assert (matriz["name"], matriz["host"], matriz["port"]) == ("matriz", "10.1.0.5", 8021)
    assert (matriz["has_password"], matriz["peers"], matriz["live_calls"]) == (True, ["10.1.0.5/32"], 0)
    assert (default["name"], default["has_password"], default["wire"], default["live_calls"]) == (
        ("default", False, "unicast", 1)
    )
    assert "ClueCon" not in told.text


async def test_servers_inside_the_network(house: ApiHouse) -> None:
    told = (await house.ask("GET", "/endpoints")).json()
    assert told == {"items": [{"name": "gpu", "url": "http://10.0.0.7:8000/v1"}], "next": None}


@pytest.mark.parametrize("path", ["/switches", "/endpoints"])
async def test_they_are_none_of_a_companys_business(house: ApiHouse, path: str) -> None:
    assert problem(await house.ask("GET", path, "tenant-admin", ACME)) == (403, "forbidden")
