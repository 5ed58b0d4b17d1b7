"""One door, several servers: who has fewer calls takes the next, and who leaves is not missed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from transports.freeswitch import esl_server
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_server import MAX_HOLD_BACK_S, DoorServer, SharedDoor
from transports.freeswitch.esl_values import door_address

LIMIT_S = 5.0


class Process:
    """A server that waits at the common door, and has so many calls more than the other."""

    def __init__(self, listener: socket.socket, ahead: int = 0) -> None:
        self.ahead = ahead
        # As a process has it: a descriptor of its own of the same socket.
        shared = SharedDoor(listener.dup(), listener.getsockname()[:2], lambda: self.ahead)
        self.server = DoorServer("127.0.0.1", 0, self._never, shared=shared, first_reply_timeout_s=60.0)

    async def _never(self, _: DoorCall) -> None:
        raise AssertionError("nobody tells a call")

    @property
    def took(self) -> int:
        return self.server.live_calls

    @property
    def own(self) -> tuple[str, int]:
        assert self.server._address is not None
        return self.server._address


@asynccontextmanager
async def processes(*ahead: int) -> AsyncIterator[tuple[socket.socket, list[Process]]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = [Process(listener, calls) for calls in ahead]
        for one in found:
            await one.server.start()
        try:
            yield listener, found
        finally:
            for one in found:
                await one.server.close()


class Lines:
    """Connections of a switch."""

    def __init__(self) -> None:
        self._open: list[asyncio.StreamWriter] = []

    async def greeted(self, address: tuple[str, int]) -> None:
        """One more, which is told `connect`."""
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_connection(*address)
            self._open.append(writer)
            assert await reader.readuntil(b"\n\n") == b"connect\n\n"

    async def close(self) -> None:
        for writer in self._open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._open), return_exceptions=True)


@pytest.fixture
async def lines() -> AsyncIterator[Lines]:
    made = Lines()
    yield made
    await made.close()


@pytest.mark.parametrize(("ahead", "took"), [((10, 0), (0, 5)), ((0, 10), (5, 0))])
async def test_who_has_fewer_calls_is_quicker(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, ahead: tuple[int, int], took: tuple[int, int]
) -> None:
    monkeypatch.setattr(esl_server, "HOLD_BACK_S", 0.2)  # however busy the machine is
    monkeypatch.setattr(esl_server, "MAX_HOLD_BACK_S", 2.0)
    async with processes(*ahead) as (listener, (one, other)):
        assert one.server.address == other.server.address == listener.getsockname()
        for _ in range(5):
            await lines.greeted(one.server.address)
        assert (one.took, other.took) == took


async def test_where_all_are_full_somebody_still_answers(lines: Lines) -> None:
    async with processes(1_000_000, 1_000_000) as (_, both):
        await lines.greeted(both[0].server.address)
        assert sum(one.took for one in both) == 1
        with socket.socket() as unused:
            assert SharedDoor(unused, ("", 0), lambda: 1_000_000).hold_back_s() == MAX_HOLD_BACK_S


async def test_who_leaves_takes_no_new_call_and_is_still_found_by_his_own(lines: Lines) -> None:
    async with processes(0, 0) as (listener, (leaving, other)):
        leaving.server.leave()
        leaving.server.leave()
        for _ in range(4):
            await lines.greeted(listener.getsockname())
        assert (leaving.took, other.took) == (0, 4)
        await lines.greeted(leaving.own)
        assert leaving.took == 1
        other.server.leave()
        listener.close()
        async with asyncio.timeout(LIMIT_S):
            while True:  # until the thread has closed it
                try:
                    await lines.greeted(leaving.server.address)
                except (ConnectionError, asyncio.IncompleteReadError):
                    break
        await lines.greeted(other.own)


@pytest.mark.parametrize("bad", ["", "a", "a:", ":1", "a:0", "a:65536", "a b:1", "a:1;x=y", "${x}:1", "a:１", "a\n:1"])
def test_an_address_for_the_dialplan_is_plain(bad: str) -> None:
    assert door_address("10.0.0.12:8090") == "10.0.0.12:8090"
    with pytest.raises(LocalProtocolError):
        door_address(bad)
