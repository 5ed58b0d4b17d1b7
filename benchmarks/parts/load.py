"""Callers by the dozen: each talks 2 s, listens 2 s, and talks again, whatever it hears.

The phone's callers come in through the scripted FreeSWITCH's own channel (`control/peer`); of its media only the
sockets are here (see `legs`). All callers of a run are ticked by one clock, spread over 20 points of its 20 ms.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from benchmarks.parts.callers import DATA
from benchmarks.parts.legs import Heard, Leg, SocketLeg, UnicastLeg
from control.peer.actions import Action, Answered, CloseSocket, CloseUnicast, HungUp, OpenFork, OpenUnicast, Send
from control.peer.clock import FRAME_S, MediaClock
from control.peer.esl import EventWriter
from control.peer.facts import Dialed
from control.peer.fork import SUBPROTOCOL
from control.peer.machine import ChannelMachine
from control.peer.script import Codec
from control.peer.sound import load_sound
from control.peer.variables import new_channel
from control.peer.wire import Wire

RATE = Codec.PCMU.sample_rate
FRAME_BYTES = int(RATE * FRAME_S) * 2
TALK_S = 2.0
TURN_S = 2 * TALK_S
FRAMES = round(TALK_S / FRAME_S)
ANSWER_TIMEOUT_S = 10.0
GONE_TIMEOUT_S = 10.0
PHASES = 20


def voices() -> list[list[bytes]]:
    """Recorded callers as 20 ms frames: 2 s of speech without its pauses around, 2 s of silence."""
    paths = sorted((DATA / "speech" / "first").glob("*.wav"))
    return [_voice(path) + [bytes(FRAME_BYTES)] * FRAMES for path in paths]


def _voice(path: Path) -> list[bytes]:
    sound = load_sound(path).at(RATE)
    begin, end = sound.speech
    pcm = sound.samples[begin:end].astype("<i2").tobytes()
    pcm *= -(-FRAMES * FRAME_BYTES // len(pcm))
    return [pcm[at : at + FRAME_BYTES] for at in range(0, FRAMES * FRAME_BYTES, FRAME_BYTES)]


SILENT = [bytes(FRAME_BYTES)]


class Exchange:
    """What all callers of a run share: clock, numbering of events, and how late their ticks were (seconds)."""

    def __init__(self) -> None:
        self.clock = MediaClock(phases=PHASES)
        self.writer = EventWriter(str(uuid4()))
        self.late_s = array("d")
        self.sessions = 0

    def close(self) -> None:
        self.clock.close()


class Caller(ABC):
    """One caller. `ring` returns when its audio flows, `hang_up` when the server has let go."""

    def __init__(self, exchange: Exchange, voice: Sequence[bytes], offset: int) -> None:
        """`voice`: the frames that it sends, again and again, from `offset` on."""
        self.heard = Heard()
        self._exchange, self._voice, self._place = exchange, voice, offset
        self._leg: Leg | None = None
        self._stop_ticking = exchange.clock.add(self._tick)

    @abstractmethod
    async def ring(self) -> None:
        """Raises TimeoutError or OSError when the server does not answer."""

    async def hang_up(self) -> None:
        self._stop_ticking()
        self._close_leg()

    def _tick(self, due: float) -> None:
        self._exchange.late_s.append(time.monotonic() - due)
        if self._leg is not None:
            self._leg.send(self._voice[self._place % len(self._voice)])
            self._place += 1

    def _close_leg(self) -> None:
        if self._leg is not None:
            self._leg.close()
            self._leg = None


class SocketCaller(Caller):
    """A WebSocket and nothing else, as a media stream from any telephone system would come."""

    def __init__(self, exchange: Exchange, voice: Sequence[bytes], offset: int, url: str) -> None:
        super().__init__(exchange, voice, offset)
        self._url = url

    async def ring(self) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            self._leg = await SocketLeg.connect(self._url, self.heard)


class PhoneCaller(Caller):
    """A channel of FreeSWITCH with an event socket, and its audio by the wire that the service asks for."""

    def __init__(
        self, exchange: Exchange, voice: Sequence[bytes], offset: int, dialed: Dialed, address: tuple[str, int]
    ) -> None:
        super().__init__(exchange, voice, offset)
        self._address = address
        socket = f"{address[0]}:{address[1]} async full"
        exchange.sessions += 1
        channel = new_channel(dialed, Codec.PCMU, _wall_us(), session_id=exchange.sessions, socket=socket)
        self._machine = ChannelMachine(channel, exchange.writer, lambda _: _wall_us(), socket=socket, files={})
        self._wire: Wire | None = None
        self._flows = asyncio.Event()
        self._fork: asyncio.Task[None] | None = None

    @property
    def call_id(self) -> str:
        """The channel's UUID."""
        return self._machine.channel.uuid

    async def ring(self) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(lambda: Wire(self), *self._address)
            await self._flows.wait()

    async def hang_up(self) -> None:
        """The caller hangs up; the service gets to close its connection."""
        self._machine.caller_hangs_up()
        try:
            if self._wire is not None:
                async with asyncio.timeout(GONE_TIMEOUT_S):
                    await self._wire.gone.wait()
        finally:
            await super().hang_up()
            if self._wire is not None:
                self._wire.abort()

    def wire_made(self, wire: Wire) -> None:
        self._wire = wire
        self._machine.opened(time.monotonic())

    def bytes_came(self, wire: Wire, data: bytes) -> None:
        self._do_all(self._machine.receive(data, time.monotonic()))

    def wire_lost(self, wire: Wire) -> None:
        if not self._machine.over:
            self._machine.socket_closed(time.monotonic())

    def _tick(self, due: float) -> None:
        if actions := self._machine.tick(time.monotonic()):
            self._do_all(actions)
        super()._tick(due)

    def _do_all(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(parts) if self._wire is not None:
                    self._wire.write(parts)
                case OpenUnicast():
                    self._leg = UnicastLeg(action.local, action.remote, self.heard)
                    self._flows.set()
                case OpenFork():
                    self._fork = asyncio.get_running_loop().create_task(self._open_fork(action.url), name="fork")
                case CloseUnicast() | HungUp():
                    self._close_leg()
                case CloseSocket() if self._wire is not None:
                    self._wire.close()
                case Answered() | _:
                    pass

    async def _open_fork(self, url: str) -> None:
        leg = await SocketLeg.connect(url, self.heard, SUBPROTOCOL)
        leg.say(f'{{"call":"{self._machine.channel.uuid}"}}')
        self._leg = leg
        self._do_all(self._machine.fork_told("connect", time.monotonic()))
        self._flows.set()


def _wall_us() -> int:
    return int(time.time() * 1_000_000)
