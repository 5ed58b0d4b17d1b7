"""Calls that are over: found, read, exported."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter, SkipValidation
from litestar.response import File, Stream
from msgspec import Struct

from base.ids import CallId, TenantId
from control.api.access import may_read, one_tenant
from control.api.described import CSV, NDJSON, UNCOMPRESSED, WAV, Exports, TellsRecording
from control.api.given import Asker, CallPath, DomainUuid, Running
from control.api.pages import CursorText, Limit, behind_call, written
from control.api.problems import FieldError, Refusal, answers, not_found
from control.api.tenants import slugs_of
from control.recordings import file_of
from control.service import Service
from pipelines.calls import END_REASONS, CallRecord
from processors.catalog import nearest
from tenants.call_search import CallFilter, CallSummary, SearchTooWideError
from tenants.exporting import csv_header, csv_row, ndjson

Text = Annotated[str | None, QueryParameter(max_length=200)]
Since = Annotated[datetime | None, QueryParameter(description="Answered then or later; UTC without a zone.")]
Until = Annotated[datetime | None, QueryParameter(description="Answered before; UTC without a zone.")]
Said = Annotated[
    str | None, QueryParameter(min_length=3, max_length=100, description="In what was said, in capitals or not.")
]
Format = Annotated[Literal["ndjson", "csv"], QueryParameter(description="Lines of JSON, or a table.")]
Secretary = Annotated[UUID | None, QueryParameter(description="The assistant by its UUID, instead of `assistant`.")]


class Wanted(Struct, frozen=True):
    """Whose calls, and which."""

    tenant_id: TenantId
    calls: CallFilter


class CallsPage(Struct, frozen=True, kw_only=True):
    """A part of a list. `next` is the `cursor` of the page behind it; null: there are no more."""

    items: Sequence[CallSummary]
    next: str | None = None
    looked_to: datetime | None = None
    """Until then, backwards, all that are wanted were found; of older ones the next page tells. Null: of all times."""


def wanted(
    asker: Asker,
    running: Running,
    domain_uuid: DomainUuid = None,
    assistant: Text = None,
    secretary_uuid: Secretary = None,
    number: Text = None,
    caller: Text = None,
    end_reason: Text = None,
    revision: Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)] = None,
    opened_from: Since = None,
    opened_to: Until = None,
    text: Said = None,
) -> Wanted:
    """All conditions of a request at once. Raises the Refusals `bad-request`, with the parameter, and `not-found`."""
    tenant_id = one_tenant(asker, domain_uuid)
    opened_from, opened_to = _utc(opened_from), _utc(opened_to)
    if opened_from is not None and opened_to is not None and opened_to < opened_from:
        told = "it is before opened_from; no call is in between"
        raise Refusal("bad-request", errors=[FieldError(path="opened_to", message=told)])
    if end_reason is not None and end_reason not in END_REASONS:
        near = nearest(end_reason, dict.fromkeys(END_REASONS))
        hint = f"did you mean {near}? " if near else ""
        told = f"no call ends so; {hint}There are {', '.join(END_REASONS)}"
        raise Refusal("bad-request", errors=[FieldError(path="end_reason", message=told)])
    try:
        calls = CallFilter(
            assistant=_assistant(running, tenant_id, assistant, secretary_uuid),
            number=number,
            caller=caller,
            end_reason=end_reason,
            revision=revision,
            opened_from=opened_from,
            opened_to=opened_to,
            text=text,
        )
    except ValueError as error:
        name, _, told = str(error).partition(": ")
        raise Refusal("bad-request", errors=[FieldError(path=name, message=told)]) from None
    return Wanted(tenant_id, calls)


These = NamedDependency[SkipValidation[Wanted]]
WANTED: Final = {"wanted": Provide(wanted, sync_to_thread=False)}


class CallsController(Controller):
    """`/calls`: a tenant's finished calls. A key of the platform says whose: `domain_uuid`."""

    path = "/calls"
    tags = ("Calls",)
    guards = (may_read,)

    @get("/", summary="Finished calls, the newest first", responses=answers("not-found"), dependencies=WANTED)
    async def list_calls(
        self, wanted: These, running: Running, limit: Limit = 50, cursor: CursorText = None
    ) -> CallsPage:
        """All conditions at once. What is in few of very many calls is found a part of them at a time: as long as there
        is a `next`, go on, also behind a page with fewer items than `limit`, or none.
        """
        before = behind_call(cursor)
        try:
            found = await running.conversations.search(wanted.tenant_id, wanted.calls, limit, before)
        except SearchTooWideError as error:
            raise Refusal("bad-request", errors=[FieldError(path="text", message=str(error))]) from error
        behind = found.behind
        if not found.calls and behind is None and before is None:
            await _refuse_unknown(running, wanted.tenant_id)
        if behind is None:
            return CallsPage(items=found.calls)
        return CallsPage(items=found.calls, next=written(behind), looked_to=behind.opened_at)

    @get(
        "/export",
        summary="Finished calls as a file",
        responses=answers("not-found"),
        operation_class=Exports,
        dependencies=WANTED,
    )
    async def export(
        self,
        wanted: These,
        running: Running,
        format: Format = "ndjson",  # noqa: A002 (the parameter's name)
    ) -> Stream:
        """`ndjson`: whole records with what was said, one on a line; `csv`: a row for each call."""
        records = running.conversations.export(wanted.tenant_id, wanted.calls)
        try:
            first = await anext(records, None)  # before the answer begins: it may yet be a problem
        except SearchTooWideError as error:
            raise Refusal("bad-request", errors=[FieldError(path="opened_from", message=str(error))]) from error
        if first is None:
            await _refuse_unknown(running, wanted.tenant_id)
        media = NDJSON if format == "ndjson" else CSV
        return Stream(
            _lines(first, records, format),
            media_type=media,
            headers={"Content-Disposition": f'attachment; filename="calls.{format}"'},
        )

    @get("/{call_id:uuid}", summary="One finished call, with what was said", responses=answers("not-found"))
    async def one_call(
        self, call_id: CallPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None
    ) -> CallRecord:
        """Turns with what was heard, latencies, revisions, errors."""
        found = await running.conversations.get(one_tenant(asker, domain_uuid), CallId(str(call_id)))
        if found is None:
            raise not_found()
        return found

    @get(
        "/{call_id:uuid}/recording",
        media_type=WAV,
        summary="The audio of a finished call",
        responses=answers("not-found"),
        operation_class=TellsRecording,
        opt={UNCOMPRESSED: True},
    )
    async def recording(
        self, call_id: CallPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None
    ) -> File:
        """A WAV in stereo, the caller left and the assistant right, of the node that had the call, while it is kept."""
        found = await running.conversations.get(one_tenant(asker, domain_uuid), CallId(str(call_id)))
        if found is None:
            raise not_found()
        if found.recording is None:
            raise Refusal("not-found", "the call has no recording, or it is kept no longer")
        path = await asyncio.to_thread(file_of, running.settings.data_dir, found)
        if path is None:
            raise Refusal("not-found", "the recording is not on this node; it is on the one that had the call")
        return File(path, filename=f"{call_id}.wav", media_type=WAV)


async def _refuse_unknown(running: Service, tenant_id: TenantId) -> None:
    """Raises the Refusal `not-found` where nobody ever heard of the tenant. Of one that was removed calls are kept."""
    if not slugs_of(running, tenant_id) and not await running.publishing.revisions(tenant_id, limit=1):
        raise not_found()


async def _lines(first: CallRecord | None, others: AsyncIterator[CallRecord], kind: str) -> AsyncIterator[bytes]:
    line = ndjson if kind == "ndjson" else csv_row
    if kind == "csv":
        yield csv_header()
    if first is None:
        return
    yield line(first)
    async for record in others:
        yield line(record)


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _assistant(service: Service, tenant_id: TenantId, name: str | None, secretary_uuid: UUID | None) -> str | None:
    """The assistant's name. A UUID that nobody of the tenant has finds no calls."""
    if secretary_uuid is None:
        return name
    found = service.directory.secretary(tenant_id, str(secretary_uuid))
    return found if found is not None and name in (None, found) else ""
