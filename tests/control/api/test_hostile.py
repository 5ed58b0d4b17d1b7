"""What somebody sends who means harm is answered as his mistake, and holds up nobody else."""

import base64
import re
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from base.ids import TenantId
from control.api.tenants import slugs, views
from control.cli.serve import configured
from control.health import TenantHealth
from control.security_headers import ALWAYS
from tenants.directory import Directory, TenantEntry
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/calls", '{"opened_at":"2024-01-01T00:00:00Z","call_id":"\\u0000"}'),
        ("/calls", '{"opened_at":"2024-01-01T00:00:00","call_id":"x"}'),
        ("/calls", '{"opened_at":"0001-01-01T00:00:00+14:00","call_id":"x"}'),
        ("/calls", '{"opened_at":"9999-12-31T23:59:59-14:00","call_id":"x"}'),
        ("/live-calls", '{"opened_at":"0001-01-01T00:00:00+14:00","call_id":"x"}'),
        ("/keys", '{"revoked":false,"created_at":"9999-12-31T23:59:59-14:00","id":"aaaaaaaaaaaa"}'),
        ("/keys", '{"revoked":false,"created_at":"2024-01-01T00:00:00Z","id":"aaaaaaaaaaa\\u0000"}'),
        ("/audit/verification", '{"number":9223372036854775808,"digest":"' + "0" * 64 + '"}'),
        ("/audit/verification", '{"number":1,"digest":"x"}'),
        (f"{DESK}/revisions", '{"number":2147483648}'),
        (f"{DESK}/revisions", '{"number":-2147483649}'),
        (f"{DESK}/revisions", '{"number":1180591620717411303424}'),
        ("/audit", '{"number":2147483648}'),
        ("/audit", '{"number":-9223372036854775809}'),
    ],
)
async def test_a_cursor_that_somebody_made_up_is_his_mistake(house: ApiHouse, path: str, place: str) -> None:
    cursor = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")
    told = await house.ask("GET", path, "tenant-admin", ACME, params={"cursor": cursor})
    assert problem(told) == (400, "bad-request")


async def test_a_body_that_is_nested_without_end_is_his_mistake(house: ApiHouse) -> None:
    told = await house.ask("POST", "/keys", "tenant-admin", ACME, content=b"[" * 10_000, headers=JSON)
    assert problem(told) == (400, "bad-request")


async def test_a_body_that_is_no_document_is_small(house: ApiHouse) -> None:
    for headers in (JSON, {**JSON, "Idempotency-Key": "large"}):
        told = await house.ask("POST", "/keys", "tenant-viewer", ACME, content=b"x" * 100_000, headers=headers)
        assert told.status_code in (403, 413)
    told = await house.ask("POST", "/keys", "tenant-admin", ACME, content=b"x" * 100_000, headers=JSON)
    assert problem(told) == (413, "too-large")


async def test_options_need_a_key_and_are_told_to_who_has_one(house: ApiHouse) -> None:
    for path in ("/whoami", "/keys", f"{DESK}/document"):
        assert problem(await house.ask("OPTIONS", path, None)) == (401, "unauthenticated")
        told = await house.ask("OPTIONS", path, "tenant-admin", ACME)
        assert (told.status_code, "GET" in told.headers["allow"]) == (204, True)


