"""A voice that speaks from the cache where it can and has rendered what it cannot."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import structlog
from msgspec.structs import replace

from base.ids import TenantId
from base.languages import primary
from processors.factory import Compute, PrepareError
from processors.tts.cache import DiskCache, MemoryCache, Pcm16, Utterance
from processors.tts.engine import SAMPLE_RATE
from processors.tts.mouth import Manner, Mouth
from processors.tts.normalise import normalise
from processors.tts.phrases import sentences
from processors.tts.voices import default_voice, speech_language

log = structlog.get_logger()

REHEARSED_RATE = 8000
"""Of most telephone calls: rehearsed speech waits in memory at this rate, in Hz."""


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Who renders, with caches before it; shared by calls and tenants."""

    mouth: Mouth
    model: str
    """SHA-256 of the model file, or what else tells a model from others."""
    compute: Compute
    memory: MemoryCache
    disk: DiskCache

    def manner(self, before: Manner, language: str, voice: str | None) -> Manner:
        """Another language (BCP 47 tag), with `voice`, the one of before if it speaks it, or the language's own.

        Raises PrepareError where there is no such voice.
        """
        if voice is None:
            voice = before.voice if primary(language) == primary(before.language) else default_voice(language)
        known = self.mouth.voices
        if known is not None and voice not in known:
            raise PrepareError(f"tts.kokoro: the voice {voice!r} was not loaded; there are {', '.join(known)}")
        return replace(before, voice=voice, language=language, speech=speech_language(language, voice))

    async def say(self, tenant_id: TenantId, text: str, manner: Manner, rate: int) -> AsyncGenerator[bytes, None]:
        """S16LE at `rate` Hz, in pieces as they are ready."""
        for sentence in await sentences(text, manner.language):
            utterance = self._utterance(tenant_id, sentence, manner, rate)
            known = self.memory.get(utterance.key()) or await self._recall(utterance)
            if known is not None:
                yield known
                continue
            async with aclosing(self._render(utterance, manner)) as pieces:
                async for pcm in pieces:
                    yield pcm

    async def rehearse(self, tenant_id: TenantId, text: str, manner: Manner) -> None:
        """Render a text ahead of the calls, whole sentences at a time. Idempotent."""
        for sentence in await sentences(text, manner.language):
            utterance = self._utterance(tenant_id, sentence, manner, REHEARSED_RATE)
            if self.memory.get(utterance.key()) is None or not self.disk.has(tenant_id, _stored(utterance).key()):
                await self._rehearse(utterance, manner)

    def _utterance(self, tenant_id: TenantId, sentence: str, manner: Manner, rate: int) -> Utterance:
        return Utterance(
            tenant_id=tenant_id,
            text=normalise(sentence, manner.language),
            model=self.model,
            voice=manner.voice,
            speed=manner.speed,
            language=manner.speech,
            rate=rate,
        )

    async def _recall(self, utterance: Utterance) -> bytes | None:
        """From the disk into memory."""
        key = _stored(utterance).key()
        if not self.disk.has(utterance.tenant_id, key):
            return None
        pcm = await self.compute.run("tts", lambda: self._load(utterance, key))
        assert pcm is None or isinstance(pcm, bytes)
        return pcm

    def _load(self, utterance: Utterance, stored_key: str) -> bytes | None:
        samples = self.disk.read(utterance.tenant_id, stored_key)
        if samples is None:
            return None
        pcm = resampled(samples, utterance.rate)
        self.memory.put(utterance.key(), pcm)
        return pcm

    async def _rehearse(self, utterance: Utterance, manner: Manner) -> None:
        stored_key = _stored(utterance).key()
        if await self.compute.run("background", partial(self._load, utterance, stored_key)) is None:
            samples = await self.mouth.rehearse(utterance.text, manner)
            await self.compute.run("background", partial(self._keep, utterance, stored_key, samples))

    def _keep(self, utterance: Utterance, stored_key: str, samples: Pcm16) -> None:
        self.memory.put(utterance.key(), resampled(samples, utterance.rate))
        try:
            self.disk.write(utterance.tenant_id, stored_key, samples)
        except OSError as error:
            log.warning("rendered speech cannot be kept", tenant=utterance.tenant_id, error=str(error))

    async def _render(self, utterance: Utterance, manner: Manner) -> AsyncGenerator[bytes, None]:
        """Each piece as soon as it is rendered; one resampler for the sentence, flushed at its end."""
        import soxr

        stream = soxr.ResampleStream(SAMPLE_RATE, utterance.rate, 1, dtype="int16")
        parts: list[bytes] = []
        async with aclosing(self.mouth.speak(utterance.text, manner)) as pieces:
            async for piece in pieces:
                parts.append(stream.resample_chunk(piece.samples, last=piece.last).tobytes())
                yield parts[-1]
        self.memory.put(utterance.key(), b"".join(parts))


def resampled(samples: Pcm16, rate: int) -> bytes:
    """A whole utterance at the wire's rate."""
    import soxr

    stream = soxr.ResampleStream(SAMPLE_RATE, rate, 1, dtype="int16")
    return bytes(stream.resample_chunk(samples, last=True).tobytes())


def _stored(utterance: Utterance) -> Utterance:
    """As the disk keeps it: at the engine's rate, to serve every wire."""
    return replace(utterance, rate=SAMPLE_RATE)
