"""One of a parent's processes, as the parent sees it."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal

import structlog

from control.workers.lifeline import BEAT, DRAIN, END, ENDING, RELIEVED, STACKS, UP
from control.workers.seat import Seat

PATH: Final = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - the first may be ""
"""Where we were found ourselves: the folder that we happen to be in is not searched."""
LOOK_S: Final = 0.25
STUCK_LOOKS: Final = 8
"""Looks, not seconds: a parent that was stopped itself, with all others, has seen nothing of them meanwhile."""
SLOW_LOOKS: Final = 480
"""Two minutes: who starts loads its libraries before it has an event loop, and who ends puts them away after it."""
STARTER: Final = "import atende; atende.main()"
STARTERS: Final[Mapping[str, str]] = {"models": "from control.models_role.process import main; main()"}
"""Of roles that need little of the program, and are there sooner without the rest."""

log = structlog.get_logger()


class Child:
    """Started by `start`; `ended` is set when it is no more, whatever has ended it."""

    def __init__(self, seat: Seat) -> None:
        self.seat: Final = seat
        self.began = asyncio.Event()
        """It does what it is for."""
        self.ended = asyncio.Event()
        self.exit_code: int | None = None
        self.told = False
        """It was asked to end: nobody takes its place."""
        self.spare = False
        """It is to take another's place, and has not begun: where it fails the other stays."""
        self.heir: Child | None = None
        """Who had to take its place, since it ended unasked."""
        self.followed = asyncio.Event()
        """It has an heir."""
        self.hung = False
        """It was killed for that."""
        self.ending = False
        self.missed = 0
        """Looks in a row at which it had not told that its event loop turns."""
        self._process: asyncio.subprocess.Process | None = None
        self._line: socket.socket | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, environ: Mapping[str, str], inherited: Mapping[str, socket.socket]) -> None:
        """`inherited` are listening sockets by their names; nothing of it is secret, and secrets are in `environ`.

        Raises OSError when the machine has no room for another process.
        """
        ours, theirs = socket.socketpair()
        handed = {**inherited, "line": theirs}
        place = {"role": self.seat.role, "slot": self.seat.slot} | {
            name: sock.fileno() for name, sock in handed.items()
        }
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-c", STARTERS.get(self.seat.role, STARTER), "worker", json.dumps(place),
                env={**environ, "PYTHONPATH": PATH},
                pass_fds=[sock.fileno() for sock in handed.values()],
                start_new_session=True,  # a terminal's Ctrl-C is the parent's
            )  # fmt: skip
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._line = ours
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours, self._heard)
        asyncio.create_task(self._wait(), name=f"wait for {self.seat.name}")  # noqa: RUF006 - it ends with the process

    def drain(self, *, others: bool = False) -> None:
        """No further call; it ends when the live ones have, or their time is over. `others` take what comes."""
        self.told = True
        self._say(RELIEVED if others else DRAIN)

    def end(self) -> None:
        """At once; live calls go back to their dialplans."""
        self.told = True
        self._say(END)

    def show_stacks(self) -> None:
        """It writes to standard error what each of its threads is at, if it can: also where its event loop hangs."""
        self._signal(STACKS)

    def kill(self) -> None:
        """Without a word: FreeSWITCH notices within milliseconds."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    @property
    def doing(self) -> Literal["starts", "runs", "ends"]:
        """What it is at. Who starts, or ends, may leave its event loop alone for longer than who has calls."""
        return "ends" if self.ending else "runs" if self.began.is_set() else "starts"

    def look(self) -> bool:
        """Look once more: whether it hangs, since its event loop has not turned for too many looks in a row."""
        if self._process is None or self.ended.is_set():
            return False
        self.missed += 1
        return self.missed > (STUCK_LOOKS if self.doing == "runs" else SLOW_LOOKS)

    def _heard(self) -> None:
        assert self._line is not None
        try:
            words = self._line.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            asyncio.get_running_loop().remove_reader(self._line)
            return
        if UP in words:
            self.began.set()
        self.ending = self.ending or ENDING in words
        if BEAT in words or UP in words:
            self.missed = 0

    def _say(self, word: bytes) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.send(word)

    async def _wait(self) -> None:
        assert self._process is not None
        assert self._line is not None
        self.exit_code = await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        self.ended.set()


async def all_ended(children: Sequence[Child], timeout_s: float) -> bool:
    """Wait for them; whether all have."""
    try:
        async with asyncio.timeout(timeout_s):
            for child in children:
                await child.ended.wait()
    except TimeoutError:
        return False
    return True
