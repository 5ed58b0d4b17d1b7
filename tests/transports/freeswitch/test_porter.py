"""Who comes while the event loop is held up is turned away in time, and the next is let in."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.transports.freeswitch.test_esl_server import LIMIT_S, Script, door, first_words
from transports.freeswitch.esl_server import DoorServer
from transports.freeswitch.porter import Porter

ATTEND_S = 0.2


class Service:
    """A phone door on an event loop of another thread, which a test can hold up."""

    def __init__(self) -> None:
        self.address = ("", 0)
        self.asked: list[bytes] = []
        self._open, self._held, self._go_on = threading.Event(), threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with door(Script(lambda call: call.closed()), connect_timeout_s=ATTEND_S, close_timeout_s=0.05) as server:
            self.address = server.address
            self._open.set()
            await self._stop.wait()

    def __enter__(self) -> "Service":
        self._thread.start()
        assert self._open.wait(LIMIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        self._loop.close()

    @contextmanager
    def held_up(self) -> Iterator[None]:
        def hold() -> None:
            self._held.set()
            self._go_on.wait(LIMIT_S)

        self._loop.call_soon_threadsafe(hold)
        assert self._held.wait(LIMIT_S)
        try:
            yield
        finally:
            self._go_on.set()


def said_to(address: tuple[str, int]) -> bytes:
    """What a caller's switch hears first."""
    with socket.create_connection(address, timeout=LIMIT_S) as line:
        try:
            return line.recv(100)
        except ConnectionResetError:
            return b""


def test_a_loop_that_is_held_up_keeps_no_caller_waiting() -> None:
    with Service() as service:
        assert said_to(service.address) == b"connect\n\n"
        with service.held_up():
            assert [said_to(service.address) for _ in range(3)] == [b""] * 3
        assert said_to(service.address) == b"connect\n\n"


async def test_closing_resets_who_waits_and_frees_the_port() -> None:
    server = door(Script(lambda call: call.closed()), close_timeout_s=0.05)
    await server.start()
    # No await in between: the loop has not taken it.
    line = socket.create_connection(server.address, timeout=LIMIT_S)
    [porter] = server._porters
    closing = porter.close()
    with pytest.raises(StopIteration):
        closing.send(None)
    with line, pytest.raises(ConnectionResetError):
        line.recv(100)
    await server.close()
    again = DoorServer(*server.address, Script(lambda call: call.closed()))
    await again.start()
    await again.close()


async def test_without_files_it_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listener(socket.socket):
        refusals = 2

        def accept(self) -> tuple[socket.socket, object]:
            if self.refusals:
                self.refusals -= 1
                raise OSError(24, "Too many open files")
            return super().accept()

    listener = Listener()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    made = asyncio.get_running_loop().create_future()

    class Greeter(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"connect\n\n")
            made.set_result(transport)

    porter = Porter(listener, Greeter, attend_timeout_s=LIMIT_S)
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert await first_words(reader) == b"connect\n\n"
    assert listener.refusals == 0
    writer.close()
    (await made).close()
    await porter.close()
    await porter.close()
