"""Whether the stages of a pipeline can work with one another: roles, order, what each gets, what may stand
side by side, and which of the two slots each sits in. Pure.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pipelines.placing import misplaced
from pipelines.plan import Graph, Parallel, Series, Single, stages
from pipelines.problems import Problem
from processors.catalog import AnyFactory
from processors.factory import EAR, GIVES, TAKES, Kind, Place, Role

NEEDED = (Role.VAD, Role.STT, Role.LLM, Role.TTS)
"""Roles without which a call would be deaf, silent or both; a realtime stage stands for all but the first."""
PLACE = {Role.VAD: 0, Role.STT: 1, Role.RAG: 2, Role.LLM: 3, Role.REALTIME: 3, Role.TTS: 4}
"""The way of a turn through the stages."""
USES_UP: Mapping[Role, frozenset[Kind]] = {
    Role.STT: frozenset({Kind.AUDIO}),
    Role.LLM: frozenset({Kind.TURN, Kind.PASSAGES}),
    Role.TTS: frozenset({Kind.WORDS}),
    Role.REALTIME: frozenset({Kind.AUDIO, Kind.TURN, Kind.WORDS}),
}
"""What comes in to a stage of a role and does not go out again."""
ENTERS = frozenset({Kind.AUDIO, Kind.KEYS})
"""What the wire brings."""


class Staged(Struct, frozen=True):
    """A stage of which the factory is known; `index` is its place in the document."""

    index: int
    id: str
    factory: AnyFactory


class Slots(Struct, frozen=True):
    """What runs before the caller's turn is put together, and what runs after."""

    ear: Series
    mind: Series


def role_problems(line: Sequence[Staged], *, complete: bool, streaming: bool) -> list[Problem]:
    """Roles that are missing (of a `complete` line), doubled, out of order, or not for the server's wires."""
    problems: list[Problem] = []
    seen: dict[Role, str] = {}
    deepest = 0
    for stage in line:
        role, path = stage.factory.role, f"[{stage.index}].use"
        if role in seen and role is not Role.FILTER:
            problems.append(
                Problem(path, f"{stage.id!r} is a second {role.value} stage", f"the first is {seen[role]!r}")
            )
        seen.setdefault(role, stage.id)
        if role not in PLACE:
            continue
        if PLACE[role] < deepest:
            side = "the ear (vad, stt) comes before the mind" if role in EAR else "a turn goes vad, stt, rag, llm, tts"
            problems.append(
                Problem(path, f"the {role.value} stage {stage.id!r} comes too late", f"{side}; use `after`")
            )
        deepest = max(deepest, PLACE[role])
    if Role.REALTIME in seen:
        return problems + _beside_realtime(line, seen, streaming=streaming)
    missing = [role for role in NEEDED if role not in seen] if complete else []
    return problems + [Problem("", f"there is no {role.value} stage", f"add one: {role.value}.…") for role in missing]


def _beside_realtime(line: Sequence[Staged], seen: Mapping[Role, str], *, streaming: bool) -> list[Problem]:
    problems = []
    for stage in line:
        role, path = stage.factory.role, f"[{stage.index}].use"
        if role in {Role.STT, Role.RAG, Role.LLM, Role.TTS}:
            told = f"the realtime stage {seen[Role.REALTIME]!r} hears, thinks and speaks by itself"
            problems.append(Problem(path, told, f"leave out {stage.id!r}, or the realtime stage"))
        elif role is Role.FILTER and stage.factory.needs_words:
            told = f"{stage.id!r} works on words, and the realtime stage {seen[Role.REALTIME]!r} does without"
            problems.append(Problem(path, told, f"leave out {stage.id!r}"))
        elif role is Role.REALTIME and not streaming:
            told = f"the realtime stage {stage.id!r} needs a wire that plays sound as it comes"
            problems.append(Problem(path, told, "the server's settings have audio_stream, which plays files"))
    if Role.VAD not in seen:
        problems.append(Problem("", "there is no vad stage", "add one: vad.…"))
    return problems


