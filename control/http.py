"""The HTTP door: whether the process lives and whether it can take calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

from litestar import Litestar, Request, Response, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from control.api.access import KeyDoor
from control.api.problems import Refusal, answers
from control.health import ReadyView, ScrapeTarget
from control.metrics import CONTENT_TYPE
from control.process import Begun, Process

P = TypeVar("P", bound=Process)


class Life(Generic[P]):
    """A process that is there while its application lives, and is announced when it has begun."""

    def __init__(self, opened: AbstractAsyncContextManager[P], announce: Callable[[P], None]) -> None:
        self._opened = opened
        self._announce = announce
        self._running: P | None = None

    def running(self) -> P | None:
        """None while it starts, and when it has ended."""
        return self._running

    @asynccontextmanager
    async def lived(self, _: Litestar) -> AsyncIterator[None]:
        """The application's lifespan."""
        async with self._opened as process:
            self._running = process
            self._announce(process)
            try:
                yield
            finally:
                self._running = None


def metrics_handlers(process: Begun) -> tuple[HTTPRouteHandler, ...]:
    """`/metrics`, for Prometheus, and `/metrics/targets`, which tells it all processes that have some.

    They tell of no tenant and no call, and need no key. 503 while the service starts.
    """

    @get("/metrics", media_type=CONTENT_TYPE, include_in_schema=False)
    async def metrics() -> Response[bytes]:
        found = None if (begun := process()) is None else await begun.scraped()
        return Response(found or b"", status_code=HTTP_503_SERVICE_UNAVAILABLE if found is None else HTTP_200_OK)

    @get("/metrics/targets", sync_to_thread=False, include_in_schema=False)
    def found_targets() -> list[ScrapeTarget]:
        return [] if (begun := process()) is None else begun.scrape_targets()

    return metrics, found_targets


Readiness = Callable[[Request[Any, Any, Any]], Awaitable[ReadyView]]


def readiness(process: Begun, door: KeyDoor) -> Readiness:
    """Companies are told of to who has a key: of all with one of the platform, else of its own.

    A key that does not open is refused; while keys cannot be checked, nobody is told of companies.
    """

    async def ready(request: Request[Any, Any, Any]) -> ReadyView:
        if (begun := process()) is None:
            return ReadyView(ready=False, problems=("starting",), live_calls=0, tenants=None)
        if (authorization := request.headers.get("authorization")) is None:
            return begun.readiness(rows=False)
        try:
            principal = await door.principal(request.client.host if request.client else "", authorization)
        except Refusal as refusal:
            if refusal.status_code == HTTP_503_SERVICE_UNAVAILABLE:
                return begun.readiness(rows=False)
            raise
        return begun.readiness(None if principal.tenant_id is None else [principal.tenant_id])

    return ready


def health_router(how: Readiness) -> Router:
    """`/health/live` (200 while the process answers) and `/health/ready` (503 with reasons).

    `how` is told who asks, and raises for a key that does not open.
    """

    @get("/live", sync_to_thread=False)
    def live() -> dict[str, bool]:
        return {"live": True}

    refused = {status: spec for status, spec in answers().items() if status in (401, 429)}

    @get("/ready", responses={503: ResponseSpec(ReadyView, description="Not ready, and why"), **refused})
    async def ready(request: Request[Any, Any, Any]) -> Response[ReadyView]:
        """Companies are told of with a key that may see them."""
        view = await how(request)
        return Response(view, status_code=HTTP_200_OK if view.ready else HTTP_503_SERVICE_UNAVAILABLE)

    return Router("/health", route_handlers=[live, ready])
