"""Every route × role × whose object: nothing tells whether what a key may not see is there."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call, CallRecord, Turn
from tests.control.api.house import ACME, BRAVO, NOBODY, SLUGS, ApiHouse, api_house, document, problem

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

NO_CALL = CallId("d2317f64-4e50-42fb-9843-0f0a08488000")
FINISHED = {
    ACME: CallId("d2317f64-4e50-42fb-9843-0f0a0848800a"),
    BRAVO: CallId("d2317f64-4e50-42fb-9843-0f0a0848800b"),
}
"""A call of each company that is over."""
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/keys"): {"json": {"role": "tenant-viewer", "name": "mine", "domain_uuid": "{tenant_id}"}},
    ("POST", "/live-calls/{call_id}/say"): {"json": {"text": "Hello"}},
    ("POST", "/live-calls/{call_id}/transfer"): {"json": {"number": "200"}},
    ("PUT", "/tenants/{tenant_id}/document"): {"content": document(ACME), "headers": {"If-Match": '"0"'}},
    ("DELETE", "/tenants/{tenant_id}/document"): {"headers": {"If-Match": '"0"'}},
    ("PUT", "/tenants/{tenant_id}/secrets/{name}"): {"content": "sk-1"},
    ("POST", "/tenants/{tenant_id}/revisions/{number}/activate"): {"headers": {"If-Match": '"0"'}},
    ("GET", "/tenants/{tenant_id}/revisions/{number}/diff"): {"params": {"to": "1"}},
}
"""What a request needs beside its address."""
CHANGES = {"PUT", "POST", "DELETE", "PATCH"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, api_requests_per_s=1000) as opened:
        for tenant_id in FINISHED:
            await opened.service.conversations.store(tenant_id, finished(tenant_id))
            recorded(opened, finished(tenant_id))
        yield opened


def finished(tenant_id: TenantId) -> CallRecord:
    """Of a call that is over, in which the company is named."""
    at, slug = datetime(2026, 11, 26, 9, 0, tzinfo=UTC), SLUGS[tenant_id]
    call = Call(
        id=FINISHED[tenant_id],
        tenant_id=tenant_id,
        tenant_slug=slug,
        assistant=AssistantName("ana"),
        number="100",
        caller="+5511999990000",
        revision=1,
        language="en",
        opened_at=at,
    )
    return CallRecord(
        call=call,
        ended_at=at + timedelta(seconds=30),
        end_reason="goodbye",
        hangup_cause="NORMAL_CLEARING",
        turns=(Turn(role="caller", text=f"is this {slug}", at_ms=100.0),),
        recording=f"recordings/{tenant_id}/2026-11-26/{FINISHED[tenant_id]}.wav",
    )


def recorded(house: ApiHouse, record: CallRecord) -> Path:
    """The file of its audio."""
    assert record.recording is not None
    path = house.service.settings.data_dir / record.recording
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + record.call.tenant_slug.encode())
    return path


def routes(house: ApiHouse) -> list[tuple[str, str]]:
    """Method and address below `/api/v1` of everything that needs a key."""
    found = []
    for route in house.app.routes:
        path = route.path_format.removeprefix("/api/v1").rstrip("/")
        if isinstance(route, HTTPRoute) and path != route.path_format.rstrip("/") and not path.startswith("/schema"):
            found += [(method, path) for method in sorted(route.methods - {"OPTIONS"})]
    return found


def filled(path: str, tenant_id: TenantId, call_id: CallId, key: str) -> str:
    """`call_id` is that of a live call; of a finished one there is the tenant's own."""
    if path.startswith("/calls/"):
        call_id = FINISHED.get(tenant_id, NO_CALL)
    values = {"tenant_id": tenant_id, "call_id": call_id, "key": key, "number": "1", "name": "openai"}
    return re.sub(r"\{(\w+)\}", lambda name: values[name[1]], path)


Told = tuple[int, list[tuple[str, str]], bytes]


def told_of(answer: httpx.Response) -> Told:
    """All that an answer tells: its status, each header (a length, an ETag, a time to wait) and its body."""
    return answer.status_code, sorted(answer.headers.multi_items()), answer.content


def sent(method: str, path: str, tenant_id: TenantId) -> dict[str, Any]:
    body = BODIES.get((method, path), {})
    if "json" in body:
        return {**body, "json": {name: str(value).format(tenant_id=tenant_id) for name, value in body["json"].items()}}
    return dict(body)


def naming(asked: dict[str, Any], tenant_id: TenantId) -> dict[str, Any]:
    """The same request, which says of which company it is."""
    return {**asked, "params": {**asked.get("params", {}), "domain_uuid": tenant_id}}


async def test_there_are_routes_of_every_kind(house: ApiHouse) -> None:
    found = routes(house)
    assert len(found) >= 20
    assert set(BODIES) <= set(found), "an address of this test is no route any more"


async def test_without_a_good_key_nothing_opens(house: ApiHouse) -> None:
    good = house.keys["platform-admin", None]
    wrong = [good[:-1] + ("A" if good[-1] != "A" else "B"), "atende_aaaaaaaaaaaa_" + "A" * 43]
    for method, path in routes(house):
        told = await house.ask(method, filled(path, ACME, NO_CALL, "x"), None, **sent(method, path, ACME))
        assert problem(told) == (401, "unauthenticated"), (method, path)
    for text in (*wrong, "", "x", good + "x"):
        told = await house.ask("GET", "/whoami", None, headers={"Authorization": f"Bearer {text}"})
        assert problem(told) == (401, "unauthenticated")
        assert told.headers["www-authenticate"].startswith("Bearer")


