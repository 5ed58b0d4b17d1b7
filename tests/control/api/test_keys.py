"""Keys by way of the API, and what a door does that many knock at."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from control.api.bounds import GUESSES
from tests.control.api.house import ACME, BRAVO, NOBODY, ApiHouse, api_house, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


async def who(house: ApiHouse, text: str) -> tuple[int, object]:
    told = await house.ask("GET", "/whoami", None, headers={"Authorization": f"Bearer {text}"})
    return told.status_code, told.json()


async def test_a_tenants_administrator_makes_keys_of_that_tenant_and_revokes_them(house: ApiHouse) -> None:
    wish = {"role": "tenant-viewer", "name": "wallboard", "expires_days": 30}
    made = await house.ask("POST", "/keys", "tenant-admin", ACME, json=wish)
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    secret, key = made.json()["secret"], made.json()["made"]
    assert await who(house, secret) == (200, {"key": key["key"], "role": "tenant-viewer", "tenant_id": ACME})
    listed = (await house.ask("GET", "/keys", "tenant-admin", ACME)).text
    assert key["key"] in listed
    assert secret not in listed
    assert secret.startswith(f"atende_{key['key']}_")
    for role, own, expected in (
        ("tenant-admin", BRAVO, 404),
        ("tenant-viewer", ACME, 403),
        ("tenant-admin", ACME, 204),
    ):
        told = await house.ask("DELETE", f"/keys/{key['key']}", role, own)  # type: ignore[arg-type]
        assert told.status_code == expected
    assert (await who(house, secret))[0] == 401


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"role": "platform-viewer", "name": "x"}, (403, "forbidden")),
        ({"role": "tenant-admin", "name": "x", "domain_uuid": BRAVO}, (404, "not-found")),
        ({"role": "tenant-admin", "name": "x", "domain_uuid": NOBODY}, (404, "not-found")),
        ({"role": "root", "name": "x"}, (400, "bad-request")),
        ({"role": "tenant-admin", "name": ""}, (400, "bad-request")),
        ({"role": "tenant-admin", "name": "a\nb"}, (400, "bad-request")),
        ({"role": "tenant-admin", "name": "x", "expires_days": 0}, (400, "bad-request")),
        ({"role": "tenant-admin", "name": "x", "tenant": BRAVO}, (400, "bad-request")),
    ],
)
async def test_nobody_makes_a_key_that_opens_more_than_his_own(
    house: ApiHouse, wish: dict[str, object], expected: tuple[int, str]
) -> None:
    assert problem(await house.ask("POST", "/keys", "tenant-admin", ACME, json=wish)) == expected


async def test_the_platform_makes_keys_for_everybody_who_is_there(house: ApiHouse) -> None:
    for wish, expected in (
        ({"role": "platform-viewer", "name": "x"}, 201),
        ({"role": "tenant-admin", "name": "x", "domain_uuid": BRAVO}, 201),
        ({"role": "tenant-admin", "name": "x"}, 400),
        ({"role": "platform-admin", "name": "x", "domain_uuid": BRAVO}, 400),
        ({"role": "tenant-admin", "name": "x", "domain_uuid": NOBODY}, 404),
    ):
        assert (await house.ask("POST", "/keys", json=wish)).status_code == expected, wish


async def test_keys_come_in_pages(house: ApiHouse) -> None:
    whole = (await house.ask("GET", "/keys", "tenant-admin", BRAVO)).json()["items"]
    seen: list[object] = []
    cursor = None
    for _ in whole:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await house.ask("GET", "/keys", "tenant-admin", BRAVO, params=query)).json()
        seen += [one["key"] for one in page["items"]]
        cursor = page["next"]
    assert len(whole) >= 2
    assert (seen, cursor) == ([one["key"] for one in whole], None)
    for wrong in ({"limit": 201}, {"cursor": "x"}, {"cursor": "W2ZhbHNlXQ"}):
        assert problem(await house.ask("GET", "/keys", params=wrong)) == (400, "bad-request")


async def test_an_expired_key_opens_nothing(house: ApiHouse) -> None:
    yesterday = house.service.clock.now() - timedelta(days=1)
    text = await house.key("tenant-viewer", ACME, created_at=yesterday, expires_at=yesterday + timedelta(hours=1))
    assert (await who(house, text))[0] == 401


async def test_who_asks_too_often_or_guesses_is_told_to_come_again_and_others_are_not() -> None:
    async with api_house(watch=False, api_requests_per_s=2) as house:
        text = await house.key("tenant-viewer", ACME)
        asked = [(await who(house, text))[0] for _ in range(14)]
        assert asked[:10] == [200] * 10, "five seconds' worth at once"
        named = {"Authorization": f"Bearer {text}"}
        while (late := await house.ask("GET", "/whoami", None, headers=named)).status_code == 200:
            pass
        assert problem(late) == (429, "too-many-requests")
        assert int(late.headers["retry-after"]) >= 1
        assert (await house.ask("GET", "/whoami", "tenant-admin", BRAVO)).status_code == 200


async def test_who_guesses_is_locked_out_and_who_shares_his_address_is_not() -> None:
    async with api_house(watch=False) as house:
        known = house.keys["tenant-viewer", ACME]
        assert (await who(house, known))[0] == 200
        wrong = "atende_aaaaaaaaaaaa_" + "A" * 43
        statuses = [(await who(house, wrong))[0] for _ in range(GUESSES + 2)]
        assert statuses == [401] * GUESSES + [429, 429]
        assert (await who(house, known))[0] == 200, "a key that opened lately is looked at"
        fresh = await house.key("tenant-viewer", ACME)
        assert (await who(house, fresh))[0] == 429, "whether it is good nobody tells now"
