"""Which slot a filter sits in, and where it has nothing to do."""

from typing import Any

import pytest

from pipelines.placing import misplaced
from pipelines.plan import plan, stages
from pipelines.roles import slots
from pipelines.spec import ProcessorSpec
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


def ear(made: list[ProcessorFactory[Any, Any]]) -> int:
    """How many stages of a line sit in the ear, from the first on."""
    nodes = [ProcessorSpec(id=f"s{at}", use=factory.use) for at, factory in enumerate(made)]
    found = slots(plan(nodes), {node.id: factory for node, factory in zip(nodes, made, strict=True)})
    return len(list(stages(found.ear)))


@pytest.mark.parametrize(
    ("at", "place", "hears"),
    [
        (1, Place.ANYWHERE, 3),
        (2, Place.ANYWHERE, 2),
        (2, Place.HEARING, 3),
        (2, Place.THINKING, 2),
        (4, Place.ANSWERING, 2),
        (5, Place.ANYWHERE, 2),
    ],
)
def test_a_filter_sits_where_it_stands(at: int, place: Place, hears: int) -> None:
    made = line((at, place))
    assert misplaced(made) == {}
    assert ear(made) == hears


def test_all_up_to_the_last_that_hears_sits_in_the_ear() -> None:
    assert ear(line((2, Place.ANYWHERE), (3, Place.HEARING))) == 4


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
