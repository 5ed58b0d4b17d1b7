"""Whether a document's assistants can be loaded at all. Pure: reads the catalog, touches nothing else.

All mistakes are reported at once, each with its path. What only shows when a stage is made ready (a
missing model, a refused key) is found by `PipelineSupervisor.load`.
"""

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct, structs

from base.converting import convert, type_info
from pipelines.expectation import expectation, known_names, shown
from pipelines.plan import Graph, Series, plan, stages
from pipelines.problems import Problem, SpecError
from pipelines.roles import Slots, Staged, flow_problems, parallel_problems, place_problems, role_problems, slots
from pipelines.spec import EXTENSION, AssistantSpec, Number, ProcessorSpec, TransferSpec
from processors.catalog import AnyFactory, Stages, nearest
from processors.factory import Role

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


class CheckedStage(Struct, frozen=True):
    """A node whose config is of its factory's own type."""

    id: str
    factory: AnyFactory
    config: Struct


class CheckedAssistant(Struct, frozen=True):
    """An assistant that can be loaded; `stages` in the order in which they run, and how they run by slot."""

    spec: AssistantSpec
    stages: tuple[CheckedStage, ...]
    slots: Slots


def check(
    assistants: Sequence[AssistantSpec],
    catalog: Mapping[str, AnyFactory] | None = None,
    *,
    streaming: bool = True,
) -> tuple[CheckedAssistant, ...]:
    """The assistants with typed configs. Raises SpecError with every problem of the document.

    `streaming`: whether all wires of the server play sound as it comes.
    """
    steps = checking(assistants, catalog, streaming=streaming)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return cast(tuple[CheckedAssistant, ...], done.value)


def checking(
    assistants: Sequence[AssistantSpec],
    catalog: Mapping[str, AnyFactory] | None = None,
    *,
    streaming: bool = True,
) -> Generator[None, None, tuple[CheckedAssistant, ...]]:
    """`check`, an assistant at a time: on an event loop others may run between them."""
    catalog = Stages() if catalog is None else catalog
    problems = _shared_names(assistants)
    checked: list[CheckedAssistant] = []
    for index, assistant in enumerate(assistants):
        problems += [problem.under(f"$.assistants[{index}].transfer") for problem in _transfer_problems(assistant)]
        try:
            checked.append(_assistant(assistant, catalog, streaming=streaming))
        except SpecError as error:
            problems += [problem.under(f"$.assistants[{index}]") for problem in error.problems]
        yield
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


def transfer_number(assistant: AssistantSpec, number: str) -> str:
    """The number, where the assistant's `transfer.to` could be it with `mode: blind`. Raises ValueError: what could."""
    try:
        transfer = TransferSpec(to=convert(number, Number), mode="blind")
    except msgspec.ValidationError as error:
        raise ValueError(f"expected {expectation(type_info(Number))}, not {shown(number)}") from error
    if problems := _transfer_problems(structs.replace(assistant, transfer=transfer)):
        raise ValueError("; ".join(f"{problem.message} ({problem.hint})" for problem in problems))
    return number


def _transfer_problems(assistant: AssistantSpec) -> list[Problem]:
    """What a number means depends on how it is called."""
    transfer = assistant.transfer
    if transfer is None:
        return []
    problems: list[Problem] = []
    if transfer.mode == "ring" and not re.fullmatch(EXTENSION, transfer.to):
        told = f"expected an extension: digits, * and #, 20 at most, not {transfer.to!r}"
        problems.append(Problem(".to", told, "mode: blind sends callers to any number"))
    if transfer.mode == "blind" and transfer.to in assistant.numbers:
        problems.append(Problem(".to", f"{transfer.to} is answered by this assistant itself", "give another number"))
    if transfer.mode == "blind" and transfer.ring_s is not None:
        told = "with mode: blind the dialplan says how long it rings"
        problems.append(Problem(".ring_s", told, "take it out, or write mode: ring"))
    if transfer.mode == "blind" and transfer.returns:
        told = "with mode: blind the caller is the dialplan's, who sends nobody back"
        problems.append(Problem(".returns", told, "take it out, or write mode: ring"))
    return problems


def _assistant(assistant: AssistantSpec, catalog: Mapping[str, AnyFactory], *, streaming: bool) -> CheckedAssistant:
    """Raises SpecError with paths relative to the assistant."""
    nodes = DEFAULT_GRAPH if assistant.pipeline is UNSET else assistant.pipeline
    if len(nodes) > MAX_STAGES:
        raise SpecError([Problem(".pipeline", f"there are {len(nodes)} stages; at most {MAX_STAGES} are allowed")])
    problems: list[Problem] = []
    checked: dict[int, CheckedStage] = {}
    for index, node in enumerate(nodes):
        try:
            checked[index] = _stage(index, node, catalog, assistant)
        except SpecError as error:
            problems += error.problems
    graph: Graph = Series(())
    try:
        graph = plan(nodes)
    except SpecError as error:
        problems += [problem.under(".pipeline") for problem in error.problems]
    else:
        problems += [problem.under(".pipeline") for problem in _fit(nodes, graph, catalog, streaming=streaming)]
    problems += _turn_problems(assistant, checked.values())
    problems += _cost_problems(assistant, checked.values())
    if problems:
        raise SpecError(problems)
    found = slots(graph, {stage.id: stage.factory for stage in checked.values()})
    return CheckedAssistant(assistant, tuple(checked[stage.index] for stage in stages(graph)), found)


