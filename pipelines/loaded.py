"""A revision that is ready to answer: its prepared stages, and what a call is given of them."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any
from weakref import WeakSet, ref

import structlog
from msgspec import Struct, structs
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.tts_service import TTSService

from base.ids import AssistantName
from pipelines.check import CheckedStage
from pipelines.outcomes import Outcomes
from pipelines.plan import Graph, Parallel, Series, Single
from pipelines.plan import stages as in_order
from pipelines.pool import Held
from pipelines.revision import PipelineRevision
from pipelines.roles import Slots
from pipelines.side_by_side import SideBySide
from pipelines.spec import AssistantSpec
from processors.factory import CallContext, Persona, Role, Speaker

log = structlog.get_logger()

WITHHELD = "[…]"
"""Stands in a record for a text of which it is not known what may be written down."""

MAX_ERROR_CHARS = 500


@dataclass
class StageHealth:
    """What live calls tell of a stage."""

    errors: int = 0
    last_error: str = ""

    def failed(self, error: str) -> None:
        """One of its processors reported an error."""
        self.errors += 1
        self.last_error = error[:MAX_ERROR_CHARS]


@dataclass(frozen=True)
class LoadedStage:
    """A stage with its prepared object, held in the pool."""

    checked: CheckedStage
    held: Held
    health: StageHealth = field(default_factory=StageHealth, compare=False)
    made: "WeakSet[FrameProcessor]" = field(default_factory=WeakSet, compare=False)
    """Its processors in live calls."""

    @property
    def role(self) -> Role:
        return self.checked.factory.role

    def create(self, call: CallContext) -> FrameProcessor | None:
        """One call's processor; None for a stage that works at the edge."""
        factory = self.checked.factory
        own = structs.replace(call, meter=call.meter.of(self.checked.id, factory.use))
        processor = factory.create(self.checked.config, self.held.value, own)
        if processor is not None:
            self.made.add(processor)
        return processor


class CallStages(Struct, frozen=True):
    """One call's processors, in the order in which they run, by slot."""

    ear: tuple[FrameProcessor, ...]
    mind: tuple[FrameProcessor, ...]
    mind_hears: bool = False
    """Whether the mind hears the caller by itself: no transcript is waited for."""


@dataclass(frozen=True)
class LoadedPipeline:
    """What a call leases: one assistant of one loaded revision."""

    revision: PipelineRevision
    assistant: AssistantSpec
    persona: Persona
    stages: tuple[LoadedStage, ...]
    slots: Slots

    @property
    def ingress_vad(self) -> Any:
        """What the vad stage prepared: an `IngressVad`, in the sense of the wires that ask for one."""
        return next(stage.held.value for stage in self.stages if stage.role is Role.VAD)

    @property
    def hears_continuously(self) -> bool:
        """Whether some stage must hear silence too, so that no gate may withhold it."""
        return any(stage.checked.factory.audio == "continuous" for stage in self.stages if stage.role is not Role.VAD)

    @property
    def lanes(self) -> frozenset[str]:
        """Lanes of this process's threads on which its calls depend."""
        lanes = (stage.checked.factory.lane for stage in self.stages)
        return frozenset(lane for lane in lanes if lane is not None)

    @property
    def mind_hears(self) -> bool:
        """Whether it is speech to speech."""
        return any(stage.role is Role.REALTIME for stage in self.stages)

    def failed(self, processor: FrameProcessor | None, error: str) -> None:
        """A processor of a live call reported an error: its stage's health knows."""
        for stage in self.stages:
            if processor in stage.made:
                stage.health.failed(error)

    def use_of(self, processor: FrameProcessor | None) -> str:
        """What kind of stage a processor of a live call is, as the document names it; "" of none of these."""
        uses = (stage.checked.factory.use for stage in self.stages if processor in stage.made)
        return next(uses, "")

    def adopt_ear(self, former: "LoadedPipeline", ear: Iterable[FrameProcessor]) -> None:
        """A live call keeps its ear, which is the same in both: its processors are of this one's stages from now on."""
        pairs = list(zip(former.hearing(), self.hearing(), strict=True))
        for processor in ear:
            for was, now in pairs:
                if processor in was.made:
                    was.made.discard(processor)
                    now.made.add(processor)

    def hearing(self) -> Iterator[LoadedStage]:
        """The ear's stages but the detector, which has no processor."""
        by_id = {stage.checked.id: stage for stage in self.stages}
        return (by_id[one.id] for one in in_order(self.slots.ear) if by_id[one.id].role is not Role.VAD)

    def create_stages(self, call: CallContext) -> CallStages:
        """New processors for one call; quick, never waits."""
        made = {stage.checked.id: stage.create(call) for stage in self.stages}
        for voice in made.values():
            if isinstance(voice, TTSService):
                voice.add_text_transformer(_transform(voice, self))
        return CallStages(
            ear=_processors(self.slots.ear, made), mind=_processors(self.slots.mind, made), mind_hears=self.mind_hears
        )

    def for_voice(self, text: str, language: str) -> str:
        """A text as the voice is to say it."""
        for stage in self.stages:
            change = stage.checked.factory.for_voice(stage.checked.config, stage.held.value)
            text = text if change is None else change(text, language)
        return text

    def tells(self, speaker: Speaker) -> bool:
        """Whether what is written down of the speaker's words leaves the call as a text."""
        return any(
            speaker in stage.checked.factory.tells(stage.checked.config, stage.held.value) for stage in self.stages
        )

    def for_record(self, text: str, spoken: Sequence[str] = ()) -> str:
        """A text as it is to be written down; nothing of it where a stage cannot tell what may be.

        What is taken out is looked for in the languages that were found spoken, the first of them first, and in the
        assistant's own.
        """
        languages = dict.fromkeys((*spoken, self.persona.language))
        for stage in self.stages:
            change = stage.checked.factory.for_record(stage.checked.config, stage.held.value)
            try:
                if change is not None:
                    text = reduce(change, languages, text)
            except Exception as error:
                # The record has to be written; what a stage was to take out of it must not be in it.
                log.warning("a stage cannot change a text", stage=stage.checked.id, error=type(error).__name__)
                return WITHHELD
        return text


