"""Events as they are kept, handed on to whoever follows them: one look at the store for all, each second.

A stream is told of what comes behind the place that the feed has reached when it joins; what is before that, it reads
from the store itself. Each has room for so many events; who reads more slowly than they come is let go.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Self

import structlog
from msgspec import Struct

from base.ids import ApiKeyId, TenantId
from base.tasks import given_up
from tenants.event_store import EventStore, EventsUnavailableError, KeptEvent, Kinds

PAGE: Final = 500
PAUSE_S: Final = 0.1
"""Between two looks, however often somebody hints that there is something."""
ASK_TIMEOUT_S: Final = 10.0
REPLAYS_AT_ONCE: Final = 2
"""Streams that read what was before them; the others wait, since records need connections too."""

log = structlog.get_logger()


class FeedBounds(Struct, frozen=True, kw_only=True):
    """How much is followed, and how closely."""

    max_streams: int = 100
    max_of_key: int = 5
    max_waiting: int = 1000
    """Events that a stream has not sent yet."""
    look_s: float = 1.0
    check_keys_s: float = 2.5
    """With the 2 s that a check may take, a key that is revoked follows for less than 5 s."""


class TooManyStreamsError(Exception):
    """`of_key`: this key has its share; else there are as many as there may be, or the feed ends."""

    def __init__(self, *, of_key: bool) -> None:
        super().__init__("too many follow the events")
        self.of_key: Final = of_key


class StreamOverError(Exception):
    """Nothing more comes; the message says why."""


class Following:
    """One stream's place. `close` it in the end; it may be closed by the feed before, and says so."""

    def __init__(
        self, feed: "EventFeed", key_id: ApiKeyId, tenant_id: TenantId | None, kinds: Kinds | None, room: int
    ) -> None:
        self.key_id = key_id
        self.tenant_id = tenant_id
        self.kinds = kinds
        self._feed = feed
        self._queue: asyncio.Queue[KeptEvent | None] = asyncio.Queue(room + 1)
        self._room = room
        self._over: str | None = None
        self.joined_at = 0
        """The id that the feed had reached then."""

    def offer(self, kept: KeptEvent) -> None:
        """It has happened. What this one does not follow is passed over."""
        event = kept.event
        if self._over or self.tenant_id not in (None, event.tenant_id):
            return
        if self.kinds is not None and event.kind not in self.kinds:
            return
        if self._queue.qsize() >= self._room:
            self.end("it is read too slowly")
        else:
            self._queue.put_nowait(kept)

    @property
    def waiting(self) -> int:
        """Events that it has not taken yet."""
        return self._queue.qsize()

    def end(self, why: str) -> None:
        """What is waiting is not sent any more: who comes again goes on behind what he had."""
        if self._over is None:
            self._over = why
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)

    async def next(self, timeout_s: float) -> KeptEvent | None:
        """What happened next; None: nothing within that time. Raises StreamOverError."""
        try:
            async with asyncio.timeout(timeout_s):
                kept = await self._queue.get()
        except TimeoutError:
            return None
        if kept is None:
            raise StreamOverError(self._over)
        return kept

    async def before(self, after: int) -> AsyncIterator[KeptEvent]:
        """What was kept behind that id before this one joined. Raises EventsUnavailableError, StreamOverError."""
        async for kept in self._feed.replay(self, after):
            if self._over is not None:
                raise StreamOverError(self._over)
            yield kept

    async def newest(self) -> int:
        """The id of the newest event that is kept now. Raises EventsUnavailableError."""
        return await self._feed.newest()

    def close(self) -> None:
        """Idempotent."""
        self.end("closed")
        self._feed.left(self)


