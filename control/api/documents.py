"""A tenant's document: read, put, rolled back; its revisions and what is on trial."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT
from msgspec import Meta, Struct

from base.ids import TenantId
from control.api.access import Principal, may_change, may_read, own, platform_may_change
from control.api.audited import change
from control.api.described import YAML, Acts, TakesDocument
from control.api.given import Asker, Running, TenantPath
from control.api.pages import CursorText, Limit, Page, read, written
from control.api.problems import FieldError, Refusal, answers, located, not_found
from control.service import Service
from pipelines.supervisor import NoCanaryError
from tenants.audit import NOTHING, Action, State
from tenants.auditing import Result
from tenants.canary_text import CanaryTextError
from tenants.diffs import TooLongError
from tenants.directory import TenantUnknownError
from tenants.next_text import NotWrittenError, ReadOnlyFolderError
from tenants.put import MAX_DOCUMENT_BYTES
from tenants.put_errors import (
    FileTakenError,
    NotReadyError,
    Published,
    RevisionUnknownError,
    StaleError,
    TooLargeError,
)

NumberPath = Annotated[int, PathParameter(ge=1, le=2**31 - 1, description="The revision's number.")]
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", max_length=200, description="The `ETag` of what is to be replaced.")
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", max_length=200, description="`*`: there must be none yet.")
]
SwapText = Annotated[
    Literal["turn", "drain"] | None,
    QueryParameter(
        description="Live calls change over at the end of a turn, or end on what they began with. "
        "Left out: as the service's setting ATENDE_SWAP has it."
    ),
]
DryRun = Annotated[bool, QueryParameter(description="Check and load it, and change nothing.")]
PUTTING: Final = answers(
    "forbidden",
    "not-found",
    "conflict",
    "stale",
    "too-large",
    "invalid-document",
    "not-loadable",
    "precondition-required",
)
PLATFORMS: Final = ("enabled", "slug", "domain", "switch")
"""Whether a tenant is answered, where its calls come from, whose telephones ring for them: not its own to change."""


class Notice(Struct, frozen=True, kw_only=True):
    """What acts on nothing in a document, or not as one may think."""

    path: str
    message: str
    line: int
    column: int


class PublishedView(Struct, frozen=True, kw_only=True):
    """What became of a document."""

    revision: int
    """Under which it answers; with a dry run, under which it would."""
    digest: str
    """SHA-256 of the text, in hex; in quotes the `ETag`."""
    changed: bool
    """false: it was the same text, and nothing was touched."""
    notices: tuple[Notice, ...] = ()
    problems: tuple[str, ...] = ()
    """What does not answer as it should beside it, for one that is on trial."""


class RevisionView(Struct, frozen=True, kw_only=True):
    """One stored text, without it."""

    revision: int
    digest: str
    created_at: datetime


class _Before(Struct, frozen=True):
    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class DocumentController(Controller):
    """`/tenants/{domain_uuid}/document` and what was there before."""

    path = "/tenants/{tenant_id:uuid}"
    tags = ("Documents",)
    guards = (may_read,)

    @get("/document", media_type=YAML, summary="The document as it stands", responses=answers("not-found"))
    async def document(self, tenant_id: TenantPath, asker: Asker, running: Running) -> Response[bytes]:
        """The text, with its digest as `ETag` and its revision's number as `Atende-Revision`."""
        found = await running.publishing.current(own(asker, tenant_id))
        if found is None:
            raise not_found()
        return _text(found.document, found.digest, found.number)

    @put(
        "/document",
        guards=[may_change],
        request_max_body_size=MAX_DOCUMENT_BYTES,
        operation_class=TakesDocument,
        summary="Put another document in its place",
        responses=answers(
            "forbidden",
            "not-found",
            "conflict",
            "stale",
            "too-large",
            "invalid-document",
            "not-loadable",
            "precondition-required",
        ),
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
        create = (if_none_match or "").strip() == "*"
        if create and not asker.of_platform:
            raise Refusal("forbidden", "a new tenant needs a key of the platform")
        expected = None if create else _digest(if_match)
        raw = await request.body()
        async with _told():
            await _refuse_moves(running, asker, asked, raw, expected)
            if dry_run:
                return _view(
                    await running.publishing.put(asked, raw, expected=expected, create=create, dry_run=True, swap=swap)
                )
            async with _change(running, asker, asked, "document.put") as result:
                published = await running.publishing.put(asked, raw, expected=expected, create=create, swap=swap)
                result.after = _state(published)
        return _view(published)

    @delete(
        "/document",
        guards=[platform_may_change],
        status_code=HTTP_204_NO_CONTENT,
        summary="Answer the tenant no more",
        responses=answers("forbidden", "not-found", "conflict", "stale", "precondition-required"),
    )
    async def remove(self, tenant_id: TenantPath, asker: Asker, running: Running, if_match: IfMatch = None) -> None:
        """Live calls end on what they have. Revisions and calls stay kept."""
        asked, expected = own(asker, tenant_id), _digest(if_match)
        async with _told(), _change(running, asker, asked, "document.remove"):
            await running.publishing.remove(asked, expected=expected)

    @get("/revisions", summary="Stored texts, the newest first", responses=answers("not-found"))
    async def revisions(
        self, tenant_id: TenantPath, asker: Asker, running: Running, limit: Limit = 50, cursor: CursorText = None
    ) -> Page[RevisionView]:
        """Without the texts."""
        before: _Before | None = read(cursor, _Before)
        rows = await running.publishing.revisions(
            own(asker, tenant_id), limit=limit, before=before.number if before is not None else None
        )
        if not rows and before is None:
            raise not_found()
        items = [RevisionView(revision=row.number, digest=row.digest, created_at=row.created_at) for row in rows]
        return Page(items=items, next=written(_Before(items[-1].revision)) if len(items) == limit else None)

    @get("/revisions/{number:int}", media_type=YAML, summary="One stored text", responses=answers("not-found"))
    async def revision(
        self, tenant_id: TenantPath, number: NumberPath, asker: Asker, running: Running
    ) -> Response[bytes]:
        """As it was put."""
        async with _told():
            row = await running.publishing.revision(own(asker, tenant_id), number)
        return _text(row.document, row.digest, row.number)

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
        async with _told():
            return await running.publishing.diff(own(asker, tenant_id), number, to)

    @post(
        "/revisions/{number:int}/activate",
        guards=[may_change],
        status_code=HTTP_200_OK,
        summary="Go back to a text",
        responses=answers(
            "forbidden",
            "not-found",
            "conflict",
            "stale",
            "too-large",
            "invalid-document",
            "not-loadable",
            "precondition-required",
        ),
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
        asked, expected = own(asker, tenant_id), _digest(if_match)
        async with _told():
            former = await running.publishing.revision(asked, number)
            await _refuse_moves(running, asker, asked, former.document, expected)
            if dry_run:
                return _view(
                    await running.publishing.roll_back_to(asked, number, expected=expected, dry_run=True, swap=swap)
                )
            async with _change(running, asker, asked, "document.rollback", str(number)) as result:
                published = await running.publishing.roll_back_to(asked, number, expected=expected, swap=swap)
                result.after = _state(published)
        return _view(published)

    @post(
        "/canary/promote",
        guards=[may_change],
        status_code=HTTP_200_OK,
        summary="What is on trial answers everybody",
        responses=answers(
            "forbidden",
            "not-found",
            "conflict",
            "stale",
            "too-large",
            "invalid-document",
            "not-loadable",
            "precondition-required",
        ),
        operation_class=Acts,
    )
    async def promote(
        self, tenant_id: TenantPath, asker: Asker, running: Running, swap: SwapText = None
    ) -> PublishedView:
        """Its text becomes a new revision, without its `canary` block."""
        asked = own(asker, tenant_id)
        async with _told(), _change(running, asker, asked, "canary.promote") as result:
            published = await running.publishing.promote(asked, swap=swap)
            result.after = _state(published)
        return _view(published)

    @post(
        "/canary/abort",
        guards=[may_change],
        status_code=HTTP_200_OK,
        summary="End the trial",
        responses=answers(
            "forbidden",
            "not-found",
            "conflict",
            "stale",
            "too-large",
            "invalid-document",
            "not-loadable",
            "precondition-required",
        ),
        operation_class=Acts,
    )
    async def abort(
        self, tenant_id: TenantPath, asker: Asker, running: Running, swap: SwapText = None
    ) -> PublishedView:
        """What answers beside it answers everybody, under a new number."""
        asked = own(asker, tenant_id)
        async with _told(), _change(running, asker, asked, "canary.abort") as result:
            published = await running.publishing.abort(asked, swap=swap)
            result.after = _state(published)
        return _view(published)


@asynccontextmanager
async def _change(
    running: Service,
    asker: Principal,
    tenant_id: TenantId,
    action: Action,
    object: str = "",  # noqa: A002 (as in tenants.audit.Change)
) -> AsyncIterator[Result]:
    """As `audited.change`, with the text that stands before it."""
    stands = await running.publishing.current(tenant_id)
    before = NOTHING if stands is None else State(revision=stands.number, digest=stands.digest)
    async with change(running, asker, tenant_id, action, object, before=before) as result:
        yield result


def _state(published: Published) -> State:
    return State(revision=published.number, digest=published.digest)


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What publishing raises, as a problem of the table. DocumentError is one everywhere."""
    try:
        yield
    except (TenantUnknownError, RevisionUnknownError) as error:
        raise not_found() from error
    except TooLargeError as error:
        raise Refusal("too-large", str(error)) from error
    except StaleError as error:
        now = {"ETag": f'"{error.current_digest}"'} if error.current_digest else None
        raise Refusal("stale", "the document is another one by now; read it again", headers=now) from error
    except NotReadyError as error:
        raise Refusal("not-loadable", errors=located(error.problems)) from error
    except (NoCanaryError, CanaryTextError, TooLongError) as error:
        raise Refusal("conflict", str(error)) from error
    except FileTakenError as error:
        raise Refusal("conflict", "the file of this slug is another tenant's; take another slug") from error
    except NotWrittenError as error:
        raise Refusal("unavailable", "the tenant's file could not be written; what it says counts") from error
    except ReadOnlyFolderError as error:
        raise Refusal("conflict", "the folder of the tenants' documents cannot be written to") from error


async def _refuse_moves(
    running: Service, asker: Principal, tenant_id: TenantId, raw: bytes, expected: str | None
) -> None:
    """A tenant's own key changes nothing of `PLATFORMS`. Raises StaleError, DocumentError and a Refusal."""
    if asker.of_platform:
        return
    stands = await running.publishing.current(tenant_id)
    if stands is not None and stands.digest != expected:
        raise StaleError(stands.digest)  # told before any work is made of it
    now = running.directory.tenant(tenant_id)
    wished = (await running.publishing.parsed(tenant_id, raw)).spec
    errors = [
        FieldError(path=f"$.{name}", message=f"only a key of the platform may change it from {getattr(now, name)!r}")
        for name in PLATFORMS
        if getattr(wished, name) != getattr(now, name)
    ]
    if errors:
        raise Refusal("invalid-document", errors=errors)


def _digest(text: str | None) -> str:
    if text is None:
        raise Refusal("precondition-required", "send the ETag of what is to be replaced as If-Match")
    return text.strip().removeprefix("W/").strip('"')


def _text(document: bytes, digest: str, number: int | None) -> Response[bytes]:
    headers = {"ETag": f'"{digest}"'} | ({} if number is None else {"Atende-Revision": str(number)})
    return Response(document, media_type=YAML, headers=headers)


def _view(published: Published) -> PublishedView:
    return PublishedView(
        revision=published.number,
        digest=published.digest,
        changed=published.changed,
        notices=tuple(
            Notice(path=one.path, message=one.message, line=one.line, column=one.column) for one in published.notices
        ),
        problems=published.problems,
    )
