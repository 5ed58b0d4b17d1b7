"""What happened: as pages, or as a stream that goes on."""

from typing import Annotated, Any, Final

from litestar import Controller, Request, Response, get
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Meta, Struct

from control.api.access import Principal, may_read, scope
from control.api.described import UNCOMPRESSED, Follows
from control.api.given import Asker, DomainUuid, Running
from control.api.pages import CursorText, Limit, Page, read, written
from control.api.problems import Refusal, answers
from control.event_feed import TooManyStreamsError
from control.event_stream import MEDIA_TYPE, EventStream, EventView, view
from pipelines.events import KINDS, EventKind
from tenants.event_store import Kinds

MAX_ID: Final = 2**63 - 1


class _Behind(Struct, frozen=True):
    id: Annotated[int, Meta(ge=0, le=MAX_ID)]


AfterId = Annotated[int | None, QueryParameter(ge=0, le=MAX_ID, description="Only what is behind this `id`.")]
LastEventId = Annotated[
    int | None,
    HeaderParameter(
        name="Last-Event-ID", ge=0, le=MAX_ID, description="As `after`, and goes before it: sent by who comes again."
    ),
]
Wanted = Annotated[
    list[EventKind] | None, QueryParameter(name="kind", max_items=len(KINDS), description="Only these kinds.")
]


class EventsController(Controller):
    """`/events`"""

    path = "/events"
    tags = ("Events",)
    guards = (may_read,)

    @get(
        "/",
        summary="What happened, by increasing id",
        responses=answers("not-found"),
        operation_class=Follows,
        opt={UNCOMPRESSED: True},
    )
    async def events(
        self,
        request: Request[Any, Any, Any],
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        kinds: Wanted = None,
        after: AfterId = None,
        last_event_id: LastEventId = None,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Response[Page[EventView]]:
        """Of the tenant; of all and of the platform for a key of the platform. Those of keys: for administrators.

        With `Accept: text/event-stream` the answer is a stream of them, which goes on: from behind `Last-Event-ID` or
        `after`, and without either from now on.
        """
        place: _Behind | None = read(cursor, _Behind)
        behind = place.id if place is not None else after if last_event_id is None else last_event_id
        tenant_id, wanted = scope(asker, domain_uuid), _wanted(asker, kinds)
        if request.accept.best_match(["application/json", MEDIA_TYPE]) == MEDIA_TYPE:
            try:
                following = await running.feed.join(asker.key_id, tenant_id, wanted)
            except TooManyStreamsError as error:
                raise _no_room(error) from error
            return EventStream(following, behind)  # type: ignore[return-value]
        found = (
            await running.events.all(behind or 0, limit, wanted)
            if tenant_id is None
            else await running.events.of_tenant(tenant_id, behind or 0, limit, wanted)
        )
        more = len(found) == limit
        return Response(Page(items=[view(one) for one in found], next=written(_Behind(found[-1].id)) if more else None))


def _wanted(asker: Principal, kinds: list[EventKind] | None) -> Kinds | None:
    """Who may not list keys is not told of them either."""
    seen = frozenset(KINDS) if kinds is None else frozenset(kinds)
    if asker.may_change:
        return None if kinds is None else seen
    return seen - {"key.created", "key.revoked"}


def _no_room(error: TooManyStreamsError) -> Refusal:
    if error.of_key:
        return Refusal("too-many-requests", "this key follows the events often enough", headers={"Retry-After": "10"})
    return Refusal("unavailable", "no further stream can be opened now", headers={"Retry-After": "10"})
