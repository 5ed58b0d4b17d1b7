"""The list of all stages. One line per stage; a stage's module is imported when it is first asked for."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from msgspec import Struct

from processors.factory import ProcessorFactory, Role

AnyFactory: TypeAlias = ProcessorFactory[Any, Any]
"""A factory whose config and prepared types are known to itself alone."""


class StageEntry(Struct, frozen=True):
    """Where a stage is: `use` in a document, its role, and the factory class by module and name."""

    use: str
    role: Role
    module: str
    factory: str


CATALOG: tuple[StageEntry, ...] = (
    StageEntry("vad.silero", Role.VAD, "processors.vad.silero", "SileroVad"),
    StageEntry("vad.mock", Role.VAD, "processors.vad.mock", "MockVad"),
    StageEntry("stt.whisper", Role.STT, "processors.stt.whisper", "WhisperStt"),
    StageEntry("stt.mock", Role.STT, "processors.stt.mock", "MockStt"),
    StageEntry("rag.retrieve", Role.RAG, "processors.rag.retrieve", "RetrieveRag"),
    StageEntry("llm.grounded", Role.LLM, "processors.llm.grounded", "GroundedLlm"),
    StageEntry("llm.openai", Role.LLM, "processors.llm.openai", "OpenAiLlm"),
    StageEntry("llm.anthropic", Role.LLM, "processors.llm.anthropic", "AnthropicLlm"),
    StageEntry("llm.local", Role.LLM, "processors.llm.local", "LocalLlm"),
    StageEntry("llm.mock", Role.LLM, "processors.llm.mock", "MockLlm"),
    StageEntry("tts.kokoro", Role.TTS, "processors.tts.kokoro", "KokoroTts"),
    StageEntry("tts.mock", Role.TTS, "processors.tts.mock", "MockTts"),
    StageEntry("realtime.openai", Role.REALTIME, "processors.realtime.openai", "OpenAiRealtime"),
    StageEntry("realtime.mock", Role.REALTIME, "processors.realtime.mock", "MockRealtime"),
    StageEntry("filter.dtmf", Role.FILTER, "processors.filters.dtmf", "DtmfFilter"),
    StageEntry("filter.echo", Role.FILTER, "processors.filters.echo", "EchoFilter"),
    StageEntry("filter.filler", Role.FILTER, "processors.filters.filler", "FillerFilter"),
    StageEntry("filter.language", Role.FILTER, "processors.filters.language", "LanguageFilter"),
    StageEntry("filter.redact", Role.FILTER, "processors.filters.redact", "RedactFilter"),
    StageEntry("filter.speech_text", Role.FILTER, "processors.filters.speech_text", "SpeechTextFilter"),
    StageEntry("filter.transcript", Role.FILTER, "processors.filters.transcript", "TranscriptFilter"),
    StageEntry("filter.topics", Role.FILTER, "processors.filters.topics", "TopicsFilter"),
)


class StageUnknownError(LookupError):
    """No stage has this name; `nearest` is the one that was probably meant."""

    def __init__(self, use: str, nearest: str | None) -> None:
        self.use = use
        self.nearest = nearest
        meant = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"there is no stage {use!r}{meant}")


class Stages(Mapping[str, AnyFactory]):
    """The catalog as a mapping from `use` to factory: `in` and iteration import nothing, `[]` imports one module."""

    def __init__(self, entries: tuple[StageEntry, ...] = CATALOG) -> None:
        self._entries = {entry.use: entry for entry in entries}

    def __getitem__(self, use: str) -> AnyFactory:
        """Raises StageUnknownError (a KeyError would read badly in a problem report)."""
        if use not in self._entries:
            raise StageUnknownError(use, nearest(use, self))
        return _load(self._entries[use])

    def __contains__(self, use: object) -> bool:
        return use in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def cold(self, uses: Iterable[str]) -> list[str]:
        """Those of the stages whose modules have not been imported yet."""
        entries = [self._entries[use] for use in dict.fromkeys(uses) if use in self._entries]
        return [entry.use for entry in entries if entry.module not in sys.modules]


def nearest(word: str, known: Mapping[str, object]) -> str | None:
    """The known name closest to a misspelt one; None when nothing is close."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


@cache
def _load(entry: StageEntry) -> AnyFactory:
    factory = getattr(import_module(entry.module), entry.factory)()
    assert isinstance(factory, ProcessorFactory), f"{entry.module}.{entry.factory} is no factory"
    return factory
