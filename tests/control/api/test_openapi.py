"""The API's description: complete, and as it was agreed. Whether it is true: test_nonsense.py."""

from pathlib import Path
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app import create_app
from control.settings import Settings

SNAPSHOT = Path(__file__).parents[3] / "docs" / "openapi.json"


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


if __name__ == "__main__":
    SNAPSHOT.write_bytes(msgspec.json.format(msgspec.json.encode(described(), order="sorted"), indent=1) + b"\n")
