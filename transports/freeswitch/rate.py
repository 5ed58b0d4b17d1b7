"""Brings audio of another rate to the wire's. A voice should have the wire's rate; this is for those that cannot."""

from dataclasses import replace

from pipecat.audio.resamplers.base_audio_resampler import BaseAudioResampler
from pipecat.audio.utils import create_stream_resampler
from pipecat.frames.frames import OutputAudioRawFrame


class RateFitter:
    """One stream of audio frames. Frames at the wire's rate pass untouched; no resampler is made for them."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._resampler: BaseAudioResampler | None = None
        self._last: OutputAudioRawFrame | None = None

    async def fit(self, frame: OutputAudioRawFrame) -> OutputAudioRawFrame:
        """The frame at the wire's rate. Raises ValueError for audio that is not mono."""
        if frame.num_channels != 1:
            raise ValueError(f"audio for a telephone has one channel, not {frame.num_channels}")
        if frame.sample_rate == self._rate:
            return frame
        if self._resampler is None:
            self._resampler = create_stream_resampler(clear_after_secs=None)
        self._last = frame
        return self._like(frame, await self._resampler.resample(frame.audio, frame.sample_rate, self._rate))

    async def tail(self) -> OutputAudioRawFrame | None:
        """At the end of a stream: what the filter still holds."""
        if self._resampler is None or self._last is None:
            return None
        last, self._last = self._last, None
        pcm = await self._resampler.flush()
        return self._like(last, pcm) if pcm else None

    async def forget(self) -> None:
        """The stream was cut: its tail belongs to nothing."""
        self._last = None
        if self._resampler is not None:
            await self._resampler.reset()  # type: ignore[no-untyped-call]

    def _like(self, frame: OutputAudioRawFrame, pcm: bytes) -> OutputAudioRawFrame:
        fitted = replace(frame, audio=pcm, sample_rate=self._rate)
        fitted.interruptible = frame.interruptible
        return fitted
