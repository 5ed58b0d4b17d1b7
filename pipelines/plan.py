"""From nodes with `after` to the order in which they run. Pure.

`after` is an order, not a wire: it says what must have come before. Only orders that put all stages
in one line are planned; where two stages could run side by side the plan is refused and names them.
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct

from pipelines.problems import Problem, SpecError
from pipelines.spec import ProcessorSpec


class Series(Struct, frozen=True):
    """Stages that run one after the other; `index` of each is its place in the document."""

    stages: tuple[tuple[int, ProcessorSpec], ...]


def plan(nodes: Sequence[ProcessorSpec]) -> Series:
    """The line that the nodes form. Raises SpecError with paths relative to the list of nodes (`[2].after`)."""
    problems = _name_problems(nodes)
    if problems:
        raise SpecError(problems)
    before = _before(nodes, _direct(nodes))
    problems = _side_by_side(nodes, before)
    if problems:
        raise SpecError(problems)
    order = sorted(enumerate(nodes), key=lambda node: len(before[node[1].id]))
    return Series(tuple(order))


def _direct(nodes: Sequence[ProcessorSpec]) -> dict[str, tuple[str, ...]]:
    """What each node names itself; without `after` that is the node above it."""
    direct: dict[str, tuple[str, ...]] = {}
    above: tuple[str, ...] = ()
    for node in nodes:
        direct[node.id] = above if node.after is UNSET else node.after
        above = (node.id,)
    return direct


def _name_problems(nodes: Sequence[ProcessorSpec]) -> list[Problem]:
    """Ids used twice and names in `after` that no node has."""
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for index, node in enumerate(nodes):
        if node.id in first:
            problems.append(
                Problem(f"[{index}].id", f"the id {node.id!r} is already used", f"by stage {first[node.id] + 1}")
            )
        first.setdefault(node.id, index)
    for index, node in enumerate(nodes):
        for place, name in enumerate(() if node.after is UNSET else node.after):
            if name not in first:
                path = f"[{index}].after[{place}]"
                problems.append(Problem(path, f"no stage has the id {name!r}", f"ids are {', '.join(first)}"))
    return problems


def _before(nodes: Sequence[ProcessorSpec], direct: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """Everything that must come before each node. Raises SpecError on a circle."""
    before: dict[str, frozenset[str]] = {}
    waiting = [node.id for node in nodes]
    while waiting:
        ready = [name for name in waiting if all(other in before for other in direct[name])]
        if not ready:
            raise SpecError([_circle(nodes, direct, waiting)])
        for name in ready:
            before[name] = frozenset(direct[name]).union(*(before[other] for other in direct[name]))
        waiting = [name for name in waiting if name not in before]
    return before


def _circle(nodes: Sequence[ProcessorSpec], direct: Mapping[str, tuple[str, ...]], among: list[str]) -> Problem:
    """Names one circle among nodes of which each waits for another."""
    walk = [among[0]]
    while walk[-1] not in walk[:-1]:
        walk.append(next(other for other in direct[walk[-1]] if other in among))
    circle = walk[walk.index(walk[-1]) :]
    index = next(i for i, node in enumerate(nodes) if node.id == circle[0])
    return Problem(f"[{index}].after", "the stages wait for each other: " + " → ".join(reversed(circle)))


def _side_by_side(nodes: Sequence[ProcessorSpec], before: Mapping[str, frozenset[str]]) -> list[Problem]:
    """Pairs of stages of which neither comes first."""
    problems: list[Problem] = []
    for index, node in enumerate(nodes):
        beside = [
            other.id for other in nodes[:index] if node.id not in before[other.id] and other.id not in before[node.id]
        ]
        if beside:
            problems.append(
                Problem(
                    f"[{index}].after",
                    f"{node.id!r} would run side by side with {', '.join(map(repr, beside))}; "
                    "stages can only run one after the other",
                    f"say `after: [{beside[-1]}]`",
                )
            )
    return problems
