"""The media side of one scripted call: streams open and close, the caller speaks into them and hears from them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from control.peer import measure
from control.peer.actions import OpenFork, OpenStream, OpenUnicast
from control.peer.caller import Caller, Frame, law_of
from control.peer.clock import FRAME_S, ReferenceClock
from control.peer.ears import Ears
from control.peer.fork import ForkStream, State
from control.peer.result import Downlink, SpokenTurn, Uplink
from control.peer.script import Script
from control.peer.sound import Samples, Sound, through_g711, write_wav
from control.peer.stream import AudioStream, FilePlayer, News
from control.peer.unicast import Arrivals, Playout, Stream

MAX_RECORDED_S = 1800


class Media:
    """Owns the streams and the ears of one call. `leaked` streams stay open after `close`: see `Switch`."""

    def __init__(self, script: Script, began: float, *, keep_sound: bool) -> None:
        self.script = script
        self.ears = Ears(script.codec.sample_rate)
        self.caller = Caller(script, self.ears)
        self.first_datagram_at: float | None = None
        self.leaked: list[Stream | ForkStream | AudioStream] = []
        self.call_is_over = False
        self._stray = asyncio.Event()
        self.began = began
        self._law = law_of(script)
        if self._law is not None:
            through_g711(np.zeros(1, np.int16), self._law)  # builds its tables before the call runs
        self._stream: Stream | ForkStream | AudioStream | None = None
        self._files: dict[str, Samples] = {}
        self._player = FilePlayer(round(script.codec.sample_rate * FRAME_S))
        self._streams = 0
        self._starts_at = self._filler_until = 0.0
        self._playout = Playout(script.codec.sample_rate)
        self.arrivals = Arrivals()
        self._forks: list[ForkStream] = []
        self._held: deque[Frame] = deque()
        self._held_since: float | None = None
        self._burst_at = 0.0
        self._sent = self._filler = 0
        self._late_max_s = 0.0
        self._keep_sound = keep_sound
        self.frames_uttered: list[tuple[float, Samples]] = []
        """The frames of the caller's voice and when each was due on the wire (monotonic seconds).

        Like the next four: empty unless sound is kept.
        """
        self.frames_left_at: list[float] = []
        """When each of them really left."""
        self.frames_came: list[tuple[float, Samples]] = []
        """What came from the service, and when: a datagram, a message or a file."""
        self.frames_heard: list[tuple[float, Samples]] = []
        """What the caller heard, and when."""
        self.frames_due: list[float] = []
        """Of each of those the moment on the switch's own 20 ms clock, which is never late; of unicast when it came."""
        self._due: float | None = None

    @property
    def is_open(self) -> bool:
        """A stream is running."""
        return self._stream is not None

    def open(self, order: OpenUnicast, now: float) -> None:
        """Begins a stream; its first datagram leaves with the next tick.

        Raises:
            OSError: the address cannot be bound.
        """
        if self._stream is not None and order.leaks:
            self.leaked.append(self._stream)
            self._stream = None
        number = self._begin(now)

        def heard(arrived: float, octets: int, samples: Samples) -> None:
            if number == self._streams:
                self._hear(arrived, octets, samples, number)
            elif self.call_is_over:
                self._stray.set()

        self._stream = Stream(order, self.script.codec, self._law, heard)

    def open_fork(self, order: OpenFork, now: float, told: Callable[[State, str], None]) -> None:
        """Begins a fork; what it tells of its socket goes to `told`."""
        number = self._begin(now)

        def arrived(at: float, octets: int, samples: Samples) -> None:
            self._note(at, octets, samples, number)

        self._stream = stream = ForkStream(order, self.script.codec.sample_rate, self._listen, arrived, told)
        self._forks.append(stream)

    def open_stream(
        self, order: OpenStream, now: float, told: Callable[[News, str], None], written: Callable[[str, float], None]
    ) -> None:
        """Begins mod_audio_stream; `written` gets the path and the seconds of each file that it makes."""
        number = self._begin(now)
        self.arrivals.unpaced.add(number)

        def arrived(at: float, octets: int) -> None:
            self.arrivals.note(at, octets, number)

        def keep(path: str, samples: Samples, rate: int) -> None:
            if self._keep_sound:
                self.frames_came.append((self.arrivals.times[-1], samples))
            self._files[path] = Sound(samples, rate, path).at(self.script.codec.sample_rate).samples
            written(path, len(samples) / rate)

        self._stream = AudioStream(order, self.script.codec.sample_rate, arrived, told, keep)

    def play_file(self, path: str) -> None:
        """`playback` begins; only files that a stream made are heard."""
        if (samples := self._files.get(path)) is not None:
            self._player.start(samples)

    def stop_file(self) -> None:
        """`playback` is over or broken."""
        self._player.stop()

    def play(self, now: float, due: float) -> None:
        """20 ms of the file that plays, in the tick that was due at `due` (both monotonic)."""
        self._due = due
        if (samples := self._player.take()) is not None:
            self._put_to_ear(now, samples if self._law is None else through_g711(samples, self._law))

    def _begin(self, now: float) -> int:
        """The number of a stream that begins now."""
        self._streams += 1
        self._starts_at = now + FRAME_S / 2  # never with the tick of the order itself
        self._filler_until = self._starts_at + self.script.filler_ms / 1000
        self._burst_at = now + (self.script.bursts.every_s if self.script.bursts is not None else 0.0)
        return self._streams

    def write(self, text: str) -> bool:
        """`send_text` of the module. Whether there is one."""
        if not isinstance(self._stream, ForkStream | AudioStream):
            return False
        self._stream.write(text)
        return True

    def close_stream(self) -> None:
        """Ends the running stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def cut(self) -> None:
        """The socket of a module breaks under it."""
        if isinstance(self._stream, ForkStream | AudioStream):
            self._stream.cut()

    def break_stream(self) -> None:
        """The running stream's end is gone, without closing anything in order."""
        if isinstance(self._stream, ForkStream | AudioStream):
            self._stream.abort()
        self.close_stream()

    async def datagram_on_leaked(self, timeout_s: float) -> bool:
        """Whether a datagram comes to a leaked stream after the call, within the time."""
        self.call_is_over = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._stray.wait()
        except TimeoutError:
            return False
        return True

    def send(self, frame: Frame, now: float, wall_now: float) -> None:
        """One tick of the uplink. `wall_now` is the real time of the tick that was due at `now` (both monotonic)."""
        if self._stream is None or now < self._starts_at:
            return
        self._due = None if isinstance(self._stream, Stream) else now
        self._late_max_s = max(self._late_max_s, wall_now - now)
        self._held.append(frame)
        if self._holds_back(now):
            return
        while self._held:
            self._send_one(self._stream, self._held.popleft(), now)

    def _holds_back(self, now: float) -> bool:
        bursts = self.script.bursts
        if bursts is None:
            return False
        if self._held_since is None and now >= self._burst_at:
            self._held_since, self._burst_at = now, now + bursts.every_s
        if self._held_since is not None and now - self._held_since >= bursts.gap_ms / 1000 - FRAME_S / 2:
            self._held_since = None
        return self._held_since is not None

    def _send_one(self, stream: Stream | ForkStream | AudioStream, frame: Frame, now: float) -> None:
        if self.first_datagram_at is None:
            self.first_datagram_at = now
        self._sent += 1
        if now < self._filler_until or frame.pressing:
            self._filler += 1
            stream.send_filler()
            return
        stream.send(frame.samples)
        if self._keep_sound and frame.samples is not None:
            self.frames_uttered.append((now, frame.samples))
            self.frames_left_at.append(time.monotonic())

    def _hear(self, arrived: float, octets: int, samples: Samples, stream: int) -> None:
        self._note(arrived, octets, samples, stream)
        at = self._playout.take(arrived, samples)
        if at is not None:
            self._listen(at, samples)

    def _note(self, at: float, octets: int, samples: Samples, stream: int) -> None:
        self.arrivals.note(at, octets, stream)
        if self._keep_sound:
            self.frames_came.append((at, samples))

    def _listen(self, at: float, samples: Samples) -> None:
        """The caller hears it, unless something keeps it from the channel."""
        if self._stream is None or self._stream.order.muted:
            return
        if self._law is not None and not self._stream.order.native:
            samples = through_g711(samples, self._law)
        self._put_to_ear(at, samples)

    def _put_to_ear(self, at: float, samples: Samples) -> None:
        self.ears.hear(at, samples)
        if self._keep_sound:
            self.frames_heard.append((at, samples))
            self.frames_due.append(at if self._due is None else self._due)

    # The figures

    def turns(self) -> tuple[SpokenTurn, ...]:
        """How the assistant took each sound."""
        return measure.turns(self.caller.spoken, self.ears, self.began)

    def downlink(self, reference: ReferenceClock | None) -> Downlink:
        """What came from the service."""
        ran_empty = [at for fork in self._forks for at in fork.ran_empty_at]
        return measure.downlink(self.arrivals, self._playout, reference, ran_empty)

    def late_ms(self, reference: ReferenceClock | None) -> measure.Floats:
        """How late each datagram of the service came; see `measure.late_ms`."""
        return measure.late_ms(self.arrivals, reference)

    def uplink(self) -> Uplink:
        """What went to the service."""
        return Uplink(datagrams=self._sent, filler=self._filler, late_max_ms=round(self._late_max_s * 1000, 2))

    def heard(self) -> Samples:
        """What the caller heard, time-true from the first ring. Empty unless sound was kept."""
        return self._track(self.frames_heard)

    def uttered(self) -> Samples:
        """What the caller said, time-true from the first ring. Empty unless sound was kept."""
        return self._track(self.frames_uttered)

    def record(self, stereo: Path | None, heard: Path | None) -> None:
        """Writes left = caller, right = assistant as heard; and/or what was heard alone.

        Raises:
            SoundError: a file cannot be written.
        """
        left, right, rate = self.uttered(), self.heard(), self.script.codec.sample_rate
        if heard is not None:
            write_wav(heard, right, rate)
        if stereo is not None:
            both = np.zeros((max(len(left), len(right)), 2), dtype=np.int16)
            both[: len(left), 0] = left
            both[: len(right), 1] = right
            write_wav(stereo, both, rate)

    def _track(self, pieces: list[tuple[float, Samples]]) -> Samples:
        rate = self.script.codec.sample_rate
        placed = [(round((at - self.began) * rate), samples) for at, samples in pieces]
        placed = [(at, samples) for at, samples in placed if 0 <= at < MAX_RECORDED_S * rate]
        track = np.zeros(max((at + len(samples) for at, samples in placed), default=0), dtype=np.int16)
        for at, samples in placed:
            track[at : at + len(samples)] = samples
        return track