async def test_another_tenants_name_in_a_request_is_never_passed_over(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        for path in ("/whoami", DESK, f"{DESK}/document", f"/live-calls/{call}"):
            told = await house.ask("GET", path, "tenant-admin", ACME, params={"domain_uuid": BRAVO})
            assert problem(told) == (404, "not-found"), path
            own = await house.ask("GET", path, "tenant-admin", ACME, params={"domain_uuid": ACME})
            assert own.status_code == 200, path


def guarded(told: httpx.Response) -> bool:
    """Whether it has the headers that every answer has, once each."""
    return all(told.headers.get_list(name) == [value] for name, value in ALWAYS.items())


async def test_every_answer_says_what_a_browser_must_not_do_with_it(house: ApiHouse) -> None:
    key = {"Authorization": f"Bearer {house.keys['platform-admin', None]}"}
    asked = [(method, path) for route in house.app.routes for method, path in _of(route)]
    asked += [("GET", "/nowhere"), ("GET", "/api/v1/nowhere"), ("PATCH", "/api/v1/keys"), ("GET", "/api/v1/tenants/x")]
    assert {path.split("/")[1] for _, path in asked} >= {"health", "metrics", "api"}
    statuses = set()
    for method, path in asked:
        for headers in ({}, key) if method in ("GET", "PATCH") else ({},):
            told = await house.client.request(method, path, headers=headers)
            assert guarded(told), (method, path, told.status_code, told.headers)
            assert "strict-transport-security" not in told.headers, "it was not asked over TLS"
            statuses.add(told.status_code)
    assert statuses >= {200, 400, 401, 404, 405}
    large = await house.ask("POST", "/keys", content=b"x" * 100_000, headers=JSON)
    assert (large.status_code, guarded(large)) == (413, True)
    export = await house.ask("GET", "/calls/export", "tenant-viewer", ACME)
    assert (export.status_code, guarded(export)) == (200, True)


def _of(route: Any) -> list[tuple[str, str]]:
    values = {"tenant_id": ACME, "call_id": "d2317f64-4e50-42fb-9843-0f0a08488000", "number": "1"}
    path = re.sub(r"\{(\w+)\}", lambda name: values.get(name[1], "aaaaaaaaaaaa"), route.path_format)
    return [(method, path) for method in sorted(route.methods)] if isinstance(route, HTTPRoute) else []


async def test_tls_is_asked_for_again_where_a_proxy_that_is_trusted_has_it(house: ApiHouse) -> None:
    config = configured(house.app)  # type: ignore[arg-type]
    config.load()
    for address, forwarded, expected in (
        ("127.0.0.1", "https", True),
        ("127.0.0.1", "http", False),
        ("192.0.2.7", "https", False),
    ):
        door = httpx.ASGITransport(config.loaded_app, client=(address, 4000))
        async with httpx.AsyncClient(transport=door, base_url="http://atende.test") as client:
            for path in ("/health/live", "/api/v1/whoami"):
                told = await client.get(path, headers={"X-Forwarded-Proto": forwarded})
                assert ("strict-transport-security" in told.headers) is expected, (address, forwarded)


async def test_an_export_without_a_database_says_so() -> None:
    async with api_house(watch=False) as house:
        assert (await house.ask("GET", "/whoami", "tenant-viewer", ACME)).status_code == 200
        await house.database_goes()
        for kind in ("csv", "ndjson"):
            told = await house.ask("GET", "/calls/export", "tenant-viewer", ACME, params={"format": kind})
            assert problem(told) == (503, "unavailable")


async def test_of_ten_thousand_tenants_a_page_is_made_and_no_more() -> None:
    ids = [TenantId(str(UUID(int=number))) for number in range(10_000)]
    directory, asked = Directory(), []
    directory._entries = {
        one: TenantEntry(tenant_id=one, slug=f"s{one}", domain=one, revision=1, enabled=True, numbers={}) for one in ids
    }

    def health(tenant_ids: Sequence[TenantId]) -> list[TenantHealth]:
        asked.extend(tenant_ids)
        return [
            TenantHealth(slug=f"s{one}", tenant_id=one, state="ready", revision=1, live_calls=0) for one in tenant_ids
        ]

    listing = SimpleNamespace(tenants=lambda: set(ids))
    service: Any = SimpleNamespace(
        directory=directory,
        folder=SimpleNamespace(unsettled=list),
        supervisor=SimpleNamespace(listing=listing),
        health=health,
        neighbours=None,
    )
    assert [tenant_id for _, tenant_id in slugs(service)] == ids
    assert [view.tenant_id for view in views(service, ids[7:9])] == ids[7:9]
    assert sorted(asked) == sorted(ids[7:9]), "and of the others no view is made"


async def test_pipelines_come_in_pages(house: ApiHouse) -> None:
    first = (await house.ask("GET", "/pipelines", params={"limit": 1})).json()
    assert [one["slug"] for one in first["items"]] == ["acme"]
    second = (await house.ask("GET", "/pipelines", params={"limit": 1, "cursor": first["next"]})).json()
    assert ([one["slug"] for one in second["items"]], second["next"]) == (["bravo"], None)
    whole = (await house.ask("GET", "/pipelines")).json()
    assert whole["items"] == first["items"] + second["items"]
    assert first["items"][0]["assistants"][0]["stages"]
    own = (await house.ask("GET", "/pipelines", "tenant-viewer", BRAVO)).json()
    assert [one["slug"] for one in own["items"]] == ["bravo"]
