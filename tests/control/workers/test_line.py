"""What a process and its parent say to each other, and how one process proves to another that it is one of ours."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from base.secret import Secret
from control.workers.child import LOOK_S, SLOW_LOOKS, STUCK_LOOKS, Child
from control.workers.lifeline import BEAT, DRAIN, END, ENDING, RELIEVED, UP, Lifeline
from control.workers.node_key import GOOD_S, MisdirectedError, NodeDoor, node_key, signed
from control.workers.seat import Seat

ROOT = Path(__file__).parents[3]


class Told:
    """What a process was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.news = asyncio.Event()

    def drain(self, *, others: bool) -> None:
        self.heard.append(f"drain, others {others}")
        self.news.set()

    def end(self) -> None:
        self.heard.append("end")
        self.news.set()

    async def next(self) -> str:
        async with asyncio.timeout(5):
            await self.news.wait()
        self.news.clear()
        return self.heard[-1]


async def test_a_process_beats_and_does_what_its_parent_wishes() -> None:
    ours, theirs = socket.socketpair()
    told, line = Told(), Lifeline(theirs)
    loop = asyncio.get_running_loop()
    ours.setblocking(False)
    with ours, theirs:
        async with line.held(told.drain, told.end):
            assert await loop.sock_recv(ours, 1) == BEAT
            line.up()
            line.ending()
            said = b""
            async with asyncio.timeout(5):
                while ENDING not in said or UP not in said or BEAT not in said:
                    said += await loop.sock_recv(ours, 16)
            for word, heard in ((RELIEVED, "drain, others True"), (DRAIN, "drain, others False"), (END, "end")):
                ours.send(word)
                assert await told.next() == heard


async def test_a_parent_that_is_gone_takes_its_processes_along() -> None:
    ours, theirs = socket.socketpair()
    told = Told()
    with theirs:
        async with Lifeline(theirs).held(told.drain, told.end):
            ours.close()
            assert await told.next() == "end"


def test_who_has_not_beaten_for_two_seconds_hangs_and_one_that_starts_or_ends_has_two_minutes() -> None:
    child = Child(Seat(role="media", slot=0))
    assert not any(child.look() for _ in range(SLOW_LOOKS + 1)), "it is no process yet"
    child._process = cast(Any, "a process")
    assert (child.doing, SLOW_LOOKS * LOOK_S, STUCK_LOOKS * LOOK_S) == ("starts", 120, 2)
    assert not any(child.look() for _ in range(SLOW_LOOKS))
    assert child.look(), "it does not come to life"
    child.began.set()
    child.missed = 0
    assert not any(child.look() for _ in range(STUCK_LOOKS))
    assert child.look()
    child.ending = True
    child.missed = 0
    assert not any(child.look() for _ in range(SLOW_LOOKS))
    assert (child.look(), child.doing) == (True, "ends")
    child.ended.set()
    assert not child.look()


KEY = node_key(Secret("p" * 40))
ASKED = ("POST", "/internal/v1/live-calls/x/say", b'{"text":"a"}')


def header(at: int = 1000, nonce: str = "n", to: str = "me") -> str:
    return signed(KEY, to, *ASKED, at=at, nonce=nonce)


def test_a_signed_request_is_admitted_once_and_nothing_of_it_may_be_another() -> None:
    door = NodeDoor(KEY, "me")
    assert door.admits(*ASKED, header(), now=1000.0)
    assert not door.admits(*ASKED, header(), now=1000.0), "said once"
    method, target, body = ASKED
    for other in (("GET", target, body), (method, target + "x", body), (method, target, b"{}")):
        assert not door.admits(*other, header(nonce="m"), now=1000.0)
    for late in (GOOD_S + 1, -GOOD_S - 1):
        assert not door.admits(*ASKED, header(nonce="m"), now=1000.0 + late)
    assert not NodeDoor(node_key(Secret("q" * 40)), "me").admits(*ASKED, header(nonce="m"), now=1000.0)
    for nonsense in ("", "1000", "1000.n", "x.n.0", f"{'9' * 400}.n.0", header().replace("1000", "1001"), "٣.n.0"):
        assert not door.admits(*ASKED, nonsense, now=1000.0)
    assert door.admits(*ASKED, header(nonce="m"), now=1000.0)


def test_a_signed_request_for_another_process_is_refused_as_such() -> None:
    door, theirs = NodeDoor(KEY, "me"), header(to="them")
    with pytest.raises(MisdirectedError):
        door.admits(*ASKED, theirs, now=1000.0)
    assert not door.admits(*ASKED, theirs.replace("them", "me"), now=1000.0), "whom it is for is signed"
    assert NodeDoor(KEY, "them").admits(*ASKED, theirs, now=1000.0)


ORPHAN = """
import asyncio, socket, sys
from control.workers import lifeline

async def main():
    line = lifeline.Lifeline(socket.socket(fileno=int(sys.argv[1])), lifeline.end_at_last)
    async with line.held(lambda *, others: None, lambda: None):
        print("held", flush=True)
        await asyncio.Event().wait()

lifeline.ORPHAN_S = 0.1
asyncio.run(main())
"""


async def test_who_does_not_end_without_a_parent_is_ended() -> None:
    ours, its = socket.socketpair()
    with ours, its:
        orphan = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ORPHAN, str(its.fileno()), pass_fds=[its.fileno()], cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        its.close()
        assert orphan.stdout is not None
        while b"held" not in (said := await orphan.stdout.readline()):
            assert said, "it did not begin"
        ours.close()
        async with asyncio.timeout(30):
            assert await orphan.wait() == -signal.SIGKILL
