"""One scripted call over real sockets: the thin shell round the channel's machine, the caller and the media."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import structlog

from control.peer import esl
from control.peer.actions import (
    Action,
    Answered,
    CloseSocket,
    CloseUnicast,
    EventSent,
    HungUp,
    MediaAction,
    OpenFork,
    OpenStream,
    OpenUnicast,
    PlayFile,
    Send,
    StopFile,
    Transferred,
    WentOn,
)
from control.peer.caller import Frame
from control.peer.clock import MediaClock, ReferenceClock
from control.peer.facts import Dialed
from control.peer.fork import State
from control.peer.legs import Callees
from control.peer.machine import ChannelMachine
from control.peer.media import Media
from control.peer.observer import Observer
from control.peer.result import CallResult, SwitchCrashed, WireEvent
from control.peer.script import Script
from control.peer.stream import News
from control.peer.variables import new_channel
from control.peer.wire import Wire

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 8.0
"""How long the end of a call waits for the service (or the linger time) to close the connection."""
MAX_DOORS = 20
TEXT_OUT = "atende::text-out"
"""As what event a text leaves the call, where no media module makes one of it."""
FALL_BACK_CAUSES: Mapping[str, str] = {"failed": "NORMAL_TEMPORARY_FAILURE", "busy": "USER_BUSY"}
"""What the dialplan's fall-back extensions hang up with."""


