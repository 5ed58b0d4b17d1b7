"""A voice that speaks from the cache where it can and renders clause by clause where it cannot."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import structlog
from msgspec import Struct
from msgspec.structs import replace

from base.ids import TenantId
from base.languages import primary
from processors.factory import Compute, PrepareError
from processors.tts.cache import DiskCache, MemoryCache, Pcm16, Utterance
from processors.tts.engine import SAMPLE_RATE, Engine
from processors.tts.normalise import normalise
from processors.tts.phrases import clauses, sentences
from processors.tts.voices import Voice, default_voice, speech_language

log = structlog.get_logger()

SENTENCE_PAUSE_S = 0.22
CLAUSE_PAUSE_S = 0.12
WORD_PAUSE_S = 0.04
"""Of silence behind what was said, by the mark that ends it; Kokoro's own is cut off."""
REHEARSED_RATE = 8000
"""Of most telephone calls: rehearsed speech waits in memory at this rate, in Hz."""


class Manner(Struct, frozen=True, kw_only=True):
    """How something is said."""

    voice: str
    language: str
    """BCP 47 tag."""
    speech: str
    """espeak-ng's name of the language in the voice's accent: `pt-br`."""
    speed: float


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """An engine with its voices and caches; shared by calls and tenants."""

    engine: Engine
    model: str
    """SHA-256 of the model file."""
    voices: Mapping[str, Voice]
    compute: Compute
    memory: MemoryCache
    disk: DiskCache

    def manner(self, before: Manner, language: str, voice: str | None) -> Manner:
        """Another language (BCP 47 tag), with `voice`, the one of before if it speaks it, or the language's own.

        Raises PrepareError where there is no such voice.
        """
        if voice is None:
            voice = before.voice if primary(language) == primary(before.language) else default_voice(language)
        if voice not in self.voices:
            raise PrepareError(f"tts.kokoro: the voice {voice!r} was not loaded; there are {', '.join(self.voices)}")
        return replace(before, voice=voice, language=language, speech=speech_language(language, voice))

    async def say(self, tenant_id: TenantId, text: str, manner: Manner, rate: int) -> AsyncGenerator[bytes, None]:
        """S16LE at `rate` Hz, in pieces as they are ready."""
        for sentence in await sentences(text, manner.language):
            utterance = self._utterance(tenant_id, sentence, manner, rate)
            known = self.memory.get(utterance.key()) or await self._recall(utterance)
            if known is not None:
                yield known
                continue
            async for pcm in self._render_by_clause(utterance, manner):
                yield pcm

    async def rehearse(self, tenant_id: TenantId, text: str, manner: Manner) -> None:
        """Render a text ahead of the calls, whole sentences at a time. Idempotent."""
        for sentence in await sentences(text, manner.language):
            utterance = self._utterance(tenant_id, sentence, manner, REHEARSED_RATE)
            if self.memory.get(utterance.key()) is None or not self.disk.has(tenant_id, _stored(utterance).key()):
                await self.compute.run("background", partial(self._rehearsed, utterance, manner))

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

    def _rehearsed(self, utterance: Utterance, manner: Manner) -> None:
        key = _stored(utterance).key()
        if self._load(utterance, key) is not None:
            return
        samples = self._render(utterance.text, manner)
        self.memory.put(utterance.key(), resampled(samples, utterance.rate))
        try:
            self.disk.write(utterance.tenant_id, key, samples)
        except OSError as error:
            log.warning("rendered speech cannot be kept", tenant=utterance.tenant_id, error=str(error))

    async def _render_by_clause(self, utterance: Utterance, manner: Manner) -> AsyncGenerator[bytes, None]:
        """Each clause as soon as it is rendered; one resampler for the sentence, flushed at its end."""
        import soxr

        stream = soxr.ResampleStream(SAMPLE_RATE, utterance.rate, 1, dtype="int16")
        parts: list[bytes] = []
        pieces = clauses(utterance.text)
        for number, clause in enumerate(pieces, start=1):
            samples = await self.compute.run("tts", partial(self._render, clause, manner))
            parts.append(stream.resample_chunk(samples, last=number == len(pieces)).tobytes())
            yield parts[-1]
        self.memory.put(utterance.key(), b"".join(parts))

    def _render(self, text: str, manner: Manner) -> Pcm16:
        samples = self.engine.render(text, self.voices[manner.voice], manner.speech, manner.speed)
        silence = np.zeros(int(pause_after(text) * SAMPLE_RATE) if samples.size else 0, dtype=np.float32)
        spoken = np.clip(np.concatenate([samples, silence]), -1, 1) * 32767
        return np.asarray(spoken, dtype=np.int16)


def pause_after(text: str) -> float:
    """Seconds of silence; little where a sentence was cut at an abbreviation that is now a word."""
    mark = text.rstrip("\"'”’»)")[-1:]
    if mark in ".!?…":
        return SENTENCE_PAUSE_S
    return CLAUSE_PAUSE_S if mark in ",;:—–" else WORD_PAUSE_S


def resampled(samples: Pcm16, rate: int) -> bytes:
    """A whole utterance at the wire's rate."""
    import soxr

    stream = soxr.ResampleStream(SAMPLE_RATE, rate, 1, dtype="int16")
    return bytes(stream.resample_chunk(samples, last=True).tobytes())


def _stored(utterance: Utterance) -> Utterance:
    """As the disk keeps it: at the engine's rate, to serve every wire."""
    return replace(utterance, rate=SAMPLE_RATE)
