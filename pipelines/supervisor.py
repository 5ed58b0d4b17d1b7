"""Which revision of each tenant answers now, and which are still in use.

Build, swap, retire: `load` makes a revision ready without touching what answers, `activate` exchanges
it by one assignment, and the former is closed when the last call that leases it has ended.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

import structlog
from msgspec import Struct

from base.ids import AssistantName, TenantId
from pipelines.loaded import LoadedPipeline, LoadedRevision
from pipelines.loading import Loader, rehearse_rest
from pipelines.pool import ResourcePool
from pipelines.problems import SpecError
from pipelines.revision import PipelineRevision
from processors.catalog import AnyFactory
from processors.factory import PrepareError, Workshop

log = structlog.get_logger()


class TenantUnknownError(LookupError):
    """No revision of this tenant answers here."""


class AssistantUnknownError(LookupError):
    """The tenant's revision has no assistant of this name."""


class CapacityError(Exception):
    """No further call is taken now: the assistant is at its limit, or the process is closing."""


class Route(Struct, frozen=True):
    """Which pipeline an assistant's next call gets."""

    stable: LoadedPipeline


class TenantRoutes(Struct, frozen=True):
    """What answers for a tenant. Never changed, only replaced."""

    loaded: LoadedRevision
    assistants: Mapping[AssistantName, Route]


class PipelineStatus(Struct, frozen=True, kw_only=True):
    """One tenant's revision. `failed` is one that could not be loaded; an older one may still answer."""

    tenant_id: TenantId
    slug: str
    revision: int
    digest: str
    state: Literal["active", "retiring", "failed"]
    live_calls: int = 0
    rehearsed: int = 0
    to_rehearse: int = 0
    rehearsal_over: bool = False
    """Whether everything that may be said word for word is rendered, or has failed to be."""
    error: str = ""


