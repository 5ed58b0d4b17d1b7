"""One call at the phone door: what may be asked of it, as coroutines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import structlog

from transports.freeswitch import call_legs
from transports.freeswitch.call_sockets import SocketOptions, open_socket
from transports.freeswitch.call_unicast import CallUnicast, UnicastOptions
from transports.freeswitch.errors import (
    CallEndedError,
    LocalProtocolError,
    MediaUnavailableError,
    PhoneTimeoutError,
)
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.fork import metadata
from transports.freeswitch.fork_media import ForkMedia
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.peers import DEFAULT_SWITCH
from transports.freeswitch.stream_media import StreamMedia
from transports.freeswitch.text import message_of
from transports.freeswitch.unicast_ports import UnicastPorts
from transports.freeswitch.unicast_socket import UnicastMedia
from transports.freeswitch.words import Answered, Device, DoorName, HangupCause, Hello, Note, PhoneEvent, Route
from transports.wire import carried_rate

log = structlog.get_logger()


class DoorCall:
    """A caller's leg, held by one outbound event-socket connection. Satisfies `pipelines.phone.PhoneLine`.

    `hang_up`, `refuse`, `give_back`, `transfer` and `re_enter` are final and idempotent: the first wins, and all
    return when the socket has ended, at the latest after `close_timeout_s`. Closing order: the command, FreeSWITCH's
    end of the socket, our media socket, TCP.
    """

    def __init__(
        self,
        wire: DoorWire,
        ports: UnicastPorts,
        options: UnicastOptions,
        *,
        close_timeout_s: float,
        switch: str = DEFAULT_SWITCH,
        again_at: str | None = None,
    ) -> None:
        self.again_at: Final = again_at
        """`host:port` by which the call comes back to this process; None: by the same door as any other."""
        self.switch: Final = switch
        """The switch that it comes from, by the address of its connection and by nothing that it says."""
        self._wire = wire
        self._machine = wire.machine
        self._close_timeout_s = close_timeout_s
        self._unicast = CallUnicast(wire, ports, options)
        self._sockets: ForkMedia | StreamMedia | None = None
        wire.on_over = self._close_media

    @property
    def hello(self) -> Hello:
        """What the call told of itself when it came. `sample_rate` is 0 and `codec` empty before the answer."""
        return self._machine.hello

    @property
    def sample_rate(self) -> int | None:
        """Of the call's read codec, in Hz; None before it is answered."""
        return self._machine.sample_rate

    @property
    def live(self) -> bool:
        """Whether the caller is there and no final verb was asked."""
        return self._machine.live

    @property
    def has_audio(self) -> bool:
        """Whether a stream is there or was asked for, as far as is known: what was told of a former one is old news."""
        return self._machine.media.alive

    @property
    def joining(self) -> bool:
        """Whether the caller is being connected with a second leg: then he is not ours any more, unless it fails."""
        return self._machine.joining

    @property
    def joined(self) -> bool:
        """Whether the caller was connected with a second leg: the call is not ours any more."""
        return self._wire.joined

    @property
    def hangup_cause(self) -> str:
        """Why the call was hung up, by whomever; empty while it was not, as far as FreeSWITCH has told."""
        return self._machine.hangup_cause

    def on_socket_end(self, callback: Callable[[], None] | None) -> None:
        """Call back when the media module's socket ends by itself: a hang-up, or MediaEnded is told soon."""
        self._wire.on_socket_end = callback

    def events(self) -> AsyncIterator[PhoneEvent]:
        """What happens on the call, each event once, the last being Disconnected. For one reader at a time.

        Bounded: when nobody reads, digits and texts beyond the bound are dropped.
        """
        return self._wire.events()

    async def closed(self) -> None:
        """Return when the event socket has ended."""
        await self._wire.over.wait()

    async def answer(self, timeout_s: float = 5.0) -> Answered:
        """Answer the call and return once it has media. Idempotent.

        Raises CallEndedError when the caller is gone or a final verb was asked, PhoneTimeoutError.
        """
        self._wire.require_live("answer")
        self._wire.ask(self._machine.answer)
        wire = self._wire
        await wire.until(
            lambda: self.sample_rate is not None or wire.refused_answer or not self.live, timeout_s, "answer"
        )
        self._wire.require_live("answer")
        if wire.refused_answer:
            raise CallEndedError("answer: FreeSWITCH no longer has this call")
        assert self.sample_rate is not None
        return Answered(self.sample_rate)

    @property
    def can_unicast(self) -> bool:
        """Whether the audio would stay within the networks that it may go over."""
        return self._unicast.allowed

    async def start_unicast(self) -> UnicastMedia:
        """Start the audio stream and return it alive: its first datagram has come.

        Once per connection (re-enter the door to have it again); only after the answer. Whoever asked closes it;
        it is closed anyway when the event socket ends. A port on which nothing comes within
        `first_datagram_timeout_s` is given up for another.

        Raises CallEndedError, LocalProtocolError (not answered, or a stream was started before),
        MediaUnavailableError (nothing came on any port, or `can_unicast` is not so), PhoneTimeoutError.
        """
        return await self._unicast.start()

    @property
    def can_fork(self) -> bool:
        """Whether `choose_fork` would do: the call has not been answered, or was prepared for a fork before."""
        return not self.hello.answered or self._machine.media.fork_chosen

    def choose_fork(self) -> None:
        """Have this call's audio by mod_audio_fork: before `answer`. Idempotent.

        Raises CallEndedError, LocalProtocolError when the call is answered already.
        """
        self._wire.require_live("fork")
        self._wire.ask(self._machine.media.prepare_fork)

    async def start_fork(self, server: MediaServer, options: SocketOptions | None = None) -> ForkMedia:
        """Start the stream and return it alive: its socket has come. Only after `choose_fork` and the answer.

        Again when it was lost (MediaEnded): what it left behind is stopped first.
        Whoever asked closes it; it is closed anyway when the event socket ends.
        Raises CallEndedError, LocalProtocolError, MediaUnavailableError, PhoneTimeoutError.
        """
        self._wire.require_live("fork")
        rate = self.sample_rate
        if rate is None:
            raise LocalProtocolError("uuid_audio_fork before the answer would crash the switch")
        start, told = self._machine.media.fork, metadata(self.hello.call_id)
        socket = await open_socket(self._wire, server, start, self._unicast.our_host, options, metadata=told)
        self._sockets = ForkMedia(socket, carried_rate(rate))
        return self._sockets

    async def start_stream(self, server: MediaServer, options: SocketOptions | None = None) -> StreamMedia:
        """Start mod_audio_stream and return it alive, as `start_fork` does; after the answer is enough."""
        self._wire.require_live("stream")
        wire, machine = self._wire, self._machine
        socket = await open_socket(wire, server, machine.media.stream, self._unicast.our_host, options)

        def say(wish: Callable[[], None]) -> None:
            if machine.live:
                wire.ask(wish)

        self._sockets = media = StreamMedia(
            socket,
            carried_rate(self.sample_rate or 0),
            self.hello.call_id,
            # A file may be told of in one breath with the loss of its stream.
            play=lambda file: say(lambda: machine.media.play(file)) if machine.media.streaming else None,
            hush=lambda: say(machine.media.break_all),
            lost=lambda reason, for_good: wire.media_lost(reason, for_good=for_good) if wire.socket is socket else None,
        )
        wire.on_file = media.on_file
        return media

    async def reach(self, destination: Device | Route, *, ring_s: int = 25) -> None:
        """Call somebody beside the caller, who stays with us, and return once there is an answer. One at a time.

        The caller's number and name are shown. Cancelled, or with the caller gone, the other leg is given up.
        Raises LegFailedError (busy, no answer, …), CallEndedError, LocalProtocolError for what cannot be dialled,
        PhoneTimeoutError.
        """
        await call_legs.reach(self._wire, destination, ring_s)

    def drop_leg(self) -> None:
        """Give the second leg up. Idempotent."""
        call_legs.drop(self._wire)

    async def join(self, *, back_to: str | None = None) -> None:
        """Connect the caller with who has answered: final, and our media ends.

        When they have talked the caller is hung up, or comes back to the server by `door_again` of the context
        `back_to`, with the same `hello.call_id`. Raises LegFailedError when the other side has gone meanwhile (the
        call is still ours then), CallEndedError, LocalProtocolError when nobody has answered, PhoneTimeoutError.
        """
        await call_legs.join(self._wire, back_to)
        await self._ended()

    async def joined_or_not(self) -> None:
        """Return when no `join` is under way, at once when none was asked. Raises PhoneTimeoutError."""
        await call_legs.joined_or_not(self._wire)

    async def transfer(self, destination: Route) -> None:
        """Send the caller on in the dialplan: a number as the domain's own telephones dial it. Final.

        What becomes of the call there does not depend on us any more. Raises LocalProtocolError for no such number.
        """
        await self._finish(lambda: self._machine.transfer(destination))

    def note(self, notes: Mapping[Note, str]) -> None:
        """Leave variables of ours on the channel: letters, digits and `_.+@/#*-`, 256 at most. They outlive us.

        Raises CallEndedError, LocalProtocolError.
        """
        self._wire.require_live("note")
        self._wire.ask(lambda: self._machine.note(notes))

    async def send_digits(self, digits: str) -> None:
        """Send keys (0-9, *, #) to the caller's side. Raises CallEndedError, LocalProtocolError."""
        self._wire.require_live("digits")
        self._wire.ask(lambda: self._machine.send_digits(digits))

    async def send_text(self, text: str) -> None:
        """Send a text out of the call, as `text.message_of` writes it: by the media module where there is one, whose
        event `…::json` it becomes, else as the switch's event `atende::text-out`.

        Raises CallEndedError, LocalProtocolError for a text that is empty or too long, MediaUnavailableError when the
        media socket takes nothing.
        """
        self._wire.require_live("text")
        if self._sockets is None:
            self._wire.ask(lambda: self._machine.send_text(text))
        elif not self._sockets.send_text(message_of(text)):
            raise MediaUnavailableError("the media socket takes no text")

    async def refuse(self, door: DoorName) -> None:
        """Let the dialplan answer in our place, at `door_<door>`; an unanswered call stays unanswered."""
        name = _door_name(door)
        await self._finish(lambda: self._machine.refuse(name))

    async def hang_up(self, cause: HangupCause = HangupCause.NORMAL_CLEARING) -> None:
        """End the call, now; the dialplan does not go on."""
        await self._finish(lambda: self._machine.hang_up(cause))

    async def give_back(self, door: DoorName | str) -> None:
        """Let the dialplan go on with the call at `door_<door>`. Raises LocalProtocolError for a name not in use."""
        name = _door_name(door)
        await self._finish(lambda: self._machine.give_back(name))

    async def re_enter(self) -> None:
        """Leave and come back: the server is called again with the same `hello.call_id` and a fresh park.

        A second leg is given up, for who waits for it, too; its end is waited for a moment, so that whoever is called
        next finds the telephone free.
        """
        await call_legs.give_up(self._wire)
        await self._finish(lambda: self._machine.give_back(DoorName.AGAIN))

    async def _finish(self, verb: Callable[[], None]) -> None:
        if self._sockets is not None and not self._sockets.closed and self.live:
            # The last of what was said is still on its way through the module.
            await asyncio.sleep(self._sockets.lag_ms / 1000)
        self._wire.ask(verb)
        await self._ended()

    async def _ended(self) -> None:
        try:
            await self._wire.until(lambda: self._machine.over, self._close_timeout_s, "end of the call")
        except PhoneTimeoutError as error:
            log.warning("FreeSWITCH did not close the event socket", call=self.hello.call_id, error=str(error))
        # Not when cancelled: a reset could overtake the command, so the server waits for the end then.
        self._wire.close("the call was ended by us")

    def _close_media(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
        self._unicast.close()


def _door_name(door: DoorName | str) -> DoorName:
    names = [d.value for d in DoorName if d is not DoorName.AGAIN]
    if (door.value if isinstance(door, DoorName) else door) not in names:
        raise LocalProtocolError(f"no door {door!r}; there are {', '.join(names)}")
    return DoorName(door)
