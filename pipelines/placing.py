"""Where a filter may stand. Pure."""

from collections.abc import Sequence

from processors.catalog import AnyFactory
from processors.factory import Place, Role

THOUGHT = (Role.RAG, Role.LLM, Role.REALTIME, Role.TTS)
"""Roles of the mind, as far as filters stand ahead of them or behind."""

BOUNDS: dict[Place, tuple[tuple[Role, ...], tuple[Role, ...], str]] = {
    Place.HEARING: ((Role.STT,), THOUGHT, "between the stt stage and the first one of the mind"),
    Place.THINKING: ((Role.STT,), (Role.TTS,), "between the stt and the tts stage"),
    Place.ANSWERING: ((Role.LLM,), (Role.TTS,), "between the llm and the tts stage"),
}
"""Roles that a filter stands behind, roles that it stands ahead of, and that in words."""


def misplaced(line: Sequence[AnyFactory]) -> dict[int, str]:
    """Filters that would have nothing to do where they stand: index in the line, and where they belong."""
    wrong: dict[int, str] = {}
    for at, factory in enumerate(line):
        if factory.role is not Role.FILTER or factory.place is Place.ANYWHERE:
            continue
        behind, ahead, words = BOUNDS[factory.place]
        before, after = {other.role for other in line[:at]}, {other.role for other in line[at + 1 :]}
        if before & set(ahead) or after & set(behind):
            wrong[at] = words
    return wrong
