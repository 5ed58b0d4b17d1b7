"""The second leg that a service calls beside a channel: rings, is answered or not, is bridged, and hangs up.

As recorded (`announced_transfer_*`): the result comes as BACKGROUND_JOB; who hangs up first ends the other's call, or
sends it where `transfer_after_bridge` says; a caller who leaves while it rings leaves it ringing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from control.peer.actions import Send, WentOn

if TYPE_CHECKING:
    from control.peer.machine import ChannelMachine

LEFT_ALONE = "a second leg rings, or waits in silence, though its caller has gone"
DIAL = re.compile(r"originate \{(?P<variables>.*)\}(?P<dialled>\S+) &park\(\)$")


@dataclass(frozen=True)
class Callee:
    """How somebody behaves who is called.

    Args:
        rings_s: how long it takes before anything comes of it.
        made_s: how long the switch looks for the extension before there is a channel that could be killed.
        cause: why it is not answered (USER_BUSY, NO_ANSWER, …); None = it is.
        talks_s: how long the bridged call lasts before this side hangs up; None: for ever.
        stays: whether it is still there when it is to be bridged.
    """

    rings_s: float = 0.2
    made_s: float = 0.0
    cause: str | None = None
    talks_s: float | None = 1.0
    stays: bool = True


Callees = Mapping[str, Callee]
"""By dial string (`user/200@example.net`). Who is not among them is not registered."""


class Legs:
    """One channel's second leg; at most one at a time, as the peer's services do it."""

    def __init__(self, machine: ChannelMachine, callees: Callees) -> None:
        self._machine = machine
        self._callees = callees
        self._uuid = ""
        self._job: list[tuple[str, str]] = []
        self._callee = Callee()
        self._due: float | None = None
        self._made_at = 0.0
        self._answered = False
        self.bridged = False
        self.dialled: list[str] = []
        """Every dial string that was called, with its variables."""

    @property
    def rings(self) -> bool:
        """Somebody's telephone rings."""
        return self._due is not None and not self._answered

    def originate(self, line: str, job: list[tuple[str, str]], now: float) -> str | None:
        """The body of a result that is there at once; None: it comes later."""
        found = DIAL.match(line.strip())
        if found is None:
            return "-ERR CHAN_NOT_IMPLEMENTED\n"
        variables = dict(pair.partition("=")[::2] for pair in re.split(r"(?<!\\),", found["variables"]))
        self.dialled.append(line.strip().removeprefix("originate "))
        callee = self._callees.get(found["dialled"])
        if callee is None:
            return "-ERR USER_NOT_REGISTERED\n"
        limit_s = float(variables.get("originate_timeout", "60"))
        if callee.rings_s > limit_s:
            callee = replace(callee, rings_s=limit_s, cause="NO_ANSWER")
        self._uuid, self._callee, self._job = variables["origination_uuid"], callee, job
        self._due, self._answered = now + callee.rings_s, False
        self._made_at = now + callee.made_s
        return None

    def kill(self, uuid: str, now: float) -> bool:
        """`uuid_kill` of the leg. Whether there was one."""
        if not uuid or uuid != self._uuid or now < self._made_at:
            return False
        if self.rings:
            self._done("-ERR ORIGINATOR_CANCEL\n", now)
        self._uuid, self._due, self._answered = "", None, False
        if LEFT_ALONE in self._machine.hazards:
            self._machine.hazards.remove(LEFT_ALONE)
        return True

    def bridge(self, other: str, now: float) -> bool:
        """`uuid_bridge`. Whether both are there."""
        machine = self._machine
        if not self._callee.stays:
            self._uuid, self._answered = "", False
        if other != self._uuid or not self._answered:
            return False
        self.bridged = True
        machine.running = None
        machine.event("CHANNEL_BRIDGE", now, [("Other-Leg-Unique-ID", other)])
        machine.spoil_unicast("bridge")
        self._due = None if self._callee.talks_s is None else now + self._callee.talks_s
        return True

    def other_bridges(self, talks_s: float, now: float) -> None:
        """Somebody else connects the channel with a person, who hangs up so much later."""
        self._callee, self._uuid, self._answered = Callee(talks_s=talks_s), "another's", True
        self._machine.event("CHANNEL_UNPARK", now, [])
        self.bridge(self._uuid, now)

    def tick(self, now: float) -> None:
        """20 ms."""
        if self._due is None or now < self._due:
            return
        self._due = None
        if self.bridged:
            self._hangs_up(now)
        elif self._callee.cause is not None:
            self._uuid = ""
            self._done(f"-ERR {self._callee.cause}\n", now)
        else:
            self._answered = True
            self._done(f"+OK {self._uuid}\n", now)

    def caller_gone(self) -> None:
        """The channel has ended. A leg that rings, rings on."""
        if self._uuid and not self.bridged:
            self._machine.hazards.append(LEFT_ALONE)

    def _done(self, result: str, now: float) -> None:
        machine = self._machine
        if machine.hears("BACKGROUND_JOB"):
            machine.out.append(Send(machine.writer.job(machine.wall_us(now), self._job, result)))

    def _hangs_up(self, now: float) -> None:
        machine = self._machine
        self.bridged, self._uuid, self._answered = False, "", False
        machine.event("CHANNEL_UNBRIDGE", now, [])
        back = machine.channel.variables.get("transfer_after_bridge") or ""
        machine.channel.variables.put("transfer_after_bridge", "")  # FreeSWITCH takes it off when it follows it
        if back.startswith("door_again:"):
            machine.over = True
            machine.out.append(WentOn("again"))
        elif machine.ending is None:
            machine.ending = ("NORMAL_CLEARING", "leg")
