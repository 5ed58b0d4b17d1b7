"""`after` as an order: what runs one after the other, what side by side, and what crosses."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.plan import Graph, Parallel, Series, Single, plan, stages
from pipelines.problems import SpecError
from pipelines.spec import ProcessorSpec

Tree = str | tuple[str, tuple["Tree", ...]]
"""A stage's name, or `series`/`parallel` of at least two trees of the other kind."""


def trees(kind: str, leaves: int) -> st.SearchStrategy[Tree]:
    names = st.integers(0, 10**6).map("s{}".format)
    if leaves < 2:
        return names
    other = "series" if kind == "parallel" else "parallel"
    parts = st.integers(2, min(4, leaves)).flatmap(lambda n: st.tuples(*[trees(other, leaves // n)] * n))
    return st.one_of(names, parts.map(lambda found: (kind, found)))


def names_of(tree: Tree) -> list[str]:
    return [tree] if isinstance(tree, str) else [name for part in tree[1] for name in names_of(part)]


def nodes_of(tree: Tree, before: tuple[str, ...] = ()) -> list[ProcessorSpec]:
    """The order that a tree means, said in full."""
    if isinstance(tree, str):
        return [ProcessorSpec(id=tree, use="x", after=before)]
    kind, parts = tree
    nodes: list[ProcessorSpec] = []
    for part in parts:
        nodes += nodes_of(part, before)
        if kind == "series":
            before += tuple(names_of(part))
    return nodes


def tree_of(graph: Graph) -> object:
    """A tree that compares whatever the order of what is side by side."""
    if isinstance(graph, Single):
        return graph.id
    parts = [tree_of(part) for part in graph.parts]
    return ("series", *parts) if isinstance(graph, Series) else ("parallel", frozenset(parts))


def comparable(tree: Tree) -> object:
    if isinstance(tree, str):
        return tree
    parts = [comparable(part) for part in tree[1]]
    return ("series", *parts) if tree[0] == "series" else ("parallel", frozenset(parts))


@given(
    st.one_of(trees("series", 24), trees("parallel", 24)).filter(lambda t: len(set(names_of(t))) == len(names_of(t))),
    st.randoms(use_true_random=False),
)
def test_any_order_survives_shuffling_and_comes_back_identical(tree: Tree, chance: random.Random) -> None:
    nodes = nodes_of(tree)
    chance.shuffle(nodes)
    graph = plan(nodes)
    assert tree_of(graph) == comparable(tree)
    line = [stage.id for stage in stages(graph)]
    assert sorted(line) == sorted(names_of(tree))
    assert [nodes[stage.index].id for stage in stages(graph)] == line
    for node in nodes:
        assert isinstance(node.after, tuple)
        assert all(line.index(other) < line.index(node.id) for other in node.after)


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=7, max_size=7))
def test_any_order_at_all_is_planned_or_refused_by_name(edges: list[list[bool]]) -> None:
    nodes = [
        ProcessorSpec(id=f"n{j}", use="x", after=tuple(f"n{i}" for i in range(j) if edges[j][i])) for j in range(7)
    ]
    try:
        line = [stage.id for stage in stages(plan(nodes))]
    except SpecError as error:
        [problem] = error.problems
        assert "cross" in problem.message
        assert problem.message.count("'n") >= 4
        return
    for node in nodes:
        assert all(line.index(other) < line.index(node.id) for other in node.after or ())


def test_without_after_the_nodes_are_a_line() -> None:
    nodes = [ProcessorSpec(id=name, use="x") for name in ("a", "b", "c")]
    assert plan(nodes) == Series((Single(0, "a"), Single(1, "b"), Single(2, "c")))


def test_two_that_follow_one_are_side_by_side() -> None:
    def node(name: str, *after: str) -> ProcessorSpec:
        return ProcessorSpec(id=name, use="x", after=after)

    graph = plan([node("end", "left", "right"), node("right", "top"), node("left", "top"), node("top")])
    assert graph == Series((Single(3, "top"), Parallel((Single(2, "left"), Single(1, "right"))), Single(0, "end")))


def test_branches_that_cross_are_named() -> None:
    nodes = [
        ProcessorSpec(id="a", use="x", after=()),
        ProcessorSpec(id="b", use="x", after=()),
        ProcessorSpec(id="c", use="x", after=("a", "b")),
        ProcessorSpec(id="d", use="x", after=("b",)),
    ]
    with pytest.raises(SpecError) as caught:
        plan(nodes)
    assert str(caught.value) == (
        "[2].after: the branches cross: 'c' comes after 'b' and 'a', but 'd' after 'b' alone "
        "(let 'd' come after 'a' too, or 'c' not)"
    )
