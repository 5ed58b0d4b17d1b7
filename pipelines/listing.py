"""What a supervisor has, in order and in pages: nothing is made of what is not asked for, of ten thousand tenants."""

import asyncio
import heapq
from collections.abc import Collection, Mapping, Set
from itertools import chain, islice
from typing import Final, Literal

from base.ids import TenantId
from pipelines.loaded import LoadedRevision
from pipelines.routes import TenantRoutes
from pipelines.status import PipelineStatus, status_of

AT_ONCE: Final = 500
"""Tenants whose stages are looked at in one step of the event loop: half a millisecond of it."""
State = Literal["ready", "preparing", "on trial", "failed"]
"""Of a tenant, in short."""
Place = tuple[str, int, str]
"""In the order of what is told: slug, revision, state."""
_Listed = tuple[str, int, str, LoadedRevision | PipelineStatus]


class Listing:
    """Looks at what the supervisor changes."""

    def __init__(
        self,
        routes: Mapping[TenantId, TenantRoutes],
        retiring: Collection[LoadedRevision],
        failed: Mapping[TenantId, PipelineStatus],
    ) -> None:
        self._routes = routes
        self._retiring = retiring
        self._failed = failed

    def status(self, tenant_ids: Collection[TenantId] | None = None) -> list[PipelineStatus]:
        """Of these tenants, or of all, by slug and revision."""
        return [self._told(listed) for listed in self._listed(tenant_ids)]

    def page(
        self, after: Place | None, limit: int, tenant_ids: Collection[TenantId] | None = None
    ) -> tuple[list[PipelineStatus], Place | None]:
        """At most so many behind a place, and where the next page goes on; None: there is none."""
        begins = "" if after is None else after[0]
        pairs = self._slugs(tenant_ids)
        # Each has a row at least, but for the one at which the page before ended.
        chosen = heapq.nsmallest(limit + 1, (pair for pair in pairs if pair[0] > begins))
        chosen += [pair for pair in pairs if pair[0] == begins]
        slugs = {slug for slug, _ in chosen}
        listed = [one for one in self._listed({tenant_id for _, tenant_id in chosen}) if one[0] in slugs]
        behind = [one for one in listed if after is None or one[:3] > after]
        page = behind[:limit]
        return [self._told(one) for one in page], page[-1][:3] if len(behind) > limit else None

    def states(self) -> Mapping[State, int]:
        """How many tenants there are in each state, a trial counted beside what it is tried beside; without what is
        retiring. Much cheaper than `status`.
        """
        ready = trials = 0
        for routes in self._routes.values():
            ready += routes.stable.rehearsal.over
            trials += routes.canary is not None
        found: Mapping[State, int] = {
            "ready": ready,
            "preparing": len(self._routes) - ready,
            "on trial": trials,
            "failed": len(self.failed()),
        }
        return {state: count for state, count in found.items() if count}

    def tenants(self) -> Set[TenantId]:
        """Of which there is a state."""
        return self._routes.keys() | self._failed.keys()

    def has(self, tenant_id: TenantId) -> bool:
        """Whether there is a state of it."""
        return tenant_id in self._routes or tenant_id in self._failed

    def failed(self) -> Set[TenantId]:
        """Those of which nothing is loaded, since it failed."""
        return {tenant_id for tenant_id in self._failed if tenant_id not in self._routes}

    def revisions(self) -> Mapping[str, int]:
        """How many are loaded, by what they are for."""
        trials = sum(routes.canary is not None for routes in self._routes.values())
        return {"active": len(self._routes), "on trial": trials, "retiring": len(self._retiring)}

    async def stage_errors(self) -> Mapping[str, int]:
        """Of what is loaded, by the stages' `use`; one without any is there with 0. Of many tenants it is counted in
        steps, with other things between.
        """
        errors: dict[str, int] = {}
        rest = chain(tuple(self._routes.values()), map(TenantRoutes, tuple(self._retiring)))
        while some := tuple(islice(rest, AT_ONCE)):
            for loaded in chain.from_iterable(routes.revisions for routes in some):
                for use, health in loaded.health_of_stages:
                    if health.errors or use not in errors:
                        errors[use] = errors.get(use, 0) + health.errors
            await asyncio.sleep(0)
        return errors

    def _slugs(self, tenant_ids: Collection[TenantId] | None) -> set[tuple[str, TenantId]]:
        """Of all of which there is something to be told."""
        loaded = [routes.stable.revision for routes in self._routes.values()]
        loaded += [each.revision for each in self._retiring]
        pairs = {(each.slug, each.tenant_id) for each in loaded}
        pairs |= {(each.slug, each.tenant_id) for each in self._failed.values()}
        pairs |= {
            (routes.canary.loaded.revision.slug, tenant_id)
            for tenant_id, routes in self._routes.items()
            if routes.canary is not None
        }
        return pairs if tenant_ids is None else {pair for pair in pairs if pair[1] in tenant_ids}

    def _listed(self, tenant_ids: Collection[TenantId] | None) -> list[_Listed]:
        """In order. Nothing is made of what is listed yet: there may be ten thousand."""
        wanted = self._routes.keys() | self._failed.keys() if tenant_ids is None else tenant_ids
        found: list[_Listed] = []
        for tenant_id in wanted:
            if (routes := self._routes.get(tenant_id)) is not None:
                for loaded, state in zip(routes.revisions, ("active", "on trial"), strict=False):
                    found.append((loaded.revision.slug, loaded.revision.number, state, loaded))
            if (failed := self._failed.get(tenant_id)) is not None:
                found.append((failed.slug, failed.revision, "failed", failed))
        found += [
            (loaded.revision.slug, loaded.revision.number, "retiring", loaded)
            for loaded in self._retiring
            if tenant_ids is None or loaded.revision.tenant_id in tenant_ids
        ]
        return sorted(found, key=lambda listed: listed[:3])

    def _told(self, listed: _Listed) -> PipelineStatus:
        *_, state, thing = listed
        if isinstance(thing, PipelineStatus):
            return thing
        routes = self._routes.get(thing.revision.tenant_id)
        policy = routes.canary.policy if state == "on trial" and routes is not None and routes.canary else None
        return status_of(thing, state, policy)  # type: ignore[arg-type]
