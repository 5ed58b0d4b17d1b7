"""What the HTTP door tells of the process and its tenants."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from litestar import Litestar
from litestar.testing import TestClient
from msgspec import structs

from base.ids import TenantId
from control import dependencies as judge
from control.api.tenants import slugs, slugs_of, views
from control.dependencies import MB, Dependency, StorageBounds, jobs, room
from control.headroom import Full
from control.health import ReadyView, TenantHealth
from control.http import health_router
from control.service import Service
from control.settings import Settings
from control.workers.presence import FailedRevision, Told
from control.workers.seat import Seat
from pipelines.outcomes import OutcomeCounts
from pipelines.status import PipelineStatus, RolledBack
from tenants.directory import Directory, TenantEntry
from tenants.job_rows import KindLoad
from tenants.leases import ProcessRow, State
from tenants.roles import Role
from tenants.statuses import TenantStatus
from transports.lateness import Lateness

UNASKED = (
    "clock", "keys", "api_keys", "audit", "idempotency", "events", "feed", "conversations", "board", "metrics", "door",
    "call_log", "publishing", "library",
)  # fmt: skip
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACME, BETA = TenantId("11111111-1111-4111-8111-111111111111"), TenantId("22222222-2222-4222-8222-222222222222")


def loaded(tenant_id: TenantId, slug: str, **facts: Any) -> PipelineStatus:
    whole = {"revision": 3, "digest": "d", "state": "active", "rehearsal_over": True} | facts
    return PipelineStatus(tenant_id=tenant_id, slug=slug, **whole)


class Supervisor:
    """Of which these are the statuses."""

    weight_mb = 100.0

    def __init__(self, statuses: list[PipelineStatus], rolled_back: dict[TenantId, RolledBack]) -> None:
        self._statuses = statuses
        self.rolled_back = rolled_back
        self.listing = self

    def status(self, seen: list[TenantId] | None = None) -> list[PipelineStatus]:
        return [one for one in self._statuses if seen is None or one.tenant_id in seen]

    def states(self) -> Counter[str]:
        return Counter(
            ("ready" if one.rehearsal_over else "preparing") if one.state == "active" else str(one.state)
            for one in self._statuses
            if one.state != "failed" or one.tenant_id in self.failed()
        )

    def failed(self) -> set[TenantId]:
        return {one.tenant_id for one in self._statuses} - {
            one.tenant_id for one in self._statuses if one.state != "failed"
        }

    def tenants(self) -> list[TenantId]:
        return [one.tenant_id for one in self._statuses]

    def has(self, tenant_id: TenantId) -> bool:
        return any(one.tenant_id == tenant_id for one in self._statuses)


def service(
    statuses: list[PipelineStatus],
    published: list[TenantStatus],
    rolled_back: dict[TenantId, RolledBack] | None = None,
    documents: dict[TenantId, str] | None = None,
    secrets: dict[TenantId, str] | None = None,
    *,
    draining: bool = False,
    full: Full | None = None,
    found: tuple[Dependency, ...] = (),
    queue: tuple[KindLoad, ...] = (),
) -> Service:
    directory = Directory()
    for one in statuses:
        if one.state == "active":
            directory.replace(
                TenantEntry(
                    tenant_id=one.tenant_id,
                    slug=one.slug,
                    domain=f"{one.slug}.example.net",
                    revision=one.revision,
                    enabled=True,
                    numbers={},
                )
            )
    return Service(
        settings=Settings(),
        directory=directory,
        supervisor=cast(Any, Supervisor(statuses, rolled_back or {})),
        phone=cast(Any, SimpleNamespace(live_calls=2, draining=draining, full=full, clock_lateness=Lateness())),
        folder=cast(
            Any,
            SimpleNamespace(
                statuses=tuple(published),
                unsettled=lambda: [one for one in published if one.loading or one.waiting or one.problems],
                statuses_of=lambda seen: [one for one in published if one.tenant_id in seen],
            ),
        ),
        watch=cast(Any, SimpleNamespace(found=found, room=room(*found))),
        jobs=cast(Any, SimpleNamespace(watch=SimpleNamespace(found=jobs(queue)))),
        documents=cast(Any, SimpleNamespace(problems=documents or {})),
        secrets=cast(Any, SimpleNamespace(renewal=SimpleNamespace(problems=secrets or {}))),
        **cast(dict[str, Any], dict.fromkeys(UNASKED)),
    )


def beside(one: Service, *processes: ProcessRow, role: Role = "control", unknown: str = "") -> Service:
    """The same among others of its node."""
    presence = SimpleNamespace(
        unknown=unknown, taken=None, everybody=processes, others=processes, me=SimpleNamespace(node="pbx-1")
    )
    return replace(one, seat=Seat(role=role), neighbours=cast(Any, SimpleNamespace(presence=presence)))


def process(state: State, **told: Any) -> ProcessRow:
    return ProcessRow(
        id="1", node="pbx-1", role="media", slot=0, pid=1, url="", version="1", state=state,
        told=msgspec.json.encode(Told(**told)).decode(), started_at=NOON, renewed_at=NOON,
    )  # fmt: skip


def states(view: ReadyView) -> list[tuple[str, str, int | None]]:
    assert view.states == Counter(tenant.state for tenant in rows(view)), "what is counted is what is told"
    return [(tenant.slug, tenant.state, tenant.revision) for tenant in rows(view)]


def rows(view: ReadyView) -> tuple[TenantHealth, ...]:
    assert view.tenants is not None
    return view.tenants


def always(view: ReadyView) -> Callable[[Any], Awaitable[ReadyView]]:
    async def ready(_: Any) -> ReadyView:
        return view

    return ready


def test_a_tenant_whose_sentences_are_still_rendered_answers_already() -> None:
    view = service([loaded(ACME, "acme"), loaded(BETA, "beta", rehearsal_over=False)], []).readiness()

    assert view.ready
    assert view.live_calls == 2
    assert states(view) == [("acme", "ready", 3), ("beta", "preparing", 3)]


def test_what_is_loaded_for_the_first_time_is_told_as_such() -> None:
    first = TenantStatus(file="b.yaml", slug="beta", tenant_id=BETA, loading=True)
    unread = TenantStatus(file="c.yaml", slug="c", loading=True)
    view = service([loaded(ACME, "acme")], [first, unread]).readiness()
    assert states(view) == [("acme", "ready", 3), ("beta", "loading", None), ("c", "loading", None)]
    one = service([], [first])
    assert one.readiness().problems == ("no tenant answers: 1 is being loaded",)
    assert slugs(one) == slugs_of(one, BETA) == [("beta", BETA)]
    (seen,) = views(one, [BETA])
    assert (seen.slug, seen.state, seen.revision, seen.domain, seen.enabled) == ("beta", "loading", None, None, True)


def test_what_is_not_known_of_the_others_is_told_and_hinders_nothing() -> None:
    one = beside(service([loaded(ACME, "acme")], []), process("ok"), unknown="it has just begun")
    assert (one.readiness().ready, one.readiness().problems) == (True, ("it has just begun",))


def test_who_is_being_stopped_is_not_ready() -> None:
    view = service([loaded(ACME, "acme")], [], draining=True).readiness()
    assert not view.ready
    assert view.problems == ("it is being stopped: live calls end, no other is taken",)


def test_who_is_full_is_not_ready_and_says_what_of_and_what_helps() -> None:
    full = Full("stt", "speech recognition: sentences wait; more cores")
    view = service([loaded(ACME, "acme")], [], full=full).readiness()
    assert not view.ready
    assert view.problems == ("full: speech recognition: sentences wait; more cores",)


def test_a_document_that_never_came_so_far_as_to_be_loaded_is_told_too() -> None:
    unread = TenantStatus(file="a.yaml", slug="aaa", problems=("a.yaml:5:1: $.langage: unknown",))
    good = TenantStatus(file="acme.yaml", slug="acme", tenant_id=ACME, revision=3)

    view = service([loaded(ACME, "acme")], [unread, good]).readiness()

    assert view.ready, "one bad document hinders the others in nothing"
    assert states(view) == [("aaa", "failed", None), ("acme", "ready", 3)]
    assert rows(view)[0].problem == "a.yaml:5:1: $.langage: unknown"


def test_who_answers_on_an_older_document_is_ready_and_the_newer_ones_mistake_is_told() -> None:
    failed = loaded(ACME, "acme", revision=4, state="failed", error="no voice")
    saved = TenantStatus(file="acme.yaml", slug="acme", tenant_id=ACME, revision=3, problems=("acme.yaml:5:1: no",))
    (row,) = rows(service([loaded(ACME, "acme"), failed], []).readiness())
    assert (row.state, row.revision, row.problem) == ("ready", 3, "no voice")
    (row,) = rows(service([loaded(ACME, "acme")], [saved]).readiness())
    assert (row.state, row.revision, row.problem) == ("ready", 3, "acme.yaml:5:1: no")


def test_a_revision_on_trial_and_a_tenant_that_waits_are_told_as_such() -> None:
    waits = TenantStatus(file="beta.yaml", slug="beta", tenant_id=BETA, waiting=True)
    tried = loaded(ACME, "acme", revision=4, state="on trial", share=10.0)
    view = service([loaded(ACME, "acme"), tried], [waits]).readiness()
    assert states(view) == [("acme", "ready", 3), ("acme", "on trial", 4), ("beta", "waiting", None)]


def test_what_is_wrong_with_a_tenants_documents_and_secrets_stands_beside_what_is_wrong_with_its_file() -> None:
    told = {ACME: "there is no folder know/acme"}
    (row,) = rows(service([loaded(ACME, "acme")], [], documents=told).readiness())
    assert (row.state, row.problem) == ("ready", "there is no folder know/acme")
    saved = TenantStatus(file="acme.yaml", slug="acme", tenant_id=ACME, revision=3, problems=("acme.yaml:5:1: no",))
    (row,) = rows(service([loaded(ACME, "acme")], [saved], documents=told).readiness())
    assert row.problem == "acme.yaml:5:1: no\nthere is no folder know/acme"
    (row,) = service([loaded(ACME, "acme")], [saved], secrets={ACME: "a secret has changed"}).readiness().tenants
    assert row.problem == "acme.yaml:5:1: no\na secret has changed"


def test_one_that_waits_with_a_mistake_in_its_file_waits_and_tells_it() -> None:
    waits = TenantStatus(file="beta.yaml", slug="beta", tenant_id=BETA, waiting=True, problems=("beta.yaml:5:1: no",))
    (row,) = rows(service([], [waits]).readiness())
    assert (row.state, row.problem) == ("waiting", "beta.yaml:5:1: no")


def test_a_trial_that_was_ended_is_told_until_something_newer_answers() -> None:
    ended = {ACME: RolledBack(revision=4, digest="d", reason="3 of 20 calls failed", outcomes=OutcomeCounts())}
    (row,) = rows(service([loaded(ACME, "acme")], [], ended).readiness())
    assert (row.state, row.revision, row.problem) == ("ready", 3, "revision 4 was rolled back: 3 of 20 calls failed")
    (row,) = rows(service([loaded(ACME, "acme", revision=5)], [], ended).readiness())
    assert row.problem is None


def test_what_the_pipelines_refused_is_told_once() -> None:
    refused = loaded(BETA, "beta", state="failed", error="no voice")
    published = TenantStatus(file="beta.yaml", slug="beta", tenant_id=BETA, problems=("beta.yaml: no voice",))

    view = service([refused], [published]).readiness()

    assert states(view) == [("beta", "failed", None)]
    assert rows(view)[0].next_try is None
    assert not view.ready, "nobody answers"


def test_when_a_tenant_is_tried_again_is_told_with_its_problem() -> None:
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    refused = loaded(BETA, "beta", state="failed", error="no voice")
    failed = TenantStatus(file="b.yaml", slug="beta", tenant_id=BETA, problems=("b.yaml: no voice",))
    failed = structs.replace(failed, retry="later", next_try=at)
    unloaded = TenantStatus(file="c.yaml", slug="c", tenant_id=ACME, problems=("c.yaml: no key",), retry="queued")

    view = service([refused], [failed, unloaded]).readiness()

    assert [(row.slug, row.state, row.retry, row.next_try) for row in rows(view)] == [
        ("beta", "failed", "later", at),
        ("c", "failed", "queued", None),
    ]
    with TestClient(Litestar([health_router(always(view))], openapi_config=None)) as client:
        assert client.get("/health/ready").json()["tenants"][0]["next_try"] == "2026-03-01T12:00:00Z"


def test_the_door_answers_with_what_there_is() -> None:
    view = service([], []).readiness()
    with TestClient(Litestar([health_router(always(view))], openapi_config=None)) as client:
        assert client.get("/health/live").json() == {"live": True}
        unready = client.get("/health/ready")

    assert unready.status_code == 503
    assert unready.json()["problems"] == list(view.problems)


def test_a_disk_without_room_for_records_makes_it_not_ready_and_a_database_that_is_away_does_not() -> None:
    bounds = StorageBounds(spool_bytes=MB, free_bytes=500 * MB)
    away, full = judge.database(datetime(2026, 3, 1, tzinfo=UTC)), judge.disk(100 * MB, bounds)
    answers = service([loaded(ACME, "acme")], [], found=(away,)).readiness()
    assert (answers.ready, [one.state for one in answers.dependencies][:2]) == (True, ["degraded", "ok"])
    refuses = service([loaded(ACME, "acme")], [], found=(away, full)).readiness()
    assert not refuses.ready
    assert refuses.problems == (f"disk: {full.problem}",)


def test_jobs_that_wait_for_nobody_are_told_and_hinder_no_call() -> None:
    stuck = KindLoad(kind="retention", node="", waiting=7, oldest_s=3600.0), KindLoad(kind="audit", node="", running=1)
    answers = service([loaded(ACME, "acme")], [], queue=stuck).readiness()
    [told] = [one for one in answers.dependencies if one.name == "jobs"]
    assert (answers.ready, answers.problems, told.state, told.waiting) == (True, (), "degraded", 7)
    assert (told.problem or "").startswith("retention has waited for 3600 s")


def test_who_may_not_know_sees_states_and_counts_and_who_is_of_a_tenant_its_own() -> None:
    unread = TenantStatus(file="a.yaml", slug="aaa", problems=("a.yaml:5:1: $.langage: unknown",))
    one = service([loaded(ACME, "acme"), loaded(BETA, "beta")], [unread], documents={BETA: "no folder"})
    nobody = one.readiness(rows=False)
    assert (nobody.tenants, nobody.states) == (None, {"ready": 2, "failed": 1})
    assert "acme" not in str(nobody)
    assert [(row.slug, row.problem) for row in rows(one.readiness([BETA]))] == [("beta", "no folder")]
    assert [row.slug for row in rows(one.readiness([ACME]))] == ["acme"]


def test_what_another_process_lacks_is_told_to_those_whom_it_concerns() -> None:
    lacks = tuple(FailedRevision(slug=s, tenant_id=t, revision=1, problem="no") for s, t in (("a", ACME), ("b", BETA)))
    one = beside(service([loaded(ACME, "acme")], []), process("ok", live_calls=3, failing=2, failed=lacks))
    assert one.readiness(rows=False).processes[0].failed == ()
    assert one.readiness(rows=False).processes[0].failing == 2
    assert [lack.slug for lack in one.readiness([ACME]).processes[0].failed] == ["a"]
    assert len(one.readiness().processes[0].failed) == 2
    assert one.readiness().ready
    assert one.readiness().live_calls == 5


def test_which_machine_a_process_is_on_is_the_platforms_to_know() -> None:
    """Without a key, and with a company's, its node, pid and version were told."""
    one = beside(service([loaded(ACME, "acme")], []), process("full", problem="full: too late", live_calls=3))
    [told] = one.readiness().processes
    assert (told.node, told.slot, told.pid, told.version, told.problem) == ("pbx-1", 0, 1, "1", "full: too late")
    for other in (one.readiness(rows=False), one.readiness([ACME])):
        [row] = other.processes
        assert (row.node, row.slot, row.pid, row.version, row.problem) == (None, None, None, None, None)
        assert (row.role, row.state, row.live_calls, row.max_calls) == ("media", "full", 3, told.max_calls)


def test_why_no_process_takes_calls_is_told() -> None:
    one = beside(service([loaded(ACME, "acme")], []), process("full", problem="full: the media clock is late"))
    assert one.readiness().problems == (
        "no process of this node takes calls: media-0 full (full: the media clock is late)",
    )


def test_whatever_a_process_does_not_have_as_it_should_it_tells() -> None:
    trial = RolledBack(revision=4, digest="d", reason="too many failures", outcomes=OutcomeCounts())
    both = [loaded(ACME, "acme"), loaded(BETA, "beta")]
    one = service(both, [], rolled_back={ACME: trial}, secrets={BETA: "a secret has changed"})
    one = replace(
        one,
        seat=Seat(role="media"),
        phone=cast(Any, SimpleNamespace(live_calls=0, draining=False, full=None, takes_calls=True)),
        board=cast(Any, SimpleNamespace(calls=lambda _: [])),
    )
    told = one.present().told
    assert (told.failing, [lack.slug for lack in told.failed]) == (2, ["acme", "beta"])
