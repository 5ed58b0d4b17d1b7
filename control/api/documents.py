"""A tenant's document: read, put, removed."""

from typing import Any

from litestar import Controller, Request, Response, delete, get, put
from litestar.status_codes import HTTP_204_NO_CONTENT

from control.api.access import may_change, may_read, own, platform_may_change
from control.api.bodies import DOCUMENT, body_of
from control.api.conditions import IfMatch, IfNoneMatch, Unless, creates, expected
from control.api.described import YAML, TakesDocument, TellsDocument
from control.api.given import Asker, Running, TenantPath
from control.api.problems import Refusal, answers, not_found
from control.api.publishing import (
    PUTTING,
    READING,
    DryRun,
    PublishedView,
    SwapText,
    changed,
    refuse_moves,
    state,
    text,
    told,
    view,
)
from tenants.put_checks import MAX_DOCUMENT_BYTES


class DocumentController(Controller):
    """`/tenants/{domain_uuid}/document`."""

    path = "/tenants/{tenant_id:uuid}"
    tags = ("Documents",)
    guards = (may_read,)

    @get(
        "/document",
        media_type=YAML,
        operation_class=TellsDocument,
        summary="The document as it stands",
        responses=READING,
    )
    async def document(
        self, tenant_id: TenantPath, asker: Asker, running: Running, if_none_match: Unless = None
    ) -> Response[bytes]:
        """The text, with its digest as `ETag` and its revision's number as `Atende-Revision`."""
        found = await running.publishing.current(own(asker, tenant_id))
        if found is None:
            raise not_found()
        return text(found.document, found.digest, found.number, if_none_match)

    @put(
        "/document",
        guards=[may_change],
        request_max_body_size=MAX_DOCUMENT_BYTES,
        operation_class=TakesDocument,
        summary="Put another document in its place",
        responses=PUTTING,
    )
    async def put_document(
        self,
        tenant_id: TenantPath,
        request: Request[Any, Any, Any],
        asker: Asker,
        running: Running,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
        dry_run: DryRun = False,
        swap: SwapText = None,
    ) -> PublishedView:
        """The raw YAML (or JSON) as the body. It is checked, loaded, stored and answers from then on.

        When anything is wrong, what answered before goes on answering.
        """
        asked = own(asker, tenant_id)
        create = creates(if_match, if_none_match)
        if create and not asker.of_platform:
            raise Refusal("forbidden", "a new tenant needs a key of the platform")
        stands = None if create else expected(if_match)
        _, raw = await body_of(request, DOCUMENT)
        async with told():
            await refuse_moves(running, asker, asked, raw, stands)
            if dry_run:
                tried = await running.publishing.put(
                    asked, raw, expected=stands, create=create, dry_run=True, swap=swap
                )
                return view(tried, dry_run=True)
            async with changed(running, asker, asked, "document.put") as result:
                published = await running.publishing.put(asked, raw, expected=stands, create=create, swap=swap)
                result.after = state(published)
        return view(published)

    @delete(
        "/document",
        guards=[platform_may_change],
        status_code=HTTP_204_NO_CONTENT,
        summary="Answer the tenant no more",
        responses=answers("forbidden", "not-found", "conflict", "stale", "precondition-required"),
    )
    async def remove(self, tenant_id: TenantPath, asker: Asker, running: Running, if_match: IfMatch = None) -> None:
        """Live calls end on what they have. Revisions and calls stay kept."""
        asked, stands = own(asker, tenant_id), expected(if_match)
        async with told(), changed(running, asker, asked, "document.remove"):
            await running.publishing.remove(asked, expected=stands)
