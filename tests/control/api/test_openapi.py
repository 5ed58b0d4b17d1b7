"""The API's description: complete, as it was agreed, and true of a running service."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app import create_app
from control.service import Service
from control.settings import Settings
from tenants.api_keys import new_key
from tests.control.api.house import folder_of_tenants

pytestmark = pytest.mark.postgres

SNAPSHOT = Path(__file__).parents[3] / "docs" / "openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def described() -> dict[str, Any]:
    schema = create_app(Settings()).openapi_schema.to_schema()
    return msgspec.json.decode(msgspec.json.encode(schema))  # type: ignore[no-any-return]


def test_the_description_is_the_one_that_was_agreed() -> None:
    """After a change that is meant: python -m tests.control.api.test_openapi"""
    assert described() == msgspec.json.decode(SNAPSHOT.read_bytes())


def test_every_route_says_who_may_and_what_it_does() -> None:
    for route in create_app(Settings()).routes:
        if not isinstance(route, HTTPRoute) or not route.path_format.startswith("/api/v1/"):
            continue
        for handler in route.route_handlers:
            assert isinstance(handler, HTTPRouteHandler)
            if "/schema" not in route.path_format and handler.http_methods != {"OPTIONS"}:
                assert handler.resolve_guards(), route.path_format
                assert handler.summary, route.path_format
    for path, methods in described()["paths"].items():
        if path.startswith("/api/v1/"):
            for method, operation in methods.items():
                assert operation["security"] == [{"key": []}], (method, path)
                assert {"400", "401", "429", "500", "503"} <= set(operation["responses"]), (method, path)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """A service that listens, in a thread, and the text of a key of the platform."""
    folder, began, made = folder_of_tenants(), threading.Event(), []

    def announce(service: Service) -> None:
        made.extend((service, asyncio.get_running_loop()))
        began.set()

    found = Settings(
        data_dir=folder / "data",
        esl_port=0,
        tenants_dir=folder / "tenants",
        knowledge_dir=folder / "knowledge",
        watch=False,
        api_requests_per_s=10_000,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(found, announce), log_config=None, loop="asyncio"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert began.wait(60)
            service, loop = made
            row, text = new_key(
                None, "platform-admin", "x", pepper=service.api_keys.pepper, created_at=service.clock.now()
            )
            asyncio.run_coroutine_threadsafe(service.api_keys.store.add(None, row), loop).result(10)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", text.reveal()
        finally:
            server.should_exit = True
            thread.join(60)
            shutil.rmtree(folder)


# pgqueuer's pauses, in the service's thread, draw from the same `random` as the strategies of this one.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.no_cover
def test_nonsense_is_answered_as_it_is_described(served: tuple[str, str]) -> None:
    url, key = served
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/schema/openapi.json")
    asked = 0
    for found in schema.include(path_regex="^/api/v1/").get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=20,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {key}"})

        ask()
    assert asked > 250


if __name__ == "__main__":
    SNAPSHOT.write_bytes(msgspec.json.format(msgspec.json.encode(described(), order="sorted"), indent=1) + b"\n")
