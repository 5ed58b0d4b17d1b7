"""A pipeline drawn as text and as Mermaid; `drawing_svg` has the picture. Pure.

    wire ► [ ear ] ► turn ► [ mind ] ► wire

In each slot stages follow one another; taps that stand side by side stand under one another.
"""

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import Final

from pipelines.check import CheckedAssistant
from pipelines.figures import Estimate, StageFigures, estimate
from pipelines.plan import Graph, Parallel, Series, Single

TURN: Final = "the caller's turn"


def as_text(assistant: CheckedAssistant) -> str:
    """The line, a table of its stages, and what they add up to."""
    found, slots = estimate(assistant), assistant.slots
    drawn = f"wire ► [ {_text(slots.ear)} ] ► {TURN} ► [ {_text(slots.mind)} ] ► wire"
    wide = max(len(f"{stage.id} {stage.use}") for stage in found.stages)
    rows = [f"  {f'{one.id} {one.use}':<{wide}}  {_latency(one):>9}  {_cost(one)}" for one in found.stages]
    return "\n".join([f"{title(assistant)}\n  {drawn}", *rows, *(f"  {line}" for line in totals(found))]) + "\n"


def _text(graph: Graph) -> str:
    if isinstance(graph, Single):
        return graph.id
    parts = list(map(_text, graph.parts))
    return " ► ".join(parts) if isinstance(graph, Series) else f"( {' ‖ '.join(parts)} )"


def totals(found: Estimate) -> list[str]:
    """The longest wait and the cost of a turn, in words."""
    longest = f"longest wait: {_seconds(found.total_ms)}"
    parts = f"ear {_seconds(found.ear_ms)}, turn {_seconds(found.wait_ms)}, mind {_seconds(found.mind_ms)}"
    unknown = f"; not known: {', '.join(found.latency_unknown)}" if found.latency_unknown else ""
    cost = f"a turn costs at most: ${found.cost:g}"
    if found.cost_unknown:
        cost = f"a turn costs: ${found.cost:g}, and what {', '.join(found.cost_unknown)} costs, which is not known"
    return [f"{longest} ({parts}{unknown})", cost]


def as_mermaid(assistants: list[CheckedAssistant]) -> str:
    """A flowchart for documents that render Mermaid."""
    lines = ["flowchart LR"]
    for number, assistant in enumerate(assistants):
        figures = {one.id: one for one in estimate(assistant).stages}
        lines.append(f'  subgraph a{number}["{_quoted(title(assistant))}"]')
        names = {name: f"a{number}_{place}" for place, name in enumerate(figures)}
        wire_in, turn, wire_out = f"a{number}_in", f"a{number}_turn", f"a{number}_out"
        lines += [f'    {wire_in}(["wire"])', f'    {turn}[/"{TURN}"/]', f'    {wire_out}(["wire"])']
        for slot, graph in (("ear", assistant.slots.ear), ("mind", assistant.slots.mind)):
            lines.append(f'    subgraph a{number}_{slot}["{slot}"]')
            for name in _names(graph):
                label = "<br/>".join(map(_quoted, (name, *about(figures[name]))))
                lines.append(f'      {names[name]}["{label}"]')
            lines.append("    end")
        whole = Series(
            (Single(-1, "in"), assistant.slots.ear, Single(-1, "turn"), assistant.slots.mind, Single(-1, "out"))
        )
        marks = names | {"in": wire_in, "turn": turn, "out": wire_out}
        lines += [f"    {a} --> {b}" for a, b in _arrows(whole, marks)]
        lines += ["  end", *(f"  %% {line}" for line in totals(estimate(assistant)))]
    return "\n".join(lines) + "\n"


def _names(graph: Graph) -> Iterator[str]:
    if isinstance(graph, Single):
        yield graph.id
    else:
        for part in graph.parts:
            yield from _names(part)


def _arrows(graph: Graph, marks: dict[str, str]) -> Iterator[tuple[str, str]]:
    """From each end of a part to each beginning of the next."""
    if isinstance(graph, Single):
        return
    parts = [part for part in graph.parts if list(_names(part))]
    for part in parts:
        yield from _arrows(part, marks)
    if isinstance(graph, Series):
        for former, following in pairwise(parts):
            yield from ((marks[a], marks[b]) for a in _edge(former, -1) for b in _edge(following, 0))


def _edge(graph: Graph, place: int) -> list[str]:
    if isinstance(graph, Single):
        return [graph.id]
    parts = [part for part in graph.parts if list(_names(part))]
    if isinstance(graph, Parallel):
        return [name for part in parts for name in _edge(part, place)]
    return _edge(parts[place], place)


def _quoted(text: str) -> str:
    """Inside Mermaid's quotes."""
    return escape(text).replace("&#x27;", "#39;")


def title(assistant: CheckedAssistant) -> str:
    """Its name and its numbers."""
    return f"{assistant.spec.name} ({', '.join(assistant.spec.numbers)})"


def about(one: StageFigures) -> tuple[str, str]:
    """What it is, and its figures."""
    return one.use, f"{_latency(one)} · {_cost(one)}"


def _latency(one: StageFigures) -> str:
    if one.latency_ms is None:
        return "? ms"
    return f"≤ {one.latency_ms:g} ms" if one.latency_ms < 1000 else f"≤ {_seconds(one.latency_ms)}"


def _cost(one: StageFigures) -> str:
    return "$?" if one.cost is None else f"${one.cost:g}"


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.3g} s"
