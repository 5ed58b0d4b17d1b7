"""The processes of a node as their parent has them: who has which place, and who follows one that ended unasked.

A process that ends unasked is started anew, at once the first time and later and later if that goes on; one whose event
loop has stood still for two seconds is killed, and so is one that has not come to life, or to its end, within two
minutes. No process's end touches another.
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from typing import Final

import structlog

from control.settings import Settings
from control.workers.child import LOOK_S, Child
from control.workers.seat import Seat

STACKS_S: Final = 0.1
"""A process that hangs has so long to tell where, before it is killed."""
FIRST_PAUSE_S: Final = 0.1
MOST_PAUSE_S: Final = 30.0
WELL_S: Final = 60.0
"""Who had begun and lived so long has not failed at once: his successor begins without a pause."""

log = structlog.get_logger()


class Family:
    """Of one parent. Whoever starts somebody ends all, and `close`s."""

    def __init__(self, found: Settings, http: socket.socket, door: socket.socket, environ: Mapping[str, str]) -> None:
        """See `Parent`."""
        self._found = found
        self._http = http
        self._door = door
        self._environ = environ
        self.children: list[Child] = []
        self._keepers: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()
        """Nobody takes another's place any more, unless live calls need him."""
        self.begun = False
        """Who ends from now on is followed by another, also where he had not begun."""

    async def start(self, seat: Seat, *, spare: bool = False) -> Child:
        """Somebody in this place; see `Child.spare`. Raises OSError when the machine has no room for him."""
        child = await self._child(seat)
        child.spare = spare
        return self.kept(child)

    def kept(self, child: Child) -> Child:
        """From now on it is followed."""
        keeper = asyncio.create_task(self._keep(child), name=f"keep {child.seat.name}")
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        return child

    async def _keep(self, child: Child) -> None:
        """It, and whoever takes its place, until one was told to end."""
        failures, since = 0, time.monotonic()
        while True:
            await child.ended.wait()
            self.children.remove(child)
            never_began = not child.began.is_set() and (child.spare or not (self.begun or child.hung))
            if never_began or self._is_over(child):
                return
            failures = 0 if child.began.is_set() and time.monotonic() - since > WELL_S else failures
            pause_s = 0.0 if failures == 0 else min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0**failures)
            facts = {"process": child.seat.name, "status": child.exit_code, "pause_s": pause_s}
            log.error("a process ended and is started anew", **facts)
            await asyncio.sleep(pause_s)
            if self._is_over(child):
                return
            failures, since = min(failures + 1, 20), time.monotonic()
            child.heir = heir = await self.successor(child)
            child.followed.set()
            if self._is_over(child):
                heir.drain(others=True)
            child = heir

    def _is_over(self, child: Child) -> bool:
        """Whether nobody is to take its place any more: of the models somebody is as long as live calls end."""
        needed = child.seat.role == "models" and any(one.seat.takes_calls for one in self.children)
        return child.told or (self.stopping.is_set() and not needed)

    async def successor(self, former: Child) -> Child:
        """Somebody in its place, as soon as the machine has room for him."""
        while True:
            try:
                return await self._child(self.place(former.seat))
            except OSError as error:
                log.error("no process can be started", process=former.seat.name, error=str(error))  # noqa: TRY400
                await asyncio.sleep(MOST_PAUSE_S)

    async def _child(self, seat: Seat) -> Child:
        child = Child(seat)
        self.children.append(child)  # first: its place is taken from now on
        try:
            await child.start(self._environ, self._inherited(seat))
        except OSError:
            self.children.remove(child)
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

    def takers(self, *, told: bool) -> list[Child]:
        """Those that take calls; `told`: those that were asked to end, and still have some."""
        return [child for child in self.children if child.seat.role == "media" and child.told == told]

    def place(self, former: Seat) -> Seat:
        """Its place, unless somebody has it."""
        if former.role != "media":
            return former
        taken = {child.seat.slot for child in self.children if child.seat.role == "media"}
        free = [former.slot, *range(self._found.slots)]
        return Seat(role="media", slot=next(slot for slot in free if slot not in taken))

    def last(self, child: Child) -> Child:
        """Who has its place now: meanwhile it may have ended unasked, and its heir, too."""
        while child.heir is not None:
            child = child.heir
        return child

    async def watch(self) -> None:
        """For ever: who hangs is killed."""
        while True:
            await asyncio.sleep(LOOK_S)
            for child in tuple(self.children):
                if child.look():
                    facts = {"process": child.seat.name, "pid": child.pid, "while_it": child.doing}
                    log.error("a process hangs and is killed", **facts)
                    child.hung, child.missed = True, 0
                    child.show_stacks()
                    await asyncio.sleep(STACKS_S)
                    child.kill()

    async def close(self) -> None:
        """Nobody is followed any more."""
        for keeper in tuple(self._keepers):
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
