"""Jobs: the work that is nobody's call, for the platform's keys."""

from typing import Annotated, Final

from litestar import Controller, get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from control.api.access import platform_may_read
from control.api.given import Running
from control.api.pages import CursorText, Limit, Page, read, written
from control.api.problems import answers
from tenants.job_rows import JobRow, Kind, KindLoad

MAX_ID: Final = 2**63 - 1
Wanted = Annotated[Kind | None, QueryParameter(name="kind", description="Only this kind.")]


class _Before(Struct, frozen=True):
    id: Annotated[int, Meta(ge=1, le=MAX_ID)]


class JobsController(Controller):
    """`/jobs`."""

    path = "/jobs"
    tags = ("Server",)
    guards = (platform_may_read,)

    @get("/", summary="Jobs that are not done, the newest first", responses=answers("forbidden"))
    async def jobs(
        self, running: Running, kind: Wanted = None, limit: Limit = 50, cursor: CursorText = None
    ) -> Page[JobRow]:
        """One that is done is in the list no more: `/jobs/kinds` and the metrics count it."""
        place: _Before | None = read(cursor, _Before)
        rows = await running.jobs.store.list(limit, None if place is None else place.id, kind)
        return Page(items=rows, next=written(_Before(rows[-1].id)) if len(rows) == limit else None)

    @get("/kinds", summary="How each kind of job fares, on each node", responses=answers("forbidden"))
    async def kinds(self, running: Running) -> Page[KindLoad]:
        """When its jobs were due last and are due next, how many wait, and how many were done in the last day."""
        return Page(items=await running.jobs.store.load(running.clock.now()))
