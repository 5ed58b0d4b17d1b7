"""The parent of a node's processes: it has what they share and nothing else to do, so that it does not fail with them.

It holds the listening sockets, which a process that dies does not take with it, and the embedded database. Who ends
unasked has a successor, and who hangs is killed (`family.py`), since FreeSWITCH notices a dead process within
milliseconds and a hung one never. When the parent ends, all end.

Closing order: all drain; when they have ended, or their time is over, what is left is killed; then the database stops.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog

from base.tasks import beside
from control.models_role.socket import socket_path, url_of
from control.places import BESIDE
from control.settings import Settings
from control.workers.child import Child, all_ended
from control.workers.family import Family
from control.workers.seat import Seat, seats
from tenants.database import PoolBounds
from tenants.embedded import embedded_postgres
from tenants.keys import api_key_pepper, signing_keys

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

    def __init__(
        self,
        found: Settings,
        http: socket.socket,
        door: socket.socket,
        environ: Mapping[str, str],
        answers: Callable[[], None] = lambda: None,
    ) -> None:
        """`http` is bound, `door` listens; `environ` is for the processes. `answers` is called once, when the first of
        them takes calls.
        """
        self._answers: Callable[[], None] | None = answers
        self._found = found
        self._door = door
        self._environ = dict(environ)
        self._family = Family(found, http, door, self._environ)
        self._relieving: asyncio.Task[None] | None = None
        self._again = False
        """When the relief that goes on is over, another one follows."""
        self._leaving: set[asyncio.Task[None]] = set()

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
            watch = asyncio.create_task(self._family.watch(), name="watch the processes")
            try:
                await self._work()
            finally:
                await self._end()
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    def stop(self) -> None:
        """Drain and end; the second time end at once."""
        if self._family.stopping.is_set():
            log.warning("no call is waited for")
            for child in self._family.children:
                child.end()
            return
        self._family.stopping.set()
        self._door.close()  # where every process has left it, nobody is to wait there
        log.info("no further call is taken", drain_s=self._found.drain_s)

    def relieve(self) -> None:
        """Each process is relieved by a fresh one, one after the other; again, if that is asked for meanwhile."""
        if not self._family.begun or self._family.stopping.is_set():
            log.warning("nobody is relieved while the processes begin or end")
        elif self._relieving is None or self._relieving.done():
            self._relieving = asyncio.create_task(self._relieve_all(), name="relieve the processes")
        else:
            self._again = True
            log.info("a relief goes on: another one follows it")

    async def _work(self) -> None:
        for together in seats(self._found):
            if not self._family.stopping.is_set():
                # Calls are taken before those begin that none needs: they end none if they fail.
                self._family.begun = all(seat.role in BESIDE for seat in together)
                children = [await self._family.start(seat) for seat in together]
                takers = [child for child in children if child.seat.takes_calls]
                async with beside(wait_for_the_first_that_takes_calls=self._first_of(takers)):
                    for child in children:
                        await self._has_begun(child)
                if takers and not self._family.stopping.is_set():
                    self._say_that_it_answers()  # the first may have begun as another's heir
        if not self._family.stopping.is_set():
            log.info("all processes have begun", workers=self._found.workers)
        await self._family.stopping.wait()

    async def _first_of(self, takers: Sequence[Child]) -> None:
        if takers:
            await _one_of(*(child.began for child in takers))
            self._say_that_it_answers()

    def _say_that_it_answers(self) -> None:
        """Once."""
        said, self._answers = self._answers, None
        if said is not None:
            said()

    @property
    def _serves_models(self) -> bool:
        """Whether one process of ours has the models for all others."""
        return self._found.models_url is None

    async def _has_begun(self, child: Child) -> None:
        """It, or who follows it where it hung in its start; where all but it have begun it may end meanwhile."""
        family = self._family
        while True:
            await _one_of(child.began, child.ended, family.stopping)
            if child.began.is_set() or family.begun or family.stopping.is_set():
                return
            if not child.hung:
                raise StartFailedError(f"{child.seat.name} ended with status {child.exit_code} before it had begun")
            await _one_of(child.followed, family.stopping)
            child = family.last(child)

    async def _relieve_all(self) -> None:
        await self._relieve()
        while self._again:
            self._again = False
            await self._relieve()

    async def _relieve(self) -> None:
        """The fresh one takes calls before the former drains, whose end nobody waits for but who needs its place;
        where no calls come one place is enough for both. The models go first: their fresh process has their socket
        before the former ends.
        """
        if not await self._relieve_models():
            return
        for former in self._family.takers(told=False):
            await self._room_for_another()
            if former.ended.is_set():
                continue  # it has a fresh one in its place
            fresh = await self._family.start(self._family.place(Seat(role="media", slot=0)), spare=True)
            if not await self._begins(fresh):
                return
            former = self._family.last(former)
            former.drain(others=True)
            log.info("a process was relieved", former=former.seat.name, fresh=fresh.seat.name)
            leaves = asyncio.create_task(self._leaves(former), name=f"{former.seat.name} leaves")
            self._leaving.add(leaves)
            leaves.add_done_callback(self._leaving.discard)
        for former in [child for child in self._family.children if child.seat.role not in ("media", "models")]:
            if former.ended.is_set():
                continue
            former.drain()
            await all_ended([former], ENDS_WITHIN_S)
            former.kill()
            await former.ended.wait()
            if not self._family.stopping.is_set():
                self._family.kept(await self._family.successor(former))

    async def _room_for_another(self) -> None:
        """Return when a fresh one has a place beside those that take calls, and their heirs: formers may have half."""
        waits = False
        while len(formers := self._family.takers(told=True)) >= self._found.workers:
            if not waits:
                log.info("a relief waits until calls of former processes are over", formers=len(formers))
            waits = True
            await _one_of(*(former.ended for former in formers))
            await asyncio.sleep(0)  # whoever keeps it has taken it out

    async def _leaves(self, former: Child) -> None:
        """It ends when its calls have, or their time is over; at last it is killed."""
        await all_ended([former], self._found.relief_drain_s + ENDS_WITHIN_S)
        former.kill()

    async def _relieve_models(self) -> bool:
        """Whether the others may follow."""
        for former in [child for child in self._family.children if child.seat.role == "models"]:
            if not await self._begins(await self._family.start(former.seat, spare=True)):
                return False
            former = self._family.last(former)
            former.drain()
            await all_ended([former], ENDS_WITHIN_S)
            former.kill()
        return True

    async def _begins(self, fresh: Child) -> bool:
        """Whether it has begun; else it is killed, and the others stay as they are."""
        await _one_of(fresh.began, fresh.ended, timeout_s=BEGINS_WITHIN_S)
        if self._family.stopping.is_set():
            return False
        if not fresh.began.is_set():
            log.error("a fresh process does not begin: the others stay as they are", process=fresh.seat.name)
            fresh.kill()
            return False
        fresh.spare = False
        return True

    async def _end(self) -> None:
        self._family.stopping.set()
        reliefs = [*self._leaving, *filter(None, [self._relieving])]
        for relief in reliefs:
            relief.cancel()
        await asyncio.gather(*reliefs, return_exceptions=True)
        # The REST API behind the calls: it tells how they fare. All of them need the models to their end.
        calls, api = ("media", *BESIDE), ("media", *BESIDE, "control")
        for roles, limit_s in (calls, self._found.drain_s), (api, 0.0), ((*api, "models"), 0.0):
            children = [child for child in self._family.children if child.seat.role in roles]
            for child in children:
                child.drain()
            if not await all_ended(children, limit_s + ENDS_WITHIN_S):
                log.error("processes do not end and are killed", processes=[c.seat.name for c in self._family.children])
                for child in children:
                    child.kill()
                await all_ended(children, ENDS_WITHIN_S)
        await self._family.close()


async def _one_of(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    """Return when one is set, or the time is over."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
