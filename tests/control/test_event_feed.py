"""Who follows events: is told of each once, in order, and is let go where he cannot or may not go on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from base.ids import ApiKeyId, TenantId
from control.event_feed import EventFeed, FeedBounds, Following, StreamOverError, TooManyStreamsError
from control.event_stream import HEARTBEAT, EventStream, messages
from pipelines.events import Event, EventData, EventKind, event
from tenants.event_store import EventsUnavailableError, KeptEvent, Kinds, MemoryEvents
from tests.pipelines.virtual import EPOCH, virtual

OURS = TenantId("0f0f0f0f-0000-4000-8000-00000000000a")
THEIRS = TenantId("0f0f0f0f-0000-4000-8000-00000000000b")
KEY, OTHER = ApiKeyId("a" * 12), ApiKeyId("b" * 12)


class Store(MemoryEvents):
    """Counts how often it is looked at, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.away = False

    async def all(self, after: int, limit: int, kinds: Kinds | None = None) -> Sequence[KeptEvent]:
        self.looks += 1
        if self.away:
            raise EventsUnavailableError
        return await super().all(after, limit, kinds)


class House:
    """A feed and what it asks."""

    def __init__(self, **bounds: Any) -> None:
        self.store = Store()
        self.bad: set[ApiKeyId] = set()
        self.feed = EventFeed(self.store, self._good, FeedBounds(**bounds))

    async def _good(self, key_id: ApiKeyId) -> bool:
        return key_id not in self.bad

    def happens(self, subject: str, tenant_id: TenantId | None = OURS, kind: EventKind = "call.started") -> None:
        self.store.add(event(tenant_id, EPOCH, kind, subject))


async def subjects(found: AsyncIterator[KeptEvent]) -> list[str]:
    return [one.event.subject async for one in found]


async def next_of(following: Following, limit_s: float = 3.0) -> str | None:
    found = await following.next(limit_s)
    return None if found is None else found.event.subject


@virtual
async def test_a_stream_is_told_within_a_second_of_what_it_follows() -> None:
    house = House()
    async with house.feed as feed:
        ours, alls = await feed.join(KEY, OURS, None), await feed.join(OTHER, None, None)
        ended = await feed.join(KEY, OURS, frozenset[EventKind]({"call.ended"}))
        house.happens("c1")
        house.happens("c2", THEIRS)
        house.happens("c1", kind="call.ended")
        house.happens("here", None, "disk.low")
        assert [await next_of(ours, 1.1), await next_of(ours)] == ["c1", "c1"]
        assert await next_of(ours) is None
        assert [await next_of(alls) for _ in range(5)] == ["c1", "c2", "c1", "here", None]
        assert (await ended.next(1.0)).event.kind == "call.ended"  # type: ignore[union-attr]
        for one in (ours, alls, ended):
            one.close()


@virtual
async def test_the_store_is_looked_at_once_a_second_however_many_follow_and_not_at_all_for_nobody() -> None:
    house = House(max_of_key=50)
    async with house.feed as feed:
        await asyncio.sleep(10)
        assert house.store.looks == 0
        following = [await feed.join(KEY, OURS, None) for _ in range(50)]
        await asyncio.sleep(10.5)
        assert 9 <= house.store.looks <= 12
        for one in following:
            one.close()
        await asyncio.sleep(1)
        before = house.store.looks
        await asyncio.sleep(10)
        assert house.store.looks == before


@virtual
async def test_hints_make_it_quick_and_no_more_than_ten_looks_a_second() -> None:
    house = House()
    async with house.feed as feed:
        following = await feed.join(KEY, OURS, None)
        await asyncio.sleep(5)
        house.happens("hinted")
        feed.wake()
        assert await next_of(following, 0.2) == "hinted"
        before = house.store.looks
        for _ in range(1000):
            feed.wake()
            await asyncio.sleep(0.001)
        assert house.store.looks - before <= 11
        following.close()


@virtual
async def test_who_comes_again_is_told_what_he_missed_and_nothing_twice() -> None:
    house = House()
    async with house.feed as feed:
        for number in range(1500):
            house.happens(str(number), OURS if number % 2 else THEIRS)
        ours = await feed.join(KEY, OURS, None)
        house.happens("later")
        await asyncio.sleep(2)
        before = await subjects(ours.before(1000))
        assert before == [str(number) for number in range(1000, 1500) if number % 2]
        assert [await next_of(ours), await next_of(ours)] == ["later", None]
        ours.close()


@virtual
async def test_who_reads_too_slowly_is_let_go_and_the_others_go_on() -> None:
    house = House(max_waiting=5)
    async with house.feed as feed:
        slow, quick = await feed.join(KEY, OURS, None), await feed.join(KEY, OURS, None)
        for number in range(6):
            house.happens(str(number))
            await asyncio.sleep(1.1)
            assert await next_of(quick) == str(number)
            assert feed.waiting == (number + 1 if number < 5 else 1), "of the slowest; then only that it is over"
        with pytest.raises(StreamOverError, match="slowly"):
            await slow.next(1.0)
        slow.close()
        quick.close()


@virtual
async def test_streams_are_bounded_by_key_and_in_all() -> None:
    house = House(max_streams=3, max_of_key=2)
    async with house.feed as feed:
        mine = [await feed.join(KEY, OURS, None) for _ in range(2)]
        with pytest.raises(TooManyStreamsError) as caught:
            await feed.join(KEY, OURS, None)
        assert caught.value.of_key
        await feed.join(OTHER, None, None)
        with pytest.raises(TooManyStreamsError) as caught:
            await feed.join(OTHER, None, None)
        assert not caught.value.of_key
        mine[0].close()
        mine[0].close()
        assert feed.streams == 2
        (await feed.join(KEY, OURS, None)).close()


