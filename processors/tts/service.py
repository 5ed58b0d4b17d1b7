"""The frame processor of `tts.kokoro`: sentences in, 100 ms of audio at a time out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog
from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from base.ids import TenantId
from processors.compute import LaneFullError
from processors.factory import PrepareError
from processors.tts.mouth import Manner
from processors.tts.speaker import Speaker

log = structlog.get_logger()

CHUNK_S = 0.1
QUIET_CONTEXT_S = 20.0
"""pipecat closes a turn's audio that has been silent this long; rendering a clause takes less."""


class KokoroTtsService(TTSService):
    """Speaks sentence by sentence; what is interrupted before it was rendered is never rendered."""

    def __init__(
        self, speaker: Speaker, tenant_id: TenantId, manner: Manner, sample_rate: int, timeout_s: float
    ) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=QUIET_CONTEXT_S,
            sample_rate=sample_rate,
            settings=TTSSettings(model="kokoro", voice=manner.voice, language=manner.language),
        )
        self._speaker = speaker
        self._tenant_id = tenant_id
        self._manner = manner
        self._timeout_s = timeout_s

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """The text's audio. A failure is an error frame; some silence follows it, which ends the turn in order."""
        chunk = int(self.sample_rate * CHUNK_S) * 2
        left = b""
        try:
            async with aclosing(self._speaker.say(self._tenant_id, text, self._manner, self.sample_rate)) as pieces:
                while (piece := await self._piece_of(pieces)) is not None:
                    left += piece
                    whole = len(left) // chunk * chunk
                    for at in range(0, whole, chunk):
                        yield self._audio(left[at : at + chunk], context_id)
                    left = left[whole:]
        except (TimeoutError, LaneFullError, RuntimeError, ValueError, OSError) as error:
            yield ErrorFrame(f"a sentence could not be spoken: {error or type(error).__name__}", exception=error)
        # Also where there was nothing to say: pipecat closes the turn's audio only behind some audio.
        yield self._audio(left.ljust(chunk, b"\0"), context_id)

    async def _update_settings(self, delta: TTSSettings) -> dict[str, Any]:  # type: ignore[override]  # as pipecat does
        """Speak what comes from now on in another language, or with another of the voices that were loaded.

        A language without a voice, or a voice that was not loaded, changes nothing but is told.
        """
        changed = await super()._update_settings(delta)
        if not {"language", "voice"} & set(changed):
            return changed
        language = str(delta.language) if isinstance(delta.language, str) else self._manner.language
        voice = delta.voice if isinstance(delta.voice, str) else None
        try:
            self._manner = self._speaker.manner(self._manner, language, voice)
        except PrepareError as error:
            log.warning("the voice stays as it is", tenant=self._tenant_id, reason=str(error))
        return changed

    async def _piece_of(self, pieces: AsyncGenerator[bytes, None]) -> bytes | None:
        async with asyncio.timeout(self._timeout_s):
            return await anext(pieces, None)

    def _audio(self, pcm: bytes, context_id: str) -> TTSAudioRawFrame:
        return TTSAudioRawFrame(pcm, self.sample_rate, 1, context_id=context_id)
