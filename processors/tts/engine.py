"""Text to samples with Kokoro-82M: ONNX Runtime by default, PyTorch on demand. Blocking; no asyncio.

Kokoro: https://huggingface.co/hexgrad/Kokoro-82M; phonemes come from espeak-ng.
"""

import logging
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from processors.factory import PrepareError
from processors.tts.voices import Voice

SAMPLE_RATE = 24_000
"""Of everything that Kokoro renders, in Hz."""

Samples = NDArray[np.float32]
"""Mono at SAMPLE_RATE, within -1…1."""


class Engine(Protocol):
    """Renders speech; may be called from several threads."""

    def render(self, text: str, voice: Voice, language: str, speed: float) -> Samples:
        """Speak `text` in espeak-ng's `language`, without silence at the ends; empty if there is nothing to say."""
        ...


def trimmed(samples: Samples) -> Samples:
    """The samples without the breath at both ends: before the first sound it is time that the caller waits.

    Sound is what is within 40 dB of the loudest 5 ms; 5 ms before it and 20 ms behind it are kept.
    """
    block = SAMPLE_RATE // 200
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    level = np.sqrt(np.mean(blocks * blocks, axis=1))
    loud = np.flatnonzero(level > max(float(level.max(initial=0.0)) / 100, 1e-6))
    if not loud.size:
        return samples[:0]
    return samples[max(0, int(loud[0]) - 1) * block : (int(loud[-1]) + 5) * block]


class OnnxEngine:
    """kokoro-onnx on one ONNX session. The session's own threads do not spin while they wait."""

    def __init__(self, model_file: Path, threads: int) -> None:
        import onnxruntime
        from kokoro_onnx import Kokoro

        # It warns of every sentence in which espeak-ng joins words, which is most of them.
        logging.getLogger("phonemizer").setLevel(logging.ERROR)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
        # kokoro-onnx insists on a file of voices; ours are passed with each call.
        with tempfile.NamedTemporaryFile(suffix=".npy") as none:
            np.save(none, np.zeros((1, 1, 256), dtype=np.float32))
            none.flush()
            self._kokoro = Kokoro.from_session(session, none.name)

    def render(self, text: str, voice: Voice, language: str, speed: float) -> Samples:
        phonemes = self._kokoro.tokenizer.phonemize(text, language)
        if not any(character.isalpha() for character in phonemes):
            return np.zeros(0, dtype=np.float32)
        # Longer than the model's 510 phonemes: kokoro-onnx cuts at sentences, clauses, words.
        samples, _ = self._kokoro.create(phonemes, voice=voice, speed=speed, lang=language, is_phonemes=True)
        return trimmed(np.asarray(samples, dtype=np.float32))


_TORCH_PIPELINES = {"pt-br": "p", "en-us": "a", "en-gb": "b", "es": "e"}
"""`kokoro`'s letters for espeak-ng's languages."""


class TorchEngine:
    """The package `kokoro` on PyTorch, from local files only.

    English also needs spaCy's `en_core_web_sm` installed: `kokoro`'s English reader would fetch it.
    """

    _REPOSITORY = "hexgrad/Kokoro-82M"

    def __init__(self, model_folder: Path) -> None:
        try:
            self._torch, self._package = import_module("torch"), import_module("kokoro")
        except ImportError as error:
            raise PrepareError('tts.kokoro with engine `torch` needs `pip install "atende[torch]"`') from error
        self._model = self._package.KModel(
            repo_id=self._REPOSITORY,
            config=str(model_folder / "config.json"),
            model=str(model_folder / "kokoro-v1_0.pth"),
        ).eval()
        self._pipelines: dict[str, Any] = {}

    def render(self, text: str, voice: Voice, language: str, speed: float) -> Samples:
        if language not in self._pipelines:
            letter = _TORCH_PIPELINES[language]
            self._pipelines[language] = self._package.KPipeline(letter, repo_id=self._REPOSITORY, model=self._model)
        table = self._torch.from_numpy(np.array(voice))
        results = self._pipelines[language](text, voice=table, speed=speed)
        parts = [np.asarray(result.audio, dtype=np.float32) for result in results]
        return trimmed(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.float32)
