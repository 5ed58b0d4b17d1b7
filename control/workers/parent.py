"""The parent of a node's processes: it has what they share and nothing else to do, so that it does not fail with them.

It holds the listening sockets, which a process that dies does not take with it, and the embedded database. A process
that ends unasked is started anew, at once the first time and later and later if that goes on; one whose event loop has
stood still for two seconds is killed, since FreeSWITCH notices a dead process within milliseconds and a hung one never.
No process's end touches another. When the parent ends, all end.

Closing order: all drain; when they have ended, or their time is over, what is left is killed; then the database stops.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

import structlog

from control.models_role.socket import socket_path, url_of
from control.places import BESIDE
from control.settings import Settings
from control.workers.child import Child, all_ended
from control.workers.seat import Seat, seats
from tenants.database import PoolBounds
from tenants.embedded import embedded_postgres
from tenants.keys import api_key_pepper, signing_keys

LOOK_S: Final = 0.25
STUCK_LOOKS: Final = 8
"""Looks, not seconds: a parent that was stopped itself, with all others, has seen nothing of them meanwhile."""
STACKS_S: Final = 0.1
"""A process that hangs has so long to tell where, before it is killed."""
FIRST_PAUSE_S: Final = 0.1
MOST_PAUSE_S: Final = 30.0
WELL_S: Final = 60.0
"""Who lived so long has not failed at once: his successor begins without a pause."""
ENDS_WITHIN_S: Final = 25.0
"""After its calls are over, or given back, a process has so long to put its things away."""
BEGINS_WITHIN_S: Final = 600.0
SPARE_CONNECTIONS: Final = 20
"""For commands, migrations, and whoever looks."""

log = structlog.get_logger()


def connections(found: Settings) -> int:
    """What the processes may have of the database at the same time, and commands beside them.

    The one with the REST API may have a successor while it ends, as each place has.
    """
    return (found.slots + 2 + len(BESIDE)) * PoolBounds().max_connections + SPARE_CONNECTIONS


class StartFailedError(Exception):
    """A process ended before all had begun; its own last words say why."""


class Parent:
    """Of one node. `run` until it is told to stop by SIGTERM or SIGINT; a second signal waits for no call."""

    def __init__(self, found: Settings, http: socket.socket, door: socket.socket, environ: Mapping[str, str]) -> None:
        """`http` is bound, `door` listens; `environ` is for the processes."""
        self._found = found
        self._http = http
        self._door = door
        self._environ = dict(environ)
        self._children: list[Child] = []
        self._keepers: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._relieving: asyncio.Task[None] | None = None
        self._begun = False

    async def run(self) -> None:
        """Raises StartFailedError, SocketPathError, and what the embedded database raises."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.relieve)
        # Made once, before several could make them.
        self._found.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        signing_keys(self._found.data_dir, self._found.signing_keys)
        api_key_pepper(self._found.data_dir, self._found.api_key_secret)
        if self._serves_models:
            self._environ["ATENDE_MODELS_URL"] = url_of(socket_path(self._found))
        async with AsyncExitStack() as stack:
            if self._found.database_url is None:
                url = await stack.enter_async_context(embedded_postgres(self._found.data_dir, connections(self._found)))
                self._environ["ATENDE_DATABASE_URL"] = url.reveal()
            watch = asyncio.create_task(self._watch(), name="watch the processes")
            try:
                await self._work()
            finally:
                await self._end()
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    def stop(self) -> None:
        """Drain and end; the second time end at once."""
        if self._stopping.is_set():
            log.warning("no call is waited for")
            for child in self._children:
                child.end()
            return
        self._stopping.set()
        self._door.close()  # where every process has left it, nobody is to wait there
        log.info("no further call is taken", drain_s=self._found.drain_s)

    def relieve(self) -> None:
        """Each process is relieved by a fresh one, one after the other. Nothing happens while that goes on."""
        if self._begun and (self._relieving is None or self._relieving.done()):
            self._relieving = asyncio.create_task(self._relieve(), name="relieve the processes")

    async def _work(self) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            for together in seats(self._found):
                if not self._stopping.is_set():
                    # Calls are taken before those begin that none needs: they end none if they fail.
                    self._begun = all(seat.role in BESIDE for seat in together)
                    for child in [await self._start(seat) for seat in together]:
                        await self._has_begun(child, stopped)
            if not self._stopping.is_set():
                log.info("all processes have begun", workers=self._found.workers)
            await stopped
        finally:
            stopped.cancel()

    @property
    def _serves_models(self) -> bool:
        """Whether one process of ours has the models for all others."""
        return self._found.models_url is None

    async def _has_begun(self, child: Child, stopped: asyncio.Task[bool]) -> None:
        waits = [asyncio.create_task(child.began.wait()), asyncio.create_task(child.ended.wait()), stopped]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits[:2]:
            wait.cancel()
        if child.ended.is_set() and not (child.began.is_set() or self._begun or self._stopping.is_set()):
            raise StartFailedError(f"{child.seat.name} ended with status {child.exit_code} before it had begun")

    async def _start(self, seat: Seat, *, spare: bool = False) -> Child:
        child = await self._child(seat)
        child.spare = spare
        return self._kept(child)

    def _kept(self, child: Child) -> Child:
        keeper = asyncio.create_task(self._keep(child), name=f"keep {child.seat.name}")
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        return child

    async def _keep(self, child: Child) -> None:
        """It, and whoever takes its place, until one was told to end."""
        failures, since = 0, time.monotonic()
        while True:
            await child.ended.wait()
            self._children.remove(child)
            never_began = not child.began.is_set() and (child.spare or not self._begun)
            if never_began or self._is_over(child):
                return
            failures = 0 if time.monotonic() - since > WELL_S else failures
            pause_s = 0.0 if failures == 0 else min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0**failures)
            facts = {"process": child.seat.name, "status": child.exit_code, "pause_s": pause_s}
            log.error("a process ended and is started anew", **facts)
            await asyncio.sleep(pause_s)
            if self._is_over(child):
                return
            failures, since = min(failures + 1, 20), time.monotonic()
            child.heir = heir = await self._successor(child)
            if self._is_over(child):
                heir.drain(others=True)
            child = heir

    def _is_over(self, child: Child) -> bool:
        """Whether nobody is to take its place any more: of the models somebody is as long as live calls end."""
        needed = child.seat.role == "models" and any(one.seat.takes_calls for one in self._children)
        return child.told or (self._stopping.is_set() and not needed)

    async def _successor(self, former: Child) -> Child:
        while True:
            try:
                return await self._child(self._place(former.seat))
            except OSError as error:
                log.error("no process can be started", process=former.seat.name, error=str(error))  # noqa: TRY400
                await asyncio.sleep(MOST_PAUSE_S)

    async def _child(self, seat: Seat) -> Child:
        child = Child(seat)
        self._children.append(child)  # first: its place is taken from now on
        try:
            await child.start(self._environ, self._inherited(seat))
        except OSError:
            self._children.remove(child)
            raise
        return child

    def _inherited(self, seat: Seat) -> Mapping[str, socket.socket]:
        """What it listens on that the node has once."""
        match seat.role:
            case "control":
                return {"http": self._http}
            case "media":
                return {"door": self._door}
        return {}

    def _place(self, former: Seat) -> Seat:
        """Its place, unless somebody has it."""
        if former.role != "media":
            return former
        taken = {child.seat.slot for child in self._children if child.seat.role == "media"}
        free = [former.slot, *range(self._found.slots)]
        return Seat(role="media", slot=next(slot for slot in free if slot not in taken))

    async def _relieve(self) -> None:
        """The fresh one takes calls before the former drains; where no calls come one place is enough for
        both. The models go first: their fresh process has their socket before the former ends.
        """
        if not await self._relieve_models():
            return
        for former in [child for child in self._children if child.seat.role == "media"]:
            if former.ended.is_set():
                continue  # it has a fresh one in its place
            fresh = await self._start(self._place(Seat(role="media", slot=0)), spare=True)
            if not await self._begins(fresh):
                return
            former = self._last(former)
            former.drain(others=True)
            await all_ended([former], self._found.drain_s + ENDS_WITHIN_S)
            former.kill()
            log.info("a process was relieved", former=former.seat.name, fresh=fresh.seat.name)
        for former in [child for child in self._children if child.seat.role not in ("media", "models")]:
            if former.ended.is_set():
                continue
            former.drain()
            await all_ended([former], ENDS_WITHIN_S)
            former.kill()
            await former.ended.wait()
            if not self._stopping.is_set():
                self._kept(await self._successor(former))

    def _last(self, child: Child) -> Child:
        """Who has its place now: meanwhile it may have ended unasked, and its heir, too."""
        while child.heir is not None:
            child = child.heir
        return child

    async def _relieve_models(self) -> bool:
        """Whether the others may follow."""
        for former in [child for child in self._children if child.seat.role == "models"]:
            if not await self._begins(await self._start(former.seat, spare=True)):
                return False
            former = self._last(former)
            former.drain()
            await all_ended([former], ENDS_WITHIN_S)
            former.kill()
        return True

    async def _begins(self, fresh: Child) -> bool:
        """Whether it has begun; else it is killed, and the others stay as they are."""
        waits = [asyncio.create_task(fresh.began.wait()), asyncio.create_task(fresh.ended.wait())]
        await asyncio.wait(waits, timeout=BEGINS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._stopping.is_set():
            return False
        if not fresh.began.is_set():
            log.error("a fresh process does not begin: the others stay as they are", process=fresh.seat.name)
            fresh.kill()
            return False
        fresh.spare = False
        return True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for child in tuple(self._children):
                if child.look() >= STUCK_LOOKS:
                    log.error("a process hangs and is killed", process=child.seat.name, pid=child.pid)
                    child.missed = 0
                    child.show_stacks()
                    await asyncio.sleep(STACKS_S)
                    child.kill()

    async def _end(self) -> None:
        self._stopping.set()
        if self._relieving is not None:
            self._relieving.cancel()
            await asyncio.gather(self._relieving, return_exceptions=True)
        # The REST API behind the calls: it tells how they fare. All of them need the models to their end.
        calls, api = ("media", *BESIDE), ("media", *BESIDE, "control")
        for roles, limit_s in (calls, self._found.drain_s), (api, 0.0), ((*api, "models"), 0.0):
            children = [child for child in self._children if child.seat.role in roles]
            for child in children:
                child.drain()
            if not await all_ended(children, limit_s + ENDS_WITHIN_S):
                log.error("processes do not end and are killed", processes=[c.seat.name for c in self._children])
                for child in children:
                    child.kill()
                await all_ended(children, ENDS_WITHIN_S)
        for keeper in tuple(self._keepers):
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
