"""The caller's side: datagrams become gated speech and stock pipecat VAD frames.

What a stage behind it may rely on (all are system frames, so they keep this order in every processor):

1. `VADUserStartedSpeakingFrame(start_secs)` comes first;
2. then the pre-roll (audio from before the start: `preroll_ms` ahead of the first window that counted as
   speech) in blocks of `block_ms`, all at once, then the speech in such blocks as it comes;
3. all audio up to the decision has been pushed before `VADUserStoppedSpeakingFrame(stop_secs)`, including
   the `stop_secs` of silence that led to it; the last block may be shorter;
4. then a tail of `tail_ms` more, in one block. Otherwise nothing: between utterances no audio comes at all.

With `continuous=True` all audio comes, in blocks; 1, 3 and the frames themselves stay, the start frame then
stands up to one block away from its place in the audio. `UserSpeakingFrame` comes every second of speech.
The VAD frames and `UserSpeakingFrame` are broadcast both ways, as pipecat's own VADController does.
"""

import asyncio

from msgspec import Struct
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    CancelFrame,
    ClientConnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    SpeechControlParamsFrame,
    StartFrame,
    StopFrame,
    UserSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams

from transports.audio import FRAME_MS
from transports.clock import MediaClock
from transports.freeswitch.gate import SpeechGate
from transports.freeswitch.outbox import Outbox, siblings
from transports.ingress import AudioTap, IngressVad, VadEdge, VadStream
from transports.wire import MediaWire

SPEAKING_FRAMES = 1000 // FRAME_MS
"""pipecat says it every 200 ms, through every processor both ways; who waits for it (idle timers) waits for seconds."""


class GateConfig(Struct, frozen=True, kw_only=True):
    """How the caller's audio is gated and cut, in milliseconds (multiples of 20)."""

    preroll_ms: int = 300
    tail_ms: int = 100
    block_ms: int = 100


class FreeSwitchInput(BaseInputTransport):
    """Turns a wire's frames into pipeline frames. Made by `FreeSwitchTransport`."""

    def __init__(
        self,
        wire: MediaWire,
        params: TransportParams,
        *,
        clock: MediaClock,
        vad: IngressVad,
        tap: AudioTap,
        gate: GateConfig,
        continuous: bool,
        name: str | None = None,
    ) -> None:
        super().__init__(params, name=name)
        self._wire = wire
        self._clock = clock
        self._vad = vad
        self._tap = tap
        self._gate_config = gate
        self._gate = self._new_gate(0.0, continuous)
        self._outbox = Outbox(self._push)
        self._pusher: asyncio.Task[None] | None = None
        self._stream: VadStream | None = None
        self._listening = False
        self._speaking = False
        self._spoken_frames = 0

    async def start(self, frame: StartFrame) -> None:
        """Listen from now on. The StartFrame has been pushed."""
        await super().start(frame)
        self._pusher = self.create_task(self._outbox.run(), "outbox")
        self._outbox.post(ClientConnectedFrame())
        self._open_stream(self._gate.continuous)
        self._listening = True
        self._wire.listen(self._on_pcm)

    async def stop(self, frame: EndFrame) -> None:
        """Hear no more."""
        self.close()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Hear no more."""
        self.close()
        await super().cancel(frame)

    async def pause(self, frame: StopFrame) -> None:
        """Forward nothing until the next StartFrame; the VAD hears on."""
        self._paused = True

    async def cleanup(self) -> None:
        """Give the VAD's place back and end the pushing task."""
        self.close()
        if self._pusher is not None:
            await self.cancel_task(self._pusher)
            self._pusher = None
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        """Audio that another processor sends as if it came from the caller; neither gated nor judged."""
        if not self._paused:
            self._outbox.post(frame)

    def set_vad(self, vad: IngressVad) -> None:
        """Judge by another detector from now on. Speech under way is ended; if it goes on, it starts anew."""
        self._vad = vad
        if self._listening:
            self._end_speech()
            self._open_stream(self._gate.continuous)

    def set_continuous(self, continuous: bool) -> None:
        """Whether silence goes into the pipeline too. Speech under way is ended, as by `set_vad`."""
        if continuous != self._gate.continuous:
            self._end_speech()
            start_secs = self._stream.start_secs if self._stream is not None else 0.0
            self._gate = self._new_gate(start_secs, continuous)

    def press(self, frame: Frame) -> None:
        """Pass on a key press or a text, in order with the audio."""
        self._outbox.post(frame)

    async def caller_left(self) -> None:
        """Finish the caller's last words; hear no more."""
        self._end_speech()
        self.close()
        await self._outbox.send()

    def _on_pcm(self, pcm: bytes) -> None:
        self._clock.catch_up()
        if not self._listening or self._stream is None:
            return
        self._tap.from_caller(pcm, self._clock.now())
        self._stream.feed(pcm)
        self._forward(self._gate.audio(pcm))
        if self._speaking:
            if self._spoken_frames % SPEAKING_FRAMES == 0:
                self._outbox.broadcast(UserSpeakingFrame)
            self._spoken_frames += 1

    def _on_edge(self, edge: VadEdge) -> None:
        if not self._listening or self._stream is None:
            return
        if edge is VadEdge.STOPPED:
            self._end_speech()
        elif not self._speaking:
            self._speaking, self._spoken_frames = True, 0
            if not self._paused:
                self._outbox.broadcast(VADUserStartedSpeakingFrame, start_secs=self._stream.start_secs)
            for block in self._gate.opened():
                self._forward(block)

    def _end_speech(self) -> None:
        if not self._speaking or self._stream is None:
            return
        self._speaking = False
        self._forward(self._gate.closed())
        if not self._paused:
            self._outbox.broadcast(VADUserStoppedSpeakingFrame, stop_secs=self._stream.stop_secs)

    def _forward(self, block: bytes | None) -> None:
        if block and not self._paused:
            self._outbox.post(InputAudioRawFrame(block, self._wire.sample_rate, 1))

    def _open_stream(self, continuous: bool) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = self._vad.open(self._wire.sample_rate, self._on_edge)
        self._gate = self._new_gate(self._stream.start_secs, continuous)
        params = VADParams(start_secs=self._stream.start_secs, stop_secs=self._stream.stop_secs, min_volume=0.0)
        for frame, direction in siblings(SpeechControlParamsFrame, vad_params=params):
            self._outbox.post(frame, direction)

    def _new_gate(self, start_secs: float, continuous: bool) -> SpeechGate:
        """A detector decides `start_secs` late: the pre-roll is counted from where speech began."""
        config = self._gate_config
        late_ms = -(-int(start_secs * 1000) // FRAME_MS) * FRAME_MS
        return SpeechGate(
            preroll_ms=config.preroll_ms + late_ms,
            tail_ms=config.tail_ms,
            block_ms=config.block_ms,
            continuous=continuous,
        )

    def close(self) -> None:
        """Hear no more and give the detector's place back. Idempotent."""
        self._listening = False
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _push(self, frame: Frame, direction: FrameDirection) -> None:
        self._clock.catch_up()
        await self.push_frame(frame, direction)
