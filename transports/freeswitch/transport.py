"""A call's media as a pipecat transport: our edge of the pipeline, whatever wire the audio comes by.

Lifecycle: make it with an open wire; put `input()` first and `output()` behind the voice; it listens and
sends (silence, when nothing is said) from the StartFrame to the end. `caller_gone` when the caller has hung up:
the words heard are told. It does not end the pipeline: whoever runs it cancels it, since an orderly EndFrame waits
behind a stage that hangs. Then `close`, and whoever opened the wire closes it.

In a worker, set `PipelineParams(audio_in_sample_rate=rate, audio_out_sample_rate=rate)` and give the user
aggregator no `vad_analyzer`: the VAD frames come from here.
"""

from collections.abc import Awaitable, Callable

import structlog
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame, InputTextRawFrame
from pipecat.transports.base_transport import BaseTransport, TransportParams

from transports.clock import MediaClock
from transports.freeswitch.input import FreeSwitchInput, GateConfig
from transports.freeswitch.output import FreeSwitchOutput
from transports.ingress import AudioTap, IngressVad
from transports.tap import GuardedTap
from transports.wire import MediaWire

log = structlog.get_logger()


class FreeSwitchTransport(BaseTransport):
    """Both ends of one call.

    Event handlers: `on_client_disconnected(transport, wire)` after `caller_gone`.
    """

    def __init__(
        self,
        wire: MediaWire,
        *,
        clock: MediaClock,
        vad: IngressVad,
        tap: AudioTap | None = None,
        continuous: bool = False,
        gate: GateConfig = GateConfig(),  # noqa: B008 - frozen
        on_first_audio: Callable[[float], None] | None = None,
        on_underrun: Callable[[int], None] | None = None,
        send_text: Callable[[str], Awaitable[None]] | None = None,
        name: str | None = None,
    ) -> None:
        """`continuous` lets silence through to the ear; `tap` hears both sides ungated;
        if it raises, the call goes on without it.

        `on_first_audio` is called with the media clock's time whenever the bot's first sample of an utterance
        goes out, `on_underrun` when a sentence goes on that was silent in its middle, since its voice was too slow,
        with the milliseconds; neither may block. `send_text` takes what an OutputTransportMessageFrame has: a text,
        or `{"text": …}`.
        """
        super().__init__(name=name)
        rate = wire.sample_rate
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_in_sample_rate=rate,
            audio_out_sample_rate=rate,
            audio_out_10ms_chunks=2,
        )
        guarded = GuardedTap(tap)
        self._wire = wire
        self._input = FreeSwitchInput(
            wire, params, clock=clock, vad=vad, tap=guarded, gate=gate, continuous=continuous, name=self._input_name
        )
        self._output = FreeSwitchOutput(
            wire,
            params,
            clock=clock,
            tap=guarded,
            on_first_audio=on_first_audio,
            on_underrun=on_underrun,
            send_text=send_text,
            name=self._output_name,
        )
        self._gone = False
        self._register_event_handler("on_client_disconnected")

    def input(self) -> FreeSwitchInput:
        """The first processor of the pipeline."""
        return self._input

    def output(self) -> FreeSwitchOutput:
        """The processor behind the voice."""
        return self._output

    def set_vad(self, vad: IngressVad) -> None:
        """Judge the caller's audio by another detector from now on (a swapped ear)."""
        self._input.set_vad(vad)

    def set_continuous(self, continuous: bool) -> None:
        """Whether the ear gets silence too, from now on (a swapped ear)."""
        self._input.set_continuous(continuous)

    def hold_speech(self) -> str | None:
        """Silence from the next beat on, as by an interruption, but what was to be said is kept.

        The sentence being said, "" where its text is not known; None, and nothing is held, when nothing is being said
        or it may not be interrupted. An InterruptionFrame ends it for good.
        """
        return self._output.hold_speech()

    def resume_speech(self) -> None:
        """Speak on from the first word that was not heard to its end. Does nothing when nothing is held."""
        self._output.resume_speech()

    def wire_lost(self) -> None:
        """The wire carries nothing for now: what was being said was heard up to here, and what is to be said waits.

        Idempotent, like `wire_back`.
        """
        self._output.wire_lost()

    def wire_back(self) -> None:
        """Speak on from the first word that was not heard to its end."""
        self._output.wire_back()

    def dtmf(self, digit: str, duration_ms: int) -> None:
        """The caller pressed a key: an InputDTMFFrame goes into the pipeline. A-D have none and are ignored."""
        try:
            button = KeypadEntry(digit)
        except ValueError:
            log.debug("key without a frame ignored", duration_ms=duration_ms)
            return
        self._input.press(InputDTMFFrame(button=button))

    def written(self, text: str) -> None:
        """Somebody has written into the call: an InputTextRawFrame goes into the pipeline."""
        self._input.press(InputTextRawFrame(text=text))

    async def caller_gone(self) -> None:
        """The caller has hung up or the wire is lost: nothing more is played or heard. Idempotent.

        An answer under way is interrupted and its heard words are told first.
        """
        if self._gone:
            return
        self._gone = True
        await self._output.caller_left()
        await self._input.caller_left()
        await self._call_event_handler("on_client_disconnected", self._wire)

    def close(self) -> None:
        """Leave the clock and the detector, also when a stage kept the pipeline from its end. Idempotent."""
        self._output.close()
        self._input.close()
