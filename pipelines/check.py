"""Whether a document's assistants can be loaded at all. Pure: reads the catalog, touches nothing else.

All mistakes are reported at once, each with its path. What only shows when a stage is made ready (a
missing model, a refused key) is found by `PipelineSupervisor.load`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, structs

from pipelines.placing import misplaced
from pipelines.plan import plan
from pipelines.problems import Problem, SpecError
from pipelines.spec import AssistantSpec, ProcessorSpec
from processors.catalog import AnyFactory, Stages, nearest
from processors.factory import EAR, Role

DEFAULT_GRAPH: tuple[ProcessorSpec, ...] = (
    ProcessorSpec(id="vad", use="vad.silero"),
    ProcessorSpec(id="stt", use="stt.whisper"),
    ProcessorSpec(id="rag", use="rag.retrieve"),
    ProcessorSpec(id="llm", use="llm.grounded"),
    ProcessorSpec(id="tts", use="tts.kokoro"),
)
"""What an assistant without a `pipeline` runs on: everything embedded, no key needed."""

MAX_STAGES = 64
"""Of one pipeline; planning is quadratic and runs on the event loop."""

NEEDED = (Role.VAD, Role.STT, Role.LLM, Role.TTS)
"""Roles without which a call would be deaf, silent or both."""
ORDER = (Role.VAD, Role.STT, Role.RAG, Role.LLM, Role.TTS)
"""The way of a turn through the stages."""


class CheckedStage(Struct, frozen=True):
    """A node whose config is of its factory's own type."""

    id: str
    factory: AnyFactory
    config: Struct


class CheckedAssistant(Struct, frozen=True):
    """An assistant that can be loaded; `stages` in the order in which they run."""

    spec: AssistantSpec
    stages: tuple[CheckedStage, ...]


def check(
    assistants: Sequence[AssistantSpec], stages: Mapping[str, AnyFactory] | None = None
) -> tuple[CheckedAssistant, ...]:
    """The assistants with typed configs. Raises SpecError with every problem of the document."""
    catalog = Stages() if stages is None else stages
    problems = _shared_names(assistants)
    checked: list[CheckedAssistant] = []
    for index, assistant in enumerate(assistants):
        try:
            checked.append(CheckedAssistant(assistant, _stages(assistant, catalog)))
        except SpecError as error:
            problems += [problem.under(f"$.assistants[{index}]") for problem in error.problems]
    if problems:
        raise SpecError(problems)
    return tuple(checked)


def _shared_names(assistants: Sequence[AssistantSpec]) -> list[Problem]:
    problems: list[Problem] = []
    names: dict[str, int] = {}
    numbers: dict[str, str] = {}
    for index, assistant in enumerate(assistants):
        path = f"$.assistants[{index}]"
        if assistant.name in names:
            problems.append(Problem(f"{path}.name", f"another assistant is already called {assistant.name!r}"))
        names.setdefault(assistant.name, index)
        for place, number in enumerate(assistant.numbers):
            if number in numbers:
                owner = numbers[number]
                problems.append(Problem(f"{path}.numbers[{place}]", f"{number} is already answered by {owner!r}"))
            numbers.setdefault(number, assistant.name)
    return problems


def _stages(assistant: AssistantSpec, catalog: Mapping[str, AnyFactory]) -> tuple[CheckedStage, ...]:
    if assistant.pipeline is UNSET:
        return tuple(_stage(0, node, catalog) for node in DEFAULT_GRAPH)
    nodes = assistant.pipeline
    if len(nodes) > MAX_STAGES:
        raise SpecError([Problem(".pipeline", f"there are {len(nodes)} stages; at most {MAX_STAGES} are allowed")])
    problems: list[Problem] = []
    checked: dict[int, CheckedStage] = {}
    for index, node in enumerate(nodes):
        try:
            checked[index] = _stage(index, node, catalog)
        except SpecError as error:
            problems += error.problems
    order: list[int] = []
    try:
        order = [index for index, _ in plan(nodes).stages]
    except SpecError as error:
        problems += error.problems
    if not problems:
        problems = _role_problems([(index, checked[index]) for index in order])
    if problems:
        raise SpecError([problem.under(".pipeline") for problem in problems])
    return tuple(checked[index] for index in order)


def _stage(index: int, node: ProcessorSpec, catalog: Mapping[str, AnyFactory]) -> CheckedStage:
    if node.use not in catalog:
        meant = nearest(node.use, catalog)
        hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(catalog)}"
        raise SpecError([Problem(f"[{index}].use", f"there is no stage {node.use!r}", hint)])
    factory = catalog[node.use]
    problems = _config_problems(node.config, factory.config_type)
    if problems:
        raise SpecError([problem.under(f"[{index}].config") for problem in problems])
    return CheckedStage(node.id, factory, msgspec.convert(node.config, factory.config_type))


def _config_problems(config: Mapping[str, Any], config_type: type[Struct]) -> list[Problem]:
    """Every mistake in one config; msgspec alone would tell only the first."""
    fields = {field.encode_name: field for field in structs.fields(config_type)}
    problems: list[Problem] = []
    for name, value in config.items():
        if name not in fields:
            meant = nearest(name, fields)
            hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(fields) or 'no settings'}"
            problems.append(Problem(f".{name}", "there is no such setting", hint))
        else:
            problems += _value_problems(f".{name}", value, fields[name].type)
    problems += [
        Problem(f".{name}", "this setting is required")
        for name, field in fields.items()
        if field.required and name not in config
    ]
    return problems or _value_problems("", dict(config), config_type)


_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")


def _value_problems(path: str, value: object, kind: Any) -> list[Problem]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        return [Problem(path + (at["path"] if at else ""), _AT.sub("", text))]
    return []


def _role_problems(line: Sequence[tuple[int, CheckedStage]]) -> list[Problem]:
    """Roles that are missing, doubled or out of order, and filters where they have nothing to do."""
    problems = [
        Problem(
            f"[{line[at][0]}].use", f"{line[at][1].id!r} has nothing to do here", f"its place is {words}; use `after`"
        )
        for at, words in misplaced([stage.factory for _, stage in line]).items()
    ]
    seen: dict[Role, str] = {}
    deepest = 0
    for index, stage in line:
        role = stage.factory.role
        path = f"[{index}].use"
        if role in seen and role is not Role.FILTER:
            problems.append(
                Problem(path, f"{stage.id!r} is a second {role.value} stage", f"the first is {seen[role]!r}")
            )
        seen.setdefault(role, stage.id)
        if role not in ORDER:
            continue
        place = ORDER.index(role)
        if place < deepest:
            side = "the ear (vad, stt) comes before the mind" if role in EAR else "a turn goes vad, stt, rag, llm, tts"
            problems.append(
                Problem(path, f"the {role.value} stage {stage.id!r} comes too late", f"{side}; use `after`")
            )
        deepest = max(deepest, place)
    problems += [
        Problem("", f"there is no {role.value} stage", f"add one: {role.value}.…")
        for role in NEEDED
        if role not in seen
    ]
    return problems