def _transform(voice: TTSService, pipeline: LoadedPipeline) -> Callable[[str, str], Awaitable[str]]:
    """pipecat's own way to give a voice other words than the conversation has."""
    at_first = voice.text_aggregation_language
    # The voice keeps the transformer: a transformer that kept the voice would keep both, and the whole revision, until
    # the garbage collector comes.
    of_voice = ref(voice)

    async def transform(text: str, _kind: str) -> str:
        voice = of_voice()
        now = at_first if voice is None else voice.text_aggregation_language
        return pipeline.for_voice(text, pipeline.persona.language if now == at_first else now)

    return transform


def _processors(graph: Graph, made: Mapping[str, FrameProcessor | None]) -> tuple[FrameProcessor, ...]:
    """The processors of a part of the graph, one after the other."""
    if isinstance(graph, Single):
        processor = made[graph.id]
        return () if processor is None else (processor,)
    parts = [found for part in graph.parts if (found := _processors(part, made))]
    if isinstance(graph, Series) or len(parts) < 2:
        return tuple(processor for part in parts for processor in part)
    assert isinstance(graph, Parallel)
    return (SideBySide(parts),)


class Rehearsal(Struct):
    """How far the rendering of sentences has come, over all assistants of a revision."""

    done: int = 0
    total: int = 0
    error: str = ""
    over: bool = False


@dataclass(eq=False)
class LoadedRevision:
    """A whole document, loaded. Counted: `closed` is only done when it is retired and no call leases it."""

    revision: PipelineRevision
    pipelines: Mapping[AssistantName, LoadedPipeline]
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    outcomes: Outcomes = field(default_factory=Outcomes)
    outcomes_of: defaultdict[AssistantName, Outcomes] = field(default_factory=lambda: defaultdict(Outcomes))
    """Of each assistant's own calls."""
    leases: int = 0
    retired: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no call leases it."""

    def __post_init__(self) -> None:
        self.idle.set()

    @property
    def secrets(self) -> frozenset[tuple[str, int]]:
        """The tenant's that its stages were made with, each with its version."""
        return frozenset(
            one for pipeline in self.pipelines.values() for s in pipeline.stages for one in s.held.key.secrets
        )

    @cached_property
    def health_of_stages(self) -> "tuple[tuple[str, StageHealth], ...]":
        """With the stages' `use`: what is asked for of every tenant, again and again."""
        stages = (stage for pipeline in self.pipelines.values() for stage in pipeline.stages)
        return tuple((stage.checked.factory.use, stage.health) for stage in stages)

    def take(self) -> None:
        self.leases += 1
        self.idle.clear()

    def give(self) -> None:
        self.leases -= 1
        if self.leases == 0:
            self.idle.set()

    def says_the_same(self, other: "LoadedRevision") -> bool:
        """Whether calls are alike on both, whatever their numbers are."""
        one, two = self.revision, other.revision
        return (one.company, one.language, one.assistants) == (two.company, two.language, two.assistants)

    def follow(self, other: "LoadedRevision") -> None:
        """It says the same: what is counted of the other one is counted of this one."""
        self.outcomes, self.outcomes_of = other.outcomes, other.outcomes_of

    def successor_of(self, assistant: AssistantSpec) -> LoadedPipeline | None:
        """Who goes on with the calls of another revision's assistant: the same id, where it has one, else the name."""
        if assistant.id is not None:
            found = next((one for one in self.pipelines.values() if _same(one, assistant)), None)
            if found is not None:
                return found
        named = self.pipelines.get(assistant.key)
        return named if named is not None and (named.assistant.id is None or assistant.id is None) else None

    def release(self) -> "asyncio.Future[list[None]]":
        """Let go of everything prepared, at once; done when all of it is closed."""
        held = [stage.held for pipeline in self.pipelines.values() for stage in pipeline.stages]
        return asyncio.gather(*(each.release() for each in held))


def _same(pipeline: LoadedPipeline, assistant: AssistantSpec) -> bool:
    ids = pipeline.assistant.id, assistant.id
    return None not in ids and str(ids[0]).lower() == str(ids[1]).lower()
