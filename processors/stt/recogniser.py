"""Whisper on short telephone utterances: samples to text. Blocking; no asyncio.

faster-whisper's own `transcribe` always pays for a 30 s window. Whisper's encoder takes shorter ones, so an
utterance is padded to 10 s (or its length and a second, up to 30 s): a quarter of the work, as many errors.
The model is told how such a call begins, as if that had been said before; it mishears fewer short words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from processors.stt.reduced import reduced_folder

log = structlog.get_logger()

REDUCED = ".reduced"
"""Folder beside the models for what is made from them."""
MODEL_RATE = 16_000
"""Whisper's sampling rate, in Hz."""
MIN_WINDOW_S = 10.0
MAX_WINDOW_S = 30.0
"""Of Whisper; see the architecture in https://arxiv.org/abs/2212.04356."""
FRAMES_PER_S = 100
"""Of the mel spectrogram."""
TOKENS_PER_S = 12
"""More than anybody says; what exceeds it is a loop."""
MIN_TOKENS = 16
NO_REPEAT_NGRAM = 4
REPETITION_PENALTY = 1.1

LANGUAGES = ("pt", "en", "es")
SURE = 0.8
"""A language is told when it has this share of the probability of LANGUAGES, …"""
OURS = 0.5
"""… and they have this much of all. Of 97 recorded utterances 93 are told so, all rightly (Whisper base)."""

DEFAULT_PROMPTS: Mapping[str, str] = {
    "pt": "Olá, boa tarde! Se quiser falar com uma pessoa, diga atendente. Como posso ajudar?",
    "en": "Hello, good afternoon! If you want to talk to a person, say operator. How can I help you?",
    "es": "Hola, buenas tardes. Si quiere hablar con una persona, diga operador. ¿En qué puedo ayudarle?",
}

Samples = NDArray[np.float32]
"""Mono at MODEL_RATE, within -1…1."""


class Recognition(NamedTuple):
    """What was understood, before it is decided whether to believe it."""

    text: str
    confidence: float
    """Mean log probability per token: 0 is certain."""
    no_speech: float
    """Probability that nobody spoke."""
    sounds_like: str | None = None
    """The language (`pt`) that is surely spoken, whatever it was understood as; None when it is not sure, or not
    asked for.
    """


def _right_on_every_cpu(folder: Path) -> Path:
    """The model with reduced weights, kept beside the others; the one given where nothing can be written."""
    try:
        return reduced_folder(folder, folder.parent / REDUCED)
    except OSError as error:
        log.warning("model used as it is: no reduced form can be kept", model=folder.name, reason=error.strerror)
        return folder


def _surest(found: Sequence[tuple[str, float]]) -> str | None:
    """Of LANGUAGES, from the model's probabilities by token (`<|pt|>`)."""
    chances = {token.strip("<|>"): chance for token, chance in found}
    ours = {language: chances.get(language, 0.0) for language in LANGUAGES}
    best = max(ours, key=ours.__getitem__)
    return best if ours[best] >= SURE * sum(ours.values()) and sum(ours.values()) >= OURS else None


class Recogniser:
    """One Whisper model; may be called from several threads."""

    def __init__(self, folder: Path, *, threads: int, workers: int) -> None:
        """`workers` utterances at once, each on `threads` cores. Raises ModelFormatError, RuntimeError, OSError."""
        from faster_whisper import WhisperModel

        self._model = WhisperModel(
            str(_right_on_every_cpu(folder)),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            num_workers=workers,
            local_files_only=True,
        )

    def recognise(
        self, samples: Samples, language: str, prompt: str, beam_size: int, *, tell_language: bool = False
    ) -> Recognition:
        """Understand one utterance of at most MAX_WINDOW_S in `language` (`pt`)."""
        import ctranslate2
        from faster_whisper.tokenizer import Tokenizer

        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(self._features(samples)))
        tokenizer = Tokenizer(self._model.hf_tokenizer, True, task="transcribe", language=language)
        before = [tokenizer.sot_prev, *tokenizer.encode(" " + prompt)] if prompt else []
        start = [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]
        longest = MIN_TOKENS + int(len(samples) / MODEL_RATE * TOKENS_PER_S)
        result = self._model.model.generate(
            encoded,
            [start],
            beam_size=beam_size,
            max_length=len(start) + longest,
            no_repeat_ngram_size=NO_REPEAT_NGRAM,
            repetition_penalty=REPETITION_PENALTY,
            suppress_blank=True,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = result.sequences_ids[0]
        # The score is the mean without the end token, which the model also had to be sure of.
        confidence = result.scores[0] * len(tokens) / (len(tokens) + 1)
        sounds_like = _surest(self._model.model.detect_language(encoded)[0]) if tell_language else None
        return Recognition(tokenizer.decode(tokens).strip(), confidence, result.no_speech_prob, sounds_like)

    def _features(self, samples: Samples) -> NDArray[np.float32]:
        """The padded mel spectrogram, shape (1, 80, frames); frames are even, as the encoder halves them."""
        window_s = min(MAX_WINDOW_S, max(MIN_WINDOW_S, len(samples) / MODEL_RATE + 1.0))
        length = int(window_s * MODEL_RATE)
        padded = np.pad(samples[:length], (0, max(0, length - len(samples))))
        frames = int(window_s * FRAMES_PER_S) // 2 * 2
        features = self._model.feature_extractor(padded, padding=0)[:, :frames]
        return np.ascontiguousarray(features[None], dtype=np.float32)


def whisper_languages() -> tuple[str, ...]:
    """That Whisper has tokens for, as it names them: `pt`."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return tuple(_LANGUAGE_CODES)


def samples_of(pcm: bytes, sample_rate: int) -> Samples:
    """S16LE as the recogniser wants it."""
    import soxr

    wire: Samples = (np.frombuffer(pcm, dtype="<i2") / 32768).astype(np.float32)
    return wire if sample_rate == MODEL_RATE else soxr.resample(wire, sample_rate, MODEL_RATE)