def parallel_problems(graph: Graph, factories: Mapping[str, AnyFactory]) -> list[Problem]:
    """Branches with a stage that may not stand beside others.

    Each of several branches gets every frame, and a frame goes on when the first lets it through: a stage
    that keeps or changes frames would let the caller hear the others' twice.
    """
    if isinstance(graph, Series):
        return [problem for part in graph.parts for problem in parallel_problems(part, factories)]
    if not isinstance(graph, Parallel) or all(factories[stage.id].tap for stage in stages(graph)):
        return []
    branches = sorted((tuple(stages(part)) for part in graph.parts), key=lambda branch: min(s.index for s in branch))
    problems: list[Problem] = []
    above = branches[0]
    for branch in branches[1:]:
        head = min(branch, key=lambda stage: stage.index)
        last = max(above, key=lambda stage: stage.index)
        told = f"{head.id!r} would run side by side with {last.id!r}; only taps, which pass everything on, can"
        problems.append(Problem(f"[{head.index}].after", told, f"say `after: [{last.id}]`"))
        above = branch
    return problems


def slots(graph: Graph, factories: Mapping[str, AnyFactory]) -> Slots:
    """The graph by slot: in the ear stands all up to the last stage that hears, or whose place is there."""
    parts = graph.parts if isinstance(graph, Series) else (graph,)
    ear = 0
    for place, part in enumerate(parts, start=1):
        here = [factories[stage.id] for stage in stages(part)]
        if any(_hears(factory) for factory in here):
            ear = place
        if any(factory.role not in EAR and factory.role is not Role.FILTER for factory in here):
            break
    return Slots(Series(parts[:ear]), Series(parts[ear:]))


def _hears(factory: AnyFactory) -> bool:
    at_the_ear = factory.role is Role.FILTER and factory.place is Place.HEARING
    return factory.role in EAR or Kind.TRANSCRIPT in takes(factory) or at_the_ear


def place_problems(line: Sequence[Staged]) -> list[Problem]:
    """Filters where they have nothing to do."""
    wrong = misplaced([stage.factory for stage in line])
    return [
        Problem(
            f"[{line[at].index}].use", f"{line[at].id!r} has nothing to do here", f"its place is {words}; use `after`"
        )
        for at, words in wrong.items()
    ]


def takes(factory: AnyFactory) -> frozenset[Kind]:
    """What a stage cannot work without."""
    return TAKES.get(factory.role, frozenset()) if factory.takes is None else factory.takes


def gives(factory: AnyFactory) -> frozenset[Kind]:
    """What a stage makes."""
    return GIVES.get(factory.role, frozenset()) if factory.gives is None else factory.gives


def flow_problems(found: Slots, factories: Mapping[str, AnyFactory]) -> list[Problem]:
    """Stages that never get what they need."""
    used_up: dict[Kind, str] = {}
    problems, heard = _flow(found.ear, ENTERS, factories, used_up)
    turn = heard - {Kind.TRANSCRIPT} | ({Kind.TURN} if Kind.TRANSCRIPT in heard else frozenset())
    # What the call itself has to say (the greeting) enters at the mind.
    more, _ = _flow(found.mind, turn | {Kind.WORDS}, factories, used_up)
    return problems + more


def _flow(
    slot: Series, there: frozenset[Kind], factories: Mapping[str, AnyFactory], used_up: dict[Kind, str]
) -> tuple[list[Problem], frozenset[Kind]]:
    """What is lacking in a slot, and what comes out of it. Taps side by side do not see what the others add."""
    problems: list[Problem] = []
    for part in slot.parts:
        came = there
        for stage in stages(part):
            factory = factories[stage.id]
            lacking = [kind for kind in Kind if kind in takes(factory) - came]
            problems += [_lacks(stage, factory, kind, factories, used_up) for kind in lacking]
            used = USES_UP.get(factory.role, frozenset())
            used_up |= dict.fromkeys(used, stage.id)
            there = there - used | gives(factory)
    return problems, there


def _lacks(
    stage: Single,
    factory: AnyFactory,
    kind: Kind,
    factories: Mapping[str, AnyFactory],
    used_up: Mapping[Kind, str],
) -> Problem:
    told = f"{stage.id!r} ({factory.use}) needs {kind.value} and never gets any"
    if kind in used_up:
        return Problem(f"[{stage.index}].after", told, f"{used_up[kind]!r} uses them up before; use `after`")
    givers = [other for other, made in factories.items() if kind in gives(made)]
    if givers:
        return Problem(f"[{stage.index}].after", told, f"{', '.join(map(repr, givers))} gives them, but not to here")
    if kind is Kind.TURN:
        return Problem(f"[{stage.index}].after", told, "it is put together behind the stt stage; use `after`")
    roles = [role.value for role, made in GIVES.items() if kind in made]
    return Problem(f"[{stage.index}].use", told, " or ".join(f"add a {role}.… stage before it" for role in roles))
