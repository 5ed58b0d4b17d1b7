"""What the platform's operator sees of the server's settings: the PBXs, and servers inside the network."""

import uuid
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import pytest_asyncio
from msgspec import structs

from base.ids import CallId
from base.secret import Secret
from control.switches import Switch
from tests.control.api.house import ACME, ApiHouse, api_house, document, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

MATRIZ = Switch(name="matriz", host="10.1.0.5", password=Secret("ClueCon-42"), peers=(ip_network("10.1.0.5/32"),))

ELSEWHERE = {"one": "matriz", "two": "matriz", "three": "default", "four": "of-former-settings"}


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


async def test_calls_of_other_processes_count_and_while_they_are_not_known_no_number_is_told() -> None:
    """A list that lacked a process's calls was told as the number of all."""
    async with api_house(watch=False, tenants="database", switches=(MATRIZ,)) as house:
        wish = {"If-None-Match": "*"}
        told = await house.ask("PUT", f"/tenants/{ACME}/document", content=document(ACME), headers=wish)
        assert told.status_code == 200, told.text
        assert house.service.neighbours is not None
        presence = house.service.neighbours.presence
        store = presence._store
        other = structs.replace(presence.me, id=str(uuid.uuid4()), slot=presence.me.slot + 1, url="http://127.0.0.1:9")
        async with house.call(ACME):
            [mine] = house.service.board.calls(None)
            there = [structs.replace(mine.call, id=CallId(name), switch=on) for name, on in ELSEWHERE.items()]
            await store.register(other)
            await store.renew(other.id, "ok", "{}", there)
            assert await counted(house) == {"matriz": 2, "default": 2}
            await store.drop(other.id)
            assert await counted(house) == {"matriz": 0, "default": 1}
            with pytest.MonkeyPatch.context() as away:
                away.setattr(store, "by_switch", silent)
                assert await counted(house) == {"matriz": None, "default": None}


async def counted(house: ApiHouse) -> dict[str, int | None]:
    told = await house.ask("GET", "/switches", "platform-viewer")
    assert told.status_code == 200, told.text
    return {one["name"]: one["live_calls"] for one in told.json()["items"]}


async def silent(_: str) -> dict[str, int]:
    raise ConnectionError


async def test_servers_inside_the_network(house: ApiHouse) -> None:
    told = (await house.ask("GET", "/endpoints")).json()
    assert told == {"items": [{"name": "gpu", "url": "http://10.0.0.7:8000/v1"}], "next": None}


@pytest.mark.parametrize("path", ["/switches", "/endpoints"])
async def test_they_are_none_of_a_companys_business(house: ApiHouse, path: str) -> None:
    assert problem(await house.ask("GET", path, "tenant-admin", ACME)) == (403, "forbidden")
