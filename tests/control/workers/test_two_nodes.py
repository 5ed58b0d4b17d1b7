"""Two nodes on one database: what an operator asks of one is done to a call that the other has, over HTTP."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from msgspec import structs

from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from control.workers.seat import Place, url_of
from pipelines.calls import Call
from tenants.api_key_store import PostgresApiKeys
from tenants.embedded import EmbeddedPostgres
from tenants.leases import NodeTakenError, PostgresLeases
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, document, problem
from tests.pipelines.virtual import eventually
from tests.tenants.conftest import module_folder

__all__ = ["module_folder"]

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

ABSENT = CallId("d2317f64-4e50-42fb-9843-0f0a08488000")
VERBS: dict[str, dict[str, Any]] = {
    "say": {"json": {"text": "Hello"}},
    "transfer": {"json": {"number": "200"}},
    "hang-up": {},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(module_folder: Any) -> AsyncIterator[tuple[ApiHouse, ApiHouse]]:
    """The second takes the calls of this file, the first is asked; both answer for both companies."""
    server = EmbeddedPostgres(module_folder / "data")
    await asyncio.to_thread(server.start)
    try:
        async with AsyncExitStack() as stack:
            url = server.url("postgres")
            asked, other = [await stack.enter_async_context(node(url, name)) for name in ("one", "two")]
            for tenant_id in (ACME, BRAVO):
                path, new = f"/tenants/{tenant_id}/document", {"If-None-Match": "*"}
                put = await asked.ask("PUT", path, content=document(tenant_id), headers=new)
                assert put.status_code == 200, put.text
                asked.keys["tenant-admin", tenant_id] = await asked.key("tenant-admin", tenant_id)
            await eventually(lambda: all(map(other.service.directory.get, (ACME, BRAVO))), limit_s=20.0)
            other.keys = asked.keys
            yield asked, other
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def node(url: Secret, name: str) -> AsyncIterator[ApiHouse]:
    """Its HTTP door can be reached by the other."""
    how: dict[str, Any] = {"tenants": "database", "database_url": url, "node": name, "api_key_secret": Secret("s" * 32)}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = Place(url=url_of(listener, "127.0.0.1"))
        async with api_house(place=place, watch=False, api_requests_per_s=1000, **how) as house:
            server = uvicorn.Server(uvicorn.Config(house.app, log_config=None, access_log=False, lifespan="off"))
            serving = asyncio.create_task(server._serve(sockets=[listener]))
            try:
                yield house
            finally:
                server.should_exit = True
                await serving


async def act(house: ApiHouse, call: CallId, verb: str, tenant: TenantId = ACME, **more: Any) -> Any:
    return await house.ask("POST", f"/live-calls/{call}/{verb}", "tenant-admin", tenant, **VERBS[verb], **more)


def heard(house: ApiHouse, call: CallId) -> list[str]:
    live = house.service.board.call(ACME, call)
    return [] if live is None else [turn.text for turn in live.transcript]


async def ended(house: ApiHouse, call: CallId) -> str:
    return (await house.service.stored(ACME, call, timeout_s=10)).end_reason


async def test_a_call_of_the_other_node_is_seen_spoken_into_sent_on_and_ended(
    nodes: tuple[ApiHouse, ApiHouse],
) -> None:
    asked, other = nodes
    async with other.call(ACME) as call, other.call(ACME) as second:
        assert asked.service.board.calls(None) == (), "it has none of its own"
        page = (await asked.ask("GET", "/live-calls", "tenant-admin", ACME, params={"limit": 1})).json()
        assert [one["call"]["id"] for one in page["items"]] == [second]
        rest = {"limit": 1, "cursor": page["next"]}
        page = (await asked.ask("GET", "/live-calls", "tenant-admin", ACME, params=rest)).json()
        assert ([one["call"]["id"] for one in page["items"]], page["next"]) == ([call], None)
        assert (await act(asked, call, "say")).status_code == 204
        await eventually(lambda: "Hello" in heard(other, call), limit_s=10.0)
        shown = (await asked.ask("GET", f"/live-calls/{call}", "tenant-admin", ACME)).json()
        assert [turn["text"] for turn in shown["transcript"]] == ["Welcome to acme", "Hello"]
        assert (await act(asked, call, "transfer")).status_code == 204
        assert (await act(asked, second, "hang-up")).status_code == 204
        assert [await ended(other, one) for one in (call, second)] == ["transferred", "ended_by_operator"]
        assert problem(await act(asked, call, "hang-up")) == (404, "not-found")
    entries = (await asked.ask("GET", "/audit", "tenant-admin", ACME)).json()["items"]
    done = [(one["action"], one["object"]) for one in entries if one["outcome"] == "done"]
    assert {("call.say", call), ("call.transfer", call), ("call.hangup", second)} <= set(done)


async def test_a_node_of_a_name_that_another_has_does_not_begin(nodes: tuple[ApiHouse, ApiHouse]) -> None:
    url = nodes[0].service.settings.database_url
    assert url is not None
    with pytest.raises(BaseExceptionGroup, match="TaskGroup") as failed:
        async with node(url, "two"):
            pass
    assert failed.group_contains(NodeTakenError, match="another node is called 'two', too, and is alive")
    assert nodes[1].service.readiness().ready


async def test_a_node_that_has_no_name_of_its_own_says_so(nodes: tuple[ApiHouse, ApiHouse]) -> None:
    service = nodes[1].service
    assert service.neighbours is not None
    service.neighbours.presence.taken = NodeTakenError(service.neighbours.presence.me)
    views = service.readiness(), service.readiness([ACME]), service.readiness(rows=False)
    service.neighbours.presence.taken = None
    for ready in views:
        assert not ready.ready
        assert any("give each its own ATENDE_NODE" in problem for problem in ready.problems)
    url = service.neighbours.presence.me.url
    assert url
    told = [url in " ".join(ready.problems) for ready in views]
    assert told == [True, False, False], "where it is, only the platform's keys are told"


async def test_another_company_finds_nothing_of_it_on_either_node(nodes: tuple[ApiHouse, ApiHouse]) -> None:
    async with nodes[1].call(ACME) as call:
        for house in nodes:
            for verb in VERBS:
                foreign, absent = [await act(house, one, verb, BRAVO) for one in (call, ABSENT)]
                assert problem(foreign) == (404, "not-found")
                assert foreign.content == absent.content
            assert problem(await house.ask("GET", f"/live-calls/{call}", "tenant-admin", BRAVO)) == (404, "not-found")
            assert (await house.ask("GET", "/live-calls", "tenant-admin", BRAVO)).json()["items"] == []
        assert heard(nodes[1], call) == ["Welcome to acme"]


async def test_what_is_sent_to_one_node_and_again_to_the_other_is_done_once(nodes: tuple[ApiHouse, ApiHouse]) -> None:
    named = {"Idempotency-Key": str(uuid.uuid4())}
    async with nodes[1].call(ACME) as call:
        told = [await act(house, call, "say", headers=named) for house in nodes]
        assert [(one.status_code, one.headers.get("idempotency-replayed")) for one in told] == [
            (204, None),
            (204, "true"),
        ]
        other = await nodes[1].ask(
            "POST", f"/live-calls/{call}/say", "tenant-admin", ACME, json={"text": "Bye"}, headers=named
        )
        assert problem(other) == (422, "idempotency-key-reused")
        assert (await act(nodes[0], call, "say", headers={"Idempotency-Key": "another"})).status_code == 204
        await eventually(lambda: heard(nodes[1], call).count("Hello") == 2, limit_s=10.0)
        assert heard(nodes[1], call) == ["Welcome to acme", "Hello", "Hello"]
    key = {"json": {"role": "platform-viewer", "name": "once"}, "headers": named}
    made = [(await house.ask("POST", "/keys", **key)).json() for house in nodes]
    assert made[0] == made[1], "with its secret, which the database does not have"
    keys = (await nodes[0].ask("GET", "/keys", params={"limit": 200})).json()["items"]
    assert [one["name"] for one in keys].count("once") == 1


async def test_a_node_that_does_not_answer_is_told_in_two_seconds(nodes: tuple[ApiHouse, ApiHouse]) -> None:
    asked, _ = nodes
    presence = asked.service.neighbours and asked.service.neighbours.presence
    assert presence is not None
    store = asked.service.api_keys.store
    assert isinstance(store, PostgresApiKeys)
    leases, call = PostgresLeases(store._database), CallId(str(uuid.uuid4()))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        row = structs.replace(presence.me, id=str(uuid.uuid4()), node="three", url=url_of(silent, "127.0.0.1"))
        has = Call(
            id=call, tenant_id=ACME, tenant_slug="acme", assistant=AssistantName("ana"), number="100", caller="",
            revision=1, language="en", opened_at=asked.service.clock.now(),
        )  # fmt: skip
        await leases.register(row)
        await leases.renew(row.id, "ok", "{}", [has])
        await eventually(lambda: row.id in {one.id for one in presence.everybody}, limit_s=10.0)
        try:
            for verb in VERBS:
                await leases.renew(row.id, "ok", "{}", [has])  # it lives, and is not taken for lost
                began = time.monotonic()
                told = await act(asked, call, verb)
                assert problem(told) == (504, "silent")
                assert "did not answer within 2 s" in (said := told.json()["detail"])
                assert "three" not in said, "which machine it is, a company's key is not told"
                assert told.headers["retry-after"] == "2"
                assert 1.9 < time.monotonic() - began < 4.0
            await leases.renew(row.id, "ok", "{}", [has])
            listed = await asked.ask("GET", "/live-calls")
            assert (listed.status_code, listed.headers["atende-processes-silent"]) == (200, "1")
        finally:
            await leases.drop(row.id)
