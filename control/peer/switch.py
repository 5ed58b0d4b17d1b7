"""A scripted FreeSWITCH with any number of channels in one process, on one 20 ms clock."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from control.peer.call import PeerCall
from control.peer.clock import MediaClock, ReferenceClock
from control.peer.esl import EventWriter
from control.peer.facts import Dialed
from control.peer.legs import Callees
from control.peer.measure import warm_up
from control.peer.result import CallResult, SwitchCrashed, WireEvent
from control.peer.script import Script

LEAK_WATCH_S = 1.0
"""How long a leaked stream is watched after its call for the datagram that kills the switch."""


class Switch:
    """Rings the service at `host:port`. An async context manager: leaving it closes what is left.

    Args:
        local_host: the address that it connects from; the machine's choice when None.
        reference: a running clock whose late intervals are left out of lateness figures.
        files: what `playback` finds: path → seconds.
        callees: who can be called beside a call, by dial string.
        others: services that are rung in turn where nobody listens at the first.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8084,
        *,
        local_host: str | None = None,
        reference: ReferenceClock | None = None,
        files: Mapping[str, float] | None = None,
        callees: Callees | None = None,
        others: Sequence[tuple[str, int]] = (),
    ) -> None:
        self._addresses = ((host, port), *others)
        self._local_host = local_host
        self._reference = reference
        self._files = dict(files or {})
        self._callees = callees or {}
        self._clock = MediaClock()
        self._writer = EventWriter(str(uuid4()))
        self._calls: set[PeerCall] = set()
        self._sessions = 0
        self._crash: SwitchCrashed | None = None
        warm_up()

    async def __aenter__(self) -> "Switch":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._clock.close()

    def dial(
        self,
        dialed: Dialed,
        script: Script,
        *,
        on_event: Callable[[WireEvent], None] | None = None,
        keep_sound: bool = False,
    ) -> PeerCall:
        """A call that has not rung yet: `await switch.ring(call)`; `call.hang_up()` at any moment.

        Raises:
            SoundError: a sound of the script cannot be used.
        """
        self._sessions += 1
        return PeerCall(
            dialed,
            script,
            addresses=self._addresses,
            local_host=self._local_host,
            clock=self._clock,
            writer=self._writer,
            session_id=self._sessions,
            files=self._files,
            callees=self._callees,
            reference=self._reference,
            on_event=on_event,
            keep_sound=keep_sound,
        )

    async def ring(self, call: PeerCall) -> CallResult:
        """Plays a call to its end.

        Raises:
            SwitchCrashed: a service killed the switch, by this call or by another.
        """
        if self._crash is not None:
            raise self._crash
        self._calls.add(call)
        try:
            result = await call.run()
            await self._watch_leaks(call)
        except SwitchCrashed as crash:
            self._crash = self._crash or crash
            for other in self._calls - {call}:
                other.crash(crash)
            raise
        finally:
            self._calls.discard(call)
            for stream in call.media.leaked:
                stream.close()
        return result

    async def call(
        self,
        dialed: Dialed,
        script: Script,
        *,
        record: Path | None = None,
        heard: Path | None = None,
        on_event: Callable[[WireEvent], None] | None = None,
    ) -> CallResult:
        """Dials, plays and (where paths are given) records a call.

        Raises:
            SwitchCrashed: the service gave a deadly order.
            SoundError: a sound cannot be read or a recording not written.
        """
        keep_sound = record is not None or heard is not None
        call = self.dial(dialed, script, on_event=on_event, keep_sound=keep_sound)
        result = await self.ring(call)
        if keep_sound:
            call.record(record, heard)
        return result

    async def _watch_leaks(self, call: PeerCall) -> None:
        """A leaked stream outlives its call; the next datagram to its port kills a real switch.

        Raises:
            SwitchCrashed: it came.
        """
        if call.media.leaked and await call.media.datagram_on_leaked(LEAK_WATCH_S):
            raise SwitchCrashed(
                "a second `unicast` in one park, and a datagram to the first port after the call: abort in "
                "switch_core_session_write_frame. Never send `unicast` again while a stream is alive."
            )


async def run_calls(
    calls: Sequence[tuple[Dialed, Script]],
    *,
    host: str = "127.0.0.1",
    port: int = 8084,
    stagger_s: float = 0.0,
    reference: ReferenceClock | None = None,
    on_event: Callable[[int, WireEvent], None] | None = None,
) -> list[CallResult]:
    """Plays many calls at once on one switch; the results in the order of the calls.

    Args:
        stagger_s: time between one call's first ring and the next one's.
        on_event: gets the call's index and each event.

    Raises:
        SwitchCrashed: a service killed the switch.
    """

    async def one(index: int, dialed: Dialed, script: Script) -> CallResult:
        await asyncio.sleep(index * stagger_s)
        return await switch.call(
            dialed, script, on_event=None if on_event is None else lambda event: on_event(index, event)
        )

    async with Switch(host, port, reference=reference) as switch:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(index, *call)) for index, call in enumerate(calls)]
        except* SwitchCrashed as crashes:
            raise crashes.exceptions[0] from crashes
    return [task.result() for task in tasks]
