"""What stood before in the place of a tenant's document, and what is on trial beside it."""

from datetime import datetime
from typing import Annotated, Protocol

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from base.ids import TenantId
from control.api.access import Principal, may_change, may_read, own
from control.api.conditions import IfMatch, Unless, expected
from control.api.described import YAML, Acts, TellsDocument
from control.api.given import Asker, Running, TenantPath
from control.api.pages import Below, CursorText, Limit, Page, below, written
from control.api.problems import answers, not_found
from control.api.publishing import (
    ACTING,
    READING,
    DryRun,
    NumberPath,
    PublishedView,
    SwapText,
    changed,
    refuse_moves,
    state,
    text,
    told,
    view,
)
from control.service import Service
from pipelines.supervisor import Swap
from tenants.audit import Action
from tenants.put_errors import Expected, Published


class RevisionView(Struct, frozen=True, kw_only=True):
    """One stored text, without it."""

    revision: int
    digest: str
    created_at: datetime


class RevisionsController(Controller):
    """`/tenants/{domain_uuid}/revisions` and `/canary`."""

    path = "/tenants/{tenant_id:uuid}"
    tags = ("Documents",)
    guards = (may_read,)

    @get("/revisions", summary="Stored texts, the newest first", responses=answers("not-found"))
    async def revisions(
        self, tenant_id: TenantPath, asker: Asker, running: Running, limit: Limit = 50, cursor: CursorText = None
    ) -> Page[RevisionView]:
        """Without the texts."""
        before = below(cursor)
        rows = await running.publishing.revisions(own(asker, tenant_id), limit=limit, before=before)
        if not rows and before is None:
            raise not_found()
        items = [RevisionView(revision=row.number, digest=row.digest, created_at=row.created_at) for row in rows]
        return Page(items=items, next=written(Below(items[-1].revision)) if len(items) == limit else None)

    @get(
        "/revisions/{number:int}",
        media_type=YAML,
        operation_class=TellsDocument,
        summary="One stored text",
        responses=READING,
    )
    async def revision(
        self,
        tenant_id: TenantPath,
        number: NumberPath,
        asker: Asker,
        running: Running,
        if_none_match: Unless = None,
    ) -> Response[bytes]:
        """As it was put."""
        async with told():
            row = await running.publishing.revision(own(asker, tenant_id), number)
        return text(row.document, row.digest, row.number, if_none_match)

    @get(
        "/revisions/{number:int}/diff",
        media_type="text/x-diff",
        summary="What another text has otherwise",
        responses=answers("not-found", "conflict"),
    )
    async def diff(
        self,
        tenant_id: TenantPath,
        number: NumberPath,
        asker: Asker,
        running: Running,
        to: Annotated[int, QueryParameter(ge=1, le=2**31 - 1, description="The other's number.")],
    ) -> str:
        """From this one to that, as `diff -u` has it."""
        async with told():
            return await running.publishing.diff(own(asker, tenant_id), number, to)

    @post(
        "/revisions/{number:int}/activate",
        guards=[may_change],
        status_code=HTTP_200_OK,
        summary="Go back to a text",
        responses=ACTING,
        operation_class=Acts,
    )
    async def activate(
        self,
        tenant_id: TenantPath,
        number: NumberPath,
        asker: Asker,
        running: Running,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
        swap: SwapText = None,
    ) -> PublishedView:
        """The stored text becomes the newest revision, under a new number, by the same checks as a PUT."""
        asked, stands = own(asker, tenant_id), expected(if_match)
        async with told():
            former = await running.publishing.revision(asked, number)
            await refuse_moves(running, asker, asked, former.document, stands)
            if dry_run:
                tried = await running.publishing.roll_back_to(asked, number, expected=stands, dry_run=True, swap=swap)
                return view(tried, dry_run=True)
            async with changed(running, asker, asked, "document.rollback", str(number)) as result:
                published = await running.publishing.roll_back_to(asked, number, expected=stands, swap=swap)
                result.after = state(published)
        return view(published)

    @post(
        "/canary/promote",
        guards=[may_change],
        status_code=HTTP_200_OK,
        summary="What is on trial answers everybody",
        responses=ACTING,
        operation_class=Acts,
    )
    async def promote(
        self,
        tenant_id: TenantPath,
        asker: Asker,
        running: Running,
        if_match: IfMatch = None,
        swap: SwapText = None,
    ) -> PublishedView:
        """Its text becomes a new revision, without its `canary` block. Without `If-Match`: whatever is on trial."""
        asked = own(asker, tenant_id)
        return await _ended(running, asker, asked, if_match, swap, "canary.promote", running.publishing.promote)

    @post(
        "/canary/abort",
        guards=[may_change],
        status_code=HTTP_200_OK,
        summary="End the trial",
        responses=ACTING,
        operation_class=Acts,
    )
    async def abort(
        self,
        tenant_id: TenantPath,
        asker: Asker,
        running: Running,
        if_match: IfMatch = None,
        swap: SwapText = None,
    ) -> PublishedView:
        """What answers beside it answers everybody, under a new number. Without `If-Match`: whatever is on trial."""
        asked = own(asker, tenant_id)
        return await _ended(running, asker, asked, if_match, swap, "canary.abort", running.publishing.abort)


class _Ends(Protocol):
    async def __call__(self, tenant_id: TenantId, *, expected: Expected | None, swap: Swap | None) -> Published: ...


async def _ended(
    running: Service,
    asker: Principal,
    tenant_id: TenantId,
    if_match: str | None,
    swap: Swap | None,
    action: Action,
    end: _Ends,
) -> PublishedView:
    """A trial, one way or the other."""
    stands = None if if_match is None else expected(if_match)
    async with told(), changed(running, asker, tenant_id, action) as result:
        published = await end(tenant_id, expected=stands, swap=swap)
        result.after = state(published)
    return view(published)
