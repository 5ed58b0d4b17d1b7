"""Understands: word error rate of the service's own recogniser, against faster-whisper's own way of using it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from base.languages import primary
from benchmarks.parts.callers import Utterance
from benchmarks.parts.words import word_errors
from processors.models.store import ModelStore
from processors.stt.belief import believed
from processors.stt.recogniser import DEFAULT_PROMPTS, MAX_WINDOW_S, MODEL_RATE, Recogniser
from processors.stt.whisper import WhisperConfig


@dataclass
class Recognised:
    """Errors and cost over some recordings."""

    utterances: int = 0
    errors: int = 0
    words: int = 0
    cpu_s: float = 0.0

    @property
    def word_error_rate(self) -> float:
        """Errors for each word that was said."""
        return self.errors / max(1, self.words)


class Ear:
    """Whisper as the service uses it, in this process; also the judge of what callers heard."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = ModelStore(data_dir).path("whisper-base")
        self._recogniser = Recogniser(self._folder, threads=2, workers=1)
        self._beam_size = WhisperConfig().beam_size

    def recognise(self, utterances: Sequence[Utterance]) -> Recognised:
        """Word errors and CPU seconds of the service's recogniser."""
        total = Recognised()
        for utterance in utterances:
            samples, language = _load(utterance.path), primary(utterance.language)
            began = time.process_time()
            found = self._recogniser.recognise(samples, language, DEFAULT_PROMPTS[language], self._beam_size)
            text = believed(found, DEFAULT_PROMPTS[language])
            _count(total, utterance, text, time.process_time() - began)
        return total

    def stock(self, utterances: Sequence[Utterance]) -> Recognised:
        """The same by `WhisperModel.transcribe`: a window of 30 s, the same beam, no prompt."""
        from faster_whisper import WhisperModel

        model: Any = WhisperModel(
            str(self._folder), device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True
        )
        total = Recognised()
        for utterance in utterances:
            samples, language = _load(utterance.path), primary(utterance.language)
            began = time.process_time()
            segments, _ = model.transcribe(samples, language=language, beam_size=self._beam_size)
            text = " ".join(segment.text for segment in segments)
            _count(total, utterance, text, time.process_time() - began)
        return total

    def transcribe(self, samples: npt.NDArray[np.int16], rate: int, language: str) -> Iterator[str]:
        """What is said in a piece of a call: heard with a narrow and a wide search, and with and without a prompt.

        Each hearing is made when it is asked for.
        """
        audio = soxr.resample(samples.astype(np.float32) / 32768, rate, MODEL_RATE)
        step, tongue = int(MAX_WINDOW_S * MODEL_RATE), primary(language)
        pieces = [audio[start : start + step] for start in range(0, len(audio), step)]
        spoken = [piece for piece in pieces if len(piece) > MODEL_RATE // 2 and np.abs(piece).max() > 0.01]
        for prompt, beam_size in (("", 2), ("", 5), (DEFAULT_PROMPTS[tongue], 5)):
            yield " ".join(self._recogniser.recognise(piece, tongue, prompt, beam_size).text for piece in spoken)


def _load(path: Path) -> npt.NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, MODEL_RATE), dtype=np.float32)


def _count(total: Recognised, utterance: Utterance, heard: str, cpu_s: float) -> None:
    errors, words = word_errors(utterance.text, heard)
    total.utterances += 1
    total.errors += errors
    total.words += words
    total.cpu_s += cpu_s
