"""What stages need of one another: realtime alone, what each gets, what stands side by side, and the slots."""

import pytest
from msgspec import UNSET, Struct
from msgspec.structs import replace
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.check import CheckedAssistant, check
from pipelines.figures import estimate
from pipelines.plan import Graph, Parallel, Single
from pipelines.problems import SpecError
from pipelines.spec import AssistantSpec, LimitsSpec, ProcessorSpec, TurnSpec, VadSpec
from processors.catalog import CATALOG, AnyFactory, Stages
from processors.factory import CallContext, Kind, ProcessorFactory, Role


class NoConfig(Struct, frozen=True):
    pass


class Detect(Struct, frozen=True):
    confidence: float = 0.5
    stop_secs: float = 0.2


class Voice(Struct, frozen=True):
    voice: str | None = None


class Stage(ProcessorFactory[Struct, None]):
    latency: float | None = None
    cost: float | None = None

    def __init__(self, use: str, role: Role, config_type: type[Struct] = NoConfig, **more: object) -> None:
        self.use, self.role, self.config_type = use, role, config_type
        for name, value in more.items():
            setattr(self, name, value)

    def latency_ms(self, config: Struct) -> float | None:
        return self.latency

    def cost_per_turn(self, config: Struct) -> float | None:
        return self.cost

    def create(self, config: Struct, prepared: None, call: CallContext) -> FrameProcessor | None:
        return None


