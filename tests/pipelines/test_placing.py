"""Which slot a stage sits in, and where a filter has nothing to do."""

from typing import Any

import pytest

from pipelines.placing import in_ear, misplaced
from processors.factory import Place, ProcessorFactory, Role


def stage(role: Role, place: Place = Place.ANYWHERE) -> ProcessorFactory[Any, Any]:
    kind: ProcessorFactory[Any, Any] = ProcessorFactory()
    kind.use, kind.role, kind.place = f"{role.value}.test", role, place
    return kind


def line(*filters: tuple[int, Place]) -> list[ProcessorFactory[Any, Any]]:
    """A whole pipeline with filters at places of it (vad 0, stt 1, rag 2, llm 3, tts 4)."""
    made = [stage(role) for role in (Role.VAD, Role.STT, Role.RAG, Role.LLM, Role.TTS)]
    for at, place in filters:
        made.insert(at, stage(Role.FILTER, place))
    return made


@pytest.mark.parametrize(
    ("at", "place", "ear"),
    [
        (1, Place.ANYWHERE, [True, True, True, False, False, False]),
        (2, Place.ANYWHERE, [True, True, False, False, False, False]),
        (2, Place.HEARING, [True, True, True, False, False, False]),
        (2, Place.THINKING, [True, True, False, False, False, False]),
        (4, Place.ANSWERING, [True, True, False, False, False, False]),
        (5, Place.ANYWHERE, [True, True, False, False, False, False]),
    ],
)
def test_a_filter_sits_where_it_stands(at: int, place: Place, ear: list[bool]) -> None:
    stages = line((at, place))
    assert misplaced(stages) == {}
    assert in_ear(stages) == ear


def test_one_that_hears_sits_in_the_ear_behind_one_that_thinks() -> None:
    assert in_ear(line((2, Place.THINKING), (3, Place.HEARING))) == [True, True, False, True, False, False, False]


@pytest.mark.parametrize(
    ("at", "place", "belongs"),
    [
        (1, Place.HEARING, "between the stt stage and the first one of the mind"),
        (3, Place.HEARING, "between the stt stage and the first one of the mind"),
        (1, Place.THINKING, "between the stt and the tts stage"),
        (5, Place.THINKING, "between the stt and the tts stage"),
        (3, Place.ANSWERING, "between the llm and the tts stage"),
        (5, Place.ANSWERING, "between the llm and the tts stage"),
    ],
)
def test_a_filter_that_would_have_nothing_to_do_is_told_its_place(at: int, place: Place, belongs: str) -> None:
    wrong = misplaced(line((at, place)))
    assert list(wrong) == [at]
    assert wrong[at].startswith(belongs)
