"""What a supervisor has, in order, in pages, and in short."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from base.ids import AssistantName, TenantId
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
    assert listing.states() == {A: ("ready", "on trial"), B: ("ready",), C: ("failed",), D: ("preparing",)}


def test_errors_of_all_that_is_loaded_are_counted_by_stage(listing: Listing) -> None:
    assert listing.stage_errors() == {"use0": 8, "use1": 4}
