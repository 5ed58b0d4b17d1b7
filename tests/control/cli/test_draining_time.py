"""For how long the calls of a process that was told to end may go on; the time is scripted."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn

from control.cli.draining import LEAVE_S, DrainingServer
from control.cli.worker import WorkerServer
from control.process import Process
from control.workers.lifeline import Lifeline

DRAIN_S, RELIEF_S = 30, 3600


class Busy:
    """A process with one call that goes on; satisfies what a server asks of it."""

    def __init__(self) -> None:
        self.live_calls, self.told = 1, list[str]()

    def drain(self, *, others: bool = False) -> None:
        self.told.append(f"drain, others {others}")

    def take_leave(self) -> None:
        self.told.append("take leave")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`now` in seconds."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("control.cli.draining.time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@pytest.fixture
def line() -> Iterator[Lifeline]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Lifeline(theirs)


async def _nothing(*_: Any) -> None:
    """An application."""


def worker(line: Lifeline) -> tuple[WorkerServer, Busy]:
    server, process = WorkerServer(uvicorn.Config(_nothing), DRAIN_S, RELIEF_S, line), Busy()
    server.serves(cast(Process, process))
    return server, process


async def leaves_at(server: DrainingServer, process: Busy, clock: SimpleNamespace) -> float:
    """Seconds from now until its caller is told that the call cannot go on."""
    since = clock.now
    while "take leave" not in process.told:
        assert not await server.on_tick(1)
        clock.now += 1
        assert clock.now < since + 2 * RELIEF_S, "never"
    left = clock.now - 1 - since
    clock.now += LEAVE_S
    assert await server.on_tick(1), "it ends at last"
    return float(left)


async def test_one_that_is_relieved_has_its_own_time(clock: SimpleNamespace, line: Lifeline) -> None:
    server, process = worker(line)
    server._told(others=True)
    assert await leaves_at(server, process, clock) == RELIEF_S


async def test_one_that_is_told_to_stop_has_the_time_of_a_stop(clock: SimpleNamespace, line: Lifeline) -> None:
    server, process = worker(line)
    server._told(others=False)
    assert await leaves_at(server, process, clock) == DRAIN_S
    signalled, busy = worker(line)
    signalled.handle_exit(15, None)
    assert await leaves_at(signalled, busy, clock) == DRAIN_S


async def test_a_stop_hurries_one_that_is_relieved_and_a_relief_gives_no_time_back(
    clock: SimpleNamespace, line: Lifeline
) -> None:
    server, process = worker(line)
    server._told(others=True)
    assert not await server.on_tick(1)
    clock.now += 100
    server._told(others=False)
    server._told(others=True)
    assert await leaves_at(server, process, clock) == DRAIN_S
    assert process.told[0] == "drain, others True"


async def test_its_last_call_ends_it(clock: SimpleNamespace, line: Lifeline) -> None:
    server, process = worker(line)
    server._told(others=True)
    assert not await server.on_tick(1)
    clock.now += 72
    process.live_calls = 0
    assert await server.on_tick(1)
    assert "take leave" not in process.told