class PeerCall:
    """One call. `run` plays it; `hang_up` may be called at any moment. Used once."""

    def __init__(
        self,
        dialed: Dialed,
        script: Script,
        *,
        addresses: Sequence[tuple[str, int]],
        local_host: str | None,
        clock: MediaClock,
        writer: esl.EventWriter,
        session_id: int,
        files: Mapping[str, float],
        callees: Callees,
        reference: ReferenceClock | None,
        on_event: Callable[[WireEvent], None] | None,
        keep_sound: bool,
    ) -> None:
        self.dialed, self.script = dialed, script
        self._addresses = list(addresses)
        self._local_host = local_host
        self._clock, self._reference = clock, reference
        self._began = time.monotonic()
        wall_began = time.time()
        socket = f"{'|'.join(f'{host}:{port}' for host, port in addresses)} async full"

        def wall_us(now: float) -> int:
            return int((wall_began + now - self._began) * 1_000_000)

        channel = new_channel(dialed, script.codec, wall_us(self._began), session_id=session_id, socket=socket)
        self.machine = ChannelMachine(channel, writer, wall_us, socket=socket, files=files, callees=callees)
        self.media = Media(script, self._began, keep_sound=keep_sound)
        self._observer = Observer(self._began, self.media, on_event)
        self._wire: Wire | None = None
        self._left_door = asyncio.Event()
        self._crash: SwitchCrashed | None = None
        self._end: HungUp | WentOn | Transferred | None = None
        self._doors: list[str] = []
        self._texts: list[str] = []
        self._hanging_up = False
        self._script_ended = False

    @property
    def call_id(self) -> str:
        """The channel's UUID."""
        return self.machine.channel.uuid

    def hang_up(self) -> None:
        """The caller hangs up now."""
        if self._hanging_up:
            return
        self._hanging_up = True
        try:
            self.machine.caller_hangs_up()
        except SwitchCrashed as crash:
            self.crash(crash)

    def crash(self, why: SwitchCrashed) -> None:
        """The whole switch died: this call with it."""
        self._crash = self._crash or why
        self._left_door.set()
        if self._wire is not None:
            self._wire.abort()

    def other_plays(self, file: str) -> None:
        """Somebody else's client of the event socket has this channel play a file."""
        self._guarded(lambda _: self.machine.other_plays(file))

    def other_bridges(self, talks_s: float) -> None:
        """Somebody else's client connects the caller with a person, who hangs up so much later."""
        self._guarded(lambda now: self.machine.other_bridges(talks_s, now))

    def cut_media(self) -> None:
        """The media module's socket breaks, and nothing else; nothing happens without one."""
        self.media.cut()

    def switch_ends(self) -> None:
        """The switch is killed and started anew: every socket of this call breaks, without a word."""
        self._left_door.set()
        if self._wire is not None:
            self._wire.abort()
        self.media.break_stream()

    async def run(self) -> CallResult:
        """Rings, plays the script to its end, and measures.

        Raises:
            SwitchCrashed: the service gave an order that kills a FreeSWITCH.
        """
        self._observer.note("ringing", self._began)
        stop_ticking = self._clock.add(self._tick)
        try:
            addresses = self._addresses
            while (end := await self._through_door(addresses)) == WentOn("again") and len(self._doors) < MAX_DOORS:
                self._reenter()
                addresses = [*self._had_by(), *self._addresses]
            self.media.caller.call_ended()
            if self._wire is not None:
                await self._wait_for_close(self._wire)
        finally:
            stop_ticking()
            self.media.close_stream()
            if self._wire is not None:
                self._wire.abort()
        if self._crash is not None:
            raise self._crash
        return self._result(end)

    async def _through_door(self, addresses: Sequence[tuple[str, int]]) -> HungUp | WentOn | Transferred:
        """One `socket` application, from its connect, to the first that takes it, to the end of its park."""
        self._left_door.clear()
        loop = asyncio.get_running_loop()
        local = None if self._local_host is None else (self._local_host, 0)
        for host, port in addresses:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await loop.create_connection(lambda: Wire(self), host, port, local_addr=local)
                break
            except (OSError, TimeoutError) as error:
                log.info("nobody answers the door", host=host, port=port, error=str(error))
        else:
            return WentOn(self.machine.channel.variables.get("door") or "failed")
        await self._left_door.wait()  # ends at the latest by the script's limit, which hangs up
        return self._end or HungUp("CRASHED", "service")

    def _had_by(self) -> list[tuple[str, int]]:
        """`${atende_again_at}` of the dialplan: the process that had the call, where it has said so."""
        host, _, port = (self.machine.channel.variables.get("atende_again_at") or "").rpartition(":")
        return [(host, int(port))] if host and port.isdecimal() else []

    def _reenter(self) -> None:
        self._doors.append("again")
        self._end = None
        self.machine.reenter(time.monotonic())
        if self._hanging_up:
            self.machine.caller_hangs_up()

    async def _wait_for_close(self, wire: Wire) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S + (self.machine.linger_s or 0)):
                await wire.gone.wait()
        except TimeoutError:
            log.warning("the service keeps the event socket open after the call", call=self.call_id)

    # The wire

    def wire_made(self, wire: Wire) -> None:
        """The service accepted; too late for a caller who has gone meanwhile."""
        self._wire = wire
        if self.machine.over:
            wire.abort()
            return
        now = time.monotonic()
        self.machine.opened(now)
        self._observer.note("connected", now)

    def bytes_came(self, wire: Wire, data: bytes) -> None:
        """Bytes of the service."""
        if wire is self._wire:
            self._guarded(lambda now: self.machine.receive(data, now))

    def wire_lost(self, wire: Wire) -> None:
        """The service closed the connection, or we did."""
        if wire is self._wire:
            self.machine.socket_closed(time.monotonic())

    # The tick

    def _tick(self, due: float) -> None:
        """20 ms of this channel. `due` is the moment that the tick stands for, and all that a file's length is told by:
        a switch plays by frames, and one that begins late has no frame more or less for that.
        """
        self._guarded(lambda _: self.machine.tick(due))
        if self._end is not None and not isinstance(self._end, WentOn):
            return
        now = time.monotonic()
        patience = self.script.limit_s
        if self.script.hang_up_after_s is not None:
            patience = min(patience, self.script.hang_up_after_s)
        if due - self._began >= patience:
            self.hang_up()
        if self._observer.answered_at is None:
            return
        self.media.play(now, due)
        frame = Frame() if self._hanging_up else self.media.caller.tick(due)
        self.media.send(frame, due, now)
        if frame.digit:
            self._guarded(lambda at: self.machine.digit(frame.digit, at))
            self._observer.note("dtmf", now, frame.digit)
        for text in frame.texts:
            self._write(text, now)
        if frame.hang_up and not self._hanging_up:
            self._script_ended = True
            self.hang_up()
        self._observer.look(due)

    def _write(self, text: str, now: float) -> None:
        self._observer.note("caller_writes", now, text)
        if not self.media.write(text):
            self._guarded(lambda at: self.machine.written(text, at))

    def _text_came(self, message: str) -> None:
        self._texts.append(message)
        self._observer.note("text", time.monotonic(), message)

    def _guarded(self, step: Callable[[float], list[Action]]) -> None:
        now = time.monotonic()
        try:
            for action in step(now):
                self._do(action, now)
        except SwitchCrashed as crash:
            self.crash(crash)
        except esl.CommandTooLongError as error:
            log.warning("the service broke the event socket's rules", call=self.call_id, error=str(error))
            if self._wire is not None:
                self._wire.abort()

    def _do(self, action: Action, now: float) -> None:
        match action:
            case Send(parts):
                if self._wire is not None:
                    self._wire.write(parts)
            case Answered():
                self._observer.answered(now)
                self.media.caller.begin(now)
            case EventSent(subclass, body):
                if subclass == TEXT_OUT:
                    self._text_came(body)
            case CloseSocket():
                if self._wire is not None:
                    self._wire.close()
            case HungUp() | WentOn() | Transferred():
                self._end = action
                self._left_door.set()
            case _:
                self._do_media(action, now)

    def _do_media(self, action: MediaAction, now: float) -> None:
        match action:
            case OpenUnicast():
                self._open(action, now)
            case OpenFork():
                self.media.open_fork(action, now, self._fork_told)
                self._observer.note("media", now, "fork")
            case OpenStream():
                self.media.open_stream(action, now, self._stream_told, self._file_written)
                self._observer.note("media", now, "stream")
            case PlayFile(path):
                self.media.play_file(path)
            case StopFile():
                self.media.stop_file()
            case CloseUnicast(reason):
                self.media.close_stream()
                self._observer.note("media_ended", now, reason)

    def _open(self, order: OpenUnicast, now: float) -> None:
        try:
            self.media.open(order, now)
        except OSError as error:
            log.info("unicast order cannot be bound", call=self.call_id, port=order.local[1], error=str(error))
            self.machine.unicast_failed()
        else:
            self._observer.note("media", now, f"{order.local[0]}:{order.local[1]}")

    def _fork_told(self, what: State, body: str) -> None:
        if what == "json":
            self._text_came(body)
        if what == "connect" and self.media.first_datagram_at is None:
            self._observer.note("media", time.monotonic(), "socket")
        self._guarded(lambda now: self.machine.fork_told(what, now, body))

    def _stream_told(self, what: News, body: str) -> None:
        if what == "json":
            self._text_came(body)
        if what == "connect" and self.media.first_datagram_at is None:
            self._observer.note("media", time.monotonic(), "socket")
        self._guarded(lambda now: self.machine.stream_told(what, body, now))

    def _file_written(self, path: str, seconds: float) -> None:
        self.machine.files[path] = seconds

    # The report

    def _result(self, end: HungUp | WentOn | Transferred) -> CallResult:
        ended_at, channel = time.monotonic(), self.machine.channel
        ended_by: Literal["caller", "service", "leg", "dialplan", "transfer"]
        door: str | None = None
        if isinstance(end, HungUp):
            ended_by, cause = end.by, end.cause
        elif isinstance(end, WentOn):
            ended_by, door = "dialplan", end.door
            cause = FALL_BACK_CAUSES.get(end.door, "NORMAL_CLEARING")
            self._doors.append(end.door)
            self._observer.note("door", ended_at, end.door)
        else:
            ended_by, cause = "transfer", "NORMAL_CLEARING"
        self._observer.note("ended", ended_at, f"{ended_by}: {cause}")
        seen = self._observer
        return CallResult(
            call_id=channel.uuid,
            tenant=self.dialed.variables.get("atende_tenant", ""),
            number=self.dialed.number,
            codec=self.script.codec.value,
            sample_rate=self.script.codec.sample_rate,
            answered=seen.answered_at is not None,
            ended_by=ended_by,
            cause=cause,
            door=door,
            transferred_to=end.to if isinstance(end, Transferred) else None,
            keys=self.machine.keys_heard,
            doors=tuple(self._doors),
            connected_ms=seen.since_ring(seen.connected_at),
            answered_ms=seen.since_ring(seen.answered_at),
            media_ms=seen.since_answer(self.media.first_datagram_at),
            greeting_ms=seen.since_answer(seen.greeting_at()),
            ended_ms=round((ended_at - self._began) * 1000, 2),
            turns=self.media.turns(),
            downlink=self.media.downlink(self._reference),
            uplink=self.media.uplink(),
            texts=tuple(self._texts),
            hazards=tuple(self.machine.hazards),
            script_finished=self.media.caller.finished,
            events=tuple(seen.events),
        )

    def record(self, stereo: Path | None, heard: Path | None) -> None:
        """Writes the recordings; see `Media.record`."""
        self.media.record(stereo, heard)
