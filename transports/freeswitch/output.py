"""The assistant's side: what the pipeline says goes out on the media clock's beat, and what was heard is told.

What a processor behind it (and the assistant aggregator) may rely on:

* Every frame comes out when the audio queued before it has been played; system frames pass at once.
* A sentence's text comes out as a `HeardTextFrame` (a `TTSTextFrame`) when its last audio has been played.
* On an `InterruptionFrame` the next beat is silent. The words heard so far come out as a `HeardTextFrame`
  *ahead of* the `InterruptionFrame`, then `BotStoppedSpeakingFrame`; what is not interruptible stays.
* Speech can be held: the next beat is silent, nothing comes out and nothing is told. It goes on with the first word
  not heard to its end, or an interruption ends it, whose heard words are those from before the hold.
* Bot started / speaking / stopped frames are broadcast both ways, as pipecat's MediaSender does; started is
  posted within the beat that puts the first sample on the wire (`on_first_audio` is called with its time).
* A message goes out by the wire as a text and ends here, an urgent one at once.
* Audio frames themselves end here: a recorder hears the wire through the `AudioTap`, silence included.
* The `EndFrame` goes on when all has been played.

Mixers, filters, volume, images and destinations of pipecat's MediaSender are not supported.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

import structlog
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    OutputTransportReadyFrame,
    StartFrame,
    SystemFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from transports.audio import FRAME_MS, frame_bytes
from transports.clock import MediaClock, Subscription
from transports.freeswitch.errors import CallEndedError, LocalProtocolError, MediaUnavailableError
from transports.freeswitch.lead import Lead
from transports.freeswitch.outbox import DOWN, UP, Outbox, Routed, siblings
from transports.freeswitch.playout import Beat, Bot, Holder, Playout
from transports.freeswitch.rate import RateFitter
from transports.ingress import TOLD_AHEAD_MS, AudioTap
from transports.wire import MediaWire

log = structlog.get_logger()

MAX_QUEUED_MS = 60_000
"""Audio that may wait; a voice that is further ahead has to wait itself."""
END_MARGIN_S = 2.0
"""The end comes at most so much later than all queued audio takes."""
BURST_RESERVE_MS = 400
"""Audio is given at once only where so much more is there: a voice that is just quick enough would break off."""

BOT_FRAMES: dict[Bot, type[Frame]] = {
    Bot.STARTED: BotStartedSpeakingFrame,
    Bot.SPEAKING: BotSpeakingFrame,
    Bot.STOPPED: BotStoppedSpeakingFrame,
}


class FreeSwitchOutput(BaseOutputTransport):
    """Plays a pipeline's audio on a wire. Made by `FreeSwitchTransport`."""

    def __init__(
        self,
        wire: MediaWire,
        params: TransportParams,
        *,
        clock: MediaClock,
        tap: AudioTap,
        on_first_audio: Callable[[float], None] | None,
        on_underrun: Callable[[int], None] | None,
        send_text: Callable[[str], Awaitable[None]] | None,
        name: str | None = None,
    ) -> None:
        super().__init__(params, name=name)
        self._wire = wire
        self._clock = clock
        self._tap = tap
        self._on_first_audio = on_first_audio
        self._on_underrun = on_underrun
        self._send_text = send_text
        self._silence = bytes(frame_bytes(wire.sample_rate))
        self._playout = Playout(wire.sample_rate)
        self._lead = Lead(wire.lead_ms) if wire.lead_ms else None
        self._quiet_ms = wire.burst_ms
        """Of what the wire was given last, so much is silence, as far as it matters."""
        self._outbox = Outbox(self._push)
        self._pusher: asyncio.Task[None] | None = None
        self._beat: Subscription | None = None
        self._room = asyncio.Event()
        self._ended = asyncio.Event()
        self._over = False
        self._fitter = RateFitter(wire.sample_rate)
        self._lag_s = self._lag()
        """How much later than our clock the caller hears what is being said; looked at anew in each silence."""
        self._beat_at = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Send silence from now on. The StartFrame has been pushed."""
        await super().start(frame)
        self._pusher = self.create_task(self._outbox.run(), "outbox")
        if not self._over:
            self._beat = self._clock.subscribe(self._tick)
        self._outbox.post(OutputTransportReadyFrame(), UP)

    async def stop(self, frame: EndFrame) -> None:
        """Play what is queued, then fall silent. Returns when it has been played or cannot be."""
        await self._play_tail(frame)
        if self._beat is not None and not self._playout.put(frame).ended:
            limit_s = self._playout.queued_ms / 1000 + END_MARGIN_S
            try:
                await asyncio.wait_for(self._ended.wait(), limit_s)
            except TimeoutError:
                log.warning("media clock did not play the end", queued_ms=self._playout.queued_ms)
        await self._finish()

    async def cancel(self, frame: CancelFrame) -> None:
        """Fall silent now; the words heard so far are told first."""
        await self._finish()

    async def cleanup(self) -> None:
        """Leave the clock and end the pushing task."""
        self.close()
        if self._pusher is not None:
            await self.cancel_task(self._pusher)
            self._pusher = None
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def caller_left(self) -> None:
        """Nobody listens any more: an answer under way is interrupted, what follows is passed on unplayed."""
        if self._over:
            return
        answering = self._playout.speaking or self._playout.queued_ms > 0
        await self._finish()
        if answering:
            await self._outbox.send(*siblings(InterruptionFrame))

    def hold_speech(self) -> str | None:
        """Fall silent with the next beat, but keep what was to be said; see `FreeSwitchTransport.hold_speech`."""
        if self._over:
            return None
        held = self._playout.held
        said = self._playout.hold(unheard_ms=self._wire.lag_ms)
        if said is not None and not held:
            self._hush()
        return said

    def wire_lost(self) -> None:
        """Nobody hears us for now; see `FreeSwitchTransport.wire_lost`."""
        if not self._over:
            self._playout.hold(self._wire.lag_ms, Holder.WIRE)
            self._hush()

    def wire_back(self) -> None:
        """Speak on, unless the caller does."""
        self._playout.resume(Holder.WIRE)

    def resume_speech(self) -> None:
        """Speak on. Does nothing when nothing is held."""
        self._playout.resume()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Queue what has to wait for audio; see the module for the order."""
        self._clock.catch_up()
        if isinstance(frame, InterruptionFrame):
            await FrameProcessor.process_frame(self, frame, direction)
            await self._interrupt(frame, direction)
        elif direction is UP or isinstance(frame, SystemFrame | EndFrame):
            await super().process_frame(frame, direction)
        else:
            await FrameProcessor.process_frame(self, frame, direction)
            await self._enqueue(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Queue audio that pipecat makes itself (in-band DTMF tones)."""
        await self._enqueue(frame)
        return True

    async def send_message(self, frame: OutputTransportMessageFrame | OutputTransportMessageUrgentFrame) -> None:
        """Send a text out of the call. What is none, or cannot be sent, is an error that ends nothing."""
        message = frame.message
        text = message.get("text") if isinstance(message, Mapping) else message
        if self._send_text is None or not isinstance(text, str):
            await self.push_error(f"no text to be sent: {type(message).__name__}")
            return
        try:
            await self._send_text(text)
        except CallEndedError:
            log.debug("a text came after the call")
        except (LocalProtocolError, MediaUnavailableError) as error:
            await self.push_error(f"a text was not sent: {error}", exception=error)

    async def _interrupt(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        unheard_ms = self._wire.lag_ms  # before the flush, which forgets it
        ahead_ms = 0 if self._lead is None else self._lead.given_ms
        if self._playout.may_cut(unheard_ms, ahead_ms) and not self._playout.held:
            self._hush()
        heard = self._playout.cut(unheard_ms=unheard_ms)
        stopped = self._playout.stop_speaking()
        self._room.set()
        after = siblings(BotStoppedSpeakingFrame) if stopped else ()
        await self._outbox.send(*((text, DOWN) for text in heard), (frame, direction), *after)
        await self._fitter.forget()

    async def _enqueue(self, frame: Frame) -> None:
        if self._over:
            if not isinstance(frame, OutputAudioRawFrame | AggregatedTextFrame):
                await self._outbox.send((frame, DOWN))
        elif isinstance(frame, OutputAudioRawFrame):
            await self._wait_for_room()
            self._playout.put_audio(await self._fitter.fit(frame))
        elif isinstance(frame, OutputDTMFFrame):
            await self.write_dtmf(frame)
        else:
            await self._play_tail(frame)
            await self._outbox.send(*_routed(self._playout.put(frame).out))

    async def _wait_for_room(self) -> None:
        while self._playout.queued_ms >= MAX_QUEUED_MS and self._beat is not None:
            self._room.clear()
            await self._room.wait()

    async def _play_tail(self, frame: Frame) -> None:
        """A voice's last samples may still be in the resampler."""
        if isinstance(frame, TTSStoppedFrame | EndFrame) and (tail := await self._fitter.tail()) is not None:
            self._playout.put_audio(tail)

    def _tick(self, at: float) -> None:
        was_speaking = self._playout.speaking
        frames, given = self._frames_now(), list[bytes]()
        for more in range(frames):
            beat = self._play(given)
            self._tell_tap(beat.pcm, at + more * FRAME_MS / 1000)
            for frame, direction in _routed(beat.out):
                self._outbox.post(frame, direction)
            if beat.gap_ms and self._on_underrun is not None:
                self._on_underrun(beat.gap_ms)
            self._quiet_ms = 0 if beat.pcm else min(self._quiet_ms + FRAME_MS, self._wire.burst_ms)
        if given:
            self._wire.send(b"".join(given))
        self._beat_at = at
        if frames > 1:
            self._lag_s = (frames - 1) * FRAME_MS / 1000
        if self._playout.speaking and not was_speaking and self._on_first_audio is not None:
            self._on_first_audio(at)
        if self._playout.queued_ms < MAX_QUEUED_MS:
            self._room.set()
        if beat.ended:
            self._ended.set()

    def _frames_now(self) -> int:
        """One, but where a wire that has nothing but silence begins sooner by being given more."""
        burst_ms = self._wire.burst_ms
        if not burst_ms or self._quiet_ms < burst_ms:
            return 1
        if self._playout.held or self._playout.queued_ms < burst_ms + BURST_RESERVE_MS:
            return 1
        self._wire.flush()
        self._lag_s = 0.0
        return burst_ms // FRAME_MS

    def _tell_tap(self, pcm: bytes | None, at: float) -> None:
        if pcm is None:
            # Silence is told of as it is: what was said before still ends behind it.
            self._lag_s = self._lag()
            self._tap.to_caller(self._silence, at)
        else:
            self._tap.to_caller(pcm, at + self._lag_s)

    def _lag(self) -> float:
        return min(self._wire.lag_ms, TOLD_AHEAD_MS) / 1000

    def _play(self, given: list[bytes]) -> Beat:
        """20 ms by our clock; the wire gets them with what is `given`, or has had them."""
        now_ns = self.get_clock().get_time()
        if self._lead is None:
            beat = self._playout.tick(now_ns)
            given.append(beat.pcm or self._silence)
        else:
            beat = Beat() if self._lead.holds(self._playout.queued_ms) else self._playout.tick(now_ns)
            piece = self._lead.take(beat.pcm, self._playout.upcoming)
            if piece or beat.pcm is None:
                self._wire.send(piece)  # nothing at all tells that the caller is to hear nothing
        return beat

    def _hush(self) -> None:
        """Nothing that the wire has is heard any more."""
        self._wire.flush()
        self._quiet_ms = self._wire.burst_ms
        self._tap.unheard(self._beat_at + FRAME_MS / 1000)
        if self._lead is not None:
            self._lead.cut()

    async def _finish(self) -> None:
        """Leave the clock; tell the words heard, then the frames that waited, then that the bot has stopped."""
        self.close()
        unheard_ms = self._wire.lag_ms if self._playout.queued_ms else 0
        if self._lead is not None and self._lead.given_ms:
            self._hush()
        rest = [(frame, DOWN) for frame in (*self._playout.cut(unheard_ms), *self._playout.take_frames())]
        stopped = siblings(BotStoppedSpeakingFrame) if self._playout.stop_speaking() else ()
        await self._outbox.send(*rest, *stopped)

    def close(self) -> None:
        """Fall silent and leave the clock. Idempotent."""
        self._over = True
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._room.set()
        self._ended.set()

    async def _push(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, OutputTransportMessageFrame):
            await self.send_message(frame)
        else:
            await self.push_frame(frame, direction)


def _routed(out: Iterable[Frame | Bot]) -> Iterator[Routed]:
    for item in out:
        if isinstance(item, Bot):
            yield from siblings(BOT_FRAMES[item])
        else:
            yield item, DOWN