def _turn_problems(assistant: AssistantSpec, made: Iterable[CheckedStage]) -> list[Problem]:
    """How turns are taken, where the stages cannot do it so."""
    realtime = next((stage.id for stage in made if stage.factory.role is Role.REALTIME), None)
    if realtime is None or not assistant.turn.mute_until_greeting_done:
        return []
    told = f"a caller who speaks over the greeting, and on after it, would not be heard by {realtime!r}"
    return [Problem(".turn.mute_until_greeting_done", told, "take it out: who speaks over the greeting interrupts it")]


def _cost_problems(assistant: AssistantSpec, made: Iterable[CheckedStage]) -> list[Problem]:
    """A limit on what cannot be counted would hold nobody."""
    if assistant.limits.daily_cost is None:
        return []
    unknown = [stage for stage in made if stage.factory.cost_per_turn(stage.config) is None]
    if not unknown:
        return []
    which = ", ".join(f"{stage.id!r} ({stage.factory.use})" for stage in unknown)
    told = f"what {which} costs is not known, and cannot be counted"
    configs: list[Any] = [stage.factory.config_type for stage in unknown]
    prices = {name for config in configs for name in _fields(config) if name.endswith("price")}
    write = f"write {' and '.join(f'`{name}`' for name in sorted(prices))} into its config" if prices else ""
    return [Problem(".limits.daily_cost", told, " or ".join(filter(None, (write, "take the limit out"))))]


def _fit(
    nodes: Sequence[ProcessorSpec], graph: Graph, catalog: Mapping[str, AnyFactory], *, streaming: bool
) -> list[Problem]:
    """How stages that are known by themselves do not fit together; nothing is said of those that are not."""
    line = [
        Staged(stage.index, stage.id, catalog[nodes[stage.index].use])
        for stage in stages(graph)
        if nodes[stage.index].use in catalog
    ]
    complete = len(line) == len(nodes)
    factories = {stage.id: stage.factory for stage in line}
    problems = parallel_problems(graph, factories) if complete else []
    problems += role_problems(line, complete=complete, streaming=streaming)
    problems += place_problems(line) if complete else []
    if complete and not problems:
        problems = flow_problems(slots(graph, factories), factories)
    return problems


def _stage(
    index: int, node: ProcessorSpec, catalog: Mapping[str, AnyFactory], assistant: AssistantSpec
) -> CheckedStage:
    path = f".pipeline[{index}]"
    factory = factory_of(node.use, catalog, f"{path}.use")
    lent, problems = _lent(node, factory, assistant)
    problems += [problem.under(f"{path}.config") for problem in config_problems(node.config, factory.config_type)]
    if problems:
        raise SpecError(problems)
    return CheckedStage(node.id, factory, convert(lent | node.config, factory.config_type))


def factory_of(use: str, catalog: Mapping[str, AnyFactory], path: str) -> AnyFactory:
    """Raises SpecError with the nearest name."""
    if use not in catalog:
        meant = nearest(use, catalog)
        hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(catalog)}"
        raise SpecError([Problem(path, f"there is no stage {use!r}", hint)])
    return catalog[use]


def _lent(node: ProcessorSpec, factory: AnyFactory, assistant: AssistantSpec) -> tuple[dict[str, Any], list[Problem]]:
    """Settings that the assistant has for a stage that does not say otherwise itself."""
    vad = assistant.turn.vad
    lendable: dict[str, tuple[str, Any]] = {}
    if factory.role is Role.TTS:
        lendable = {"voice": (".voice", assistant.voice)}
    elif factory.role is Role.VAD:
        lendable = {
            "confidence": (".turn.vad.confidence", vad.confidence),
            "start_secs": (".turn.vad.start_s", vad.start_s),
            "stop_secs": (".turn.vad.stop_s", vad.stop_s),
        }
    config_type: Any = factory.config_type
    lent: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, field in _fields(config_type).items():
        path, value = lendable.get(name, ("", None))
        if value is not None and name not in node.config:
            problems += _value_problems(path, value, field.type)
            lent[name] = value
    return lent, problems


@cache
def _fields(config_type: Any) -> dict[str, structs.FieldInfo]:
    return {field.encode_name: field for field in structs.fields(config_type)}


def config_problems(config: Mapping[str, Any], config_type: type[Struct]) -> list[Problem]:
    """Every mistake in one config; msgspec alone would tell only the first."""
    fields = _fields(config_type)
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
        convert(value, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        if at is None and (expected := expectation(type_info(kind))):
            # What stands where a secret's name should is not shown: it may be the secret.
            told = f"expected {expected}" if "{" in expected else f"expected {expected}, not {shown(value)}"
            return [Problem(path, told)]
        return [Problem(path + (at["path"] if at else ""), _AT.sub("", text))]
    known = known_names(type_info(kind))
    if known and isinstance(value, str) and value not in known:
        meant = nearest(value, dict.fromkeys(known))
        hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
        return [Problem(path, f"there is no {shown(value)}", hint)]
    return []
