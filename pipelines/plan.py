"""From nodes with `after` to what runs one after the other and what side by side. Pure.

`after` is an order, not a wire: it says what must have come before. An order is split by what is
comparable: parts of which no stage has to do with one of another are side by side, parts of which every
stage comes before every one of another are one after the other. An order that is neither crosses itself,
and is refused with the names of four stages at which it does. (These are the vertex series-parallel
orders of Valdes, Tarjan and Lawler, 1982.)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import UNSET, Struct

from pipelines.problems import Problem, SpecError
from pipelines.spec import ProcessorSpec


class Single(Struct, frozen=True):
    """One stage; `index` is its place in the document."""

    index: int
    id: str


class Series(Struct, frozen=True):
    """Parts that run one after the other."""

    parts: "tuple[Graph, ...]"


class Parallel(Struct, frozen=True):
    """Parts that run side by side, in the order of their stages' ids."""

    parts: "tuple[Graph, ...]"


Graph: TypeAlias = Single | Series | Parallel
_Before: TypeAlias = Mapping[str, frozenset[str]]


def plan(nodes: Sequence[ProcessorSpec]) -> Graph:
    """How the nodes run. Raises SpecError with paths relative to the list of nodes (`[2].after`)."""
    problems = _name_problems(nodes)
    if problems:
        raise SpecError(problems)
    before = _before(nodes, _direct(nodes))
    index = {node.id: place for place, node in enumerate(nodes)}
    return _split(tuple(index), before, index)


def stages(graph: Graph) -> Iterator[Single]:
    """All stages, each after those that come before it."""
    if isinstance(graph, Single):
        yield graph
    else:
        for part in graph.parts:
            yield from stages(part)


def _split(names: tuple[str, ...], before: _Before, index: Mapping[str, int]) -> Graph:
    if not names:
        return Series(())
    if len(names) == 1:
        return Single(index[names[0]], names[0])

    def comparable(one: str, other: str) -> bool:
        return one in before[other] or other in before[one]

    apart = _components(names, comparable)
    if len(apart) > 1:
        return Parallel(tuple(_split(part, before, index) for part in sorted(apart, key=min)))
    parts = _components(names, lambda one, other: not comparable(one, other))
    if len(parts) == 1:
        raise SpecError([_crossing(names, before, index)])
    # Every stage of a part comes before every one of the next, so that one of each tells the order.
    parts.sort(key=lambda part: len(before[part[0]] & set(names) - set(part)))
    return Series(tuple(_split(part, before, index) for part in parts))


def _components(names: Iterable[str], joined: Callable[[str, str], bool]) -> list[tuple[str, ...]]:
    """The names in groups that hang together."""
    left = list(names)
    groups: list[tuple[str, ...]] = []
    while left:
        group = [left.pop()]
        for member in group:
            found = [name for name in left if joined(member, name)]
            group += found
            left = [name for name in left if name not in found]
        groups.append(tuple(group))
    return groups


def _crossing(names: tuple[str, ...], before: _Before, index: Mapping[str, int]) -> Problem:
    """Four stages of which two wait for one, and only one of these two for another."""
    for late in sorted(names, key=index.__getitem__):
        for other in names:
            shared = before[late] & before[other] & set(names)
            alone = sorted((before[late] - before[other] - {other}) & set(names))
            if other in before[late] or late in before[other]:
                continue
            for early in sorted(shared):
                for own in alone:
                    if own not in before[early] and early not in before[own]:
                        return Problem(
                            f"[{index[late]}].after",
                            f"the branches cross: {late!r} comes after {early!r} and {own!r}, "
                            f"but {other!r} after {early!r} alone",
                            f"let {other!r} come after {own!r} too, or {late!r} not",
                        )
    raise AssertionError("an order that cannot be split has four such stages")


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
