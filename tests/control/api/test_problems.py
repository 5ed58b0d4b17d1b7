"""What goes wrong is told as RFC 9457 has it, and tells nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.control.api.house import ACME, ApiHouse, api_house, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


async def test_an_address_that_is_none_and_a_method_that_is_none(house: ApiHouse) -> None:
    assert problem(await house.ask("GET", "/nothing")) == (404, "not-found")
    assert problem(await house.client.get("/nothing")) == (404, "not-found")
    assert problem(await house.ask("PATCH", "/keys")) == (405, "method-not-allowed")
    assert problem(await house.ask("GET", "/tenants/not-a-uuid")) == (404, "not-found")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"role": 1}'])
async def test_a_body_that_is_none(house: ApiHouse, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    told = await house.ask("POST", "/keys", content=body, headers=headers)
    assert problem(told) == (400, "bad-request")


async def test_a_mistake_of_ours_tells_nothing_of_it(house: ApiHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Any:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(house.service.board, "calls", broken)
    with capture_logs() as logs:
        told = await house.ask("GET", "/live-calls", "tenant-viewer", ACME)
    assert problem(told) == (500, "internal")
    assert "secret" not in told.text
    assert set(msgspec.json.decode(told.content)) == {"status", "type", "title"}
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["a request failed"]


async def test_while_the_database_is_away_live_calls_are_seen_and_what_needs_it_says_so() -> None:
    async with api_house(watch=False) as house, house.call(ACME) as call:
        assert (await house.ask("GET", "/whoami", "tenant-admin", ACME)).status_code == 200
        await house.database_goes()
        told = await house.ask("GET", "/calls", "tenant-admin", ACME)
        assert problem(told) == (503, "unavailable")
        assert int(told.headers["retry-after"]) >= 1
        assert (await house.ask("GET", f"/live-calls/{call}", "tenant-admin", ACME)).status_code == 200
        assert problem(await house.ask("GET", "/whoami", "tenant-viewer", ACME)) == (503, "unavailable"), "not seen yet"


async def test_answers_are_kept_by_nobody_and_are_what_they_say(house: ApiHouse) -> None:
    told = await house.ask("GET", "/tenants")
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["content-type"] == "application/json"
    assert "access-control-allow-origin" not in told.headers


async def test_prometheus_needs_no_key_and_sees_no_company(house: ApiHouse) -> None:
    async with house.call(ACME):
        told = await house.client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "atende_live_calls 1.0" in told.text
    for gone_by in ("atende_revision_loads_total{result=", "atende_queue_entries{queue=", "atende_lost_calls_total"):
        assert gone_by in told.text
    assert "acme" not in told.text
    assert ACME not in told.text