class PipelineSupervisor:
    """Owns every loaded revision of the process. One tenant's failure never touches another.

    Closing order: no new leases; rehearsals are cancelled; each revision is released when its last call
    ends; then the pool waits for its closings.
    """

    def __init__(
        self,
        workshop: Workshop,
        stages: Mapping[str, AnyFactory] | None = None,
        *,
        prepare_timeout_s: float = 300.0,
        close_timeout_s: float = 10.0,
    ) -> None:
        """`stages` is the catalog when None."""
        self._pool = ResourcePool(close_timeout_s=close_timeout_s)
        self._loader = Loader(workshop, self._pool, stages, prepare_timeout_s=prepare_timeout_s)
        self._close_timeout_s = close_timeout_s
        self._routes: dict[TenantId, TenantRoutes] = {}
        self._failed: dict[TenantId, PipelineStatus] = {}
        self._live: Counter[tuple[TenantId, AssistantName]] = Counter()
        self._retiring: dict[LoadedRevision, asyncio.Task[None]] = {}
        self._rehearsing: dict[LoadedRevision, asyncio.Task[None]] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._draining = False

    async def load(self, revision: PipelineRevision) -> LoadedRevision:
        """Make a revision ready: prepared, greeting and fixed texts rendered. Slow; touches nothing live.

        Raises SpecError or PrepareError. What is returned must be given to `activate` or `discard`.
        """
        try:
            loaded = await self._loader.load(revision)
        except (SpecError, PrepareError) as error:
            self._failed[revision.tenant_id] = PipelineStatus(
                tenant_id=revision.tenant_id,
                slug=revision.slug,
                revision=revision.number,
                digest=revision.digest,
                state="failed",
                error=str(error),
            )
            raise
        self._failed.pop(revision.tenant_id, None)
        return loaded

    def activate(self, loaded: LoadedRevision) -> None:
        """From now on this revision answers. Cannot fail; the former is closed when its last call ends."""
        tenant_id = loaded.revision.tenant_id
        former = self._routes.get(tenant_id)
        if former is not None and former.loaded is loaded:
            return
        assert not loaded.retired, "a retired revision is never activated again; load it anew"
        routes = {name: Route(pipeline) for name, pipeline in loaded.pipelines.items()}
        self._routes[tenant_id] = TenantRoutes(loaded, routes)
        self._rehearsing[loaded] = asyncio.create_task(rehearse_rest(loaded), name=f"rehearse {tenant_id}")
        log.info("revision answers", tenant=tenant_id, revision=loaded.revision.number)
        if former is not None:
            self._retire(former.loaded)

    async def discard(self, loaded: LoadedRevision) -> None:
        """Close a revision that was loaded for a dry run, or that lost a race. Not one that answers."""
        current = self._routes.get(loaded.revision.tenant_id)
        assert current is None or current.loaded is not loaded, "what answers is removed, not discarded"
        if not loaded.retired or loaded in self._retiring:
            await asyncio.shield(self._retire(loaded))

    def remove(self, tenant_id: TenantId) -> None:
        """The tenant is gone: no new calls; live ones end on what they have."""
        self._failed.pop(tenant_id, None)
        if (routes := self._routes.pop(tenant_id, None)) is not None:
            self._retire(routes.loaded)

    @asynccontextmanager
    async def lease(self, tenant_id: TenantId, assistant: AssistantName) -> AsyncIterator[LoadedPipeline]:
        """The pipeline that answers now, kept open until the block ends.

        Raises TenantUnknownError, AssistantUnknownError, CapacityError.
        """
        routes = self._routes.get(tenant_id)
        if routes is None:
            raise TenantUnknownError(f"no revision of tenant {tenant_id} answers here")
        route = routes.assistants.get(assistant)
        if route is None:
            raise AssistantUnknownError(f"tenant {tenant_id} has no assistant {assistant!r}")
        limit = route.stable.assistant.limits.max_concurrent_calls
        if self._draining or self._live[tenant_id, assistant] >= limit:
            raise CapacityError("closing" if self._draining else f"assistant {assistant!r} has {limit} calls")
        self._live[tenant_id, assistant] += 1
        self._quiet.clear()
        routes.loaded.take()
        try:
            yield route.stable
        finally:
            routes.loaded.give()
            self._live[tenant_id, assistant] -= 1
            self._live += Counter()  # Drops the zeros.
            if not self._live:
                self._quiet.set()

    def status(self) -> list[PipelineStatus]:
        """What answers, what is going, what could not be loaded; by slug."""
        active = [_status(routes.loaded, "active") for routes in self._routes.values()]
        retiring = [_status(loaded, "retiring") for loaded in self._retiring]
        return sorted([*active, *retiring, *self._failed.values()], key=lambda status: (status.slug, status.revision))

    @property
    def live_calls(self) -> int:
        return self._live.total()

    async def rehearsed(self) -> None:
        """Return when everything that may be said word for word is rendered, or has failed to be."""
        if self._rehearsing:
            await asyncio.wait(set(self._rehearsing.values()))

    async def drain(self, timeout_s: float) -> int:
        """Take no further call and wait for the live ones; how many still live when the time is over."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._quiet.wait()
        except TimeoutError:
            log.warning("calls outlive the drain", calls=self.live_calls)
        return self.live_calls

    async def close(self) -> None:
        """Retire everything. Revisions that calls still lease after `close_timeout_s` stay open for them."""
        self._draining = True
        for tenant_id in list(self._routes):
            self.remove(tenant_id)
        if self._retiring:
            await asyncio.wait(set(self._retiring.values()), timeout=self._close_timeout_s)
        for task in list(self._retiring.values()):
            task.cancel()
        await asyncio.gather(*self._retiring.values(), return_exceptions=True)
        await self._pool.close()

    def _retire(self, loaded: LoadedRevision) -> asyncio.Task[None]:
        """Idempotent; the task ends when the revision is closed."""
        if loaded not in self._retiring:
            loaded.retired = True
            task = asyncio.create_task(self._end(loaded), name=f"retire {loaded.revision.tenant_id}")
            self._retiring[loaded] = task
            task.add_done_callback(lambda _: self._retiring.pop(loaded, None))
        return self._retiring[loaded]

    async def _end(self, loaded: LoadedRevision) -> None:
        # The rehearsal uses what is prepared: it has to be over before that is let go.
        if (rehearsing := self._rehearsing.pop(loaded, None)) is not None:
            rehearsing.cancel()
            await asyncio.wait({rehearsing})
        await loaded.idle.wait()
        await loaded.release()
        log.info("revision closed", tenant=loaded.revision.tenant_id, revision=loaded.revision.number)


def _status(loaded: LoadedRevision, state: Literal["active", "retiring"]) -> PipelineStatus:
    return PipelineStatus(
        tenant_id=loaded.revision.tenant_id,
        slug=loaded.revision.slug,
        revision=loaded.revision.number,
        digest=loaded.revision.digest,
        state=state,
        live_calls=loaded.leases,
        rehearsed=loaded.rehearsal.done,
        to_rehearse=loaded.rehearsal.total,
        rehearsal_over=loaded.rehearsal.over,
        error=loaded.rehearsal.error,
    )
