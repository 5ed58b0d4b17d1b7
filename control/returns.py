"""Calls that are live here, over however many connections, and conversations whose callers may come back.

A call leaves the door and comes in again with the same channel id: because we asked it to (its audio ended, and a fresh
park is needed), or when a person to whom it was given has hung up. The first belongs to the session that waits for it;
the second is a new session that goes on with the old conversation. There are never two sessions of one call.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from msgspec import Struct
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from base.ids import CallId, TenantId
from transports.freeswitch.errors import CallEndedError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.words import DoorName, Hello

LEAVES_WITHIN_S: Final = 8.0
"""So long a caller who comes back at once waits until his former session has put its things away."""
MAX_REMEMBERED: Final = 10_000
"""Channel ids of former calls; one may come again while its caller is passed around."""
MAX_KEPT: Final = 500
MAX_MESSAGES: Final = 100
"""Of one conversation, the latest."""
DOOR_AGAIN: Final = f"door_{DoorName.AGAIN.value}"
"""The extension by which a channel comes that was here before."""
LIFE_S: Final = 2 * 3600.0
"""A caller who talked longer to a person begins a new conversation."""


class CallHereError(Exception):
    """A second connection of a live call, for which nobody waits."""


class Ticket(Struct, frozen=True):
    """Which call a connection is about: what its dialplan signed, and where it comes from."""

    call_id: CallId
    tenant_id: TenantId
    number: str
    switch: str


class LiveCall:
    """A call that was let in. `line` is its present connection."""

    def __init__(self, ticket: Ticket, line: DoorCall, *, again: bool = False) -> None:
        self.ticket: Final = ticket
        self.line = line
        self.again = again
        """The channel was here before, and has a record."""
        self.over: Final = asyncio.Event()
        """Nothing is asked of any connection any more."""
        self._here = asyncio.Event()
        self._here.set()
        self._coming: asyncio.Future[DoorCall] | None = None

    async def present(self) -> DoorCall:
        """The connection to ask things of; waits for one that is on its way back."""
        await self._here.wait()
        return self.line

    async def send_text(self, text: str) -> None:
        """Over the connection that the call has now; see `DoorCall.send_text`."""
        await self.line.send_text(text)

    async def re_enter(self, timeout_s: float) -> DoorCall:
        """Leave by the door, and return the connection by which the call came back.

        Raises CallEndedError when the caller has gone, TimeoutError when nothing has come so long after we left.
        """
        if not self.line.live:
            raise CallEndedError("re-enter: the caller has gone or the call was ended")
        coming = self._coming = asyncio.get_running_loop().create_future()
        self._here.clear()
        try:
            await self.line.re_enter()
            if self.line.hangup_cause:
                raise CallEndedError("re-enter: the caller has gone")
            async with asyncio.timeout(timeout_s):
                self.line = await coming
            return self.line
        finally:
            self._coming = None
            self._here.set()

    @property
    def waits(self) -> bool:
        """Whether a connection is on its way back."""
        return self._coming is not None

    def takes(self, ticket: Ticket, line: DoorCall) -> bool:
        """Whether this connection is the one that is waited for; if so the call goes on over it."""
        coming = self._coming
        if coming is None or coming.done() or ticket != self.ticket:
            return False
        coming.set_result(line)
        return True

    async def serve(self, line: DoorCall) -> None:
        """Return when a connection that was taken is not needed any more."""
        waits = asyncio.create_task(self.over.wait()), asyncio.create_task(line.closed())
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


class LiveCalls:
    """The calls of this process by their channels' ids."""

    def __init__(self) -> None:
        self._calls: dict[CallId, LiveCall] = {}
        self._were_here: OrderedDict[CallId, None] = OrderedDict()

    def get(self, call_id: CallId) -> LiveCall | None:
        """The call of this id that is live."""
        return self._calls.get(call_id)

    async def served(self, ticket: Ticket, line: DoorCall) -> bool:
        """Whether a live call went on over this connection, and needs it no more; False: it is a new call.

        Raises CallHereError when the call is live and does not wait for it.
        """
        live = self.get(ticket.call_id)
        if live is None:
            return False
        if live.takes(ticket, line):
            await live.serve(line)
            return True
        if not (live.line.live or live.line.joining or live.line.joined or live.waits):
            # Sent on or given back, to a number that comes to us again: the dialplan is quicker than our clearing up.
            self.leave(live)
            return False
        if live.line.joining or live.line.joined:
            # The person may have hung up before we have heard that the two were connected.
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await live.over.wait()
        if self.get(ticket.call_id) is not None:
            raise CallHereError("this call is here already")
        return False

    @contextmanager
    def enter(self, ticket: Ticket, line: DoorCall) -> Iterator[LiveCall]:
        """A call is live until the block ends, or `leave` is called. There must be none of its id."""
        assert ticket.call_id not in self._calls
        again = ticket.call_id in self._were_here
        live = self._calls[ticket.call_id] = LiveCall(ticket, line, again=again)
        self._were_here[ticket.call_id] = None
        while len(self._were_here) > MAX_REMEMBERED:
            self._were_here.popitem(last=False)
        try:
            yield live
        finally:
            self.leave(live)

    def leave(self, live: LiveCall) -> None:
        """Its session is over: who comes with this id now is a new call. Idempotent."""
        if self._calls.get(live.ticket.call_id) is live:
            del self._calls[live.ticket.call_id]
        live.over.set()


class Conversation(Struct, frozen=True):
    """What was said before the caller was given to a person."""

    call_id: CallId
    """Of its record."""
    messages: tuple[LLMContextMessage, ...]

    @property
    def next_id(self) -> CallId:
        """Of the record of what follows: a channel's id is that of one record only."""
        return CallId(str(uuid.uuid5(uuid.UUID(self.call_id), "back")))


def record_id(hello: Hello, before: Conversation | None, *, again: bool) -> CallId:
    """Of the call's record: the channel's own id, unless it has had a record before.

    `again`: the channel was here before. One that comes by `door_again` was, if not in this process.
    """
    if before is not None:
        return before.next_id
    return CallId(str(uuid.uuid4())) if again or hello.destination == DOOR_AGAIN else hello.call_id


class Conversations:
    """Conversations of callers who are with a person. At most `max_kept`, the latest; each for `life_s`, and used once.

    They hold callers' words and live in this process alone: after our death a caller who comes back is a new one.
    """

    def __init__(self, now: Callable[[], float], *, max_kept: int = MAX_KEPT, life_s: float = LIFE_S) -> None:
        """`now` is a monotonic clock in seconds."""
        self._now = now
        self._max_kept = max_kept
        self._life_s = life_s
        self._kept: OrderedDict[Ticket, tuple[float, Conversation]] = OrderedDict()

    def __len__(self) -> int:
        self._forget_the_old()
        return len(self._kept)

    def keep(self, ticket: Ticket, conversation: Conversation) -> None:
        """The caller may come back."""
        self._forget_the_old()
        self._kept[ticket] = self._now() + self._life_s, conversation
        self._kept.move_to_end(ticket)
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)

    def expects(self, ticket: Ticket) -> bool:
        """Whether this caller is with a person, and may come back."""
        self._forget_the_old()
        return ticket in self._kept

    def take(self, ticket: Ticket) -> Conversation | None:
        """What this caller said before; None for one who was not here, or not lately."""
        self._forget_the_old()
        return self._kept.pop(ticket, (0.0, None))[1]

    def _forget_the_old(self) -> None:
        now = self._now()
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)
