"""Events on the wire: `text/event-stream`, as the HTML standard has server-sent events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from litestar.response import Response
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Struct

from base.ids import TenantId
from control.event_feed import Following, StreamOverError
from pipelines.events import EventData, EventKind
from tenants.event_store import EventsUnavailableError, KeptEvent

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
SEND_TIMEOUT_S: Final = 10.0
"""Who takes nothing for so long, while there is something to be sent, is let go."""
HEARTBEAT: Final = b": still here\n\n"
_BEGIN: Final = b"retry: 3000\n: events\n\n"

log = structlog.get_logger()


class EventView(Struct, frozen=True, kw_only=True):
    """Something that happened."""

    id: int
    """Growing, with gaps: `after` and `Last-Event-ID` take it."""
    tenant_id: TenantId | None
    """null: of the platform."""
    at: datetime
    kind: EventKind
    subject: str
    """A call's or a key's id, a revision's number, a document's slug, or the machine that an alarm is of."""
    data: EventData


def view(kept: KeptEvent) -> EventView:
    """As it is sent."""
    event = kept.event
    return EventView(
        id=kept.id, tenant_id=event.tenant_id, at=event.at, kind=event.kind, subject=event.subject, data=event.data
    )


def encoded(kept: KeptEvent) -> bytes:
    """One message: JSON has no line break in it."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (kept.id, kept.event.kind.encode(), msgspec.json.encode(view(kept)))


async def messages(following: Following, after: int | None, heartbeat_s: float) -> AsyncGenerator[bytes]:
    """What a stream sends, from behind `after` on; None: from now on. It ends when the feed ends it.

    From an `after` that is no event's yet (of another database, or a slip) it is from now on, too, and it says so.
    """
    yield _BEGIN
    try:
        if after is not None and after > following.joined_at and after > (newest := await following.newest()):
            yield b": %d is behind the newest event, %d: this begins now\n\n" % (after, newest)
            after = None
        if after is not None:
            async for kept in following.before(after):
                yield encoded(kept)
        while True:
            found = await following.next(heartbeat_s)
            if found is not None and after is not None and found.id <= after:
                continue  # another process, which is ahead of this one, has told of it
            yield HEARTBEAT if found is None else encoded(found)
    except StreamOverError as over:
        log.info("an event stream ends", key=following.key_id, reason=str(over))
    except EventsUnavailableError:
        log.warning("an event stream ends", key=following.key_id, reason="the database does not answer")


class EventStream(Response[None]):
    """The answer that goes on. It has the `Following`, and closes it."""

    def __init__(
        self,
        following: Following,
        after: int | None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        super().__init__(None, media_type=MEDIA_TYPE)
        self._following = following
        self._after = after
        self._heartbeat_s = heartbeat_s
        self._send_timeout_s = send_timeout_s

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send), name="event stream")
        gone = asyncio.create_task(_disconnected(receive), name="event stream's reader")
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._following.close()
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with aclosing(messages(self._following, self._after, self._heartbeat_s)) as found:
                async for body in found:
                    async with asyncio.timeout(self._send_timeout_s):
                        await send({"type": "http.response.body", "body": body, "more_body": True})
            async with asyncio.timeout(self._send_timeout_s):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.warning("a reader of events is let go: it takes nothing", key=self._following.key_id)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
