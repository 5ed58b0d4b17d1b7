"""The phone door: FreeSWITCH connects here once for every call (`socket host:port async full`)."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Self

import structlog
from msgspec import Struct, structs

from transports.freeswitch.call_unicast import UnicastOptions
from transports.freeswitch.errors import CallEndedError, PhoneTimeoutError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_wire import DoorWire
from transports.freeswitch.peers import PeerSwitch, switch_of
from transports.freeswitch.porter import Porter
from transports.freeswitch.silent import MAX_SILENT, SilentConnections
from transports.freeswitch.unicast_ports import UnicastPorts
from transports.freeswitch.words import DoorName

log = structlog.get_logger()


EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - each connection's own address is told then
HOLD_BACK_S: Final = 0.002
"""Which a process leaves a connection to the others for each call that it has more than the one with the fewest."""
MAX_HOLD_BACK_S: Final = 0.02


class SharedDoor(Struct, frozen=True):
    """A phone door at which several processes wait: whoever has fewer calls is quicker to take the next.

    Who is asked is asked from another thread.
    """

    listener: socket.socket
    """It listens already."""
    address: tuple[str, int]
    ahead: Callable[[], int]
    """Calls that this process has more than another; many for one that is full, which still has to say so where all
    are."""

    def hold_back_s(self) -> float:
        """See `Porter`."""
        return min(max(0, self.ahead()) * HOLD_BACK_S, MAX_HOLD_BACK_S)


class DoorServer:
    """Listens, says `connect` as soon as a connection is there, and gives each call to `on_call`.

    A connection to which the event loop cannot say `connect` within `connect_timeout_s` is closed by another thread.
    `on_call` owns the call: it ends it by one of the final verbs. When it raises, or returns without having done so,
    the call is given back to `door_failed`, so that no caller is left in silence. Connections beyond
    `max_connections`, from peers that are none of the `switches`, that do not tell their call in
    `first_reply_timeout_s`, or that break the protocol are closed; with `socket_resume=true` the dialplan then goes on
    at its fall-back. Who has said nothing makes room at once for who comes: beyond `max_silent` from one address, and
    where there is no room else (`SilentConnections`). Of several switches in whose networks a peer lies it is the
    first.

    With a `shared` door it waits there for new calls, and at its own address for those that were here before and have
    to come back to it: their channels know it by `again_at`.

    Closing order: stop listening, let live calls end by themselves for `drain_timeout_s`, cancel their `on_call`
    (which gives the rest back), close the sockets.
    """

    def __init__(
        self,
        host: str,
        port: int,
        on_call: Callable[[DoorCall], Awaitable[None]],
        *,
        switches: Sequence[PeerSwitch] = (PeerSwitch(),),
        connect_timeout_s: float = 0.8,
        first_reply_timeout_s: float = 5.0,
        close_timeout_s: float = 2.0,
        max_connections: int = 500,
        max_silent: int = MAX_SILENT,
        max_events: int = 256,
        ports: UnicastPorts | None = None,
        unicast: UnicastOptions | None = None,
        shared: SharedDoor | None = None,
    ) -> None:
        self._shared = shared
        self._host = host
        self._port = port
        self._on_call = on_call
        self._switches = tuple(switches)
        self._connect_timeout_s = connect_timeout_s
        self._first_reply_timeout_s = first_reply_timeout_s
        self._close_timeout_s = close_timeout_s
        self._max_connections = max_connections
        self._max_events = max_events
        self._ports = ports or UnicastPorts()
        self._unicast = unicast or UnicastOptions()
        self._porters: list[Porter] = []
        self._address: tuple[str, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = SilentConnections[DoorWire](time.monotonic, max_silent=max_silent)
        self._closing = False

    @property
    def address(self) -> tuple[str, int]:
        """Where new calls find it; the port is the real one when 0 was asked for."""
        if self._address is None:
            raise RuntimeError("the phone door is not open: await start()")
        if self._shared is not None:
            return self._shared.address
        return self._address

    @property
    def live_calls(self) -> int:
        """Connections that are being served."""
        return len(self._tasks)

    async def start(self) -> None:
        """Open the door. Raises OSError when the address is taken."""
        listener = socket.create_server((self._host, self._port), backlog=self._max_connections)
        self._address = listener.getsockname()
        limit_s = self._connect_timeout_s
        self._porters.append(Porter(listener, self._new_wire, attend_timeout_s=limit_s))
        if (shared := self._shared) is not None:
            hold_back_s = shared.hold_back_s
            porter = Porter(shared.listener, self._new_wire, attend_timeout_s=limit_s, hold_back_s=hold_back_s)
            self._porters.append(porter)
        log.info("phone door open", address=self.address, own=None if self._shared is None else self._address)

    def leave(self) -> None:
        """New calls are others' from now on; those that were here come back. Idempotent, and nothing without a
        `shared` door.
        """
        if self._shared is not None:
            self._porters[-1].leave()

    async def close(self, drain_timeout_s: float = 0.0) -> None:
        """Close the door in the order above. Idempotent."""
        self._closing = True
        for porter in self._porters:
            await porter.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_timeout_s)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _new_wire(self) -> DoorWire:
        return DoorWire(self._admit, max_events=self._max_events)

    def _admit(self, wire: DoorWire) -> bool:
        switch = switch_of(wire.peer_host, self._switches)
        if switch is None:
            log.warning("event socket from a peer that is not allowed", peer=wire.peer_host)
            return False
        if self._closing or not self._has_room(wire):
            log.warning(
                "event socket turned away", peer=wire.peer_host, closing=self._closing, live_calls=len(self._tasks)
            )
            return False
        self._silent.came(wire.peer_host, wire)
        task = asyncio.get_running_loop().create_task(self._serve(wire, switch), name="phone door call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _has_room(self, wire: DoorWire) -> bool:
        full = len(self._tasks) >= self._max_connections
        while (silent := self._silent.makes_room(wire.peer_host, full=full)) is not None:
            self._silent.heard(silent.peer_host, silent)
            if not silent.ready:  # else its task is about to see it
                log.warning("a connection that tells no call made room", peer=silent.peer_host)
                silent.close("it told no call, and another came")
                return True
        return not full

    async def _serve(self, wire: DoorWire, switch: PeerSwitch) -> None:
        with structlog.contextvars.bound_contextvars(switch=switch.name):
            await self._attend(wire, switch)

    async def _attend(self, wire: DoorWire, switch: PeerSwitch) -> None:
        unicast = structs.replace(self._unicast, our_host=switch.our_host or self._unicast.our_host)
        limit_s, again_at = self._close_timeout_s, self._again_at(wire)
        call = DoorCall(wire, self._ports, unicast, switch=switch.name, close_timeout_s=limit_s, again_at=again_at)
        try:
            if await self._told(wire):
                await self._on_call(call)
        except CallEndedError as error:
            log.info("the call ended under its handler", call=call.hello.call_id, error=str(error))
        except Exception:
            # The boundary of a call: its failure is the caller's way to the fall-back, not the server's end.
            log.exception("a call's handler failed", call=call.hello.call_id)
        finally:
            try:
                if wire.ready and not wire.machine.over:
                    await call.give_back(DoorName.FAILED)
            finally:
                wire.close("the call was dropped")

    def _again_at(self, wire: DoorWire) -> str | None:
        """Our own address, as the switch reaches it."""
        if self._shared is None or self._address is None:
            return None
        host, port = self._address
        return f"{wire.our_host if host in EVERYWHERE else host}:{port}"

    async def _told(self, wire: DoorWire) -> bool:
        try:
            await wire.until(lambda: wire.ready or wire.machine.over, self._first_reply_timeout_s, "connect")
        except PhoneTimeoutError as error:
            log.warning("a connection that tells no call", peer=wire.peer_host, error=str(error))
        finally:
            self._silent.heard(wire.peer_host, wire)
        return wire.ready and not wire.machine.over
