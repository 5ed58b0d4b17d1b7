"""Beside what was said: the audit log is verified, events grow old, and the timetable is what the documentation has."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from base.ids import ApiKeyId, TenantId
from control.event_feed import EventFeed
from control.jobs.work import kinds
from pipelines.events import EventData, event
from tenants.audit import Actor, Change
from tenants.event_store import KeptEvent
from tenants.job_rows import KINDS
from tests.control.jobs.hall import Hall
from tests.tenants.records import someone

pytestmark = pytest.mark.postgres

DOCS = Path(__file__).parents[3] / "docs"


async def added(hall: Hall, tenant_id: TenantId | None, many: int) -> None:
    actor = Actor(kind="service", id="test")
    for number in range(1, many + 1):
        change = Change(at=hall.now(), actor=actor, action="document.put", outcome="begun", object=str(number))
        await hall.audit.append(tenant_id, change)


async def test_an_audit_log_that_was_altered_is_told_by_an_event_a_metric_and_no_other_is(hall: Hall) -> None:
    ours, theirs = someone(), someone()
    for tenant_id in (None, ours, theirs):
        await added(hall, tenant_id, 3)
    audit = hall.kinds("audit")
    async with hall.node(audit):
        await hall.done("audit", times=3)
    assert hall.told == []
    assert "atende_audit_broken_total 0.0" in hall.counts.text().decode()
    assert 'atende_jobs_items_total{kind="audit"} 9.0' in hall.counts.text().decode()
    # Whoever owns the database can: the chain is there to show it.
    await hall.ask("ALTER TABLE atende.audit DISABLE TRIGGER only_added_to")
    await hall.ask(
        'UPDATE atende.audit SET change = replace(change, \'"object":"2"\', \'"object":"9"\') '
        "WHERE tenant_id = $1 AND number = 2",
        ours,
    )
    await hall.is_due("audit")
    with structlog.testing.capture_logs() as logs:
        async with hall.node(audit):
            await hall.done("audit", times=6)
    [broken] = hall.told
    assert (broken.tenant_id, broken.kind, broken.subject, broken.data) == (
        None,
        "audit.broken",
        ours,
        EventData(number=2),
    )
    assert "atende_audit_broken_total 1.0" in hall.counts.text().decode()
    assert "the audit log does not hold" in [entry["event"] for entry in logs]


async def test_events_grow_old_by_days_and_who_comes_again_behind_one_that_went_misses_nothing(hall: Hall) -> None:
    ours = someone()
    for days_ago in (100, 95, 89, 1):
        at = hall.now() - timedelta(days=days_ago)
        await hall.events.append(ours, event(ours, at, "call.ended", str(days_ago)))
    first, *_ = await hall.events.of_tenant(ours, 0, 10)
    async with hall.node(hall.kinds("events")):
        await hall.done("events")
    kept = await hall.events.of_tenant(ours, 0, 10)
    assert [one.event.subject for one in kept] == ["89", "1"]
    assert [one.event.subject for one in await replayed(hall, ours, first.id)] == ["89", "1"], "behind one that is gone"
    last = kept[-1].id
    await hall.ask("UPDATE atende.events SET at = at - interval '90 days'")
    await hall.is_due("events")
    async with hall.node(hall.kinds("events", room=hall.room(events_days=1))):
        await hall.done("events", times=2)
    assert await hall.events.last() == 0, "all went"
    await hall.events.append(ours, event(ours, hall.now(), "call.ended", "new"))
    [new] = await replayed(hall, ours, last)
    assert (new.event.subject, new.id > last) == ("new", True), "ids go on"


async def replayed(hall: Hall, tenant_id: TenantId, after: int) -> Sequence[KeptEvent]:
    """What a stream with that `Last-Event-ID` is sent first."""

    async def good(_: ApiKeyId) -> bool:
        return True

    async with EventFeed(hall.events, good) as feed:
        following = await feed.join(ApiKeyId("aaaaaaaaaaaa"), tenant_id, None)
        found = [kept async for kept in following.before(after)]
        following.close()
    return found


def test_each_kind_is_told_of_in_the_documentation_with_its_times(hall: Hall) -> None:
    told = (DOCS / "operations.md").read_text(encoding="utf-8")
    found = kinds(hall.room())
    assert tuple(kind.name for kind in found) == KINDS
    for kind in found:
        assert f"| `{kind.name}` | `{kind.times}` |" in told, kind.name
