"""The frame processor of `stt.whisper`: a call's audio in, transcripts out."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import structlog
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from base.languages import primary
from processors.compute import LaneFullError
from processors.stt.belief import believed
from processors.stt.ears import Asked, Ears
from processors.stt.recogniser import DEFAULT_PROMPTS
from processors.stt.segments import Segments

log = structlog.get_logger()

TTFS_P99_S = 2.0
"""Turn strategies wait this long for a transcript that is not yet there; ours are final, which ends the wait."""


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What one call's recognition needs."""

    ears: Ears
    language: str
    """As Whisper names it: `pt`."""
    prompt: str
    beam_size: int
    timeout_s: float
    tell_language: bool = False

    @property
    def asked(self) -> Asked:
        return Asked(
            language=self.language,
            prompt=self.prompt,
            beam_size=self.beam_size,
            tell_language=self.tell_language,
        )


class WhisperSttService(STTService):
    """Recognises each utterance between VAD frames and pushes one final TranscriptionFrame for it.

    Utterances are recognised in order, off the event loop. An utterance that still waits when the caller
    goes on speaking is joined with what follows. Nothing is pushed where nobody spoke, except inside a
    turn, where an empty final transcript tells the turn strategies not to wait for it.
    Transcripts are pushed after an interruption too: they are the caller's words.
    """

    def __init__(self, hearing: Hearing, sample_rate: int) -> None:
        super().__init__(
            audio_passthrough=False,
            sample_rate=sample_rate,
            ttfs_p99_latency=TTFS_P99_S,
            settings=STTSettings(model="whisper", language=hearing.language),
        )
        self._hearing = self._first = hearing
        self._segments = Segments(sample_rate)
        self._wake = asyncio.Event()
        self._ending = False
        self._in_turn = False
        self._worker: asyncio.Task[None] | None = None

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """The transcript of S16LE audio at the wire's rate."""
        text, spoken = await self._recognise(audio)
        if text or self._in_turn:
            language = Language(spoken) if spoken else None
            yield TranscriptionFrame(text, "caller", time_now_iso8601(), language=language, finalized=True)

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._worker = self.create_task(self._work())

    async def stop(self, frame: EndFrame) -> None:
        """Recognise what waits, then stop."""
        self._ending = True
        self._wake.set()
        if self._worker is not None:
            await self._worker
            self._worker = None
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        await super().cancel(frame)
        await self._drop()

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._drop()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._segments.started()
        elif isinstance(frame, UserStartedSpeakingFrame | UserStoppedSpeakingFrame):
            self._in_turn = isinstance(frame, UserStartedSpeakingFrame)
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._segments.stopped()
            self._wake.set()

    async def process_audio_frame(self, frame: InputAudioRawFrame, direction: FrameDirection) -> None:
        """Keep the audio for the utterance."""
        if not self._muted:
            self._segments.heard(frame.audio)
            if self._segments.waiting:
                self._wake.set()

    async def _work(self) -> None:
        while True:
            audio = self._segments.take()
            if audio is not None:
                await self.process_generator(self.run_stt(audio))
            elif self._ending:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _update_settings(self, delta: STTSettings) -> dict[str, Any]:  # type: ignore[override]  # as pipecat does
        """Understand what comes from now on in another language. One that Whisper does not know changes nothing."""
        changed = await super()._update_settings(delta)
        if "language" in changed and isinstance(delta.language, str):
            language = primary(delta.language)
            if language == self._first.language:
                self._hearing = self._first
            elif language in DEFAULT_PROMPTS:
                self._hearing = replace(self._first, language=language, prompt=DEFAULT_PROMPTS[language])
        return changed

    async def _recognise(self, audio: bytes) -> tuple[str, str | None]:
        """The transcript, and the language that is told; "" (and an error frame) where the recogniser fails or takes
        too long.
        """
        hearing = self._hearing
        try:
            async with asyncio.timeout(hearing.timeout_s):
                found = await hearing.ears.recognise(audio, self.sample_rate, hearing.asked)
        except TimeoutError as error:
            await self.push_error(f"speech was not recognised within {hearing.timeout_s:.0f} s", error)
            return "", None
        except (LaneFullError, RuntimeError, ValueError) as error:
            await self.push_error(f"speech could not be recognised: {error}", error)
            return "", None
        text = believed(found, hearing.prompt)
        log.debug("utterance recognised", believed=bool(text), confidence=found.confidence, no_speech=found.no_speech)
        return text, found.sounds_like

    async def _drop(self) -> None:
        if self._worker is not None:
            await self.cancel_task(self._worker)
            self._worker = None
