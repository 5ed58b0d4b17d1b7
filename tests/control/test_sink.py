"""From the spool to the stores: once each, in order, whatever was kept before a crash."""

from datetime import UTC, datetime
from pathlib import Path

from base.clock import SystemClock
from base.ids import TenantId
from control.sink import Sink
from pipelines.events import EventData, event
from pipelines.spool import Spool
from tenants.conversations import MemoryConversations
from tenants.event_store import EventStore, MemoryEvents
from tests.pipelines.test_spool import a_call, a_record
from tests.pipelines.virtual import eventually

US = TenantId("t1")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


async def told(events: EventStore) -> list[tuple[str, str]]:
    return [(kept.event.kind, kept.event.subject) for kept in await events.all(0, 100)]


class Cut(MemoryEvents):
    """The process dies, or the database goes, before any event is kept."""

    async def append(self, tenant_id: object, *_: object) -> int:
        raise ConnectionError


async def test_a_record_that_was_stored_without_its_events_has_them_the_next_time() -> None:
    conversations, events = MemoryConversations(), MemoryEvents()
    kept: list[int] = []
    try:
        await Sink(conversations, Cut(), lambda: None).store(a_record())
    except ConnectionError:
        pass
    else:
        raise AssertionError("the spool has to try it again")
    sink = Sink(conversations, events, lambda: kept.append(1))
    await sink.begun(a_call())
    for _ in range(2):
        await sink.store(a_record())
    assert await told(events) == [("call.started", "c1"), ("call.ended", "c1")]
    assert (await conversations.get(US, a_call().id)) == a_record()
    assert len(kept) == 3
    facts = (await events.all(0, 100))[1].event.data
    assert facts == EventData(assistant="front", revision=1, end_reason="goodbye", duration_s=0.0, turns=1)


async def test_a_call_that_crashed_is_told_to_have_begun_and_ended(tmp_path: Path) -> None:
    conversations, events = MemoryConversations(), MemoryEvents()
    async with Spool(tmp_path, Sink(conversations, Cut(), lambda: None).store, SystemClock(), close_timeout_s=1) as log:
        await log.opened(a_call())
        log.tell(event(None, NOON, "disk.low"))
    sink = Sink(conversations, events, lambda: None)
    async with Spool(tmp_path, sink.store, SystemClock(), begun=sink.begun, keep=sink.keep):
        await eventually(lambda: events._last == 2)
    assert await told(events) == [("call.started", "c1"), ("call.ended", "c1")]
    assert (await events.all(0, 100))[1].event.data.end_reason == "lost"