class EventFeed:
    """Use it as `async with`: leaving it ends every stream. One for a process."""

    def __init__(
        self,
        store: EventStore,
        still_good: Callable[[ApiKeyId], Awaitable[bool]],
        bounds: FeedBounds | None = None,
    ) -> None:
        """`still_good` tells whether a key opens."""
        self._store = store
        self._still_good = still_good
        self._draining = False
        self._bounds = bounds or FeedBounds()
        self._following: dict[Following, int] = {}
        """To the id that the feed had reached when it joined."""
        self._of_key: Counter[ApiKeyId] = Counter()
        self._reached: int | None = None
        self._joining = asyncio.Lock()
        self._replays = asyncio.Semaphore(REPLAYS_AT_ONCE)
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        work = {"look": self._look, "keys": self._check_keys}
        self._tasks = [asyncio.create_task(each(), name=f"events: {name}") for name, each in work.items()]
        return self

    async def __aexit__(self, *_: object) -> None:
        await given_up(self._tasks)
        self._end_all("the service ends")

    @property
    def streams(self) -> int:
        """How many follow now."""
        return len(self._following)

    @property
    def waiting(self) -> int:
        """Events that the slowest of them has not sent yet."""
        return max((following.waiting for following in self._following), default=0)

    def drain(self) -> None:
        """The process is to end: nobody follows any more. Idempotent."""
        self._draining = True
        self._end_all("the service ends")

    def wake(self) -> None:
        """Something was kept just now: a hint, which spares those who follow the rest of the second."""
        self._news.set()

    async def join(self, key_id: ApiKeyId, tenant_id: TenantId | None, kinds: Kinds | None) -> Following:
        """Follow a tenant's events; None: everybody's. Raises TooManyStreamsError, EventsUnavailableError."""
        async with self._joining:
            if self._reached is None:
                reached = await self.newest()
                self._reached = reached
            if self._draining or len(self._following) >= self._bounds.max_streams:
                raise TooManyStreamsError(of_key=False)
            if self._of_key[key_id] >= self._bounds.max_of_key:
                raise TooManyStreamsError(of_key=True)
            following = Following(self, key_id, tenant_id, kinds, self._bounds.max_waiting)
            self._following[following] = following.joined_at = self._reached
            self._of_key[key_id] += 1
            self.wake()
            return following

    def left(self, following: Following) -> None:
        """For `Following.close`."""
        if self._following.pop(following, None) is None:
            return
        self._of_key[following.key_id] -= 1
        self._of_key += Counter()  # drops the zeros
        if not self._following:
            self._reached = None

    async def replay(self, following: Following, after: int) -> AsyncIterator[KeptEvent]:
        """For `Following.before`."""
        until = self._following.get(following, 0)
        while after < until:
            async with self._replays:
                if following.tenant_id is None:
                    page = await self._store.all(after, PAGE, following.kinds)
                else:
                    page = await self._store.of_tenant(following.tenant_id, after, PAGE, following.kinds)
            for kept in page:
                if kept.id > until:
                    return
                yield kept
            if len(page) < PAGE:
                return
            after = page[-1].id

    async def newest(self) -> int:
        """The id of the newest event that is kept now. Raises EventsUnavailableError."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await self._store.last()
        except TimeoutError as error:
            raise EventsUnavailableError("the database does not answer") from error

    async def _look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._bounds.look_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            if self._following:
                try:
                    await self._hand_on()
                except Exception:
                    log.exception("events are not handed on")  # a mistake of ours; the next second may go well
                await asyncio.sleep(PAUSE_S)

    async def _hand_on(self) -> None:
        reached = self._reached
        if reached is None:
            return
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                page = await self._store.all(reached, PAGE)
        except (EventsUnavailableError, TimeoutError):
            return  # those who follow wait; it is tried again in a second
        if self._reached != reached:
            return  # all have left meanwhile, and others have come
        for kept in page:
            for following in list(self._following):
                following.offer(kept)
        if page:
            self._reached = page[-1].id
        if len(page) == PAGE:
            self.wake()

    async def _check_keys(self) -> None:
        while True:
            await asyncio.sleep(self._bounds.check_keys_s)
            keys = sorted(self._of_key)
            good = await asyncio.gather(*(self._still_good(key_id) for key_id in keys), return_exceptions=True)
            lapsed = {key_id for key_id, opens in zip(keys, good, strict=True) if opens is not True}
            for following in list(self._following):
                if following.key_id in lapsed:
                    following.end("its key opens nothing any more")

    def _end_all(self, why: str) -> None:
        for following in list(self._following):
            following.end(why)