async def test_who_may_only_look_changes_nothing_and_learns_nothing(house: ApiHouse) -> None:
    for role, own in (("tenant-viewer", ACME), ("platform-viewer", None)):
        for method, path in routes(house):
            if method not in CHANGES:
                continue
            answers = []
            for tenant_id in (ACME, BRAVO, NOBODY):
                where = filled(path, tenant_id, NO_CALL, "aaaaaaaaaaaa")
                told = await house.ask(method, where, role, own, **sent(method, path, tenant_id))  # type: ignore[arg-type]
                assert problem(told) == (403, "forbidden"), (role, method, where)
                answers.append(told_of(told))
            assert answers[0] == answers[1] == answers[2], (role, method, path)


async def test_another_tenants_things_are_as_if_they_were_not_there(house: ApiHouse) -> None:
    bravos_key = house.keys["tenant-viewer", BRAVO].split("_")[1]
    assert (await house.ask("PUT", f"/tenants/{BRAVO}/secrets/openai", content="sk-1")).status_code == 200
    async with house.call(BRAVO) as bravos_call, house.call(ACME) as own_call:
        before = await house.service.publishing.current(BRAVO)
        seen = 0
        for role in ("tenant-admin", "tenant-viewer"):
            for method, path in routes(house):
                if method in CHANGES and role == "tenant-viewer":
                    continue
                foreign = await house.ask(
                    method, filled(path, BRAVO, bravos_call, bravos_key), role, ACME, **sent(method, path, BRAVO)
                )
                absent = await house.ask(
                    method, filled(path, NOBODY, NO_CALL, "bbbbbbbbbbbb"), role, ACME, **sent(method, path, NOBODY)
                )
                assert told_of(foreign) == told_of(absent), (method, path)
                if "{" in path or (method, path) == ("POST", "/keys"):
                    assert foreign.status_code in (403, 404), (method, path)
                    seen += 1
                named = [
                    await house.ask(
                        method,
                        filled(path, tenant, call, "cccccccccccc"),
                        role,
                        ACME,
                        **naming(sent(method, path, tenant), tenant),
                    )
                    for tenant, call in ((BRAVO, bravos_call), (NOBODY, NO_CALL))
                ]
                assert told_of(named[0]) == told_of(named[1]), (method, path)
                for told in (foreign, absent, *named):
                    everything = f"{told.headers} {told.text}".lower()
                    assert "bravo" not in everything
                    assert bravos_call not in everything
                    assert FINISHED[BRAVO] not in everything
        assert seen > 20
        audio = f"/calls/{FINISHED[BRAVO]}/recording"
        for path in (f"/calls/{FINISHED[BRAVO]}", audio, f"/live-calls/{bravos_call}", f"/tenants/{BRAVO}/document"):
            assert (await house.ask("GET", path, "tenant-viewer", BRAVO)).status_code == 200, "it is there"
        assert house.service.board.call(BRAVO, bravos_call) is not None, "the other's call goes on"
        assert house.service.board.call(ACME, own_call) is not None
        assert await house.service.publishing.current(BRAVO) == before
        assert await house.service.secrets.version(BRAVO, "openai") == 1
    assert (await house.ask("GET", "/whoami", "tenant-viewer", BRAVO)).status_code == 200, "the key is still good"


LISTS = ("/tenants", "/live-calls", "/pipelines", "/keys", "/calls", "/events", "/audit")


async def test_lists_hold_the_own_tenants_things_only(house: ApiHouse) -> None:
    for tenant_id in (ACME, BRAVO):  # so that there is an entry of each in the audit log
        where = f"/tenants/{tenant_id}/secrets/{SLUGS[tenant_id]}-key"
        assert (await house.ask("PUT", where, "tenant-admin", tenant_id, content="sk-1")).status_code == 200
    async with house.call(BRAVO), house.call(ACME):
        for path in LISTS:
            own, bravos = [await house.ask("GET", path, "tenant-admin", tenant_id) for tenant_id in (ACME, BRAVO)]
            assert (own.status_code, bravos.status_code) == (200, 200), path
            items, others = own.json()["items"], bravos.json()["items"]
            assert items, path
            assert others, path
            assert [one for one in items if one in others] == [], path
            for foreign in ("bravo", BRAVO, FINISHED[BRAVO]):
                assert foreign not in own.text.lower(), path
            assert "bravo" in bravos.text.lower() or BRAVO in bravos.text, f"{path}: Bravo's would not be recognised"
        everything = await house.ask("GET", "/live-calls")
        assert {one["call"]["tenant_id"] for one in everything.json()["items"]} == {ACME, BRAVO}
        named = await house.ask("GET", "/live-calls", params={"domain_uuid": BRAVO})
        assert {one["call"]["tenant_id"] for one in named.json()["items"]} == {BRAVO}


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
async def test_an_export_holds_the_own_tenants_calls_only(house: ApiHouse, kind: str) -> None:
    for own, other in ((ACME, BRAVO), (BRAVO, ACME)):
        told = await house.ask("GET", "/calls/export", "tenant-viewer", own, params={"format": kind})
        assert told.status_code == 200, told.text
        assert FINISHED[own] in told.text
        assert FINISHED[other] not in told.text
        assert SLUGS[other] not in told.text.lower()
