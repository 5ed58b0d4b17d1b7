"""Finished calls by way of the API: found, read page by page, exported."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from msgspec import structs

from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call, CallRecord, Turn
from tenants.call_looking import Looking
from tests.control.api.house import ACME, BRAVO, SECRETARY, ApiHouse, api_house, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def record(number: int, tenant_id: TenantId = ACME) -> CallRecord:
    call = Call(
        id=CallId(f"d2317f64-4e50-42fb-9843-{number:012d}"),
        tenant_id=tenant_id,
        tenant_slug="acme",
        assistant=AssistantName("ana" if number % 2 else "bia"),
        number="100",
        caller=f"+55119999900{number:02d}",
        revision=1,
        language="en",
        opened_at=AT + timedelta(minutes=number),
    )
    turns = (Turn(role="caller", text=f"do you open on day {number}", at_ms=100.0),)
    return CallRecord(
        call=call,
        ended_at=call.opened_at + timedelta(seconds=30),
        end_reason="goodbye" if number % 3 else "caller_hangup",
        hangup_cause="NORMAL_CLEARING",
        turns=turns,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        for number in range(12):
            await opened.service.conversations.store(ACME, record(number))
        strange = record(50, BRAVO)
        await opened.service.conversations.store(BRAVO, structs.replace(strange, end_reason="=cmd()"))
        yield opened


async def numbers(house: ApiHouse, **wanted: object) -> list[int]:
    told = await house.ask("GET", "/calls", "tenant-viewer", ACME, params=wanted)
    assert told.status_code == 200, told.text
    return [int(one["call"]["id"][-12:]) for one in told.json()["items"]]


async def test_calls_are_found_by_what_an_operator_knows(house: ApiHouse) -> None:
    assert await numbers(house) == list(range(11, -1, -1))
    assert await numbers(house, assistant="ana") == [11, 9, 7, 5, 3, 1]
    assert await numbers(house, secretary_uuid=SECRETARY) == [11, 9, 7, 5, 3, 1]
    assert await numbers(house, secretary_uuid=SECRETARY, assistant="bia") == []
    assert await numbers(house, secretary_uuid=ACME) == []
    assert await numbers(house, end_reason="caller_hangup") == [9, 6, 3, 0]
    assert await numbers(house, caller="+5511999990007") == [7]
    assert await numbers(house, text="OPEN ON day 1") == [11, 10, 1]
    assert await numbers(house, opened_from="2026-11-26T09:10:00Z") == [11, 10]
    assert await numbers(house, opened_to="2026-11-26T09:02:00") == [1, 0]
    assert await numbers(house, opened_from="2026-11-26T06:10:00-03:00", assistant="ana") == [11]
    assert await numbers(house, revision=2) == []


async def test_a_list_goes_on_where_its_page_ended(house: ApiHouse) -> None:
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        asked = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        told = (await house.ask("GET", "/calls", "tenant-viewer", ACME, params=asked)).json()
        found += [int(one["call"]["id"][-12:]) for one in told["items"]]
        cursor, pages = told["next"], pages + 1
    assert (found, pages) == (list(range(11, -1, -1)), 3)


async def test_a_page_says_how_far_it_looked(house: ApiHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing was found: of very many calls a page looks through some."""
    monkeypatch.setattr(house.service.conversations, "_looking", Looking(0, 5, 5))
    looked, cursor = [], None
    for _ in range(3):
        asked = {"text": "open on day 1", "limit": 5} | ({"cursor": cursor} if cursor else {})
        told = (await house.ask("GET", "/calls", "tenant-viewer", ACME, params=asked)).json()
        looked.append(([int(one["call"]["id"][-12:]) for one in told["items"]], told["looked_to"]))
        cursor = told["next"]
    assert looked == [([11, 10], "2026-11-26T09:07:00Z"), ([], "2026-11-26T09:02:00Z"), ([1], None)]
    assert cursor is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "x"},
        {"cursor": "x"},
        {"text": "ab"},
        {"text": "a\x00bc"},
        {"opened_from": "yesterday"},
        {"opened_from": "0001-01-01T00:00:00+14:00"},
        {"revision": 0},
        {"secretary_uuid": "x"},
        {"domain_uuid": "x"},
    ],
)
async def test_what_cannot_be_asked_is_told_by_its_name(house: ApiHouse, wrong: dict[str, object]) -> None:
    told = await house.ask("GET", "/calls", "tenant-viewer", ACME, params=wrong)
    assert problem(told) == (400, "bad-request")
    assert [error["path"] for error in told.json()["errors"]] == list(wrong)


async def test_the_platform_says_whose_calls(house: ApiHouse) -> None:
    told = await house.ask("GET", "/calls")
    assert problem(told) == (400, "bad-request")
    assert [error["path"] for error in told.json()["errors"]] == ["domain_uuid"]
    bravos = (await house.ask("GET", "/calls", params={"domain_uuid": BRAVO})).json()["items"]
    assert [one["call"]["tenant_id"] for one in bravos] == [BRAVO]


async def test_one_call_has_its_turns(house: ApiHouse) -> None:
    told = (await house.ask("GET", f"/calls/{record(7).call.id}", "tenant-viewer", ACME)).json()
    assert told["turns"][0]["text"] == "do you open on day 7"
    assert told["call"]["opened_at"] == "2026-11-26T09:07:00Z"
    assert problem(await house.ask("GET", f"/calls/{record(50).call.id}", "tenant-viewer", ACME)) == (404, "not-found")


async def test_calls_are_exported_for_programs_and_for_spreadsheets(house: ApiHouse) -> None:
    lines = await house.ask("GET", "/calls/export", "tenant-viewer", ACME)
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert lines.headers["content-disposition"] == 'attachment; filename="calls.ndjson"'
    records = [json.loads(line) for line in lines.text.splitlines()]
    assert [one["turns"][0]["text"][-2:].strip() for one in records] == [str(n) for n in range(11, -1, -1)]
    some = await house.ask("GET", "/calls/export", "tenant-viewer", ACME, params={"text": "day 7", "assistant": "ana"})
    assert [json.loads(line)["call"]["id"] for line in some.text.splitlines()] == [record(7).call.id]
    table = await house.ask("GET", "/calls/export", params={"format": "csv", "domain_uuid": BRAVO})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["id"], row["end_reason"]) for row in rows] == [(record(50).call.id, "'=cmd()")]
