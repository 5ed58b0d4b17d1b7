"""The API's description is true of a running service: of what it is for, and of what somebody sends who never read it.

The requests name things that are there, the asker's own and another company's, and things that are nowhere.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from msgspec import Struct
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from base.ids import TenantId
from tests.control.api.house import ACME, BRAVO, NOBODY, SLUGS, document
from tests.control.api.served import Served, served_house
from tests.control.api.test_isolation import FINISHED, NO_CALL, finished, recorded

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.no_cover,
    # pgqueuer's pauses, in the service's thread, draw from the same `random` as the strategies of this one.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]


def as_its_schema(context: schemathesis.CheckContext, response: schemathesis.Response, case: Any) -> bool | None:
    """A document is answered as its text, whatever YAML makes of it."""
    if response.headers.get("content-type") == ["application/yaml"]:
        return None
    return response_schema_conformance(context, response, case)


CHECKS: Final = [not_a_server_error, status_code_conformance, content_type_conformance, as_its_schema]
ENDS_IT: Final = ("hang-up", "transfer", "DELETE")
"""What takes away the thing that it names comes last."""
EXAMPLES: Final = 8
"""For each operation and mode. Each is asked with two keys, and of things of four kinds."""


class Stock(Struct):
    """What is there: path parameters by their names, of one company."""

    finished: dict[str, str]
    live: dict[str, str]

    def path(self, route: str) -> dict[str, str]:
        """A call of `/live-calls` is live, any other is over."""
        return self.live if "/live-calls/" in route else self.finished


class World(Struct):
    served: Served
    schema: Any
    session: requests.Session
    things: dict[TenantId, Stock] = {}

    def operations(self) -> list[Any]:
        found = [one.ok() for one in self.schema.get_all_operations()]
        return sorted(found, key=lambda one: [word in one.label for word in ENDS_IT])

    def places(self, operation: Any) -> dict[str, dict[str, str]]:
        """Path parameters by whose the things are that they name; none where it has none."""
        names = [one.name for one in operation.path_parameters]
        own, foreign = (self.things[one].path(operation.path) for one in (ACME, BRAVO))
        kinds = {"own": own, "foreign": foreign, "nowhere": NOWHERE}
        return {place: {name: values[name] for name in names} for place, values in kinds.items()} if names else {}

    def askers(self) -> dict[str, str]:
        kept = self.served.house.keys
        return {"platform": kept["platform-admin", None], "acme": kept["tenant-admin", ACME]}

    def ask(self, case: Any, key: str) -> int:
        """The status, when it and the answer are described."""
        told = case.call_and_validate(
            checks=CHECKS, headers={"Authorization": f"Bearer {key}"}, session=self.session, timeout=30
        )
        return int(told.status_code)


async def _stocked(served: Served, tenant_id: TenantId) -> Stock:
    """A company that was published twice, tries a third document, and has a secret, keys and calls."""
    house = served.house
    for greeting in ("Welcome", "Good day"):
        await served.put(tenant_id, document(tenant_id, greeting=greeting))
    await served.put(tenant_id, document(tenant_id, more="canary: {share: 50}\n"))
    house.keys["tenant-admin", tenant_id] = await house.key("tenant-admin", tenant_id)
    assert (await house.ask("PUT", f"/tenants/{tenant_id}/secrets/openai", content="sk-1")).status_code == 200
    await house.service.conversations.store(tenant_id, finished(tenant_id))
    recorded(house, finished(tenant_id))
    common = {"tenant_id": tenant_id, "key": await served.key_id("tenant-viewer", tenant_id), "number": "1"}
    common["name"] = "openai"
    live = await served.call(tenant_id)
    return Stock(finished=common | {"call_id": FINISHED[tenant_id]}, live=common | {"call_id": live})


NOWHERE: Final = {"tenant_id": NOBODY, "key": "cccccccccccc", "number": "999", "name": "nothing", "call_id": NO_CALL}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    things: dict[TenantId, Stock] = {}

    async def stock(served: Served) -> None:
        for tenant_id in SLUGS:
            things[tenant_id] = await _stocked(served, tenant_id)

    with served_house(stock) as served, requests.Session() as session:
        schema = schemathesis.openapi.from_url(f"{served.url}/api/v1/schema/openapi.json")
        yield World(served, schema, session, things)


Parts = dict[str, Any]
"""Of a request: `path_parameters`, `query`, `headers`, `body`, `media_type`."""


async def _etag(served: Served) -> Mapping[str, str]:
    there = await served.house.ask("GET", f"/tenants/{ACME}/document")
    return {"If-Match": there.headers["etag"]}


async def _live(served: Served) -> Parts:
    return {"path_parameters": {"call_id": await served.call(ACME)}}


async def _trial(served: Served) -> Parts:
    await served.put(ACME, document(ACME))
    await served.put(ACME, document(ACME, more="canary: {share: 50}\n"))
    return {}


async def _another_document(served: Served) -> Parts:
    text = document(ACME, greeting="Good evening").encode()
    return {"headers": await _etag(served), "body": text, "media_type": "application/yaml"}


async def _say(served: Served) -> Parts:
    return {"body": {"text": "One moment"}, "media_type": "application/json"}


async def _transfer(served: Served) -> Parts:
    return {**await _live(served), "body": {"number": "200"}, "media_type": "application/json"}


async def _new_key(served: Served) -> Parts:
    body = {"role": "tenant-viewer", "name": "mine", "domain_uuid": ACME}
    return {"body": body, "media_type": "application/json"}


async def _key_to_revoke(served: Served) -> Parts:
    return {"path_parameters": {"key": await served.key_id("tenant-viewer", ACME)}}


async def _value(served: Served) -> Parts:
    return {"path_parameters": {"name": "crm"}, "body": b"sk-2", "media_type": "text/plain"}


async def _secret_to_remove(served: Served) -> Parts:
    assert (await served.house.ask("PUT", f"/tenants/{ACME}/secrets/old", content="sk-3")).status_code == 200
    return {"path_parameters": {"name": "old"}}


async def _company_to_remove(served: Served) -> Parts:
    await served.put(ACME, document(ACME))
    return {"headers": await _etag(served)}


async def _first_again(served: Served) -> Parts:
    return {"headers": await _etag(served)}


async def _two_revisions(served: Served) -> Parts:
    return {"query": {"to": 2}}


NEEDS: Final[Mapping[str, Callable[[Served], Awaitable[Parts]]]] = {
    "POST /api/v1/keys": _new_key,
    "DELETE /api/v1/keys/{key}": _key_to_revoke,
    "POST /api/v1/live-calls/{call_id}/say": _say,
    "POST /api/v1/live-calls/{call_id}/transfer": _transfer,
    "POST /api/v1/live-calls/{call_id}/hang-up": _live,
    "POST /api/v1/tenants/{tenant_id}/canary/abort": _trial,
    "POST /api/v1/tenants/{tenant_id}/canary/promote": _trial,
    "PUT /api/v1/tenants/{tenant_id}/document": _another_document,
    "DELETE /api/v1/tenants/{tenant_id}/document": _company_to_remove,
    "POST /api/v1/tenants/{tenant_id}/revisions/{number}/activate": _first_again,
    "GET /api/v1/tenants/{tenant_id}/revisions/{number}/diff": _two_revisions,
    "PUT /api/v1/tenants/{tenant_id}/secrets/{name}": _value,
    "DELETE /api/v1/tenants/{tenant_id}/secrets/{name}": _secret_to_remove,
}
"""What a request needs beside the names of things that are there, so that it does what it is for."""
PLATFORMS: Final = {
    "GET /api/v1/audit/chains",
    "GET /api/v1/endpoints",
    "GET /api/v1/jobs",
    "GET /api/v1/jobs/kinds",
    "GET /api/v1/switches",
    "DELETE /api/v1/tenants/{tenant_id}/document",
}
"""What no company may."""


def test_every_operation_does_what_it_is_for_and_answers_as_described(world: World) -> None:
    told: dict[str, dict[str, int]] = {who: {} for who in ("platform", "acme")}
    for operation in world.operations():
        things = world.things[ACME].path(operation.path)
        for who, key in world.askers().items():
            need = NEEDS.get(operation.label)
            parts = world.served.run(need(world.served)) if need else {}
            named = {one.name: things[one.name] for one in operation.path_parameters}
            parts["path_parameters"] = named | parts.get("path_parameters", {})
            if who == "platform" and any(one.name == "domain_uuid" for one in operation.query):
                parts["query"] = {"domain_uuid": ACME} | parts.get("query", {})
            told[who][operation.label] = world.ask(operation.Case(**parts), key)
    assert set(NEEDS) <= set(told["acme"]), "an operation of this test is none any more"
    refused = {who: {label: status for label, status in of.items() if status >= 300} for who, of in told.items()}
    assert refused == {"platform": {}, "acme": dict.fromkeys(PLATFORMS, 403)}, "say in NEEDS what they need"


Counts = Counter[tuple[str, str]]
"""How many requests, by who asked and whose things they named."""


def nonsense(world: World, operation: Any, mode: GenerationMode, asked: Counts, good: Counts) -> Callable[[], None]:
    """Asks for one operation over and over, and counts what was asked and what was done."""
    places = world.places(operation)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        for place, named in {"made up": case.path_parameters, **places}.items():
            case.path_parameters = named
            for who, key in world.askers().items():
                status = world.ask(case, key)
                asked[who, place] += 1
                good[who, place] += status < 300
                assert (who, place, status < 300) != ("acme", "foreign", True), "that is another company's"

    return ask  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_nonsense_is_answered_as_described(world: World, mode: GenerationMode) -> None:
    """Right in form in the one mode, wrong in the other; a company's key does nothing to another's things."""
    asked, good = Counts(), Counts()
    for operation in world.operations():
        try:
            nonsense(world, operation, mode, asked, good)()
        except Unsatisfiable:
            parts = (operation.path_parameters, operation.query, operation.headers, operation.body)
            assert not any(list(part) for part in parts), f"{operation.label}: nothing was asked"
    assert min(asked.values()) > 60, asked
    assert good["acme", "own"] > 10, "things that are there were named in vain"
    assert good["platform", "foreign"] > 10, "what is another company's is not there"
    assert good["acme", "nowhere"] == 0
