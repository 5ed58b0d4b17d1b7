"""What of a request cannot be read is told at its place, in words, with what would be right."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.control.api.house import ACME, NOBODY, ApiHouse, api_house, document, problem
from tests.control.api.test_events import happens, last, stream
from tests.pipelines.virtual import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"
MATCH = {"If-Match": "*"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, api_requests_per_s=1000) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/events?kind=call.endd", {"kind": "did you mean call.ended?"}),
        ("GET", "/events?limit=x&after=y", {"limit": "a whole number", "after": "a whole number"}),
        ("GET", "/events?limit=0", {"limit": "at least 1"}),
        ("GET", "/calls/export?format=xml", {"format": "one of ndjson, csv"}),
        ("GET", "/calls?opened_from=yesterday", {"opened_from": "a time such as 2026-"}),
        ("GET", "/calls?text=ab", {"text": "at least 3 characters"}),
        ("GET", "/calls?secretary_uuid=7", {"secretary_uuid": "a UUID such as"}),
        ("GET", f"{DESK}/revisions/1/diff", {"to": "it is missing"}),
        ("GET", f"{DESK}/revisions/0", {"number": "at least 1"}),
        ("PUT", f"{DESK}/document?dry_run=maybe&swap=trun", {"dry_run": "true or false", "swap": "did you mean turn?"}),
        ("PUT", f"{DESK}/secrets/Upper", {"name": "a lower-case letter, then at most 62"}),
        ("PUT", f"{DESK}/secrets/a%0a", {"name": "a lower-case letter, then at most 62"}),
        ("DELETE", "/keys/x", {"key": "the 12 characters of a key"}),
    ],
)
async def test_a_parameter_is_named_as_it_was_sent(
    house: ApiHouse, method: str, path: str, expected: dict[str, str]
) -> None:
    more: dict[str, Any] = {"content": "x", "headers": MATCH} if method == "PUT" else {}
    told = await house.ask(method, path, "tenant-admin", ACME, **more)
    assert problem(told) == (400, "bad-request")
    found = {error["path"]: error["message"] for error in told.json()["errors"]}
    assert set(found) == set(expected)
    for name, message in expected.items():
        assert message in found[name]
        assert "Expected `" not in found[name]


async def test_a_header_is_named_as_it_was_sent(house: ApiHouse) -> None:
    told = await house.ask("GET", "/events", "tenant-viewer", ACME, headers={"Last-Event-ID": "x"})
    assert [error["path"] for error in told.json()["errors"]] == ["Last-Event-ID"]


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ("", "$", "a JSON object with role, name"),
        ("[]", "$", "a JSON object with role, name"),
        ("{", "$", "it is no JSON (Input data was truncated); expected is a JSON object with role, name"),
        ('{"role": hush}', "$", "(byte 9)"),
        ('{"role": "tenant-viewer"}', "$.name", "it is missing"),
        ('{"rol": "tenant-viewer"}', "$.rol", "did you mean role?"),
        (
            '{"role": "tenant-viewer", "name": "x", "zzz": 1}',
            "$.zzz",
            "there are role, name, domain_uuid, expires_days",
        ),
        ('{"role": "tenant-vewer", "name": "x"}', "$.role", "did you mean tenant-viewer?"),
        ('{"role": 1, "name": "x"}', "$.role", "one of platform-admin, platform-viewer"),
        ('{"role": "tenant-viewer", "name": ""}', "$.name", "at least 1 characters"),
        ('{"role": "tenant-viewer", "name": "x", "expires_days": 0}', "$.expires_days", "at least 1"),
        ('{"role": "tenant-viewer", "name": "x", "domain_uuid": "7"}', "$.domain_uuid", "a UUID such as"),
    ],
)
async def test_a_field_of_a_body_has_a_path_from_its_root(house: ApiHouse, body: str, path: str, message: str) -> None:
    headers = {"Content-Type": "application/json"}
    told = await house.ask("POST", "/keys", "tenant-admin", ACME, content=body, headers=headers)
    assert problem(told) == (400, "bad-request")
    [error] = told.json()["errors"]
    assert error["path"] == path
    assert message in error["message"]
    assert "hush" not in told.text


async def test_what_is_too_large_is_told_with_its_size_and_the_limit(house: ApiHouse) -> None:
    large = document(ACME).encode().ljust(300_000, b"#")

    async def pieces() -> AsyncIterator[bytes]:
        yield large

    told = await house.ask("PUT", f"{DESK}/document", content=large, headers=MATCH)
    assert problem(told) == (413, "too-large")
    assert told.json()["detail"] == "it has 300000 bytes; a body has at most 262144 bytes here (256 KiB)"
    told = await house.ask("PUT", f"{DESK}/document", content=pieces(), headers=MATCH)
    assert told.json()["detail"] == "a body has at most 262144 bytes here (256 KiB)"


async def test_calls_of_a_company_that_is_none_are_not_found(house: ApiHouse) -> None:
    none = await house.ask("GET", f"/tenants/{NOBODY}")
    for path in ("/calls", "/calls/export"):
        told = await house.ask("GET", path, params={"domain_uuid": NOBODY})
        assert (problem(told), told.content) == ((404, "not-found"), none.content)
        assert (await house.ask("GET", path, params={"domain_uuid": ACME})).status_code == 200, "it has none yet"


async def test_a_table_tells_its_charset_once(house: ApiHouse) -> None:
    told = await house.ask("GET", "/calls/export", "tenant-viewer", ACME, params={"format": "csv"})
    assert told.headers["content-type"] == "text/csv; charset=utf-8"


async def test_a_stream_from_an_event_that_is_none_yet_begins_now_and_says_so(house: ApiHouse) -> None:
    key = house.keys["tenant-viewer", ACME]
    await happens(house, "before")
    newest = await last(house)
    async with stream(house, key, last_event_id=str(10**12)) as followed:
        await eventually(lambda: "this begins now" in followed.text, limit_s=10.0)
        assert f": {10**12} is behind the newest event, {newest}: this begins now\n\n" in followed.text
        await happens(house, "after")
        await eventually(lambda: bool(followed.messages), limit_s=10.0)
        assert followed.subjects == ["after"]
    async with stream(house, key, last_event_id=str(newest)) as followed:
        await eventually(lambda: bool(followed.messages), limit_s=10.0)
        assert "this begins now" not in followed.text


async def test_who_is_locked_out_is_told_why_and_for_how_long(house: ApiHouse) -> None:
    wrong = "atende_aaaaaaaaaaaa_" + "A" * 43
    for _ in range(10):
        assert (
            await house.ask("GET", "/whoami", None, headers={"Authorization": f"Bearer {wrong}"})
        ).status_code == 401
    told = await house.ask("GET", "/whoami", None, headers={"Authorization": f"Bearer {wrong}"})
    assert problem(told) == (429, "too-many-requests")
    wait = told.headers["retry-after"]
    assert told.json()["detail"] == (
        f"too many wrong keys came from this address: for now it is locked out; come again in {wait} s"
    )