@virtual
async def test_a_revoked_keys_stream_ends_within_five_seconds() -> None:
    house = House()
    async with house.feed as feed:
        revoked, kept = await feed.join(KEY, OURS, None), await feed.join(OTHER, OURS, None)
        await asyncio.sleep(60)
        house.bad = {KEY}
        with pytest.raises(StreamOverError, match="key"):
            await revoked.next(5.0)
        assert await kept.next(10.0) is None
        revoked.close()
        kept.close()


@virtual
async def test_streams_end_when_the_service_is_to_end() -> None:
    house = House()
    async with house.feed as feed:
        following = await feed.join(KEY, OURS, None)
        house.feed.drain()
        with pytest.raises(StreamOverError):
            await following.next(1.5)
        with pytest.raises(TooManyStreamsError):
            await feed.join(OTHER, OURS, None)
        following.close()
    other = House()
    async with other.feed as feed:
        following = await feed.join(KEY, OURS, None)
    with pytest.raises(StreamOverError):
        await following.next(1.0)


@virtual
async def test_while_the_database_is_away_those_who_follow_wait_and_miss_nothing() -> None:
    house = House()
    async with house.feed as feed:
        following = await feed.join(KEY, OURS, None)
        house.store.away = True
        house.happens("meanwhile")
        assert await next_of(following, 60.0) is None
        house.store.away = False
        assert await next_of(following, 1.5) == "meanwhile"
        following.close()


class Reader:
    """The other end of a stream: takes what is sent while `takes` is set."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.gone = asyncio.Event()
        self.completed = False

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.body":
            self.got.append(message["body"])
            self.completed = not message["more_body"]

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def reads(self, stream: EventStream) -> None:
        await stream.to_asgi_response()({}, self.receive, self.send)  # type: ignore[arg-type]


@virtual
async def test_a_stream_on_the_wire_has_ids_kinds_json_and_a_heartbeat() -> None:
    house = House()
    told = event(OURS, EPOCH, "call.ended", "c1", EventData(turns=2, end_reason="goodbye"))
    async with house.feed as feed:
        reader = Reader()
        following = await feed.join(KEY, OURS, None)
        reading = asyncio.create_task(reader.reads(EventStream(following, None)))
        house.store.add(told)
        await asyncio.sleep(20)
        house.feed.drain()
        await reading
    begin, message, heartbeat, end = reader.got
    assert begin.startswith(b"retry: ")
    assert message == (
        b"id: 1\nevent: call.ended\n"
        b'data: {"id":1,"tenant_id":"0f0f0f0f-0000-4000-8000-00000000000a","at":"2026-03-01T12:00:00Z",'
        b'"kind":"call.ended","subject":"c1","data":{"end_reason":"goodbye","turns":2}}\n\n'
    )
    assert (heartbeat, end, reader.completed) == (HEARTBEAT, b"", True)
    assert feed.streams == 0


@virtual
async def test_a_reader_who_takes_nothing_or_goes_away_leaves_its_place() -> None:
    house = House()
    async with house.feed as feed:
        for leaves in (False, True):
            reader = Reader()
            reading = asyncio.create_task(reader.reads(EventStream(await feed.join(KEY, OURS, None), 0)))
            await asyncio.sleep(1)
            reader.takes.clear()
            house.happens("more")
            await asyncio.sleep(2)
            assert feed.streams == 1
            if leaves:
                reader.gone.set()
            await asyncio.wait_for(reading, 15)
            assert (feed.streams, reader.completed) == (0, False)


@virtual
async def test_a_stream_that_cannot_read_what_was_before_ends_and_may_come_again() -> None:
    house = House()
    house.happens("x")
    async with house.feed as feed:
        reader, following = Reader(), await feed.join(KEY, None, None)
        house.store.away = True
        await reader.reads(EventStream(following, 0))
    assert (len(reader.got), reader.completed, feed.streams) == (2, True, 0)


def test_an_event_that_is_told_by_two_is_one_and_others_are_not() -> None:
    def key(tenant_id: TenantId | None, kind: EventKind, subject: str, *, once: bool = True) -> str:
        made: Event = event(tenant_id, EPOCH, kind, subject, once=once)
        return made.key

    assert key(OURS, "call.started", "c1") == key(OURS, "call.started", "c1")
    others = [
        key(OURS, "call.started", "c1"),
        key(THEIRS, "call.started", "c1"),
        key(OURS, "call.ended", "c1"),
        key(OURS, "call.started", "c2"),
        key(OURS, "call.started", "c1", once=False),
        key(OURS, "call.started", "c1", once=False),
    ]
    assert len(set(others)) == len(others)


@virtual
async def test_what_another_process_has_told_of_is_not_told_again() -> None:
    """It was ahead of this one: who comes from there has seen what this one has yet to find."""
    house = House()
    async with house.feed as feed:
        house.happens("seen before")
        following = await feed.join(KEY, OURS, None)
        house.happens("seen there")
        told = messages(following, await house.store.last(), 3.0)
        house.happens("new")
        assert (await anext(told)).startswith(b"retry:")
        assert b'"subject":"new"' in await anext(told)
        assert await anext(told) == HEARTBEAT
        await told.aclose()
        following.close()
