"""Calls that are going on: looked at, and acted on."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT
from msgspec import Meta, Struct

from base.ids import CallId, TenantId
from control.api.access import may_change, may_read, scope
from control.api.audited import change
from control.api.described import Acts
from control.api.given import Asker, CallPath, DomainUuid, Running
from control.api.pages import Page
from control.api.problems import FieldError, Refusal, answers, not_found
from control.live_board import LiveCallDetail, LiveCallView
from control.live_sessions import MAX_SAID_CHARS, TooMuchToSayError
from control.service import Service
from tenants.audit import State, ends_of


class Sentence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the assistant is to say."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_SAID_CHARS)]


class Number(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the caller is to go."""

    number: Annotated[str, Meta(min_length=1, max_length=32)]
    """Of the company's own dialplan, as `transfer.to` of its document takes it."""


class LiveCallsController(Controller):
    """`/live-calls`: in this process."""

    path = "/live-calls"
    tags = ("Live calls",)
    guards = (may_read,)

    @get("/", summary="Calls that are going on, the newest first", responses=answers("not-found"))
    async def live_calls(self, asker: Asker, running: Running, domain_uuid: DomainUuid = None) -> Page[LiveCallView]:
        """Of the tenant; of all for a key of the platform."""
        return Page(items=running.board.calls(scope(asker, domain_uuid)))

    @get("/{call_id:uuid}", summary="One call, with what was said so far", responses=answers("not-found"))
    async def live_call(
        self, call_id: CallPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None
    ) -> LiveCallDetail:
        """The transcript as it is written down, and each answer's latency."""
        found = running.board.call(scope(asker, domain_uuid), CallId(str(call_id)))
        if found is None:
            raise not_found()
        return found

    @post(
        "/{call_id:uuid}/say",
        status_code=HTTP_204_NO_CONTENT,
        guards=[may_change],
        summary="Have a sentence said",
        responses=answers("forbidden", "not-found", "conflict", "too-large"),
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
        tenant_id, call = _owner(running, scope(asker, domain_uuid), call_id)
        try:
            async with change(running, asker, tenant_id, "call.say", call):
                _done(running.phone.say(tenant_id, call, data.text))
        except ValueError as error:
            raise Refusal("bad-request", errors=[FieldError(path="$.text", message=str(error))]) from error
        except TooMuchToSayError as error:
            raise Refusal("conflict", str(error)) from error

    @post(
        "/{call_id:uuid}/hang-up",
        status_code=HTTP_204_NO_CONTENT,
        guards=[may_change],
        summary="End the call",
        responses=answers("forbidden", "not-found", "conflict", "too-large"),
        operation_class=Acts,
    )
    async def hang_up(self, call_id: CallPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None) -> None:
        """At once."""
        tenant_id, call = _owner(running, scope(asker, domain_uuid), call_id)
        async with change(running, asker, tenant_id, "call.hangup", call):
            _done(running.phone.hang_up(tenant_id, call))

    @post(
        "/{call_id:uuid}/transfer",
        status_code=HTTP_204_NO_CONTENT,
        guards=[may_change],
        summary="Send the caller on",
        responses=answers("forbidden", "not-found", "conflict", "too-large"),
        operation_class=Acts,
    )
    async def transfer(
        self, call_id: CallPath, data: JSONBody[Number], asker: Asker, running: Running, domain_uuid: DomainUuid = None
    ) -> None:
        """At once, to whoever answers there; the caller does not come back."""
        tenant_id, call = _owner(running, scope(asker, domain_uuid), call_id)
        try:
            async with change(running, asker, tenant_id, "call.transfer", call) as result:
                _done(running.phone.transfer(tenant_id, call, data.number))
                result.after = State(number_ends=ends_of(data.number))
        except ValueError as error:
            raise Refusal("bad-request", errors=[FieldError(path="$.number", message=str(error))]) from error


def _owner(service: Service, scope_of: TenantId | None, call_id: UUID) -> tuple[TenantId, CallId]:
    """Whose call it is. Raises the Refusal `not-found` where the key does not see it, or it is not going on."""
    call = CallId(str(call_id))
    found = service.board.call(scope_of, call)
    if found is None:
        raise not_found()
    return found.call.tenant_id, call


def _done(found: bool) -> None:
    if not found:
        raise not_found()  # it has just ended
