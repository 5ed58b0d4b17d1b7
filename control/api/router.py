"""Everything under `/api/v1`, put together."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Request, Router
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from base.clock import Clock
from control import process
from control.api.access import KeyAuthentication, KeyDoor
from control.api.audit import AuditController
from control.api.bodies import refuse_encoded
from control.api.calls import CallsController
from control.api.documents import DocumentController
from control.api.events import EventsController
from control.api.given import asker
from control.api.idempotency import Idempotency
from control.api.jobs import JobsController
from control.api.keys import KeysController, WhoController
from control.api.live_calls import LiveCallsController
from control.api.mistakes import HANDLERS
from control.api.parameters import KnownParameters
from control.api.problems import Refusal
from control.api.revisions import RevisionsController
from control.api.secrets import SecretsController
from control.api.switches import EndpointsController, SwitchesController
from control.api.tenants import PipelinesController, TenantsController
from control.service import Begun, Service
from tenants.key_checker import KeyChecker

PREFIX: Final = "/api/v1"
MAX_BODY_BYTES: Final = 64 * 1024
"""Of every body that is no document: what is read of it keeps the calls waiting."""
CONTROLLERS: Final = (
    WhoController,
    KeysController,
    TenantsController,
    DocumentController,
    RevisionsController,
    SecretsController,
    PipelinesController,
    LiveCallsController,
    CallsController,
    AuditController,
    EventsController,
    SwitchesController,
    EndpointsController,
    JobsController,
)


def running_of(service: Begun) -> Callable[[], Service]:
    """What every request asks for: while the service starts it is told so."""

    def running() -> Service:
        found = service()
        if found is None:
            raise _starting()
        return found

    return running


def _starting() -> Refusal:
    return Refusal("unavailable", "the service is starting", headers={"Retry-After": "2"})


def key_door(begun: process.Begun, clock: Clock, per_s: int) -> KeyDoor:
    """One for the process. `per_s`: requests with one key."""

    def checker() -> KeyChecker:
        found = begun()
        if found is None:
            raise _starting()
        return found.key_checker

    return KeyDoor(checker, clock, per_s)


def _before(parameters: KnownParameters) -> Callable[[Request[Any, Any, Any]], Awaitable[None]]:
    """What of a request is refused wherever it goes, behind the guards."""

    async def before(request: Request[Any, Any, Any]) -> None:
        parameters.check(request)
        refuse_encoded(request)

    return before


def api_router(service: Begun, door: KeyDoor) -> Router:
    """Everything below `PREFIX`."""
    running = running_of(service)
    return Router(
        PREFIX,
        route_handlers=list(CONTROLLERS),
        middleware=[DefineMiddleware(KeyAuthentication, door=door), Idempotency(lambda: running().idempotency)],
        dependencies={
            "asker": Provide(asker, sync_to_thread=False),
            "running": Provide(running, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,
        before_request=_before(KnownParameters()),
        request_max_body_size=MAX_BODY_BYTES,
        security=[{"key": []}],
    )


def openapi_config(version: str) -> OpenAPIConfig:
    """The description of `/api/v1`, at `/api/v1/schema/openapi.json`; it needs no key."""
    return OpenAPIConfig(
        title="Atende",
        version=version,
        path=f"{PREFIX}/schema",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="`atende keys create`")}
        ),
    )
