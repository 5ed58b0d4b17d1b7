"""What a client meets at the door, whatever it asks for: compression, other origins' pages, its pace."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

ELSEWHERE = "https://elsewhere.example.net"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


async def sent(house: ApiHouse, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """An answer, and its bytes as they go over the wire. httpx asks for `gzip` unless it is told otherwise."""
    headers["Authorization"] = f"Bearer {house.keys['platform-admin', None]}"
    async with house.client.stream("GET", f"/api/v1{path}", headers=headers) as response:
        return response, b"".join([part async for part in response.aiter_raw()])


@pytest.mark.parametrize("path", ["/pipelines", "/schema/openapi.json"])
async def test_a_large_answer_is_compressed_for_whoever_takes_it(house: ApiHouse, path: str) -> None:
    plain, whole = await sent(house, path, **{"Accept-Encoding": "identity"})
    packed, raw = await sent(house, path, **{"Accept-Encoding": "br;q=0.1, gzip"})
    assert (plain.status_code, packed.status_code) == (200, 200)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in packed.headers["vary"].lower(), "a cache between keeps them apart"
    assert gzip.decompress(raw) == whole
    assert int(packed.headers["content-length"]) == len(raw) < len(whole) / 2


async def test_a_small_answer_is_not_compressed(house: ApiHouse) -> None:
    small, raw = await sent(house, "/whoami", **{"Accept-Encoding": "gzip"})
    assert ("content-encoding" in small.headers, raw[:1]) == (False, b"{")


async def test_pages_of_other_origins_are_let_nothing_know(house: ApiHouse) -> None:
    """There is no CORS: a browser shows no answer to a page of another origin, and sends nothing that needs leave."""
    asked = {
        "Origin": ELSEWHERE,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    key = {"Authorization": f"Bearer {house.keys['platform-admin', None]}"}
    for path in ("/api/v1/whoami", f"/api/v1/tenants/{ACME}/document", "/health/ready", "/metrics"):
        answers = [
            await house.client.options(path, headers=asked),
            await house.client.options(path, headers=asked | key),
            await house.client.get(path, headers={"Origin": ELSEWHERE}),
            await house.client.get(path, headers={"Origin": ELSEWHERE} | key),
        ]
        for answer in answers:
            allowed = [name for name in answer.headers if name.startswith("access-control-")]
            assert allowed == [], (path, answer.request.method, answer.status_code)
        assert answers[3].status_code == 200
        assert answers[3].headers["cross-origin-resource-policy"] == "same-origin"


async def test_an_address_may_ask_as_much_as_three_keys_whichever_it_asks_with() -> None:
    """Its fourth key has asked for nothing and has to wait; from another address it has not."""
    async with api_house(watch=False, api_requests_per_s=1) as house:
        keys = [await house.key("tenant-viewer", ACME) for _ in range(4)]
        elsewhere = httpx.AsyncClient(
            transport=httpx.ASGITransport(house.app, client=("198.51.100.7", 4000)), base_url="http://atende.test"
        )

        async def who(client: httpx.AsyncClient, key: str) -> httpx.Response:
            return await client.get("/api/v1/whoami", headers={"Authorization": f"Bearer {key}"})

        async with elsewhere:
            answers = [await who(house.client, key) for key in keys[:3] for _ in range(5)]
            assert [one.status_code for one in answers] == [200] * 15, "five seconds' worth at once, of each key"
            while (late := await who(house.client, keys[3])).status_code == 200:
                pass
            assert problem(late) == (429, "too-many-requests")
            assert int(late.headers["retry-after"]) >= 1
            assert (await who(elsewhere, keys[3])).status_code == 200
            guess = await house.client.get("/api/v1/whoami")
            assert problem(guess) == (429, "too-many-requests"), "before anybody looks for a key"
            assert (await house.client.get("/health/live")).status_code == 200
            assert (await house.ask("GET", "/whoami", "tenant-admin", BRAVO)).status_code == 429, (
                "it shares the address"
            )
