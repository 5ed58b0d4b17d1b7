"""Kokoro's voices: which there are, which one speaks a language, and their data.

Five voices lie in `voices/` beside this file (their notice too); the other 49 come with the optional
model `kokoro-voices`. A voice is a table of style vectors, one for each phoneme count.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from base.languages import primary
from processors.factory import ModelFiles, PrepareError
from processors.models.manifest import builtin_manifest

Voice = NDArray[np.float32]
"""Shape (510, 1, 256)."""

SHAPE = (510, 1, 256)
VOICES_MODEL = "kokoro-voices"
KNOWN_VOICES = tuple(
    PurePath(file.path).stem
    for model in builtin_manifest().models
    if model.name == VOICES_MODEL
    for file in model.files
)
"""All that there are."""

DEFAULT_VOICES: Mapping[str, str] = {"pt": "pf_dora", "en": "af_heart", "es": "ef_dora"}
"""By base language."""

_SPEECH_OF_VOICE: Mapping[str, str] = {"a": "en-us", "b": "en-gb", "e": "es", "p": "pt-br"}
"""A voice's first letter names the accent that it was made for: espeak-ng's name of that language."""

_SPEECH: Mapping[str, str] = {"pt": "pt-br", "en": "en-us", "es": "es"}


def default_voice(language: str) -> str:
    """The voice for a language. Raises PrepareError where there is none."""
    voice = DEFAULT_VOICES.get(primary(language))
    if voice is None:
        known = ", ".join(DEFAULT_VOICES)
        raise PrepareError(f"tts.kokoro has no voice for {language}; it speaks {known}: set `voice` and `language`")
    return voice


def speech_language(language: str, voice: str) -> str:
    """espeak-ng's name of the language, in the accent of the voice where it has one of that language."""
    base = primary(language)
    if base not in _SPEECH:
        raise PrepareError(f"tts.kokoro does not speak {language}; it speaks {', '.join(_SPEECH)}")
    accent = _SPEECH_OF_VOICE.get(voice[:1], "")
    return accent if accent.startswith(base) else _SPEECH[base]


def load_voice(name: str, models: ModelFiles) -> Voice:
    """The voice's table. Raises PrepareError that says what to install."""
    file = f"{name}.bin"
    bundled = files(__package__) / "voices" / file
    if bundled.is_file():
        data = bundled.read_bytes()
    else:
        path = models.path(VOICES_MODEL) / file
        if not path.is_file():
            raise PrepareError(f"tts.kokoro: there is no voice {name!r} in {path.parent}")
        data = path.read_bytes()
    if len(data) != 4 * SHAPE[0] * SHAPE[1] * SHAPE[2]:
        raise PrepareError(f"tts.kokoro: the file of the voice {name!r} has the wrong size")
    return np.frombuffer(data, dtype="<f4").reshape(SHAPE)
