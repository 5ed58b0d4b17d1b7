"""What a process answers to the others: the live calls that it has, and what may be done to them.

Every request is signed with the nodes' key (`node_key`); without it there is nothing here.
One that is for another process is refused.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Protocol

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException, ServiceUnavailableException
from litestar.params import FromPath, FromQuery, SkipValidation
from litestar.status_codes import HTTP_200_OK, HTTP_404_NOT_FOUND
from msgspec import Meta, Struct

from base.ids import CallId, TenantId
from control.live_board import LiveBoard, LiveCallDetail, LiveCallView
from control.live_sessions import MAX_SAID_CHARS, TooMuchToSayError
from control.phone import PhoneDoor
from control.workers.node_key import HEADER, MisdirectedError, NodeDoor
from tenants.call_search import Cursor

PREFIX: Final = "/internal/v1"
MISDIRECTED: Final = 421
"""A request reached another process than the one that it is for (RFC 9110, 15.5.20)."""
MAX_BODY_BYTES: Final = 16 * 1024


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done to a call: say the `text`, send on to the `number`, or hang up."""

    tenant_id: TenantId
    text: Annotated[str, Meta(max_length=MAX_SAID_CHARS)] = ""
    number: Annotated[str, Meta(max_length=32)] = ""


class Answers(Protocol):
    """What of the process is asked. Satisfied by `control.service.Service`."""

    @property
    def board(self) -> LiveBoard: ...

    @property
    def phone(self) -> PhoneDoor: ...

    @property
    def node_door(self) -> NodeDoor: ...


Here = NamedDependency[SkipValidation[Answers]]


async def _admitted(request: Request[Any, Any, Any], running: Callable[[], Answers | None]) -> Answers:
    if (found := running()) is None:
        raise ServiceUnavailableException
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    target, header = path + (f"?{query}" if query else ""), request.headers.get(HEADER, "")
    if not found.node_door.admits(request.method, target, await request.body(), header, now=time.time()):
        raise NotFoundException
    return found


def internal_router(running: Callable[[], Answers | None]) -> Router:
    """`running` is None while the process starts."""

    async def here(request: Request[Any, Any, Any]) -> Answers:
        return await _admitted(request, running)

    @get("/live-calls")
    async def live_calls(
        here: Here,
        tenant: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        before_at: FromQuery[datetime | None] = None,
        before_id: FromQuery[str | None] = None,
    ) -> list[LiveCallView]:
        before = None if before_at is None or before_id is None else Cursor(before_at, CallId(before_id))
        return list(here.board.calls(None if tenant is None else TenantId(tenant), limit, before))

    @get("/live-calls/{call_id:str}")
    async def live_call(here: Here, call_id: FromPath[str], tenant: FromQuery[str | None] = None) -> LiveCallDetail:
        found = here.board.call(None if tenant is None else TenantId(tenant), CallId(call_id))
        if found is None:
            raise NotFoundException
        return found

    @post("/live-calls/{call_id:str}/{verb:str}", status_code=HTTP_200_OK)
    async def act(
        here: Here, request: Request[Any, Any, Any], call_id: FromPath[str], verb: FromPath[str]
    ) -> Response[str]:
        wish = msgspec.json.decode(await request.body(), type=Act)
        try:
            done = _done(here.phone, CallId(call_id), verb, wish)
        except TooMuchToSayError as error:
            return Response(str(error), status_code=409, media_type="text/plain")
        except ValueError as error:
            return Response(str(error), status_code=422, media_type="text/plain")
        return Response("", status_code=HTTP_200_OK if done else HTTP_404_NOT_FOUND, media_type="text/plain")

    return Router(
        PREFIX,
        route_handlers=[live_calls, live_call, act],
        dependencies={"here": Provide(here)},
        exception_handlers={MisdirectedError: lambda _request, _error: Response("", status_code=MISDIRECTED)},
        request_max_body_size=MAX_BODY_BYTES,
        include_in_schema=False,
    )


def _done(phone: PhoneDoor, call_id: CallId, verb: str, wish: Act) -> bool:
    match verb:
        case "say":
            return phone.say(wish.tenant_id, call_id, wish.text)
        case "transfer":
            return phone.transfer(wish.tenant_id, call_id, wish.number)
        case "hang-up":
            return phone.hang_up(wish.tenant_id, call_id)
    return False
