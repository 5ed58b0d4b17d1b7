"""What a supervisor has, in order, in pages, and in short."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from base.ids import AssistantName, TenantId
from base.tasks import beside
from pipelines.listing import Listing
from pipelines.loaded import LoadedPipeline, LoadedRevision, Rehearsal
from pipelines.outcomes import CanaryPolicy
from pipelines.revision import PipelineRevision
from pipelines.routes import Canary, TenantRoutes
from pipelines.status import PipelineStatus

A, B, C, D = (TenantId(f"t{name}") for name in "abcd")


def loaded(tenant_id: TenantId, number: int, *, over: bool = True, errors: Sequence[int] = ()) -> LoadedRevision:
    stages = tuple(
        SimpleNamespace(
            checked=SimpleNamespace(id=f"s{at}", factory=SimpleNamespace(use=f"use{at}")),
            held=SimpleNamespace(users=1),
            health=SimpleNamespace(errors=count, last_error=""),
        )
        for at, count in enumerate(errors)
    )
    spec = SimpleNamespace(key=AssistantName("ana"), id=None, numbers=("100",))
    pipeline = cast(LoadedPipeline, SimpleNamespace(stages=stages, assistant=spec))
    revision = PipelineRevision(
        tenant_id=tenant_id, slug=tenant_id, company="", language="en", number=number, digest="d", assistants=()
    )
    return LoadedRevision(revision, {AssistantName("ana"): pipeline}, Rehearsal(over=over))


def failed(tenant_id: TenantId, number: int) -> PipelineStatus:
    return PipelineStatus(
        tenant_id=tenant_id, slug=tenant_id, revision=number, digest="d", state="failed", error="no voice"
    )


@pytest.fixture
def listing() -> Listing:
    """A: one on trial beside what stands, and a former that goes; B: a newer one failed; C never came; D prepares."""
    trial = Canary(loaded(A, 3, errors=(1,)), CanaryPolicy(share=10.0), "salt")
    routes: dict[TenantId, Any] = {
        D: TenantRoutes(loaded(D, 1, over=False)),
        B: TenantRoutes(loaded(B, 1, errors=(0, 4))),
        A: TenantRoutes(loaded(A, 2, errors=(2,)), trial),
    }
    return Listing(routes, [loaded(A, 1, errors=(5,))], {B: failed(B, 2), C: failed(C, 1)})


WHOLE = [
    ("ta", 1, "retiring"), ("ta", 2, "active"), ("ta", 3, "on trial"), ("tb", 1, "active"), ("tb", 2, "failed"),
    ("tc", 1, "failed"), ("td", 1, "active"),
]  # fmt: skip


def told(found: Sequence[PipelineStatus]) -> list[tuple[str, int, str]]:
    return [(one.slug, one.revision, one.state) for one in found]


def test_all_are_told_by_slug_and_revision_or_those_of_some_tenants(listing: Listing) -> None:
    assert told(listing.status()) == WHOLE
    assert told(listing.status([A, C])) == [one for one in WHOLE if one[0] in ("ta", "tc")]
    assert told(listing.status([TenantId("tx")])) == []
    assert [one.share for one in listing.status([A])] == [None, None, 10.0]
    assert [one.error for one in listing.status([C])] == ["no voice"]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 50])
def test_pages_are_the_whole(listing: Listing, limit: int) -> None:
    found, after, pages = [], None, 0
    while True:
        items, after = listing.page(after, limit)
        assert len(items) <= limit
        found += told(items)
        pages += 1
        if after is None:
            break
    assert found == WHOLE
    assert pages == -(-len(WHOLE) // limit)
    assert told(listing.page(None, 50, [B])[0]) == [one for one in WHOLE if one[0] == "tb"]


def test_states_are_those_that_are_told_at_length(listing: Listing) -> None:
    assert listing.states() == {"ready": 2, "on trial": 1, "failed": 1, "preparing": 1}
    assert (listing.tenants(), listing.failed()) == ({A, B, C, D}, {C})
    assert (listing.has(C), listing.has(TenantId("tx"))) == (True, False)


async def test_of_many_tenants_the_errors_are_counted_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.listing.AT_ONCE", 10)
    looked_at, steps = 0, [0]

    class Routes(TenantRoutes, frozen=True):
        @property
        def revisions(self) -> tuple[LoadedRevision, ...]:
            nonlocal looked_at
            looked_at += 1
            return super().revisions

    async def step() -> None:
        while True:
            steps.append(looked_at)
            await asyncio.sleep(0)

    one = loaded(A, 1, errors=(1,))
    many = Listing({TenantId(f"t{place}"): Routes(one) for place in range(35)}, [], {})
    async with beside(step=step()):
        assert await many.stage_errors() == {"use0": 35}
    assert [after - before for before, after in pairwise(steps) if after > before] == [10, 10, 10, 5]


async def test_errors_of_all_that_is_loaded_are_counted_by_stage(listing: Listing) -> None:
    assert await listing.stage_errors() == {"use0": 8, "use1": 4}
