"""Calls that are going on: looked at, and acted on."""

from collections.abc import Coroutine
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import structlog
from litestar import Controller, Response, get, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT
from msgspec import Meta, Struct

from base.ids import CallId, TenantId
from control.api.access import may_change, may_read, scope
from control.api.audited import change
from control.api.described import Acts
from control.api.given import Asker, CallPath, DomainUuid, Running
from control.api.pages import CursorText, Limit, Page, after_call, behind_call
from control.api.problems import FieldError, Refusal, answers, not_found
from control.live_board import LiveCallDetail, LiveCallView
from control.live_sessions import MAX_SAID_CHARS, TooMuchToSayError
from control.service import Service
from control.workers.everywhere import ASK_TIMEOUT_S, ProcessSilentError
from tenants.audit import State, ends_of

log = structlog.get_logger()

ACTING: Final = answers(
    "forbidden", "not-found", "conflict", "too-large", "unsupported-media-type", "idempotency-key-reused", "silent"
)
SILENT: Final = "Atende-Processes-Silent"
T = TypeVar("T")


class Sentence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the assistant is to say."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_SAID_CHARS)]


class Number(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the caller is to go."""

    number: Annotated[str, Meta(min_length=1, max_length=32)]
    """Of the company's own dialplan, as `transfer.to` of its document takes it."""


class LiveCallsController(Controller):
    """`/live-calls`: in all processes that share the tenants."""

    path = "/live-calls"
    tags = ("Live calls",)
    guards = (may_read,)

    @get("/", summary="Calls that are going on, the newest first", responses=answers("not-found"))
    async def live_calls(
        self,
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Response[Page[LiveCallView]]:
        """Of the tenant; of all for a key of the platform. `Atende-Processes-Silent` counts processes that did not
        tell theirs.
        """
        found, silent = await running.calls.calls(scope(asker, domain_uuid), limit + 1, behind_call(cursor))
        page = found[:limit]
        following = after_call(page[-1].call) if len(found) > limit else None
        return Response(Page(items=page, next=following), headers={SILENT: str(silent)} if silent else None)

    @get("/{call_id:uuid}", summary="One call, with what was said so far", responses=answers("not-found", "silent"))
    async def live_call(
        self, call_id: CallPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None
    ) -> LiveCallDetail:
        """The transcript as it is written down, and each answer's latency."""
        return await _live(running, scope(asker, domain_uuid), call_id)

    @post(
        "/{call_id:uuid}/say",
        status_code=HTTP_204_NO_CONTENT,
        guards=[may_change],
        summary="Have a sentence said",
        responses=ACTING,
        operation_class=Acts,
    )
    async def say(
        self,
        call_id: CallPath,
        data: JSONBody[Sentence],
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
    ) -> None:
        """As soon as nobody speaks; the caller may interrupt it. Not in a call that takes leave."""
        tenant_id, call = await _owner(running, scope(asker, domain_uuid), call_id)
        try:
            async with change(running, asker, tenant_id, "call.say", call):
                _done(await _told(running.calls.say(tenant_id, call, data.text)))
        except ValueError as error:
            raise Refusal("bad-request", errors=[FieldError(path="$.text", message=str(error))]) from error
        except TooMuchToSayError as error:
            raise Refusal("conflict", str(error)) from error

    @post(
        "/{call_id:uuid}/hang-up",
        status_code=HTTP_204_NO_CONTENT,
        guards=[may_change],
        summary="End the call",
        responses=ACTING,
        operation_class=Acts,
    )
    async def hang_up(self, call_id: CallPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None) -> None:
        """At once."""
        tenant_id, call = await _owner(running, scope(asker, domain_uuid), call_id)
        async with change(running, asker, tenant_id, "call.hangup", call):
            _done(await _told(running.calls.hang_up(tenant_id, call)))

    @post(
        "/{call_id:uuid}/transfer",
        status_code=HTTP_204_NO_CONTENT,
        guards=[may_change],
        summary="Send the caller on",
        responses=ACTING,
        operation_class=Acts,
    )
    async def transfer(
        self, call_id: CallPath, data: JSONBody[Number], asker: Asker, running: Running, domain_uuid: DomainUuid = None
    ) -> None:
        """At once, to whoever answers there; the caller does not come back."""
        tenant_id, call = await _owner(running, scope(asker, domain_uuid), call_id)
        try:
            async with change(running, asker, tenant_id, "call.transfer", call) as result:
                _done(await _told(running.calls.transfer(tenant_id, call, data.number)))
                result.after = State(number_ends=ends_of(data.number))
        except ValueError as error:
            raise Refusal("bad-request", errors=[FieldError(path="$.number", message=str(error))]) from error


async def _live(service: Service, scope_of: TenantId | None, call_id: UUID) -> LiveCallDetail:
    """Raises the Refusal `not-found` where the key does not see it, or it is not going on, and those of `_told`."""
    found = await _told(service.calls.call(scope_of, CallId(str(call_id))))
    if found is None:
        raise not_found()
    return found


async def _owner(service: Service, scope_of: TenantId | None, call_id: UUID) -> tuple[TenantId, CallId]:
    """Whose call it is. Raises as `_live`."""
    call = (await _live(service, scope_of, call_id)).call
    return call.tenant_id, call.id


async def _told(asked: Coroutine[Any, Any, T]) -> T:
    """Raises the Refusals `unavailable` and `silent` where the call is another process's that cannot be asked."""
    try:
        return await asked
    except ProcessSilentError as error:
        # Which one it is, and where, is the platform's business and in its log; a company's key may have asked.
        log.warning("a process does not tell of a call", reason=str(error))
        what = f"did not answer within {ASK_TIMEOUT_S:g} s" if error.late else "cannot be reached"
        told = f"the process that may have the call {what}; /health/ready and the log tell which it is"
        raise Refusal("silent" if error.late else "unavailable", told, headers={"Retry-After": "2"}) from error


def _done(found: bool) -> None:
    if not found:
        raise not_found()  # it has just ended
