"""Which revision of each tenant answers now, and which are still in use.

Build, swap, retire: `load` makes a revision ready without touching what answers, `activate` exchanges
it by one assignment, and the former is closed when the last call that leases it has ended. Live calls stay on the
revision that they lease (`drain`) or are asked to change over at the end of a turn (`turn`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

import structlog
from msgspec import structs
from pipecat.processors.frame_processor import FrameProcessor

from base.ids import AssistantName, TenantId
from pipelines.ended_trials import EndedTrials
from pipelines.events import EventData, Tell, event, told_to_nobody
from pipelines.leases import Lease
from pipelines.listing import Listing
from pipelines.live_leases import LiveLeases
from pipelines.loaded import LoadedRevision
from pipelines.loading import Loader, Rendered, unheeded
from pipelines.outcomes import CanaryPolicy, Outcome, judge_with
from pipelines.pool import ResourcePool
from pipelines.problems import SpecError
from pipelines.rehearsals import Rehearsals
from pipelines.revision import PipelineRevision
from pipelines.routes import Canary, TenantRoutes
from pipelines.status import PipelineStatus, RolledBack
from pipelines.turnover import Turnover
from processors.catalog import AnyFactory
from processors.factory import PrepareError, Workshop

log = structlog.get_logger()


class TenantUnknownError(LookupError):
    """No revision of this tenant answers here."""


class AssistantUnknownError(LookupError):
    """The tenant's revision has no assistant of this name."""


class CapacityError(Exception):
    """No further call is taken now: the assistant or its company is at its limit, or the process is closing."""

    def __init__(self, told: str, by: Literal["assistant_calls", "tenant_calls", "closing"]) -> None:
        super().__init__(told)
        self.by: Final = by


class NoCanaryError(LookupError):
    """No revision of this tenant is on trial."""


Swap = Literal["drain", "turn"]
"""What becomes of live calls: they end on the revision they began with, or change over at the end of a turn."""


Room = Callable[[TenantId, AssistantName | None, int, int], bool]
"""Whether an assistant of the tenant, or the tenant (None), may have one more call: of so many at most, beside so many
in this process.
"""


def _alone(_tenant_id: TenantId, _assistant: AssistantName | None, limit: int, here: int) -> bool:
    return here < limit


