"""The TCP end of one call at the phone door: feeds the machine, writes what it says, wakes who waits."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

import structlog

from transports.freeswitch.door_events import (
    DoorEvent,
    FileEvent,
    FileOver,
    FilePlays,
    FileReady,
    FileUnusable,
    Joined,
    LegAnswered,
    LegEnded,
    LegEvent,
    Ready,
    Refused,
    SocketAccepted,
    TextRefused,
    UnicastAccepted,
)
from transports.freeswitch.errors import CallEndedError, PhoneTimeoutError, RemoteProtocolError
from transports.freeswitch.esl_commands import ExecuteAnswer, ForkStart, StreamStart, Unicast
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.media_socket import MediaSocket
from transports.freeswitch.text import text_of
from transports.freeswitch.words import Answered, Disconnected, Dtmf, HungUp, MediaEnded, PhoneEvent, Text

log = structlog.get_logger()


class DoorWire(asyncio.Protocol):
    """One connection. `on_made` and `on_over` are called once each, on the event loop."""

    def __init__(self, on_made: "Callable[[DoorWire], bool]", *, max_events: int) -> None:
        self.machine: Final = DoorMachine()
        self.ready = False
        self.accepted_ports: Final[set[int]] = set()
        self.refused_unicast: str | None = None
        self.refused_answer = False
        self.socket_accepted = False
        self.refused_socket: str | None = None
        self.leg_news: LegAnswered | LegEnded | None = None
        self.joined = False
        self.socket: MediaSocket | None = None
        """The media module's, while it is this call's."""
        self.dropped_digits = self.dropped_texts = self.refused_texts = 0
        self.our_host = self.peer_host = ""
        self.over: Final = asyncio.Event()
        self.on_over: Callable[[], None] | None = None
        self.on_socket_end: Callable[[], None] | None = None
        """The media module's socket has ended by itself: with the call, or without."""
        self.on_file: Callable[[FileEvent], None] | None = None
        """Told of each file that mod_audio_stream makes and the switch plays."""
        self._on_made = on_made
        self._max_events = max_events
        self._events: deque[PhoneEvent] = deque()
        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()

    # The three callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        addresses = [transport.get_extra_info(end) for end in ("sockname", "peername")]
        if None not in addresses:  # None: it was reset before we saw it
            self.our_host, self.peer_host = (str(a[0]).removeprefix("::ffff:") for a in addresses)
            if self._on_made(self):
                self.ask(self.machine.greet)
                return
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.machine.receive(data)
        except RemoteProtocolError as error:
            log.warning("event socket broke the protocol", error=str(error))
            self.close("FreeSWITCH broke the protocol")
            return
        self._flush()  # first: whoever is told may say more
        self._publish(events)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._publish(self.machine.receive_eof("the socket was closed" if exc is None else "the socket broke"))

    # What the call above uses.

    def ask(self, wish: Callable[[], None]) -> None:
        """Put a wish to the machine and write what it says. Raises LocalProtocolError like the wish."""
        wish()
        self._flush()

    def close(self, reason: str) -> None:
        """Close TCP now. Unless FreeSWITCH has let go already, its dialplan goes on at the fall-back. Idempotent."""
        in_order = self.machine.over
        self._publish(self.machine.receive_eof(reason))
        if self._transport is None:
            return
        if in_order:
            self._transport.close()
        else:
            self._transport.abort()

    def media_lost(self, reason: str, *, for_good: bool = False) -> None:
        """The call's fork or stream is of no use any more, as its own socket knows. Told once."""
        self._publish(self.machine.media_lost(reason, for_good=for_good))

    def text_came(self, raw: str) -> None:
        """Somebody has written into the call by another socket than this one."""
        if self.machine.listens:
            self._publish([text_of(raw)])

    def require_live(self, wish: str) -> None:
        """Raises CallEndedError when the caller is gone or a final verb was asked."""
        if not self.machine.live:
            raise CallEndedError(f"{wish}: the caller has gone or the call was ended")

    async def until(self, condition: Callable[[], bool], timeout_s: float, wish: str) -> None:
        """Wait for `condition`, looked at after each thing that happens. Raises PhoneTimeoutError."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await self._changed.wait()
        except TimeoutError as error:
            raise PhoneTimeoutError(f"{wish}: FreeSWITCH did not do it in {timeout_s} s") from error

    async def events(self) -> AsyncIterator[PhoneEvent]:
        """Each event once, the last being Disconnected. For one reader at a time."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self.machine.over:
                return
            await self._changed.wait()

    def _flush(self) -> None:
        data = self.machine.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _publish(self, events: list[DoorEvent]) -> None:
        for event in events:
            self._note(event)
        # Also without an event the machine may know more. Who waits holds the old Event; who comes later waits for the
        # next change.
        self._changed.set()
        self._changed = asyncio.Event()

    def _note(self, event: DoorEvent) -> None:
        match event:
            case FileReady() | FileUnusable() | FilePlays() | FileOver():
                if self.on_file is not None:
                    self.on_file(event)
            case Dtmf() if len(self._events) >= self._max_events:
                self.dropped_digits += 1  # all other events are few
            case Text() if len(self._events) >= self._max_events:
                self.dropped_texts += 1
            case TextRefused(reason):
                self._refuse_text(reason)
            case Answered() | Dtmf() | Text() | MediaEnded() | HungUp() | Disconnected():
                self._events.append(event)
            case _:
                self._answered(event)
        if isinstance(event, Disconnected):
            self.over.set()
            if self.on_over is not None:
                self.on_over()

    def _answered(self, event: Ready | Refused | SocketAccepted | UnicastAccepted | LegEvent) -> None:
        """What became of a wish, for who waits for it."""
        match event:
            case Ready():
                self.ready = True
            case Refused():
                self._refused(event)
            case SocketAccepted():
                self.socket_accepted = True
            case UnicastAccepted(port):
                self.accepted_ports.add(port)
            case LegAnswered() | LegEnded():
                self.leg_news = event
            case Joined():
                self.joined = True

    def _refuse_text(self, reason: str) -> None:
        if not self.refused_texts:
            log.warning("a text into the call was refused", call=self.machine.hello.call_id, reason=reason)
        self.refused_texts += 1

    def _refused(self, event: Refused) -> None:
        match event.command:
            case Unicast():
                self.refused_unicast = event.text
            case ForkStart() | StreamStart():
                self.refused_socket = event.text
            case ExecuteAnswer():
                self.refused_answer = True  # there is no such channel any more
            case _:
                log.warning("FreeSWITCH refused a command", command=type(event.command).__name__, answer=event.text)