def needs(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


STAGES: dict[str, AnyFactory] = {
    stage.use: stage
    for stage in (
        Stage("vad.a", Role.VAD, Detect, latency=200.0, cost=0.0),
        Stage("stt.a", Role.STT, latency=1000.0, cost=0.0),
        Stage("rag.a", Role.RAG, latency=300.0, cost=0.0),
        Stage("llm.a", Role.LLM, latency=2000.0),
        Stage("llm.grounded", Role.LLM, takes=needs(Kind.TURN, Kind.PASSAGES)),
        Stage("tts.a", Role.TTS, Voice, cost=0.001),
        Stage("realtime.a", Role.REALTIME, audio="continuous"),
        Stage("filter.any", Role.FILTER),
        Stage("filter.words", Role.FILTER, needs_words=True),
        Stage("filter.tap", Role.FILTER, tap=True),
        Stage("filter.other", Role.FILTER, tap=True),
        Stage("filter.keys", Role.FILTER, takes=needs(Kind.KEYS)),
        Stage("filter.heard", Role.FILTER, takes=needs(Kind.TRANSCRIPT)),
        Stage("filter.said", Role.FILTER, takes=needs(Kind.WORDS)),
        Stage("filter.turn", Role.FILTER, takes=needs(Kind.TURN)),
        Stage("filter.audio", Role.FILTER, takes=needs(Kind.AUDIO)),
        Stage("filter.voice", Role.FILTER, takes=needs(Kind.SPEECH)),
    )
}


def node(use: str, *after: str, name: str = "") -> ProcessorSpec:
    """Without `after` behind the one above; `-` for none."""
    names = tuple(other for other in after if other != "-")
    return ProcessorSpec(id=name or use.replace(".", "-"), use=use, after=names if after else UNSET)


def checked(*uses: str | ProcessorSpec, streaming: bool = True, **more: object) -> CheckedAssistant:
    nodes = tuple(node(use) if isinstance(use, str) else use for use in uses)
    spec = replace(AssistantSpec(name="front", numbers=("100",), pipeline=nodes), **more)
    (found,) = check([spec], STAGES, streaming=streaming)
    return found


def problems(*uses: str | ProcessorSpec, streaming: bool = True) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        checked(*uses, streaming=streaming)
    return {problem.path: f"{problem.message} | {problem.hint}" for problem in caught.value.problems}


def ids(graph: Graph) -> object:
    if isinstance(graph, Single):
        return graph.id
    parts = [ids(part) for part in graph.parts]
    return set(parts) if isinstance(graph, Parallel) else parts


LINE = ("vad.a", "stt.a", "llm.a", "tts.a")


def test_a_realtime_stage_is_all_that_a_call_needs_beside_a_vad() -> None:
    found = checked("vad.a", "realtime.a")
    assert ids(found.slots.ear) == ["vad-a"]
    assert ids(found.slots.mind) == ["realtime-a"]


def test_beside_a_realtime_stage_nothing_else_hears_thinks_or_speaks() -> None:
    found = problems("vad.a", "stt.a", "realtime.a", "tts.a")
    assert set(found) == {"$.assistants[0].pipeline[1].use", "$.assistants[0].pipeline[3].use"}
    assert "'realtime-a' hears, thinks and speaks by itself | leave out 'stt-a'" in next(iter(found.values()))
    assert "no vad stage" in problems("realtime.a")["$.assistants[0].pipeline"]
    assert "second realtime" in str(problems("vad.a", "realtime.a", node("realtime.a", name="more")))


def test_a_filter_of_words_has_nothing_to_do_beside_a_realtime_stage() -> None:
    found = problems("vad.a", "filter.words", "realtime.a", "filter.any")
    assert list(found) == ["$.assistants[0].pipeline[1].use"]
    assert "'realtime-a' does without | leave out 'filter-words'" in found["$.assistants[0].pipeline[1].use"]
    assert "'realtime-a' uses them up before" in str(problems("vad.a", "realtime.a", "filter.audio"))


def test_a_realtime_stage_cannot_be_deaf_to_the_beginning_of_a_voice() -> None:
    """A detector tells of a voice once, and that was while it was muted."""
    with pytest.raises(SpecError) as caught:
        checked("vad.a", "realtime.a", turn=TurnSpec(mute_until_greeting_done=True))
    assert [problem.path for problem in caught.value.problems] == ["$.assistants[0].turn.mute_until_greeting_done"]
    assert checked(*LINE, turn=TurnSpec(mute_until_greeting_done=True))


def test_of_the_filters_only_those_that_need_no_words_stand_beside_a_realtime_stage() -> None:
    filters = [entry.use for entry in CATALOG if entry.role is Role.FILTER]
    without = [use for use in filters if not Stages()[use].needs_words]
    assert without == ["filter.dtmf", "filter.redact", "filter.transcript"]


def test_a_realtime_stage_needs_a_wire_that_plays_sound_as_it_comes() -> None:
    found = problems("vad.a", "realtime.a", streaming=False)
    assert list(found) == ["$.assistants[0].pipeline[1].use"]
    assert "audio_stream" in found["$.assistants[0].pipeline[1].use"]
    assert checked(*LINE, streaming=False)


@pytest.mark.parametrize(
    ("uses", "path", "words"),
    [
        (
            ("vad.a", "stt.a", "llm.grounded", "tts.a"),
            "[2].use",
            "needs passages found and never gets any | add a rag.…",
        ),
        (("vad.a", "filter.heard", *LINE[1:]), "[1].after", "never gets any | 'stt-a' gives them, but not to here"),
        ((*LINE, "filter.heard"), "[4].after", "needs transcripts"),
        (("vad.a", "stt.a", "filter.audio", *LINE[2:]), "[2].after", "'stt-a' uses them up before"),
        (("vad.a", "stt.a", "llm.a", "filter.turn", "tts.a"), "[3].after", "'llm-a' uses them up before"),
        (("filter.turn", *LINE), "[0].after", "put together behind the stt stage"),
        ((*LINE, "filter.said"), "[4].after", "needs words to speak"),
        (("vad.a", "filter.voice", *LINE[1:]), "[1].after", "needs speech and never gets any | 'tts-a' gives"),
    ],
)
def test_a_stage_that_never_gets_what_it_needs_is_refused_by_name(uses: tuple[str, ...], path: str, words: str) -> None:
    found = problems(*uses)
    assert list(found) == [f"$.assistants[0].pipeline{path}"]
    assert words in found[f"$.assistants[0].pipeline{path}"]


@pytest.mark.parametrize(
    ("uses", "ear", "mind"),
    [
        (LINE, 2, 2),
        (("filter.any", *LINE), 3, 2),
        (("vad.a", "filter.audio", *LINE[1:]), 3, 2),
        (("vad.a", "stt.a", "filter.any", *LINE[2:]), 2, 3),
        (("vad.a", "stt.a", "filter.any", "filter.heard", *LINE[2:]), 4, 2),
        (("vad.a", "stt.a", "filter.turn", "rag.a", "llm.grounded", "filter.said", "tts.a", "filter.voice"), 2, 6),
        (("vad.a", "stt.a", "filter.keys", "llm.a", "tts.a"), 2, 3),
    ],
)
def test_a_filter_sits_in_the_slot_where_it_gets_what_it_needs(uses: tuple[str, ...], ear: int, mind: int) -> None:
    found = checked(*uses)
    assert (len(found.slots.ear.parts), len(found.slots.mind.parts)) == (ear, mind)


def test_taps_may_stand_side_by_side() -> None:
    found = checked(
        "vad.a", "stt.a", node("filter.tap", "stt-a"), node("filter.other", "stt-a"),
        node("llm.a", "filter-tap", "filter-other"), "tts.a",
    )  # fmt: skip
    assert ids(found.slots.mind) == [{"filter-tap", "filter-other"}, "llm-a", "tts-a"]
    assert [stage.id for stage in found.stages][2:] == ["filter-other", "filter-tap", "llm-a", "tts-a"]


def test_what_keeps_or_changes_frames_may_not() -> None:
    beside_the_model = problems(*LINE, node("filter.tap", "stt-a"))
    assert set(beside_the_model) == {"$.assistants[0].pipeline[4].after"}
    assert "'filter-tap' would run side by side with 'tts-a'" in beside_the_model["$.assistants[0].pipeline[4].after"]
    assert "say `after: [tts-a]`" in beside_the_model["$.assistants[0].pipeline[4].after"]
    filters = problems(
        "vad.a", "stt.a", node("filter.tap", "stt-a"), node("filter.any", "stt-a"),
        node("llm.a", "filter-tap", "filter-any"), "tts.a",
    )  # fmt: skip
    assert set(filters) == {"$.assistants[0].pipeline[3].after"}


def test_roles_are_told_although_other_stages_are_unknown() -> None:
    found = problems("vad.a", "llm.x", "llm.a", "stt.a")
    assert set(found) == {"$.assistants[0].pipeline[1].use", "$.assistants[0].pipeline[3].use"}


def test_what_an_assistant_says_goes_into_stages_that_do_not_say_otherwise() -> None:
    turn = TurnSpec(vad=VadSpec(confidence=0.7, stop_s=0.4))
    found = checked(*LINE, voice="ana", turn=turn)
    assert found.stages[0].config == Detect(confidence=0.7, stop_secs=0.4)
    assert found.stages[3].config == Voice("ana")
    own = replace(node("tts.a"), config={"voice": "bia"})
    assert checked(*LINE[:3], own, voice="ana").stages[3].config == Voice("bia")


def test_the_worst_turn_is_summed_up_and_what_is_unknown_is_said() -> None:
    turn, limits = TurnSpec(wait_s=0.5), LimitsSpec(answer_timeout_s=6.0)
    found = estimate(checked("vad.a", "stt.a", "filter.tap", "rag.a", "llm.a", "tts.a", turn=turn, limits=limits))
    assert (found.ear_ms, found.wait_ms) == (1200.0, 500.0)
    assert found.latency_unknown == ("tts-a",), "a tap delays nothing"
    assert found.mind_ms == 6000.0, "with something unknown only the answer's own limit holds"
    assert found.total_ms == 7700.0
    assert (found.cost, found.cost_unknown) == (0.001, ("filter-tap", "llm-a"))
    STAGES["tts.a"].latency = 700.0
    try:
        assert estimate(checked("vad.a", "stt.a", "rag.a", "llm.a", "tts.a", limits=limits)).mind_ms == 3000.0
    finally:
        STAGES["tts.a"].latency = None
