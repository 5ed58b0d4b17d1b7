"""Where the media modules of FreeSWITCH connect with a call's audio."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self
from weakref import WeakSet

import structlog

from base.ids import CallId
from transports.freeswitch.errors import MediaUnavailableError
from transports.freeswitch.media_socket import FULL, REFUSED, MediaSocket
from transports.freeswitch.media_tickets import Tickets, TooManyTicketsError
from transports.freeswitch.peers import LOOPBACK, Network, bound_address, is_allowed

log = structlog.get_logger()

MAX_SILENT: Final = 100
"""Connections of one address that have not asked for their upgrade yet."""


class Expected:
    """A call's media socket before it has come. `withdraw` when nobody waits for it any more; idempotent."""

    def __init__(self, url: str, withdraw: Callable[[], None], on_text: Callable[[str], None] | None) -> None:
        self.url: Final = url
        """Good once, for 30 s, for one call. A key: never to be logged."""
        self._withdraw = withdraw
        self._on_text = on_text
        self._socket: asyncio.Future[MediaSocket] = asyncio.get_running_loop().create_future()

    async def socket(self, timeout_s: float) -> MediaSocket:
        """The socket, open. Raises MediaUnavailableError when it does not come in time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._socket)
        except TimeoutError as error:
            raise MediaUnavailableError(f"no media socket came in {timeout_s} s") from error

    def came(self, socket: MediaSocket) -> None:
        """It is there. Its texts are heard from the first on: one may be behind the upgrade already."""
        if self._on_text is not None:
            socket.listen_text(self._on_text)
        if not self._socket.done():
            self._socket.set_result(socket)

    def withdraw(self) -> None:
        """Let it come no more; one that came and was not taken is closed."""
        self._withdraw()
        if self._socket.done() and not self._socket.cancelled():
            self._socket.result().close()
        self._socket.cancel()


class MediaServer:
    """Listens for media sockets; takes only those that a call expects.

    Closing order: stop listening, close the sockets that are open.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        allowed_peers: Sequence[Network] = LOOPBACK,
        max_sockets: int = 500,
    ) -> None:
        self._host = host
        self._port = port
        self._allowed = tuple(allowed_peers)
        self._max_sockets = max_sockets
        self._server: asyncio.Server | None = None
        self._tickets: Tickets | None = None
        self._expected: dict[CallId, Expected] = {}
        self._sockets: set[MediaSocket] = set()
        self._waiting: dict[str, WeakSet[MediaSocket]] = {}
        self.taken = 0
        """Sockets that calls have had since the start."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is the real one when 0 was asked for."""
        if self._server is None:
            raise RuntimeError("the media server is not open: await start()")
        return bound_address(self._server)

    @property
    def open_sockets(self) -> int:
        """Media sockets that carry a call."""
        self._sockets = {socket for socket in self._sockets if not socket.closed.is_set()}
        return len(self._sockets)

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._tickets = Tickets(loop.time)
        self._server = await loop.create_server(self._connection, self._host, self._port)
        log.info("media server open", address=self.address)

    async def close(self) -> None:
        """Close in the order above. Idempotent."""
        if self._server is not None:
            self._server.close()
        for socket in self._sockets:
            socket.close(1001, "going away")
        self._sockets.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def expect(
        self, call_id: CallId, our_host: str | None = None, on_text: Callable[[str], None] | None = None
    ) -> Expected:
        """Await one socket of this call; a former expectation of the same call ends. Raises MediaUnavailableError.

        `our_host` is where the call's switch reaches us, which the URL tells it; None: where we listen.
        `on_text` gets its text messages.
        """
        assert self._tickets is not None, "await start()"
        try:
            path = self._tickets.mint(call_id)
        except TooManyTicketsError as error:
            raise MediaUnavailableError(str(error)) from error
        tickets, host = self._tickets, our_host or self.address[0]
        host = f"[{host}]" if ":" in host else host
        former = self._expected.pop(call_id, None)
        if former is not None:
            former.withdraw()

        def withdraw() -> None:
            tickets.withdraw(path)
            if self._expected.get(call_id) is expected:
                del self._expected[call_id]

        expected = Expected(f"ws://{host}:{self.address[1]}{path}", withdraw, on_text)
        self._expected[call_id] = expected
        return expected

    def _connection(self) -> MediaSocket:
        socket = MediaSocket(self._admit)
        socket.on_connection = self._may_wait
        return socket

    def _may_wait(self, socket: MediaSocket) -> bool:
        """Few of one address may be connected and say nothing: descriptors are what calls need, too."""
        waiting = self._waiting.setdefault(socket.peer_host, WeakSet())
        silent = sum(not (other.open or other.closed.is_set()) for other in waiting)
        if silent >= MAX_SILENT:
            return False
        waiting.add(socket)
        for host in [host for host, sockets in self._waiting.items() if not sockets]:
            del self._waiting[host]
        return True

    def _admit(self, socket: MediaSocket, path: str) -> int:
        """0 for a socket that a call expects, else the HTTP status to refuse it with."""
        if not is_allowed(socket.peer_host, self._allowed):
            log.warning("media socket from a peer that is not allowed", peer=socket.peer_host)
            return REFUSED
        if self.open_sockets >= self._max_sockets:
            log.warning("media socket turned away", open_sockets=self.open_sockets)
            return FULL
        assert self._tickets is not None
        call_id = self._tickets.redeem(path)
        expected = None if call_id is None else self._expected.pop(call_id, None)
        if expected is None:
            log.warning("media socket that no call expects", peer=socket.peer_host)
            return REFUSED
        self._sockets.add(socket)
        self.taken += 1
        expected.came(socket)
        return 0