class PipelineSupervisor:
    """Owns every loaded revision of the process. One tenant's failure never touches another.

    Closing order: no new leases; rehearsals are cancelled; each revision is released when its last call
    ends; then the pool waits for its closings.
    """

    def __init__(
        self,
        workshop: Workshop,
        stages: Mapping[str, AnyFactory] | None = None,
        ended_trials: EndedTrials | None = None,
        *,
        room: Room | None = None,
        tenant_calls: int = 0,
        prepare_timeout_s: float = 300.0,
        close_timeout_s: float = 10.0,
        tell: Tell = told_to_nobody,
        rendered: Rendered = unheeded,
    ) -> None:
        """`stages` is the catalog when None; `ended_trials` is open, and outlives this. None: for this process only.

        `tell` hears of trials that are ended here. `room` says whether an assistant may have one more call beside those
        that it has in other processes. `tenant_calls`: so many may a company have at a time, in all processes; 0: as
        many as its assistants may. `prepare_timeout_s`: so long may a stage show no progress while it is made ready.
        `rendered` hears of each fixed sentence.
        """
        self._clock = workshop.clock
        self._tell = tell
        self._room = room or _alone
        self._tenant_calls = tenant_calls
        self._pool = ResourcePool(close_timeout_s=close_timeout_s)
        self._loader = Loader(workshop, self._pool, stages, prepare_timeout_s=prepare_timeout_s, rendered=rendered)
        self._close_timeout_s = close_timeout_s
        self._routes: dict[TenantId, TenantRoutes] = {}
        self._leases = LiveLeases()
        self._rehearsals = Rehearsals()
        self._failed: dict[TenantId, PipelineStatus] = {}
        self._retiring: dict[LoadedRevision, asyncio.Task[None]] = {}
        self.listing = Listing(self._routes, self._retiring, self._failed)
        self.turnover = Turnover()
        self._draining = False
        self._ended_trials = ended_trials
        self.rolled_back: dict[TenantId, RolledBack] = {} if ended_trials is None else dict(ended_trials.found)
        """Of each tenant the last trial that was ended, and why."""

    async def load(self, revision: PipelineRevision) -> LoadedRevision:
        """Make a revision ready: prepared, greeting and fixed texts rendered. Slow; touches nothing live.

        Raises SpecError or PrepareError. What is returned must be given to `activate` or `discard`.
        """
        try:
            loaded = await self._load(revision)
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

    async def _load(self, revision: PipelineRevision) -> LoadedRevision:
        try:
            loaded = await self._loader.load(revision)
        except (SpecError, PrepareError):
            self.turnover.not_loaded += 1
            raise
        self.turnover.loaded += 1
        return loaded

    def forget_failure(self, tenant_id: TenantId) -> None:
        """What could not be loaded is not wanted any more: no status tells of it. Idempotent."""
        self._failed.pop(tenant_id, None)

    def answers(self, tenant_id: TenantId) -> bool:
        """Whether some revision of the tenant does."""
        return tenant_id in self._routes

    def activate(self, loaded: LoadedRevision, *, swap: Swap = "drain") -> None:
        """From now on this revision answers, alone. Cannot fail; the former are closed when their last call ends."""
        self._route(TenantRoutes(loaded), swap)
        log.info("revision answers", tenant=loaded.revision.tenant_id, revision=loaded.revision.number, swap=swap)

    def try_out(self, loaded: LoadedRevision, policy: CanaryPolicy) -> None:
        """Have some callers answered by this revision, the others as before; see `CanaryPolicy` for how that ends.

        Said again of the revision that is on trial, or of one that says the same, the new policy counts; callers stay
        where they are as far as the share lets them, and what was counted stays. Raises TenantUnknownError when
        nothing answers beside which it could be tried.
        """
        tenant_id = loaded.revision.tenant_id
        routes = self._routes_of(tenant_id)
        former = routes.canary
        # The same callers in every process that takes the trial up, also in one that starts meanwhile.
        salt = f"{tenant_id}/{loaded.revision.digest}"
        if former is not None and former.loaded.says_the_same(loaded):
            salt = former.salt
            loaded.follow(former.loaded)
        self._route(TenantRoutes(routes.stable, Canary(loaded, policy, salt)), "drain")
        log.info("revision on trial", tenant=tenant_id, revision=loaded.revision.number, share=policy.share)

    def secrets(self, tenant_id: TenantId) -> frozenset[tuple[str, int]]:
        """Those that what answers was made with, each with its version; none where nothing answers."""
        routes = self._routes.get(tenant_id)
        return frozenset() if routes is None else frozenset().union(*(one.secrets for one in routes.revisions))

    async def load_again(self, tenant_id: TenantId) -> tuple[LoadedRevision, ...]:
        """All that answers, made ready once more, with what has changed beside it: for `exchange` or `discard`.

        Raises SpecError or PrepareError: nothing stays held then, and what answers goes on.
        """
        again: list[LoadedRevision] = []
        try:
            for loaded in self._routes_of(tenant_id).revisions:
                again.append(await self._load(loaded.revision))  # noqa: PERF401 - kept on failure
        except BaseException:
            await asyncio.gather(*(self.discard(one) for one in again))
            raise
        return tuple(again)

    def exchange(self, tenant_id: TenantId, again: Sequence[LoadedRevision], *, swap: Swap = "drain") -> None:
        """Each of these answers in the place of the one that it is; a trial goes on. Cannot fail.

        What does not answer any more by now is closed.
        """
        fresh = {one.revision.number: one for one in again}
        if fresh and (routes := self._routes.get(tenant_id)) is not None:
            stable, canary = routes.stable, routes.canary
            stable = fresh.pop(stable.revision.number, stable)
            if canary is not None:
                canary = structs.replace(canary, loaded=fresh.pop(canary.loaded.revision.number, canary.loaded))
                canary.loaded.follow(routes.revisions[-1])
            stable.follow(routes.stable)
            self._route(TenantRoutes(stable, canary), swap)
            log.info(
                "revision answers with other secrets", tenant=tenant_id, revision=stable.revision.number, swap=swap
            )
        for one in fresh.values():
            self._retire(one)

    def promote(self, tenant_id: TenantId, *, swap: Swap = "drain") -> int:
        """The revision on trial answers everybody; its number. Raises TenantUnknownError, NoCanaryError."""
        canary = self._canary_of(tenant_id)
        self.activate(canary.loaded, swap=swap)
        number = canary.loaded.revision.number
        self._tell(event(tenant_id, self._clock.now(), "canary.promoted", str(number), EventData(revision=number)))
        return number

    def roll_back(self, tenant_id: TenantId, *, swap: Swap = "turn", reason: str = "an operator's wish") -> int:
        """End the trial: what stood before answers everybody; the number of that. Raises as `promote` does."""
        canary, stable = self._canary_of(tenant_id), self._routes[tenant_id].stable
        self._route(TenantRoutes(stable), swap)
        self.turnover.rollbacks += 1
        log.warning("revision rolled back", tenant=tenant_id, revision=canary.loaded.revision.number, reason=reason)
        tried = canary.loaded.revision
        self.rolled_back[tenant_id] = RolledBack(
            revision=tried.number, digest=tried.digest, reason=reason, outcomes=canary.loaded.outcomes.counts()
        )
        self._keep_rolled_back()
        told = EventData(revision=stable.revision.number, former=tried.number, reason=reason)
        self._tell(event(tenant_id, self._clock.now(), "canary.aborted", str(tried.number), told))
        return stable.revision.number

    def count(self, lease: Lease, outcome: Outcome) -> None:
        """A call that holds this lease is over; with it the trial of its revision may be, too."""
        if (loaded := lease.loaded) is None:
            return
        name = lease.pipeline.assistant.key
        loaded.outcomes.add(outcome)
        loaded.outcomes_of[name].add(outcome)
        routes = self._routes.get(loaded.revision.tenant_id)
        if routes is None or routes.canary is None or routes.canary.loaded is not loaded:
            return
        counts, own = loaded.outcomes.counts(), loaded.outcomes_of[name].counts()
        verdict = judge_with(routes.canary.policy, counts, name, own)
        if verdict.what == "roll back":
            self.roll_back(loaded.revision.tenant_id, reason=verdict.reason)
        elif verdict.what == "promote":
            self.promote(loaded.revision.tenant_id)

    async def discard(self, loaded: LoadedRevision) -> None:
        """Close a revision that was loaded for a dry run, or that lost a race. Not one that answers."""
        current = self._routes.get(loaded.revision.tenant_id)
        assert current is None or loaded not in current.revisions, "what answers is removed, not discarded"
        if not loaded.retired or loaded in self._retiring:
            await asyncio.shield(self._retire(loaded))

    def failed_on_trial(self, tenant_id: TenantId, number: int, digest: str) -> bool:
        """Whether that revision is the last that was on trial and rolled back."""
        ended = self.rolled_back.get(tenant_id)
        return ended is not None and (ended.revision, ended.digest) == (number, digest)

    def remove(self, tenant_id: TenantId) -> None:
        """The tenant is gone: no new calls; live ones end on what they have."""
        if self.rolled_back.pop(tenant_id, None) is not None:
            self._keep_rolled_back()
        self._let_go(tenant_id)

    async def unload(self, tenant_id: TenantId) -> None:
        """Until it is loaded again nothing answers; return when what only this tenant used is closed.

        What failed on trial stays known. Raises nothing for a tenant in calls.
        """
        routes = self._routes.get(tenant_id)
        self._let_go(tenant_id)
        ending = [self._retiring[loaded] for loaded in (routes.revisions if routes else ()) if not loaded.leases]
        if ending:
            await asyncio.wait(ending)

    @asynccontextmanager
    async def lease(self, tenant_id: TenantId, assistant: AssistantName, *, caller: str = "") -> AsyncIterator[Lease]:
        """The pipeline that answers this caller now, kept open until the block ends.

        Raises TenantUnknownError, AssistantUnknownError, CapacityError.
        """
        route = self._routes_of(tenant_id).route(assistant, caller)
        if route is None:
            raise AssistantUnknownError(f"tenant {tenant_id} has no assistant {assistant!r}")
        limit = route.pipeline.assistant.limits.max_concurrent_calls
        if self._draining:
            raise CapacityError("closing", "closing")
        if not self._room(tenant_id, assistant, limit, self._leases.count(tenant_id, assistant)):
            raise CapacityError(f"assistant {assistant!r} has {limit} calls", "assistant_calls")
        most = self._tenant_calls
        if most and not self._room(tenant_id, None, most, len(self._leases.of(tenant_id))):
            raise CapacityError(f"the company has {most} calls, as many as it may", "tenant_calls")
        async with self._leases.held(tenant_id, assistant, Lease(route.loaded, route.pipeline)) as lease:
            yield lease

    def status(self, tenant_ids: Collection[TenantId] | None = None) -> list[PipelineStatus]:
        """What answers, what is going, what could not be loaded; by slug. Of these tenants, or of all."""
        return self.listing.status(tenant_ids)

    def blame(self, processor: FrameProcessor, error: str) -> None:
        """A live call's processor did something wrong that it did not report itself: its stage's health knows."""
        answering = [loaded for routes in self._routes.values() for loaded in routes.revisions]
        for loaded in (*answering, *self._retiring):
            for pipeline in loaded.pipelines.values():
                pipeline.failed(processor, error)

    def idle(self) -> list[TenantId]:
        """Tenants that are loaded, in no call and not on trial; who was rung longest ago first."""
        quiet = [
            tenant_id
            for tenant_id, routes in self._routes.items()
            if routes.canary is None and not routes.stable.leases and not self._leases.of(tenant_id)
        ]
        return sorted(quiet, key=self._leases.rung_at)

    @property
    def weight_mb(self) -> float:
        """What is prepared takes so much memory, by its stages' own declaration."""
        return self._pool.weight_mb

    @property
    def live_calls(self) -> int:
        """Calls in progress."""
        return self._leases.total

    def rehearse_again(self, tenant_id: TenantId) -> None:
        """What may be said word for word is not what it was: render it, behind the calls."""
        if (routes := self._routes.get(tenant_id)) is not None:
            for loaded in routes.revisions:
                self._rehearsals.begin(loaded)

    async def rehearsed(self) -> None:
        """Return when everything that may be said word for word is rendered, or has failed to be."""
        await self._rehearsals.over()

    async def drain(self, timeout_s: float) -> int:
        """Take no further call and wait for the live ones; how many still live when the time is over."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._leases.none_left()
        except TimeoutError:
            log.warning("calls outlive the drain", calls=self.live_calls)
        return self.live_calls

    async def close(self) -> None:
        """Retire everything. Revisions that calls still lease after `close_timeout_s` stay open for them."""
        self._draining = True
        for tenant_id in list(self._routes):
            self._let_go(tenant_id)
        if self._retiring:
            await asyncio.wait(set(self._retiring.values()), timeout=self._close_timeout_s)
        for task in list(self._retiring.values()):
            task.cancel()
        await asyncio.gather(*self._retiring.values(), return_exceptions=True)
        await self._pool.close()

    def _keep_rolled_back(self) -> None:
        if self._ended_trials is not None:
            self._ended_trials.keep(self.rolled_back)

    def _let_go(self, tenant_id: TenantId) -> None:
        self._failed.pop(tenant_id, None)
        self._leases.forget(tenant_id)
        if (routes := self._routes.pop(tenant_id, None)) is not None:
            for loaded in routes.revisions:
                self._retire(loaded)

    def _routes_of(self, tenant_id: TenantId) -> TenantRoutes:
        if (routes := self._routes.get(tenant_id)) is None:
            raise TenantUnknownError(f"no revision of tenant {tenant_id} answers here")
        return routes

    def _canary_of(self, tenant_id: TenantId) -> Canary:
        if (canary := self._routes_of(tenant_id).canary) is None:
            raise NoCanaryError(f"no revision of tenant {tenant_id} is on trial")
        return canary

    def _route(self, routes: TenantRoutes, swap: Swap) -> None:
        """One assignment; what does not answer any more retires, and what begins to answer is rehearsed."""
        tenant_id = routes.stable.revision.tenant_id
        former = self._routes.get(tenant_id)
        was = former.revisions if former is not None else ()
        for loaded in routes.revisions:
            assert not loaded.retired, "a retired revision is never activated again; load it anew"
        self._routes[tenant_id] = routes
        for loaded in routes.revisions:
            if loaded not in was:
                self._rehearsals.begin(loaded)
                self.turnover.answers_since = self._clock.now()
        self.turnover.swaps += former is not None and former.stable is not routes.stable
        if swap == "turn":
            self._offer(tenant_id, routes)
        else:
            for lease in self._leases.of(tenant_id):
                if lease.offered is not None and lease.offered.revision.number not in routes.numbers:
                    lease.withdraw()
        for loaded in was:
            if loaded not in routes.revisions:
                self._retire(loaded)

    def _offer(self, tenant_id: TenantId, routes: TenantRoutes) -> None:
        """Ask the live calls of revisions that answer no more to change over. Who is gone from the new one drains."""
        for lease in self._leases.of(tenant_id):
            if lease.loaded in routes.revisions and lease.offered is None:
                continue
            follows = routes.stable if lease.loaded is None else routes.follower_of(lease.loaded)
            if (pipeline := follows.successor_of(lease.pipeline.assistant)) is not None:
                lease.offer(follows, pipeline)

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
        await self._rehearsals.end(loaded)
        await loaded.idle.wait()
        await loaded.release()
        log.info("revision closed", tenant=loaded.revision.tenant_id, revision=loaded.revision.number)
