"""The HTTP door: whether the process lives and whether it can take calls."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from litestar import Request, Response, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from msgspec import Struct

from base.ids import TenantId
from control.api.problems import answers
from control.dependencies import Dependency
from control.metrics import CONTENT_TYPE
from control.workers.presence import FailedRevision
from tenants.statuses import Retry


class TenantHealth(Struct, frozen=True, kw_only=True):
    """One tenant as an operator sees it.

    `state`: `ready`, `preparing`, `on trial`, `waiting` (loaded with its first call) or `failed`. The `problem` of one
    that is ready or waits is that of its newest document, which does not answer, or not as it should. It is tried again
    `later`, at `next_try` (UTC), or that is `queued` behind others, or under way `now`; null: not before the file is
    saved.
    """

    slug: str
    tenant_id: TenantId | None = None
    """null: its file could not be read so far."""
    state: str
    revision: int | None
    live_calls: int
    problem: str | None = None
    retry: Retry | None = None
    next_try: datetime | None = None


class ProcessHealth(Struct, frozen=True, kw_only=True):
    """One of several processes, as it told of itself last."""

    node: str
    role: str
    slot: int
    pid: int
    version: str
    state: str
    """`starting`, `ok`, `full` or `draining`."""
    live_calls: int
    max_calls: int
    renewed_at: datetime
    problem: str = ""
    """Why it takes no further call, where that is not by order."""
    failing: int = 0
    """Tenants that it does not have as it should."""
    failed: tuple[FailedRevision, ...] = ()
    """Some of these, of those that whoever asks may know of."""


class ScrapeTarget(Struct, frozen=True):
    """As Prometheus' `http_sd_configs` takes it."""

    targets: tuple[str, ...]
    labels: Mapping[str, str]


class ReadyView(Struct, frozen=True, kw_only=True):
    """Whether calls can be taken, and what hinders them."""

    ready: bool
    problems: tuple[str, ...]
    live_calls: int
    tenants: tuple[TenantHealth, ...] | None
    """With a key of the platform all, with a tenant's its own; without a key null."""
    states: Mapping[str, int] = {}
    """Tenants by their state; a revision on trial counts beside what it is tried beside."""
    dependencies: tuple[Dependency, ...] = ()
    processes: tuple[ProcessHealth, ...] = ()
    """All that share the tenants, by node; none where one process does everything."""


def metrics_handlers(
    text: Callable[[], bytes | None], targets: Callable[[], list[ScrapeTarget]]
) -> tuple[HTTPRouteHandler, ...]:
    """`/metrics`, for Prometheus, and `/metrics/targets`, which tells it all processes that have some.

    They tell of no tenant and no call, and need no key. 503 while the service starts.
    """

    @get("/metrics", media_type=CONTENT_TYPE, sync_to_thread=False, include_in_schema=False)
    def metrics() -> Response[bytes]:
        found = text()
        return Response(found or b"", status_code=HTTP_503_SERVICE_UNAVAILABLE if found is None else HTTP_200_OK)

    @get("/metrics/targets", sync_to_thread=False, include_in_schema=False)
    def found_targets() -> list[ScrapeTarget]:
        return targets()

    return metrics, found_targets


Readiness = Callable[[Request[Any, Any, Any]], Awaitable[ReadyView]]


def health_router(readiness: Readiness) -> Router:
    """`/health/live` (200 while the process answers) and `/health/ready` (503 with reasons).

    `readiness` is told who asks, and raises for a key that does not open.
    """

    @get("/live", sync_to_thread=False)
    def live() -> dict[str, bool]:
        return {"live": True}

    refused = {status: spec for status, spec in answers().items() if status in (401, 429)}

    @get("/ready", responses={503: ResponseSpec(ReadyView, description="Not ready, and why"), **refused})
    async def ready(request: Request[Any, Any, Any]) -> Response[ReadyView]:
        """Companies are told of with a key that may see them."""
        view = await readiness(request)
        return Response(view, status_code=HTTP_200_OK if view.ready else HTTP_503_SERVICE_UNAVAILABLE)

    return Router("/health", route_handlers=[live, ready])
