"""Many calls at a running service, kept going for a while."""

import asyncio
from typing import Final

import structlog
from msgspec import Struct

from control.peer.call import PeerCall
from control.peer.clock import ReferenceClock
from control.peer.facts import Dialed
from control.peer.result import SwitchCrashed
from control.peer.script import Script
from control.peer.switch import Switch
from control.peer.tally import LoadReport, Tally

log = structlog.get_logger()

GRACE_S: Final = 30.0
"""Calls that run when the time is over may end by themselves for so long; then their callers hang up."""


class LoadPlan(Struct, frozen=True, kw_only=True):
    """What is rung, how often, for how long."""

    dialed: Dialed
    others: tuple[Dialed, ...] = ()
    """Rung in turn with it."""
    script: Script
    """With its sounds read: see `caller.loaded`."""
    calls: int
    """At once."""
    seconds: float
    """So long is a call that has ended followed by a new one."""
    ramp_per_s: float
    """New calls in a second, at most: at the beginning, and when calls end quickly."""
    grace_s: float = GRACE_S
    pause_s: float = 0.0
    """Between a call's end and the next one in its place."""


class Load:
    """Keeps the plan's calls going. `run` once; `stop` at any moment, also from a signal's handler.

    Where the first call finds nobody at the door none follows it, and `nobody` says so.
    Everything ends: no call is rung after `seconds`, those that run have `grace_s`, then they are hung up.
    """

    def __init__(self, switch: Switch, plan: LoadPlan, reference: ReferenceClock) -> None:
        self.tally: Final = Tally()
        self.nobody = False
        self._met = False
        self._switch, self._plan, self._reference = switch, plan, reference
        self._live: set[PeerCall] = set()
        self._changed = asyncio.Event()
        self._stopped = False

    @property
    def live(self) -> int:
        """Calls that run now."""
        return len(self._live)

    def stop(self) -> None:
        """Ring no more and hang up what runs; `run` then ends soon. Idempotent."""
        self._stopped = True
        self._hang_up()
        self._changed.set()

    async def run(self) -> None:
        """Ring until the time is over, and wait for the last call to end."""
        loop = asyncio.get_running_loop()
        until = due = loop.time()
        until += self._plan.seconds
        everybody = (self._plan.dialed, *self._plan.others)
        async with asyncio.TaskGroup() as group:
            while not self._stopped and (now := loop.time()) < until:
                if self.live < self._plan.calls and due <= now:
                    due = max(due, now) + 1 / self._plan.ramp_per_s
                    call = self._switch.dial(everybody[self.tally.made % len(everybody)], self._plan.script)
                    self._live.add(call)
                    self.tally.rung(self.live)
                    group.create_task(self._one(call), name="load call")
                    continue
                await self._change(min(until, due) - now if self.live < self._plan.calls else until - now)
            end = loop.time() + self._plan.grace_s
            while self._live and not self._stopped and (now := loop.time()) < end:
                await self._change(end - now)
            self._hang_up()

    def report(self) -> LoadReport:
        """The figures so far."""
        return self.tally.report(
            self._reference.report(), at_once=self._plan.calls, planned_s=self._plan.seconds, stopped=self._stopped
        )

    async def _one(self, call: PeerCall) -> None:
        try:
            result = await self._switch.ring(call)
            self.tally.ended(result, call.media.late_ms(self._reference), cut=self._stopped)
            self._met = self._met or result.connected_ms is not None
            if not self._met and not self._stopped and result.ended_by != "caller":
                self.nobody = True
                self.stop()
            if self._plan.pause_s and not self._stopped:
                await asyncio.sleep(self._plan.pause_s)
        except SwitchCrashed as crash:
            # Every call of a real switch would be gone: nothing more can be measured.
            self.tally.crashed(str(crash))
            log.error("the switch would have died", reason=str(crash))  # noqa: TRY400 - it is no error of ours
            self.stop()
        finally:
            self._live.discard(call)
            self._changed.set()

    def _hang_up(self) -> None:
        for call in tuple(self._live):
            call.hang_up()

    async def _change(self, timeout_s: float) -> None:
        """Wait until a call ends, somebody stops us, or the time is over."""
        self._changed.clear()
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._changed.wait()
        except TimeoutError:
            pass
