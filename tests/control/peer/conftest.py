"""A tiny service for the peer to ring: it answers, and sends sound when told to. Only what these tests need."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

UNICAST = "sendmsg\ncall-command: unicast\nlocal-ip: 127.0.0.1\nlocal-port: {local}\nremote-ip: 127.0.0.1\n"
UNICAST += "remote-port: {remote}\ntransport: udp\n\n"
ANSWER = "sendmsg\ncall-command: execute\nexecute-app-name: answer\nevent-lock: true\n\n"
HELLO = "connect\n\n"
SUBSCRIBE = "myevents\n\n"


@dataclass
class Connection:
    """One outbound connection as the service sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytes = b""
    udp: asyncio.DatagramTransport | None = None
    ears: list[asyncio.DatagramTransport] = field(default_factory=list)
    uplink: list[tuple[float, bytes]] = field(default_factory=list)
    switch: tuple[str, int] = ("", 0)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, text: str) -> None:
        self.writer.write(text.encode())

    async def until(self, text: str, timeout_s: float = 5) -> None:
        """Waits until FreeSWITCH has sent a text."""
        async with asyncio.timeout(timeout_s):
            while text.encode() not in self.received:
                data = await self.reader.read(65536)
                if not data:
                    raise AssertionError(f"the connection ended before {text!r}: …{self.received[-300:]!r}")
                self.received += data

    async def until_closed(self, timeout_s: float = 8) -> None:
        async with asyncio.timeout(timeout_s):
            while data := await self.reader.read(65536):
                self.received += data

    async def answer(self) -> None:
        """Lets the call in, as a careful service does."""
        self.write(HELLO + SUBSCRIBE)
        await self.until("+OK Events Enabled")
        self.write(ANSWER)
        await self.until("Event-Name: CHANNEL_ANSWER")

    async def media(self) -> None:
        """Orders unicast and waits for the first datagram."""
        await self.open_udp()
        self.write(UNICAST.format(local=self.switch[1], remote=self.port))
        await self.until_heard(1)

    async def open_udp(self) -> None:
        loop = asyncio.get_running_loop()
        outer = self

        class Ear(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                outer.uplink.append((loop.time(), data))
                outer.changed.set()

        self.udp, _ = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
        self.ears.append(self.udp)
        other, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        self.switch = other.get_extra_info("sockname")
        other.close()

    @property
    def port(self) -> int:
        assert self.udp is not None
        return self.udp.get_extra_info("sockname")[1]

    async def until_heard(self, count: int, timeout_s: float = 5) -> None:
        async with asyncio.timeout(timeout_s):
            while len(self.uplink) < count:
                self.changed.clear()
                await self.changed.wait()

    def play(self, frame: bytes) -> None:
        assert self.udp is not None
        self.udp.sendto(frame, self.switch)

    async def speak(self, seconds: float, rate: int = 8000) -> None:
        """A tone, paced by absolute deadlines."""
        loop, size = asyncio.get_running_loop(), rate // 50
        began = loop.time()
        for index in range(int(seconds * 50)):
            await asyncio.sleep(max(0.0, began + index * 0.020 - loop.time()))
            self.play(tone(size, rate))

    def close(self) -> None:
        for ear in self.ears:
            ear.close()
        self.writer.close()


def tone(size: int, rate: int = 8000) -> bytes:
    """Samples of 400 Hz, S16LE, rms about 5600."""
    return (8000 * np.sin(2 * np.pi * 400 * np.arange(size) / rate)).astype("<i2").tobytes()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class Service:
    """A listening door; `behave` is what it does with each connection, `failures` what went wrong in there."""

    port: int = 0
    behave: Behaviour | None = None
    connections: list[Connection] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    forgiving: bool = False
    """The connection may end under the service's hands: that is what the test is about."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections.append(connection)
        assert self.behave is not None
        try:
            await self.behave(connection)
        except Exception as error:  # a test must see what went wrong in the service's task
            self.failures.append(error)
        finally:
            connection.close()
            connection.done.set()

    async def finished(self) -> None:
        """Every connection has been read to its end; one that waits for sound of a call that has gone takes 5 s."""
        async with asyncio.timeout(12):
            for connection in self.connections:
                await connection.done.wait()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    server = await asyncio.start_server(service.accept, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    yield service
    server.close()
    for connection in service.connections:
        connection.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await server.wait_closed()
    assert service.forgiving or not service.failures, service.failures
