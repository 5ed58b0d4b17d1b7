"""A document's mistakes, all at once, each where it is."""

import pytest
from msgspec import UNSET, Struct
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.check import check
from pipelines.problems import SpecError
from pipelines.spec import AssistantSpec, ProcessorSpec
from processors.catalog import AnyFactory
from processors.factory import CallContext, ProcessorFactory, Role


class NoConfig(Struct, frozen=True):
    pass


class VoiceConfig(Struct, frozen=True):
    voice: str
    speed: float = 1.0
    tries: int = 3


class Stage(ProcessorFactory[Struct, None]):
    def __init__(self, use: str, role: Role, config_type: type[Struct] = NoConfig) -> None:
        self.use, self.role, self.config_type = use, role, config_type

    def create(self, config: Struct, prepared: None, call: CallContext) -> FrameProcessor | None:
        return None


STAGES: dict[str, AnyFactory] = {
    stage.use: stage
    for stage in (
        Stage("vad.a", Role.VAD),
        Stage("stt.a", Role.STT),
        Stage("rag.a", Role.RAG),
        Stage("llm.a", Role.LLM),
        Stage("llm.b", Role.LLM),
        Stage("tts.a", Role.TTS, VoiceConfig),
        Stage("filter.a", Role.FILTER),
    )
}


def node(name: str, use: str | None = None, after: tuple[str, ...] | None = None, **config: object) -> ProcessorSpec:
    return ProcessorSpec(id=name, use=use or f"{name}.a", after=UNSET if after is None else after, config=config)


def assistant(*nodes: ProcessorSpec, name: str = "front", numbers: tuple[str, ...] = ("100",)) -> AssistantSpec:
    return AssistantSpec(name=name, numbers=numbers, pipeline=nodes)


VOICE = node("tts", voice="ana")
GOOD = (node("vad"), node("stt"), node("llm"), VOICE)


def problems(*assistants: AssistantSpec) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        check(assistants, STAGES)
    return {problem.path: f"{problem.message} | {problem.hint}" for problem in caught.value.problems}


def test_configs_come_out_typed_and_in_running_order() -> None:
    (checked,) = check([assistant(*GOOD)], STAGES)
    assert [stage.id for stage in checked.stages] == ["vad", "stt", "llm", "tts"]
    assert checked.stages[3].config == VoiceConfig(voice="ana")


def test_after_is_an_order_whatever_the_order_of_writing() -> None:
    shuffled = (
        node("tts", after=("llm",), voice="ana"),
        node("llm", after=("stt", "vad")),
        node("vad", after=()),
        node("stt", after=("vad",)),
    )
    (checked,) = check([assistant(*shuffled)], STAGES)
    assert [stage.id for stage in checked.stages] == ["vad", "stt", "llm", "tts"]


def test_the_built_in_graph_stands_in_for_an_absent_pipeline() -> None:
    default = {
        use: Stage(use, Role(use.partition(".")[0]))
        for use in ("vad.silero", "stt.whisper", "rag.retrieve", "llm.grounded", "tts.kokoro")
    }
    (checked,) = check([AssistantSpec(name="front", numbers=("1",))], default)
    assert [stage.factory.use for stage in checked.stages] == list(default)


def test_every_mistake_is_told_with_its_path() -> None:
    bad_voice = node("tts", speed="fast", tries="x", sped=2)
    found = problems(assistant(node("vad"), node("stt", use="stt.aa"), node("llm"), bad_voice))
    assert set(found) == {
        "$.assistants[0].pipeline[1].use",
        "$.assistants[0].pipeline[3].config.speed",
        "$.assistants[0].pipeline[3].config.tries",
        "$.assistants[0].pipeline[3].config.sped",
        "$.assistants[0].pipeline[3].config.voice",
    }
    assert "did you mean 'stt.a'?" in found["$.assistants[0].pipeline[1].use"]
    assert "did you mean 'speed'?" in found["$.assistants[0].pipeline[3].config.sped"]
    assert "required" in found["$.assistants[0].pipeline[3].config.voice"]
    assert 'expected a number, not "fast"' in found["$.assistants[0].pipeline[3].config.speed"]


@pytest.mark.parametrize(
    ("nodes", "path", "words"),
    [
        ((*GOOD[:3], node("more", use="llm.b"), VOICE), "[3].use", "second llm"),
        ((node("llm"), node("vad"), node("stt"), VOICE), "[1].use", "ear"),
        ((node("vad"), node("stt"), node("llm"), node("rag"), VOICE), "[3].use", "rag stage 'rag' comes too late"),
        (GOOD[:3], "", "no tts stage"),
        ((node("vad"), node("stt"), VOICE), "", "no llm stage"),
        ((node("vad"), node("stt", after=()), node("llm", after=("vad", "stt")), VOICE), "[1].after", "side by side"),
        ((node("vad", after=("tts",)), *GOOD[1:]), "[0].after", "wait for each other"),
        ((*GOOD, node("vad", use="filter.a")), "[4].id", "already used"),
        ((node("vad"), node("stt", after=("vat",)), *GOOD[2:]), "[1].after[0]", "no stage has the id 'vat'"),
    ],
)
def test_a_line_that_cannot_run_is_refused_by_name(nodes: tuple[ProcessorSpec, ...], path: str, words: str) -> None:
    found = problems(assistant(*nodes))
    assert words in found[f"$.assistants[0].pipeline{path}"]


def test_filters_may_stand_anywhere() -> None:
    line = (node("f1", use="filter.a"), *GOOD, node("f2", use="filter.a"))
    (checked,) = check([assistant(*line)], STAGES)
    assert len(checked.stages) == 6


def test_names_and_numbers_are_one_assistants_own() -> None:
    found = problems(assistant(*GOOD, numbers=("100", "101")), assistant(*GOOD, numbers=("102", "101")))
    assert set(found) == {"$.assistants[1].name", "$.assistants[1].numbers[1]"}


def test_a_pipeline_has_a_bounded_length() -> None:
    line = [node(f"n{i}", use="filter.a") for i in range(65)]
    assert "at most 64" in problems(assistant(*line))["$.assistants[0].pipeline"]


def test_a_filter_that_has_nothing_to_do_where_it_stands_is_told_its_place() -> None:
    names = ["filter.filler", "vad.mock", "stt.mock", "llm.mock", "filter.dtmf", "tts.mock"]
    nodes = tuple(ProcessorSpec(id=f"s{at}", use=use) for at, use in enumerate(names))
    with pytest.raises(SpecError) as refused:
        check([AssistantSpec(name="front", numbers=("1",), pipeline=nodes)])
    found = {problem.path: (problem.message, problem.hint) for problem in refused.value.problems}
    assert found["$.assistants[0].pipeline[0].use"] == (
        "'s0' has nothing to do here",
        "its place is between the llm and the tts stage; use `after`",
    )
    assert "between the stt stage and the first one of the mind" in str(found["$.assistants[0].pipeline[4].use"])
