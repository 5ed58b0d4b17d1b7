"""`stt.whisper` and `tts.kokoro` whose models are on a server."""

import io
import wave
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from processors.served.protocol import ModelServer, ModelServerError, Segment, SpeechRequest, Transcribed, Transcription
from processors.stt.ears import Asked
from processors.stt.recogniser import Recognition
from processors.tts.cache import Pcm16
from processors.tts.mouth import Manner, Piece

NOTHING: Pcm16 = np.zeros(0, dtype=np.int16)


@dataclass(frozen=True)
class ServedEars:
    """A recogniser that is on a server."""

    server: ModelServer
    model: str

    async def recognise(self, pcm: bytes, sample_rate: int, asked: Asked) -> Recognition:
        return recognition(
            await self.server.transcribe(
                Transcribed(
                    model=self.model,
                    pcm=pcm,
                    sample_rate=sample_rate,
                    language=asked.language,
                    prompt=asked.prompt,
                    beam_size=asked.beam_size,
                    tell_language=asked.tell_language,
                )
            )
        )


@dataclass(frozen=True)
class ServedMouth:
    """A voice that is on a server."""

    server: ModelServer
    model: str
    voices: Collection[str] | None

    async def speak(self, text: str, manner: Manner) -> AsyncGenerator[Piece, None]:
        async with aclosing(self.server.speak(self._asked(text, manner), manner.speech)) as stream:
            left, received = b"", 0
            async for part in stream:
                received += len(part)
                left += part
                whole = len(left) // 2 * 2
                if whole:
                    yield Piece(_samples(left[:whole]), last=False)
                left = left[whole:]
        self._require_audio(text, received)
        yield Piece(NOTHING, last=True)

    async def rehearse(self, text: str, manner: Manner) -> Pcm16:
        async with aclosing(self.server.speak(self._asked(text, manner), manner.speech, rehearsal=True)) as stream:
            pcm = b"".join([part async for part in stream])
        self._require_audio(text, len(pcm))
        return _samples(pcm[: len(pcm) // 2 * 2])

    def _require_audio(self, text: str, received: int) -> None:
        """Silence in place of words would be kept as how they sound. Ours knows when there is nothing to be heard.

        Raises ModelServerError.
        """
        if self.voices is None and not received and any(map(str.isalnum, text)):
            raise ModelServerError("the model server answers without audio")

    def _asked(self, text: str, manner: Manner) -> SpeechRequest:
        return SpeechRequest(
            model=self.model, input=text, voice=manner.voice, response_format="pcm", speed=manner.speed
        )


def recognition(found: Transcription) -> Recognition:
    """As far as the server tells: where it tells no probabilities, it is believed."""
    segments = found.segments or ()
    if len(segments) == 1:
        one = segments[0]
        return Recognition(found.text.strip(), one.avg_logprob, one.no_speech_prob, found.sounds_like)
    total = sum(map(_length, segments))
    confidence = sum(one.avg_logprob * _length(one) for one in segments) / total if total else 0.0
    no_speech = min((one.no_speech_prob for one in segments), default=0.0)
    return Recognition(found.text.strip(), confidence, no_speech, found.sounds_like)


def wav(pcm: bytes, sample_rate: int) -> bytes:
    """S16LE as a file that every server reads."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(pcm)
    return file.getvalue()


def _length(one: Segment) -> float:
    return max(one.end - one.start, 0.01)


def _samples(pcm: bytes) -> Pcm16:
    return np.frombuffer(pcm, dtype="<i2")
